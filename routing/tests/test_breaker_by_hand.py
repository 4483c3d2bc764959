"""What an operator does to a deployment's breaker, and what becomes of attempts that are under way meanwhile."""

from routing.engine.health import OPERATOR, Health
from routing.engine.outcome import WORKED, Fault, Outcome
from routing.tests.catalogue import deployment, provider

SHARED = provider("shared")
SUN, RAIN = deployment("sun", at=SHARED), deployment("rain", at=SHARED)
DOWN = Outcome(Fault.UNHEALTHY, "server_error", 500)
FREE = ("", 0.0)


def broken(health: Health, at: float) -> Health:
    for _ in range(3):
        health = health.after(SUN, DOWN, now=at)
    return health


def test_opened_by_hand_it_is_skipped_until_then_and_probed_afterwards():
    health = Health().opened_by_operator(SUN, 100.0)

    assert health.skip_reason(SUN, 40.0) == ("circuit_open", 60.0)
    assert health.skip_reason(RAIN, 40.0) == FREE
    assert health.after(SUN, WORKED, now=50.0).skip_reason(SUN, 50.0) == ("circuit_open", 50.0)
    assert health.states["sun"].circuit(100.0) == "half_open"
    assert health.claim(SUN, 100.0).claim(SUN, 100.0) is None


def test_a_probe_under_way_when_an_operator_opens_does_not_close_it_again():
    probing = broken(Health(), at=0.0).claim(SUN, 5.0).opened_by_operator(SUN, 100.0)

    assert probing.after(SUN, WORKED, now=6.0).skip_reason(SUN, 6.0) == ("circuit_open", 94.0)


def test_closed_by_hand_nothing_keeps_it_away_not_even_its_providers_hold():
    health = broken(Health(), at=0.0).after(RAIN, Outcome(Fault.QUOTA, "quota_exhausted", 402), now=0.0)

    assert health.closed_by_operator(SUN) == Health(first_content=health.first_content)


def test_held_by_hand_it_waits_and_no_success_frees_it():
    health = Health().held_by_operator(SUN, 100.0)

    assert health.skip_reason(SUN, 10.0) == ("held", 90.0)
    assert health.held_for(SUN) == OPERATOR
    assert health.after(SUN, WORKED, now=20.0).skip_reason(SUN, 20.0) == ("held", 80.0)
    assert health.held_by_operator(SUN, 50.0) is health
    assert health.last_chance([SUN], 10.0) is None


def test_half_opened_by_hand_one_request_probes_and_two_successes_close():
    for health in (Health(), broken(Health(), at=0.0)):
        half = health.half_open(SUN, 1.0)
        probing = half.claim(SUN, 1.0)
        assert half.skip_reason(SUN, 1.0) == FREE
        assert probing.skip_reason(SUN, 1.0)[0] == "circuit_open"

        for now in (1.5, 2.0):
            half = half.claim(SUN, now).after(SUN, WORKED, now=now).release(SUN)
        assert half.states == {}


def test_half_opening_does_not_take_the_probe_from_who_has_it():
    probing = broken(Health(), at=0.0).half_open(SUN, 1.0).claim(SUN, 1.0)

    assert probing.half_open(SUN, 1.1) is probing


def test_a_probe_that_others_overtook_keeps_its_place_until_it_is_back():
    probing = broken(Health(), at=0.0).claim(SUN, 5.0)
    overtaken = probing.after(SUN, WORKED, now=5.1).after(SUN, WORKED, now=5.2)  # both sent before it opened
    assert overtaken.skip_reason(SUN, 5.2) == FREE

    again = broken(overtaken, at=6.0)
    assert again.claim(SUN, 20.0) is None
    assert again.release(SUN).claim(SUN, 20.0) is not None
