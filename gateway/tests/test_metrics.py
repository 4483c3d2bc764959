"""Figures for Prometheus: what was counted is what the log says, workers answer for each other, nothing falls."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.log_rows import LogEntry
from gateway.metrics.counts import Counts
from gateway.metrics.exposition import Figures, text
from gateway.metrics.shelf import Shelf
from gateway.metrics.worker import added
from gateway.record import utc_now
from gateway.tests.live import PROJECT, LiveGateway, live_gateway

TOKEN = "a-token-for-the-scraper"
NAME = re.compile(r"rainymodel_\w+")


def entry(**known: object) -> LogEntry:
    """A finished request."""
    usual = {
        "alias": "chat",
        "provider": "sun",
        "deployment": "sun/ok",
        "state": "ok",
        "endpoint": "/v1/chat/completions",
    }
    return LogEntry("id", utc_now(), **{**usual, **known})  # type: ignore[arg-type]


def samples(body: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample of an exposition by name and labels."""
    return {
        (one.name, frozenset(one.labels.items())): one.value
        for family in text_string_to_metric_families(body)
        for one in family.samples
    }


def total(body: str, name: str, **labels: str) -> float:
    """The sum of a metric's samples that have these labels."""
    wanted = set(labels.items())
    return sum(value for (found, has), value in samples(body).items() if found == name and wanted <= has)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    with live_gateway(
        "uvicorn", tmp_path_factory.mktemp("metrics"), RAINYMODEL_METRICS_TOKEN=TOKEN
    ) as running:
        yield running


def scrape(gateway: LiveGateway, token: str = TOKEN, **headers: str) -> httpx.Response:
    return httpx.get(f"{gateway.url}/metrics", headers={"Authorization": f"Bearer {token}", **headers})


def ask(gateway: LiveGateway, model: str, **more: object) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}], **more}
    return httpx.post(f"{gateway.url}/v1/chat/completions", json=body, headers=gateway.headers(), timeout=30)


def test_what_prometheus_reads_is_what_the_log_says(gateway: LiveGateway):
    before = scrape(gateway).text
    assert ask(gateway, "rainymodel/auto").status_code == 200
    assert ask(gateway, "rainymodel/auto", stream=True).text.endswith("data: [DONE]\n\n")
    failed = ask(gateway, "lone/error_after:pause=0.05")
    row = gateway.row(failed.headers["x-request-id"])
    after = scrape(gateway).text

    def grown(name: str, **labels: str) -> float:
        return total(after, name, **labels) - total(before, name, **labels)

    assert grown("rainymodel_requests_total", alias="rainymodel/auto", state="ok") == 2
    assert grown("rainymodel_requests_total", alias="rainymodel/auto", stream="true") == 1
    assert (
        grown("rainymodel_requests_total", alias=row["alias"], state=row["state"], code=row["error_code"])
        == 1
    )
    assert grown("rainymodel_duration_seconds_count", alias="rainymodel/auto") == 2
    assert grown("rainymodel_overhead_seconds_count") == 3
    assert grown("rainymodel_attempts_total", deployment=row["attempts"][0]["deployment"]) == 1
    assert grown("rainymodel_errors_total", status=str(failed.status_code)) == 1
    assert grown("rainymodel_tokens_total", kind="output") > 0
    assert total(after, "rainymodel_worker_ready") == 1
    assert total(after, "rainymodel_worker_revision") == 1


@pytest.mark.parametrize(("token", "status"), [("wrong", 401), (TOKEN[:-1], 401), (TOKEN, 200)])
def test_the_figures_are_behind_a_token(gateway: LiveGateway, token: str, status: int):
    assert scrape(gateway, token).status_code == status


def test_open_metrics_are_told_to_those_who_ask_for_them(gateway: LiveGateway):
    answer = scrape(gateway, Accept="application/openmetrics-text; version=1.0.0")
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


def test_buckets_are_cumulative_and_a_limit_belongs_to_its_bucket():
    told = Counts()
    for milliseconds in (100, 101, 5_000_000):
        told.request(entry(total_ms=float(milliseconds)))
    body = text(Figures(told, {}, "1"), "")[0].decode()

    buckets = [
        total(body, "rainymodel_duration_seconds_bucket", le=le) for le in ("0.1", "0.25", "640", "+Inf")
    ]
    assert buckets == [1, 2, 2, 3]
    assert total(body, "rainymodel_duration_seconds_sum") == pytest.approx(5000.201)


def test_series_without_end_are_counted_together():
    told = Counts(most=3)
    for number in range(10):
        told.error(500, f"code {number}")
    assert sum(row[0] for row in told.families["errors"].values()) == 10
    assert len(told.families["errors"]) == 4


def test_a_policy_that_nobody_knows_makes_no_series():
    told = Counts()
    for number in range(10):
        told.request(entry(alias="", policy=f"policy {number}", state="client_error"))
    assert [labels[1] for labels in told.families["requests"]] == [""]


def test_figures_of_another_version_are_left_out():
    told = Counts()
    told.add(
        {
            "errors": [[["500", "x"], [2]], [["500"], [9]], [["500", "y"], [9, 9]]],
            "unheard_of": [[["a"], [9]]],
        }
    )
    assert told.document()["errors"] == [(("500", "x"), [2])]


def test_what_a_dead_worker_counted_stays_and_is_added_once(tmp_path: Path):
    dead, living = Shelf(tmp_path, "dead"), Shelf(tmp_path, "living")
    dead.open()
    living.open()
    told = Counts()
    told.error(500, "x")
    dead.write({"counts": told.document()})
    assert [lives for _, lives in living.others()] == [True]
    living.fold(added)  # nobody is dead yet
    assert (tmp_path / "dead.json").exists()

    dead.close()
    left = (tmp_path / "dead.json").read_bytes()
    living.fold(added)
    (tmp_path / "dead.json").write_bytes(left)  # as if the one who buried it had died in between
    (tmp_path / "dead.lock").touch()
    living.fold(added)

    ((gone, lives),) = living.others()
    assert (gone["counts"]["errors"], lives) == ([[["500", "x"], [1]]], False)
    assert not (tmp_path / "dead.json").exists()


def test_a_directory_that_takes_nothing_leaves_each_worker_its_own_figures(tmp_path: Path):
    (tmp_path / "file").touch()
    shelf = Shelf(tmp_path / "file", "a")
    shelf.open()
    shelf.write({"counts": {}})
    shelf.fold(added)
    shelf.close()
    assert list(shelf.others()) == []


def test_the_dashboard_asks_for_metrics_that_exist(gateway: LiveGateway):
    dashboard = json.loads((PROJECT / "docs/monitoring/grafana.json").read_text())
    asked = {
        name
        for panel in dashboard["panels"]
        for one in panel["targets"]
        for name in NAME.findall(one["expr"])
    }
    kinds = ("_total", "_bucket", "")
    told = {
        f"{family.name}{kind}"
        for family in text_string_to_metric_families(scrape(gateway).text)
        for kind in kinds
    }
    assert len(asked) > 15
    assert asked <= told
