"""What a failing upstream costs: how often it is asked before it is left alone, and what clients see of it."""

import random

import pytest

from routing.engine.circuit import State
from routing.engine.health import Health
from routing.engine.outcome import WORKED, Fault, Outcome
from routing.engine.snapshot import BreakerRules, Deployment
from routing.engine.verdict import Verdict
from routing.engine.window import lower_bound
from routing.tests.catalogue import alias, deployment, provider, snapshot
from routing.tests.worker import Worker

SUN, RAIN, SNOW = (deployment(slug) for slug in ("sun", "rain", "snow"))
DOWN = Outcome(Fault.UNHEALTHY, "server_error", 500)
SECONDS, PER_SECOND = 60, 10


def is_out(health: Health, now: float) -> bool:
    return health.skip_reason(SUN, now)[0] == "circuit_open"


def calls_until_out(failing, *, at=0.0, every=0.1, of=SUN) -> int:
    """How many calls, in the order in which they fail or not, until the circuit opens; 0 when it never does."""
    health = Health()
    for number, fails in enumerate(failing):
        now = at + number * every
        health = health.after(of, DOWN if fails else WORKED, now=now)
        if is_out(health, now):
            return number + 1
    return 0


@pytest.mark.fault("U60")
@pytest.mark.parametrize("first_fails", [True, False], ids=["fails-first", "works-first"])
def test_what_fails_every_second_call_is_out_after_about_ten(first_fails):
    calls = calls_until_out([(number % 2 == 0) == first_fails for number in range(100)])

    assert 10 <= calls <= 12


@pytest.mark.fault("U60")
@pytest.mark.parametrize("seed", range(20))
def test_beside_a_healthy_twin_a_deployment_that_fails_half_the_time_costs_clients_nothing(seed):
    dice = random.Random(seed)

    def upstream(one: Deployment, now: float) -> Outcome:
        if one is SUN:
            return DOWN if dice.random() < 0.5 else WORKED
        return DOWN if dice.random() < 0.002 else WORKED  # healthy, not perfect

    worker, errors, first_out = Worker(snapshot(alias("m", SUN, RAIN)), upstream), 0, 0
    requests = SECONDS * PER_SECOND
    for number in range(requests):
        worker.now = number / PER_SECOND
        errors += isinstance(worker.ask(), Verdict)
        if not first_out and is_out(worker.health, worker.now):
            first_out = worker.tries["sun"]

    assert 3 <= first_out <= 20
    assert errors < requests / 100
    assert worker.tries["sun"] < requests / 4


@pytest.mark.fault("U60")
def test_what_fails_half_the_time_by_chance_is_mostly_out_within_fifteen_calls():
    calls = []
    for seed in range(400):
        dice = random.Random(seed)
        calls.append(calls_until_out(dice.random() < 0.5 for _ in range(100)))

    assert sum(each <= 15 for each in calls) >= 0.8 * len(calls)
    assert sum(calls) <= 12 * len(calls)
    assert min(calls) >= 3


def test_one_failure_in_five_is_tolerated_as_long_as_it_lasts():
    assert calls_until_out(number % 5 == 0 for number in range(1_000)) == 0


def test_failures_are_forgotten_after_a_minute():
    assert calls_until_out([number % 2 == 0 for number in range(100)], every=7.0) == 0


def test_a_minute_after_its_last_failure_a_deployment_leaves_no_trace():
    health = Health().after(SUN, DOWN, now=0.0)

    assert health.after(SUN, WORKED, now=30.0).states["sun"] == State(recent=((0, 0, 1), (6, 1, 0)))
    assert health.after(SUN, WORKED, now=61.0).states == {}


def test_a_clock_that_steps_back_stops_no_counting():
    assert 10 <= calls_until_out([number % 2 == 0 for number in range(100)], at=1e6, every=-7.0) <= 12


def test_a_provider_that_may_fail_more_often_in_a_row_is_judged_by_more_calls():
    patient = deployment("sun", at=provider("sun", breaker=BreakerRules(open_after=40)))

    assert 40 <= calls_until_out([number % 2 == 0 for number in range(100)], of=patient) <= 42


def test_a_circuit_that_closed_again_is_judged_anew():
    health = Health()
    for number in range(9):
        health = health.after(SUN, WORKED if number % 2 else DOWN, now=0.0)
    for _ in range(3):
        health = health.after(SUN, DOWN, now=1.0)
    for _ in range(2):
        health = health.after(SUN, WORKED, now=20.0)

    assert health.states == {}


@pytest.mark.parametrize(
    ("failures", "total", "bound"), [(5, 10, 0.3124), (4, 10, 0.2297), (10, 10, 0.8592), (0, 10, 0.0)]
)
def test_the_lower_bound_of_a_failure_rate(failures, total, bound):
    assert lower_bound(failures, total) == pytest.approx(bound, abs=5e-4)


@pytest.mark.fault("U61")
@pytest.mark.parametrize("count", [1, 2, 5], ids="{}-deployments".format)
@pytest.mark.parametrize("seed", [1, 2])
def test_with_everything_down_for_a_minute_ten_requests_a_second_cost_at_most_twelve_tries(count, seed):
    dice = random.Random(seed)
    down = [deployment(f"d{number}") for number in range(count)]
    worker = Worker(snapshot(alias("m", *down)), lambda one, now: DOWN, draw=lambda: 0.5 + dice.random() / 2)

    verdicts = []
    for number in range(SECONDS * PER_SECOND):
        worker.now = number / PER_SECOND
        verdicts.append(worker.ask())

    assert worker.tries.total() <= 1.2 * SECONDS * PER_SECOND
    assert {verdict.code for verdict in verdicts} == {"all_upstreams_failed"}


@pytest.mark.fault("U61")
def test_while_the_last_chance_is_being_tried_the_others_are_told_when_to_come_back():
    worker = Worker(snapshot(alias("m", SUN, RAIN)), lambda one, now: DOWN)
    for _ in range(3):
        worker.ask()
    worker.tries.clear()

    slow = worker.start()
    assert slow.begin() is SUN  # and it takes a second
    others = [worker.ask() for _ in range(10)]

    assert worker.tries.total() == 1
    assert {(verdict.code, verdict.retry_after) for verdict in others} == {("no_healthy_upstream", 5.0)}


def test_a_dead_deployment_is_asked_three_times_before_it_is_left_alone():
    worker = Worker(snapshot(alias("m", SUN, RAIN)), lambda one, now: DOWN if one is SUN else WORKED)
    for number in range(49):
        worker.now = number / PER_SECOND
        assert worker.ask() is RAIN

    assert worker.tries == {"sun": 3, "rain": 49}


@pytest.mark.fault("U62")
def test_at_500_requests_a_second_what_came_back_is_probed_by_one_request_at_a_time():
    recovered_at, answer_seconds = 4.0, 0.1
    worker = Worker(
        snapshot(alias("m", SUN, RAIN)),
        lambda one, now: DOWN if one is SUN and now < recovered_at else WORKED,
    )
    running: list = []
    most_probes, served_by_sun = 0, []
    for tick in range(500 * 20):
        worker.now = tick / 500
        while running and running[0].began <= worker.now - answer_seconds:
            running.pop(0).end(WORKED)
        request = worker.start()
        one = request.begin()
        while one is SUN and worker.now < recovered_at:
            request.end(DOWN)
            one = request.begin()
        running.append(request)
        if one is SUN:
            served_by_sun.append(worker.now)
        most_probes = max(most_probes, sum(each.probing for each in running))

    probes = [moment for moment in served_by_sun if moment < recovered_at + 10]
    assert most_probes == 1
    assert min(probes) >= 5.0
    assert (
        len([moment for moment in served_by_sun if 14 <= moment < 15]) == 500
    )  # full traffic within ten seconds
