"""/status: what is up, degraded and down, for everybody, without a name of a provider; cheap however many ask."""

from collections.abc import Iterator
from datetime import UTC, date, datetime

import httpx
import psycopg
import pytest
from django.db import OperationalError

from gateway.models import Worker
from gateway.state_models import UpstreamState
from gateway.tests.live import LiveGateway, live_gateway
from gateway.traffic.figures import Figures
from rainymodel_site.status.standing import Day, Status, read_status, word_now, worked
from rainymodel_site.status.views import FRESH_SECONDS, Kept, rounded
from rainymodel_site.tests.running import eventually
from routing.models import CatalogueRevision

NOTHING = frozenset[str]()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    with live_gateway("uvicorn", tmp_path_factory.mktemp("status")) as running:
        yield running


def test_everybody_may_know_which_models_work(gateway: LiveGateway):
    body = {"model": "rainymodel/auto", "messages": [{"role": "user", "content": "hi"}]}
    httpx.post(f"{gateway.url}/v1/chat/completions", json=body, headers=gateway.headers())
    with psycopg.connect(gateway.dsn, autocommit=True) as database:
        eventually(
            lambda: database.execute("SELECT sum(requests) FROM gateway_traffic_day").fetchone() == (1,)
        )

    answer = httpx.get(f"{gateway.url}/status")
    (auto,) = [alias for alias in answer.json()["aliases"] if alias["name"] == "rainymodel/auto"]
    today = {"date": datetime.now(UTC).date().isoformat(), "status": "up", "uptime": 100.0}
    assert answer.headers["cache-control"] == f"public, max-age={FRESH_SECONDS:.0f}"
    assert (answer.json()["status"], auto["status"], auto["uptime"]) == ("up", "up", 100.0)
    assert (len(auto["days"]), auto["days"][-1]) == (90, today)
    assert httpx.get(f"{gateway.url}/status/json", headers={"Accept": "text/html"}).json() == answer.json()

    page = httpx.get(f"{gateway.url}/status/", headers={"Accept": "text/html"})
    assert "All models work" in page.text
    for secret in ("sun/", "rain/", "fake/"):
        assert secret not in page.text + answer.text


def entry(name: str, **more: object) -> dict[str, object]:
    """An alias of a document, with one deployment of its own name and one that others have too."""
    routes = [{"deployment": slug, "enabled": True} for slug in (name, "shared")]
    return {"name": name, "enabled": True, "listed": True, "routes": routes, **more}


@pytest.mark.django_db
def test_what_no_worker_asks_any_more_is_missing_from_an_alias():
    now = datetime.now(UTC)
    aliases = [entry("a"), entry("b"), entry("c", listed=False), entry("d-*"), entry("e", enabled=False)]
    deployments = [
        {"slug": slug, "provider": "p", "enabled": slug != "b"} for slug in ("a", "b", "c", "shared")
    ]
    document = {"aliases": aliases, "deployments": deployments, "providers": [{"slug": "p", "enabled": True}]}
    CatalogueRevision.objects.create(number=1, document=document, sha256="", author="ada")
    assert read_status(now).word == "down"  # nobody serves

    workers = [
        Worker.objects.create(hostname="a", number=number, pid=number, started_at=now, heartbeat_at=now)
        for number in (1, 2)
    ]

    def keep_away(worker: Worker, deployment: str) -> None:
        UpstreamState.objects.create(
            worker=worker, deployment=deployment, provider="p", state="open", circuit="open"
        )

    def words() -> dict[str, str]:
        return {alias.name: alias.word for alias in read_status(now).aliases}

    assert words() == {"a": "up", "b": "up"}
    keep_away(workers[0], "shared")
    assert words() == {"a": "up", "b": "up"}  # the other worker still asks it
    keep_away(workers[1], "shared")
    assert words() == {"a": "degraded", "b": "down"}
    assert read_status(now).word == "degraded"


@pytest.mark.parametrize(
    ("routed", "out", "recent", "word"),
    [
        (["a", "b"], NOTHING, Figures(), "up"),
        (["a", "b"], frozenset("a"), Figures(), "degraded"),
        (["a", "b"], frozenset("ab"), Figures(), "down"),
        ([], NOTHING, Figures(), "down"),
        (["a"], NOTHING, Figures(ok=90, upstream_error=10), "degraded"),
        (["a"], NOTHING, Figures(ok=1, upstream_error=9), "down"),
        (["a"], NOTHING, Figures(ok=1, upstream_error=3), "up"),
        (["a"], NOTHING, Figures(ok=90, client_error=90, refused=90, cancelled=90), "up"),
    ],
)
def test_an_alias_is_called_by_what_can_answer_and_what_did(routed, out, recent: Figures, word: str):
    assert word_now(routed, out, recent) == word


def test_a_day_is_called_by_the_share_that_worked():
    today = date(2026, 1, 1)
    words = [Day(today, share).word for share in (1.0, 0.99, 0.989, 0.95, 0.94, None)]
    assert words == ["up", "up", "degraded", "degraded", "down", "unknown"]
    assert worked(Figures(ok=3, truncated=1, client_error=50)) == 0.75
    assert rounded(0.99999) == 99.99


def test_the_status_is_read_once_for_many_and_the_last_one_is_told_while_the_database_is_away():
    now, reads, answers = [100.0], [], [Status("up", (), datetime.now(UTC)), None, None]

    def read() -> Status:
        reads.append(now[0])
        if (found := answers[len(reads) - 1]) is None:
            raise OperationalError
        return found

    kept = Kept(read, lambda: now[0])
    assert [kept.get(), kept.get()] == [answers[0]] * 2
    now[0] += FRESH_SECONDS
    assert [kept.get(), kept.get()] == [answers[0]] * 2
    assert reads == [100.0, 100.0 + FRESH_SECONDS]
