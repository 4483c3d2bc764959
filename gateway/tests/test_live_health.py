"""What a worker takes for an attempt it gives back, whatever the attempt came to."""

from gateway.live import Live
from routing.engine.outcome import WORKED, Fault, Outcome
from routing.engine.snapshot import BreakerRules, Deployment, Provider, Tier

TIER = Tier("free", "Free", "free", 1)
LEFT = Outcome(Fault.CLIENT, "cancelled")
BROKEN = Outcome(Fault.UNHEALTHY, "server_error")


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
