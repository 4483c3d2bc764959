"""What a worker takes for an attempt it gives back; what it notes of its upstreams, and orders it keeps."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from psycopg_pool import AsyncConnectionPool
from structlog.testing import capture_logs

from gateway.live import Live
from gateway.states.orders import Order, Orders
from gateway.states.standing import FINE, standing
from gateway.upstream.classify import seconds_to_probe
from routing.engine.outcome import WORKED, Fault, Outcome
from routing.engine.snapshot import BreakerRules, Deployment, Provider, Snapshot, Tier

TIER = Tier("free", "Free", "free", 1)
LEFT = Outcome(Fault.CLIENT, "cancelled")
BROKEN = Outcome(Fault.UNHEALTHY, "server_error")
USED_UP = Outcome(Fault.QUOTA, "quota_exhausted", 402)
REFUSED = Outcome(Fault.CREDENTIAL, "credential_refused", 401)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def live_and_deployment(
    limit: int | None = None, quota_window: str | None = None
) -> tuple[Live, Deployment, Clock]:
    clock = Clock()
    provider = Provider(
        "sun",
        "sun",
        breaker=BreakerRules(open_after=1, open_for=10),
        concurrency_limit=limit,
        quota_window=quota_window,
    )
    return Live(clock, lambda: 1.0), Deployment("sun/ok", provider, "ok", TIER), clock


def test_a_concurrency_slot_is_given_back_after_success_failure_and_departure():
    live, deployment, _ = live_and_deployment(limit=1)
    for outcome in (WORKED, LEFT):
        probe = live.begin(deployment)
        assert live.health.skip_reason(deployment, 100.0)[0] == "busy"
        live.end(deployment, outcome, probe=probe)
        assert live.health.skip_reason(deployment, 100.0)[0] == ""


def test_the_probe_of_a_half_open_circuit_is_one_and_is_given_back():
    live, deployment, clock = live_and_deployment()
    live.end(deployment, BROKEN, probe=live.begin(deployment))
    assert live.health.skip_reason(deployment, clock.now)[0] == "circuit_open"
    clock.now += 11
    probe = live.begin(deployment)
    assert probe
    assert live.health.skip_reason(deployment, clock.now)[0] == "circuit_open"
    live.end(deployment, LEFT, probe=probe)

    assert live.health.skip_reason(deployment, clock.now)[0] == ""


def test_a_late_probe_leaves_the_one_that_began_after_an_operators_order():
    live, deployment, clock = live_and_deployment()
    live.end(deployment, BROKEN, probe=live.begin(deployment))
    clock.now += 11
    late = live.begin(deployment)
    live.open(deployment, clock.now + 5)
    clock.now += 6
    newer = live.begin(deployment)
    assert late and newer

    live.end(deployment, LEFT, probe=late)
    assert live.health.skip_reason(deployment, clock.now)[0] == "circuit_open"

    live.end(deployment, LEFT, probe=newer)
    assert live.health.skip_reason(deployment, clock.now)[0] == ""


@pytest.mark.fault("U16")
@pytest.mark.parametrize(("window", "longest"), [(None, 900), ("day", 3600), ("month", 3600)])
def test_a_used_up_quota_holds_for_the_providers_window_where_the_upstream_names_none(
    window: str | None, longest: int
):
    live, deployment, clock = live_and_deployment(quota_window=window)
    before = None if window is None else seconds_to_probe(datetime.now(UTC), window)

    live.note(deployment, USED_UP)

    reason, seconds = live.health.skip_reason(deployment, clock.now)
    assert reason == "held"
    assert seconds <= longest
    assert seconds == pytest.approx(before or 900, abs=5)

    told, _, _ = live_and_deployment(quota_window=window)
    told.note(deployment, replace(USED_UP, retry_after=40.0))
    assert told.health.skip_reason(deployment, clock.now) == ("held", pytest.approx(40.0))


@pytest.mark.fault("U16")
@pytest.mark.parametrize(
    ("window", "moment", "seconds"),
    [
        ("day", datetime(2026, 11, 30, 9, tzinfo=UTC), 3600),
        ("day", datetime(2026, 11, 29, 23, 50, tzinfo=UTC), 600),
        ("month", datetime(2026, 11, 29, 23, 50, tzinfo=UTC), 3600),
        ("month", datetime(2026, 12, 31, 23, 50, tzinfo=UTC), 600),
        ("month", datetime(2028, 2, 29, 23, 59, 59, 900_000, tzinfo=UTC), 1),
    ],
    ids=str,
)
def test_credits_are_asked_for_once_an_hour_and_when_their_window_ends(
    window: str, moment: datetime, seconds: float
):
    assert seconds_to_probe(moment, window) == seconds


def test_two_good_probes_close_the_circuit():
    live, deployment, clock = live_and_deployment()
    live.end(deployment, BROKEN, probe=live.begin(deployment))
    clock.now += 11
    for _ in range(2):
        live.end(deployment, WORKED, probe=live.begin(deployment))

    assert live.health.states == {}


def test_every_change_is_counted_and_logged_once():
    live, deployment, clock = live_and_deployment()

    with capture_logs() as lines:
        live.end(deployment, BROKEN, probe=live.begin(deployment))
        live.note(deployment, BROKEN)
        clock.now += 11
        live.changes.sweep(live.health, {deployment.slug: deployment}, clock.now)
        for _ in range(2):
            live.end(deployment, WORKED, probe=live.begin(deployment))

    told = [(line["from"], line["to"], line["word"]) for line in lines]
    assert told == [
        ("closed", "open", "server_error"),
        ("open", "half_open", "time"),
        ("half_open", "closed", "worked"),
    ]
    assert lines[0]["seconds"] == 10.0
    assert live.changes.tracks["sun/ok"].opened == 1


def test_an_order_without_an_end_outlasts_successes_and_days():
    live, deployment, clock = live_and_deployment()
    orders = keeping(live, deployment, clock, Order(1, "open", "sun/ok", "", None))

    for _ in range(10):
        clock.now += 40_000
        orders.keep(live, served(deployment), clock.now)
        live.end(deployment, WORKED, probe=live.begin(deployment))
        orders.keep(live, served(deployment), clock.now)

        assert live.health.skip_reason(deployment, clock.now)[0] == "circuit_open"


def test_an_order_about_what_is_not_here_yet_waits_for_it():
    live, deployment, clock = live_and_deployment()
    orders = keeping(live, None, clock, Order(1, "hold", "", "sun", clock.now + 900))

    orders.keep(live, served(deployment), clock.now)

    assert live.health.held_for(deployment) == "operator"


def test_a_release_ends_an_order_and_an_end_that_has_come_ends_it_too():
    live, deployment, clock = live_and_deployment()
    orders = keeping(live, deployment, clock, Order(1, "hold", "", "sun", None))
    assert live.health.skip_reason(deployment, clock.now)[0] == "held"

    orders.take([Order(2, "release", "", "sun", None)], live, served(deployment))
    orders.keep(live, served(deployment), clock.now)
    assert live.health.skip_reason(deployment, clock.now)[0] == ""

    orders.take([Order(3, "hold", "", "sun", clock.now + 60)], live, served(deployment))
    orders.keep(live, served(deployment), clock.now)
    clock.now += 61
    orders.keep(live, served(deployment), clock.now)
    assert live.health.skip_reason(deployment, clock.now)[0] == ""


def test_a_refused_credential_is_told_as_a_hold_of_the_whole_provider():
    live, deployment, clock = live_and_deployment()
    assert standing(live.health, deployment, clock.now) == FINE

    live.note(deployment, REFUSED)

    found = standing(live.health, deployment, clock.now)
    assert (found.state, found.hold, found.whole_provider) == ("held", "credential_refused", True)


def keeping(live: Live, deployment: Deployment | None, clock: Clock, order: Order) -> Orders:
    """A worker that has taken up this order, and knows this deployment or none."""
    orders = Orders(AsyncConnectionPool(open=False))
    orders.take([order], live, served(deployment))
    orders.keep(live, served(deployment), clock.now)
    return orders


def served(deployment: Deployment | None) -> Snapshot:
    known = {} if deployment is None else {deployment.slug: deployment}
    return Snapshot(1, {}, {}, known, {}, (), {})
