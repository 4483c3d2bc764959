"""What a worker takes for an attempt it gives back; what it notes of its upstreams, and orders it keeps."""

from psycopg_pool import AsyncConnectionPool
from structlog.testing import capture_logs

from gateway.live import Live
from gateway.states.orders import Order, Orders
from gateway.states.standing import FINE, standing
from routing.engine.outcome import WORKED, Fault, Outcome
from routing.engine.snapshot import BreakerRules, Deployment, Provider, Snapshot, Tier

TIER = Tier("free", "Free", "free", 1)
LEFT = Outcome(Fault.CLIENT, "cancelled")
BROKEN = Outcome(Fault.UNHEALTHY, "server_error")
REFUSED = Outcome(Fault.CREDENTIAL, "credential_refused", 401)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def live_and_deployment(limit: int | None = None) -> tuple[Live, Deployment, Clock]:
    clock = Clock()
    provider = Provider(
        "sun", "sun", breaker=BreakerRules(open_after=1, open_for=10), concurrency_limit=limit
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
