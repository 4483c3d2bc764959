"""A deployment that answers right but far slower than it used to goes to the end of its tier, and comes back."""

import random
from dataclasses import replace

import pytest

from routing.engine.health import Health
from routing.engine.outcome import WORKED, Fault, Outcome
from routing.engine.pace import ENOUGH, Pace
from routing.engine.plan import plan
from routing.engine.query import Query
from routing.tests.catalogue import DIRECT, alias, deployment, names, policy, snapshot
from routing.tests.worker import Worker

SUN, RAIN = deployment("sun"), deployment("rain")
DEAR = deployment("dear", tier=DIRECT)
CATALOGUE = snapshot(alias("m", SUN, RAIN, DEAR))
USUAL, BROWN = 0.3, 6.0


def answered(seconds: float, **more: object) -> Outcome:
    return Outcome(Fault.NONE, first_content=seconds, **more)


def used_to(*times: float, one=SUN, health=None, every=1.0) -> Health:
    """After answers of this one that took so long, one each second from 0 on."""
    health = health or Health()
    for number, seconds in enumerate(times):
        health = health.after(one, answered(seconds), now=number * every)
    return health


def slowed(*times: float, at=100.0) -> Health:
    health = used_to(*[USUAL] * 60)
    for seconds in times:
        health = health.after(SUN, answered(seconds), now=at)
    return health


def order(health: Health, now: float) -> list[str]:
    return names(plan(CATALOGUE, Query("m"), health, now=now, draw=0.0))


@pytest.mark.fault("U59")
def test_twenty_times_slower_costs_it_its_place_in_its_tier_and_opens_nothing():
    assert order(slowed(BROWN), 101.0) == ["sun", "rain", "dear"]

    health = slowed(BROWN, BROWN)

    assert order(health, 101.0) == ["rain", "sun", "dear"]
    assert health.skip_reason(SUN, 101.0) == ("", 0.0)
    assert health.states == {}
    assert health.is_slow(SUN, 101.0)


def test_tiers_keep_their_places_however_slow_the_cheaper_one_is():
    alone = snapshot(alias("m", SUN, DEAR))

    assert names(plan(alone, Query("m"), slowed(BROWN, BROWN), now=101.0, draw=0.0)) == ["sun", "dear"]


def test_in_a_policy_without_steps_only_those_of_its_own_tier_go_before_it():
    mixed = snapshot(alias("m", SUN, DEAR, RAIN, policy="listed"), policies=(policy("listed"),))

    found = plan(mixed, Query("m"), slowed(BROWN, BROWN), now=101.0, draw=0.0)

    assert names(found) == ["rain", "dear", "sun"]


def test_a_straggler_now_and_then_is_nothing():
    health = used_to(*[USUAL] * 60)
    for number in range(200):
        slow = number % 20 == 0
        health = health.after(SUN, answered(BROWN if slow else USUAL), now=100.0 + number / 100)

    assert not health.is_slow(SUN, 102.0)


def test_three_times_slower_is_a_bad_day_and_no_brown_out():
    assert not slowed(*[3 * USUAL] * 50).is_slow(SUN, 101.0)


def test_what_nobody_notices_is_no_brown_out():
    health = used_to(*[0.01] * 60)
    for _ in range(50):
        health = health.after(SUN, answered(0.2), now=100.0)

    assert not health.is_slow(SUN, 101.0)


def test_nothing_is_slow_before_there_is_a_past_to_compare_with():
    assert not used_to(*[USUAL] * (ENOUGH - 2), *[BROWN] * 2, every=0.0).is_slow(SUN, 1.0)


def test_how_long_whole_answers_took_says_nothing_about_the_pace():
    health = used_to(*[USUAL] * 60)
    for _ in range(50):
        health = health.after(SUN, answered(BROWN, whole=True), now=100.0)

    assert not health.is_slow(SUN, 101.0)


def test_the_past_is_its_own_a_slow_model_is_not_slow():
    health = used_to(*[BROWN] * 60)

    assert not health.is_slow(SUN, 60.0)


def test_another_model_or_access_begins_without_a_past():
    health = slowed(BROWN, BROWN)
    renamed = replace(SUN, model="another")
    moved = replace(SUN, provider=replace(SUN.provider, access="another"))

    assert not health.is_slow(renamed, 101.0)
    assert not health.is_slow(moved, 101.0)
    assert not health.after(moved, answered(BROWN), now=101.0).is_slow(moved, 101.0)


def test_after_a_minute_one_request_at_a_time_finds_it_at_its_old_place():
    health = slowed(BROWN, BROWN)
    assert order(health, 159.0)[0] == "rain"
    assert order(health, 160.0)[0] == "sun"

    tried = health.claim(SUN, 160.0)

    assert order(tried, 160.0) == ["rain", "sun", "dear"]
    assert tried.claim(SUN, 160.0) is tried  # who comes to it as the second choice may ask it all the same
    assert order(tried.release(SUN), 160.0)[0] == "sun"


def test_two_fast_answers_in_a_row_bring_it_back_and_a_slow_one_puts_it_off():
    health = slowed(BROWN, BROWN)
    put_off = health.after(SUN, answered(BROWN), now=160.0)
    once = health.after(SUN, answered(USUAL), now=160.0)
    twice = once.after(SUN, answered(USUAL), now=161.0)

    assert order(put_off, 219.0)[0] == "rain"
    assert once.is_slow(SUN, 159.0)
    assert not once.is_slow(SUN, 160.0)
    assert (twice.slow, order(twice, 161.0)[0]) == ({}, "sun")
    assert not twice.after(SUN, answered(BROWN), now=162.0).is_slow(SUN, 162.0)


def test_an_operator_who_vouches_for_it_brings_it_back():
    assert not slowed(BROWN, BROWN).closed_by_operator(SUN).is_slow(SUN, 101.0)


def test_while_answers_come_as_fast_as_ever_a_pace_changes_once_a_second():
    pace = Pace()
    for number in range(ENOUGH):
        pace = pace.after(USUAL, number * 1.0)

    assert pace.after(USUAL, ENOUGH - 0.5) is pace
    assert pace.after(USUAL, ENOUGH * 1.0) is not pace


def test_what_was_long_ago_counts_less_than_what_is_new():
    pace = Pace()
    for day in range(10):
        for second in range(30):
            pace = pace.after(USUAL if day < 5 else 3 * USUAL, day * 86_400.0 + second)
    back = pace
    for day in range(10, 20):
        for second in range(30):
            back = back.after(USUAL, day * 86_400.0 + second)

    assert pace.limit == pytest.approx(5 * 3 * USUAL, rel=0.2)
    assert back.limit == pytest.approx(5 * USUAL, rel=0.2)


@pytest.mark.parametrize("seed", range(5))
def test_with_a_twin_at_hand_few_requests_wait_during_a_brown_out_of_ten_minutes(seed):
    dice = random.Random(seed)

    def upstream(one, now):
        usual = dice.lognormvariate(-1.2, 0.5)
        return answered(usual * 20 if one is SUN and 600 <= now < 1200 else usual)

    worker, waited = Worker(CATALOGUE, upstream), 0
    for number in range(1500):
        worker.now = number * 1.0
        waited += worker.ask() is SUN and 600 <= worker.now < 1200
        assert worker.health.states == {}

    assert waited <= 20
    assert worker.ask() is SUN


def test_while_nothing_is_slow_nothing_says_that_this_changed():
    health = used_to(*[USUAL] * 60)

    assert health.after(SUN, answered(BROWN), now=100.0).slow is health.slow


def test_a_success_without_a_time_teaches_no_pace():
    assert Health().after(SUN, WORKED, now=0.0).paces == {}
