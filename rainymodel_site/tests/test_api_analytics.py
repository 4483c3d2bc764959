"""Figures of the traffic through the API: operators see everything, others what is their own."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from accounts.models import Role
from gateway.log_writer import INSERT, array
from gateway.models import Worker
from gateway.tests.traffic_rows import ago, attempt, no_traffic, row
from rainymodel_site.tests.api_client import MASTER, Api, refused, someone, with_key

pytestmark = pytest.mark.django_db
LISTS = ("providers", "models", "policies", "timeseries", "errors", "fallbacks", "requests")
PATHS = ("overview", "financial", *LISTS)
OPERATORS_ONLY = ("policies", "fallbacks")
KEYS_OF_AN_OVERVIEW = {
    "uptime_s", "total", "ok", "err", "success_pct", "avg_ms", "med_ms", "p95_ms", "p99_ms", "min_ms", "max_ms", "rpm",
    "input_tokens", "output_tokens", "total_tokens", "cost_usd", "providers", "stream_pct",
}  # fmt: skip


@pytest.fixture(autouse=True)
def empty(db: None) -> None:
    no_traffic()


@pytest.fixture
def operator() -> Api:
    return Api(user=someone("root", Role.ADMIN))


def write(*lines: bytes) -> None:
    """As the recorder does, over Django's connection."""
    with connection.cursor() as cursor:
        cursor.execute(INSERT, (array(lines),))


def some_traffic() -> None:
    """Ten requests of a day: seven answered, two failed, one broken off, one of another day."""
    failed = {
        "state": "upstream_error",
        "error_code": "all_upstreams_failed",
        "provider": "",
        "tier": "",
        "total_ms": 9e3,
    }
    tried = [attempt("hf", "timeout"), attempt("openai")]
    paid = {
        "provider": "openai",
        "tier": "premium",
        "cost_usd": Decimal("0.25"),
        "input_tokens": 900,
        "cached_tokens": 100,
        "output_tokens": 50,
        "total_ms": 900.0,
    }
    write(
        *(row(ago(hours=n), total_ms=200.0, stream=n > 2, cost_usd=Decimal(0)) for n in range(5)),
        *(row(ago(hours=n), attempts=tried, fallback_reason="timeout", **paid) for n in range(2)),
        *(row(ago(hours=n), attempts=[attempt("hf", "timeout")], **failed) for n in range(2)),
        row(state="cancelled", attempts=[attempt("hf", "cancelled")]),
        row(ago(hours=30)),
    )  # fmt: skip


def test_an_overview_has_the_figures_of_a_day(operator: Api):
    some_traffic()
    now = datetime.now(UTC)
    Worker.objects.create(hostname="a", pid=1, started_at=now - timedelta(hours=2), heartbeat_at=now)
    Worker.objects.create(
        hostname="b", pid=2, started_at=now - timedelta(days=9), heartbeat_at=now - timedelta(hours=1)
    )

    told = operator.get("analytics/overview").json()

    assert set(told) >= KEYS_OF_AN_OVERVIEW
    assert (told["total"], told["ok"], told["err"], told["cancelled"]) == (10, 7, 2, 1)
    assert (told["success_pct"], told["stream_pct"], told["providers"]) == (77.77, 20.0, 2)
    assert (told["min_ms"], told["max_ms"], told["avg_ms"]) == (200.0, 900.0, 400.0)
    assert told["med_ms"] == pytest.approx(200, rel=0.123) and told["p99_ms"] == pytest.approx(900, rel=0.123)
    assert (told["input_tokens"], told["output_tokens"], told["total_tokens"]) == (2000, 100, 2100)
    assert (told["cost_usd"], told["rpm"]) == (0.5, round(10 / (24 * 60), 3))
    assert 7200 <= told["uptime_s"] < 7300


def test_a_request_is_told_of_as_soon_as_it_is_written(operator: Api):
    assert operator.get("analytics/overview/").json()["total"] == 0
    write(row())
    assert operator.get("analytics/overview/").json()["total"] == 1


def test_nothing_to_measure_is_null_and_not_zero(operator: Api):
    told = operator.get("analytics/overview").json()

    assert [told[name] for name in ("success_pct", "avg_ms", "med_ms", "min_ms", "stream_pct")] == [None] * 5
    assert (told["total"], told["cost_usd"], told["uptime_s"]) == (0, 0.0, 0)


@pytest.mark.parametrize(
    ("query", "total"), [("hours=48", 11), ("window=2d", 11), ("window=90m", 7), ("hours=0.5", 4)]
)
def test_the_window_can_be_chosen(operator: Api, query: str, total: int):
    some_traffic()

    assert operator.get(f"analytics/overview?{query}").json()["total"] == total


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("hours=0", "hours"),
        ("hours=x", "hours"),
        ("window=3w", "window"),
        ("window=401d", "window"),
        ("days=1", "days"),
    ],
)
def test_a_window_that_makes_no_sense_is_refused(operator: Api, query: str, param: str):
    answer = operator.get(f"analytics/models?{query}")

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


def test_each_list_says_its_own(operator: Api):
    some_traffic()
    lists = {name: operator.get(f"analytics/{name}").json()["data"] for name in LISTS}

    providers = {each["name"]: each for each in lists["providers"]}
    assert (providers["hf"]["ok"], providers["hf"]["failed"], providers["hf"]["availability_pct"]) == (
        5,
        4,
        55.55,
    )
    assert (providers["openai"]["ok"], providers["openai"]["cost_usd"]) == (2, 0.5)
    assert [(each["name"], each["total"]) for each in lists["models"]] == [("rainymodel/auto", 10)]
    assert [(each["name"], each["total"]) for each in lists["policies"]] == [("auto", 10)]
    assert sum(each["total"] for each in lists["timeseries"]) >= 10
    error = {
        "state": "upstream_error",
        "error": "all_upstreams_failed",
        "provider": "",
        "model": "rainymodel/auto",
        "count": 2,
    }
    assert lists["errors"] == [error]
    assert {(each["reason"], each["next_provider"], each["count"]) for each in lists["fallbacks"]} == {
        ("timeout", "openai", 2),
        ("timeout", "", 2),
    }
    assert len(lists["requests"]) == 11 and lists["requests"][0]["id"] > lists["requests"][-1]["id"]


def test_costs_are_told_by_what_they_were_for(operator: Api):
    some_traffic()
    told = operator.get("analytics/financial").json()

    assert (told["cost_usd"], told["unpriced"], told["total_tokens"]) == (0.5, 3, 2100)
    assert (told["providers"][0]["name"], told["providers"][0]["cost_usd"]) == ("openai", 0.5)
    assert {each["name"] for each in told["tiers"]} == {"premium", "free", ""}
    assert {"premium_model", "premium_usd", "saved_usd"} <= set(told)


def test_a_series_is_split_by_what_was_asked(operator: Api):
    some_traffic()
    told = operator.get("analytics/timeseries?by=state&step=day&window=2d").json()

    assert told["step"] == "day"
    assert {each["name"] for each in told["data"]} == {"ok", "upstream_error", "cancelled"}
    assert all(each["at"].endswith("T00:00:00Z") for each in told["data"])


def test_a_person_sees_what_is_their_own():
    api, key = with_key(someone())
    write(row(user_id=str(key.owner_id), key_id=str(key.pk)), row(user_id="999"), row(user_id="999"))

    assert api.get("analytics/overview").json()["total"] == 1
    assert [each["total"] for each in api.get("analytics/providers").json()["data"]] == [1]
    assert len(api.get("analytics/requests").json()["data"]) == 1
    assert api.get("analytics/financial").json()["saved_usd"] is None
    assert api.get("analytics/timeseries").json()["data"][0]["total"] == 1
    refused(api.get("analytics/timeseries?by=policy"), 400, "invalid_value", "by")
    refused(api.get("analytics/timeseries?step=minute"), 400, "invalid_value", "step")
    refused(api.get("analytics/overview?user=root"), 403, "operators_only")


def test_an_operator_asks_about_one_person(operator: Api):
    ada = someone()
    write(row(user_id=str(ada.pk)), row(user_id="999"))

    assert operator.get("analytics/overview?user=ada").json()["total"] == 1
    refused(operator.get("analytics/overview?user=nobody"), 400, "user_not_found", "user")


@pytest.mark.parametrize("path", PATHS)
def test_the_master_key_sees_everything_with_and_without_a_slash(path: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RAINYMODEL_MASTER_KEY", MASTER)
    some_traffic()

    one, other = Api(MASTER).get(f"analytics/{path}"), Api(MASTER).get(f"analytics/{path}/")

    assert (one.status_code, other.status_code) == (200, 200)
    assert set(one.json()) == set(other.json())
    refused(Api().get(f"analytics/{path}"), 401, "missing_api_key")
    refused(Api().get(f"analytics/{path}?api_key={MASTER}"), 400, "key_in_url")


@pytest.mark.parametrize("path", PATHS)
def test_what_concerns_all_is_for_operators(path: str):
    answer = Api(user=someone("dora", Role.DEVELOPER)).get(f"analytics/{path}")

    assert answer.status_code == (403 if path in OPERATORS_ONLY else 200)


def test_a_key_of_the_environment_sees_its_own(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RAINYMODEL_API_KEYS", "sk-rm-of-the-environment-0123456789")
    write(row(user_id="999"))

    assert Api("sk-rm-of-the-environment-0123456789").get("analytics/overview").json()["total"] == 0


def test_the_reference_has_all_of_it(operator: Api):
    paths: dict[str, Any] = operator.get("schema/").json()["paths"]

    assert {f"/api/analytics/{path}/" for path in PATHS} <= set(paths)
