"""What one worker learns from outcomes: circuits, holds, busy providers, and when each of them ends."""

from dataclasses import replace

import pytest

from routing.engine.circuit import State
from routing.engine.health import Health
from routing.engine.outcome import WORKED, Fault, Outcome
from routing.engine.plan import plan
from routing.engine.query import Query
from routing.engine.snapshot import BreakerRules
from routing.tests.catalogue import alias, deployment, names, provider, reasons, snapshot

SUN, RAIN, SNOW = (deployment(slug) for slug in ("sun", "rain", "snow"))
CATALOGUE = snapshot(alias("m", SUN, RAIN, SNOW))
DOWN = Outcome(Fault.UNHEALTHY, "connection_error")
NEVER_HEARD_OF = ("", 0.0)


def throttled(retry_after=None):
    return Outcome(Fault.THROTTLED, "rate_limited", 429, retry_after)


def quota(retry_after=None):
    return Outcome(Fault.QUOTA, "quota_exhausted", 402, retry_after)


def broken(*deployments, at=0.0, health=None, times=3):
    """The health after these deployments failed often enough to open."""
    health = health or Health()
    for one in deployments:
        for _ in range(times):
            health = health.after(one, DOWN, now=at)
    return health


def planned(health, now):
    return plan(CATALOGUE, Query("m"), health, now=now, draw=0.0)


@pytest.mark.fault("U08")
def test_a_rate_limited_deployment_is_skipped_until_its_hold_ends():
    health = Health().after(SUN, throttled(30), now=100.0)

    assert names(planned(health, 110.0)) == ["rain", "snow"]
    assert reasons(planned(health, 110.0)) == {"sun": "held"}
    assert names(planned(health, 130.0)) == ["sun", "rain", "snow"]


def test_a_circuit_opens_after_three_failures_in_a_row():
    assert names(planned(broken(SUN, times=2), 0.0)) == ["sun", "rain", "snow"]
    assert reasons(planned(broken(SUN), 0.0)) == {"sun": "circuit_open"}
    assert broken(SUN).skip_reason(SUN, 1.0) == ("circuit_open", 4.0)


def test_a_success_in_between_starts_the_count_anew():
    health = broken(SUN, times=2).after(SUN, WORKED, now=0.0)

    assert broken(SUN, health=health, times=2).skip_reason(SUN, 0.0) == NEVER_HEARD_OF
    assert broken(SUN, health=health, times=3).skip_reason(SUN, 0.0)[0] == "circuit_open"


def test_the_provider_says_how_many_failures_and_for_how_long():
    strict = deployment("strict", at=provider("p", breaker=BreakerRules(open_after=1, open_for=60.0)))

    assert Health().after(strict, DOWN, now=0.0).skip_reason(strict, 0.0) == ("circuit_open", 60.0)


def test_jitter_shortens_the_time_a_circuit_stays_open():
    health = broken(SUN, times=2).after(SUN, DOWN, now=0.0, draw=0.5)

    assert health.skip_reason(SUN, 0.0) == ("circuit_open", 2.5)


def test_failures_that_arrive_while_a_circuit_is_open_change_nothing():
    assert broken(SUN, times=200) == broken(SUN)
    assert broken(SUN).after(SUN, DOWN, now=4.9) == broken(SUN)


def test_a_half_open_circuit_lets_one_probe_through_at_a_time():
    health = broken(SUN)
    claimed = health.claim(SUN, now=5.0)

    assert health.skip_reason(SUN, 5.0) == NEVER_HEARD_OF
    assert claimed.skip_reason(SUN, 5.0)[0] == "circuit_open"
    assert claimed.claim(SUN, now=5.0) is None
    assert claimed.release(SUN).claim(SUN, now=5.0) is not None


def test_two_successful_probes_close_a_circuit_and_leave_no_trace():
    once = broken(SUN).claim(SUN, now=5.0).after(SUN, WORKED, now=5.1).release(SUN)
    assert once.states["sun"].circuit(5.1) == "half_open"

    twice = once.claim(SUN, now=5.2).after(SUN, WORKED, now=5.3).release(SUN)
    assert twice.states == {}
    assert twice.claim(SUN, now=5.4) is twice


def test_each_failed_probe_doubles_the_time_up_to_five_minutes():
    health, now, pauses = broken(SUN), 0.0, []
    for _ in range(8):
        wait = health.skip_reason(SUN, now)[1]
        pauses.append(wait)
        now += wait
        health = health.claim(SUN, now).after(SUN, DOWN, now=now).release(SUN)

    assert pauses == [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0]


def test_a_closed_circuit_starts_again_with_the_short_time():
    health = broken(SUN).after(SUN, DOWN, now=5.0)
    assert health.skip_reason(SUN, 5.0) == ("circuit_open", 10.0)

    for _ in range(2):
        health = health.after(SUN, WORKED, now=15.0)
    assert broken(SUN, health=health, at=16.0).skip_reason(SUN, 16.0) == ("circuit_open", 5.0)


def test_answers_to_requests_sent_before_the_circuit_opened_do_not_close_it():
    health = broken(SUN)
    for _ in range(3):
        health = health.after(SUN, WORKED, now=1.0)

    assert health.skip_reason(SUN, 1.0) == ("circuit_open", 4.0)


def test_a_probe_that_never_comes_back_is_given_up_after_its_time_limit():
    claimed = broken(SUN).claim(SUN, now=10.0)

    assert claimed.claim(SUN, now=10.0 + SUN.limits.total - 1) is None
    assert claimed.claim(SUN, now=10.0 + SUN.limits.total) is not None


def test_when_every_circuit_is_open_the_one_closest_to_its_probe_may_be_tried_by_one_request():
    health = broken(SNOW, health=broken(RAIN, at=1.0, health=broken(SUN, at=2.0)), at=0.5)
    assert names(planned(health, 2.0)) == ["snow"]

    taken = health.claim(SNOW, now=2.0)
    assert names(planned(taken, 2.0)) == []
    assert {one.skip for one in planned(taken, 2.0).candidates} == {"circuit_open"}


def test_a_failed_last_chance_gives_the_next_deployment_its_turn():
    health = broken(SUN, RAIN, SNOW, at=0.0)
    turns = []
    for step in range(6):
        now = 0.55 + step / 10
        (slug,) = names(planned(health, now))
        turns.append(slug)
        one = CATALOGUE.deployments[slug]
        health = health.claim(one, now).after(one, DOWN, now=now).release(one)

    assert turns == ["sun", "rain", "snow"] * 2
    assert health.skip_reason(SNOW, 1.05) == ("circuit_open", 5.0)  # put off by the same time, not doubled


def test_a_last_chance_that_works_brings_the_deployment_back_at_once():
    health = broken(SUN, RAIN, SNOW)
    once = health.claim(SUN, 1.0).after(SUN, WORKED, now=1.0).release(SUN)
    twice = once.claim(SUN, 1.1).after(SUN, WORKED, now=1.1).release(SUN)

    assert once.skip_reason(SUN, 1.0) == NEVER_HEARD_OF
    assert names(planned(twice, 1.2)) == ["sun"]
    assert "sun" not in twice.states


def test_a_failed_last_chance_does_not_shorten_the_time_a_circuit_stays_open():
    health = broken(SUN).claim(SUN, 1.0).after(SUN, DOWN, now=1.0, draw=0.1).release(SUN)

    assert health.skip_reason(SUN, 1.0) == ("circuit_open", 4.0)


def test_a_held_deployment_is_nobodys_last_chance():
    health = broken(SUN, RAIN).after(SNOW, throttled(300), now=0.0).after(SUN, throttled(300), now=0.0)

    assert names(planned(health, 1.0)) == ["rain"]


@pytest.mark.fault("U09")
@pytest.mark.parametrize(("hint", "seconds"), [(7, 7), (0, 1), (-5, 1), (99_999, 300)])
def test_a_throttle_hint_is_followed_within_one_second_and_five_minutes(hint, seconds):
    assert Health().after(SUN, throttled(hint), now=10.0).skip_reason(SUN, 10.0) == ("held", seconds)


@pytest.mark.fault("U10")
def test_throttles_without_a_hint_hold_for_twice_as_long_each_time():
    health, now, pauses = Health(), 0.0, []
    for _ in range(10):
        health = health.after(SUN, throttled(), now=now)
        pauses.append(health.skip_reason(SUN, now)[1])
        now += pauses[-1]

    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]


def test_a_burst_of_throttles_counts_as_one():
    health = Health()
    for _ in range(50):
        health = health.after(SUN, throttled(), now=0.0)

    assert health.skip_reason(SUN, 0.0) == ("held", 1.0)


def test_a_new_hold_never_shortens_an_older_one():
    for first, second in ((throttled(200), throttled(2)), (quota(5_000), quota(5))):
        health = Health().after(SUN, first, now=0.0)
        assert health.after(SUN, second, now=1.0).skip_reason(SUN, 1.0)[1] == first.retry_after - 1


def test_a_success_after_a_hold_forgets_it_and_one_during_it_does_not():
    health = Health().after(SUN, throttled(30), now=0.0)

    assert health.after(SUN, WORKED, now=10.0).skip_reason(SUN, 10.0) == ("held", 20.0)
    assert health.after(SUN, WORKED, now=31.0).states == {}


def test_a_refused_credential_holds_the_whole_provider_and_nobody_else():
    shared = provider("shared")
    one, two = deployment("one", at=shared), deployment("two", at=shared)
    health = Health().after(one, Outcome(Fault.CREDENTIAL, "credential_refused", 401), now=0.0)

    assert health.skip_reason(two, 0.0) == ("held", 300.0)
    assert health.skip_reason(SUN, 0.0) == NEVER_HEARD_OF
    assert health.holds["shared"].word == "credential_refused"
    assert health.after(two, WORKED, now=301.0).quiet


@pytest.mark.parametrize(("hint", "seconds"), [(None, 900.0), (36_000, 36_000.0), (10**9, 86_400.0)])
def test_a_used_up_quota_holds_the_provider_until_its_window_ends(hint, seconds):
    shared = provider("shared")
    one, two = deployment("one", at=shared), deployment("two", at=shared)

    assert Health().after(one, quota(hint), now=0.0).skip_reason(two, 0.0) == ("held", seconds)


def test_a_missing_model_holds_the_deployment_and_not_its_provider():
    shared = provider("shared")
    one, two = deployment("one", at=shared), deployment("two", at=shared)
    health = Health().after(one, Outcome(Fault.CONFIGURATION, "configuration", 404), now=0.0)

    assert health.skip_reason(one, 0.0) == ("held", 300.0)
    assert health.skip_reason(two, 0.0) == NEVER_HEARD_OF
    assert health.states["one"] == State(held_until=300.0, held_for="configuration", held_model=one.model)


@pytest.mark.parametrize("fault", [Fault.CAPABILITY, Fault.TOO_LONG, Fault.REQUEST, Fault.CLIENT])
def test_what_is_not_the_upstreams_fault_leaves_its_health_as_it_was(fault):
    for health in (Health(), broken(SUN), broken(SUN, times=2)):
        assert health.after(SUN, Outcome(fault, "word", first_content=1.0), now=6.0) is health


def test_a_success_of_a_healthy_deployment_changes_nothing():
    health = Health()

    assert health.after(SUN, WORKED, now=0.0) is health


def test_the_time_to_first_content_is_smoothed():
    health = Health()
    for seconds in (1.0, 2.0):
        health = health.after(SUN, Outcome(Fault.NONE, first_content=seconds), now=0.0)

    assert health.first_content == {"sun": pytest.approx(1.2)}
    assert health.quiet


def test_a_full_provider_is_skipped_until_one_of_its_attempts_ends():
    small = provider("small", concurrency_limit=2)
    one, two = deployment("one", at=small), deployment("two", at=small)
    full = Health().started(one).started(two)

    assert full.skip_reason(one, 0.0)[0] == "busy"
    assert full.ended(two).skip_reason(one, 0.0) == NEVER_HEARD_OF
    assert full.ended(one).ended(two) == Health()
    assert Health().ended(one) == Health()


def test_a_provider_without_a_limit_is_never_busy_and_costs_no_counting():
    health = Health()

    assert health.started(SUN) is health
    assert health.ended(SUN) is health


def test_of_several_reasons_the_longest_time_is_told():
    health = broken(SUN).after(SUN, throttled(2), now=0.0)

    assert health.skip_reason(SUN, 0.0) == ("held", 5.0)
    assert health.skip_reason(SUN, 3.0) == ("circuit_open", 2.0)


def test_a_skipped_candidate_keeps_its_place_and_says_for_how_long():
    (sun, *_) = planned(broken(SUN), 1.0).candidates

    assert (sun.deployment, sun.skip, sun.retry_after) == (SUN, "circuit_open", 4.0)


def test_with_everything_down_for_a_minute_each_request_costs_at_most_one_try():
    health, tries = Health(), 0
    for step in range(600):  # ten requests a second
        now = step / 10
        for one in planned(health, now).ordered:
            claimed = health.claim(one, now)
            if claimed is not None:
                tries += 1
                health = claimed.after(one, DOWN, now=now).release(one)

    assert tries <= 1.2 * 600


def elsewhere(one, access="another"):
    """The deployment after its provider's credential or address was changed."""
    return replace(one, provider=replace(one.provider, access=access))


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(Fault.CREDENTIAL, "credential_refused", 401),
        Outcome(Fault.CONFIGURATION, "configuration", 404),
        quota(),
        throttled(60),
    ],
    ids=["credential", "configuration", "quota", "throttle"],
)
def test_a_hold_is_about_the_credential_and_address_it_was_met_with(outcome):
    health = Health().after(SUN, outcome, now=0.0)

    assert health.skip_reason(SUN, 1.0)[0] == "held"
    assert health.held_for(SUN) == outcome.word
    assert health.skip_reason(elsewhere(SUN), 1.0) == NEVER_HEARD_OF
    assert health.after(elsewhere(SUN), WORKED, now=2.0).quiet


def test_an_open_circuit_is_about_the_address_it_was_met_with():
    health = broken(SUN)

    assert health.skip_reason(elsewhere(SUN), 1.0) == NEVER_HEARD_OF
    assert health.last_chance([elsewhere(SUN)], 1.0) is None
    assert health.claim(elsewhere(SUN), 1.0) is health


def test_a_new_credential_that_is_refused_too_is_held_anew():
    refused = Outcome(Fault.CREDENTIAL, "credential_refused", 401)
    health = Health().after(SUN, refused, now=0.0).after(elsewhere(SUN), refused, now=0.0)

    assert health.skip_reason(elsewhere(SUN), 1.0) == ("held", 299.0)


def test_a_model_that_is_missing_is_held_under_that_name_only():
    corrected = replace(SUN, model="sun-model-2")
    health = Health().after(SUN, Outcome(Fault.CONFIGURATION, "configuration", 404), now=0.0)

    assert health.skip_reason(corrected, 1.0) == NEVER_HEARD_OF


def test_what_is_known_to_answer_is_freed_with_its_provider_and_nobody_else():
    shared = provider("shared")
    one, two = deployment("one", at=shared), deployment("two", at=shared)
    health = Health().after(one, quota(), now=0.0).after(two, throttled(60), now=0.0)
    health = broken(SUN, one, health=health)

    assert health.cleared(one).skip_reason(one, 1.0) == NEVER_HEARD_OF
    assert health.cleared(one).skip_reason(two, 1.0) == ("held", 59.0)
    assert health.cleared(one).skip_reason(SUN, 1.0)[0] == "circuit_open"
    assert health.cleared(elsewhere(one)) is health
