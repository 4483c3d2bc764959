"""What a request tries after a failure, and what its client is told when nothing is left."""

import pytest

from routing.engine.failover import Failover
from routing.engine.health import Health
from routing.engine.outcome import Fault, Outcome
from routing.engine.plan import plan
from routing.engine.query import Grants, Query
from routing.engine.snapshot import Alias, Route
from routing.engine.verdict import Reason, Verdict
from routing.tests.catalogue import DIRECT, alias, deployment, policy, provider, snapshot

DOWN = Outcome(Fault.UNHEALTHY, "connection_error")
SLOW = Outcome(Fault.UNHEALTHY, "timeout")
THROTTLED = Outcome(Fault.THROTTLED, "rate_limited", 429)
LONG = Outcome(Fault.TOO_LONG, "context_too_long", 400)
INCAPABLE = Outcome(Fault.CAPABILITY, "capability", 400)
A, B, C = (deployment(slug) for slug in "abc")


def failover(*deployments, health=None, now=0.0, policies=None, **asked):
    catalogue = snapshot(alias("m", *deployments), **({"policies": policies} if policies else {}))
    query = Query("m", **asked)
    return Failover(plan(catalogue, query, health or Health(), now=now, draw=0.0), query)


def walk(loop, *outcomes, health=None, now=0.0):
    """Fail the attempts with these outcomes, the last one over and over; the slugs that were attempted."""
    attempted = []
    while (candidate := loop.next(health or Health(), now)) is not None:
        outcome = outcomes[min(len(attempted), len(outcomes) - 1)]
        attempted.append(candidate.deployment.slug)
        loop.failed(candidate, outcome)
    return attempted


def opened(*deployments, now=0.0):
    health = Health()
    for one in deployments * 3:
        health = health.after(one, DOWN, now=now)
    return health


def test_each_deployment_is_tried_once_in_the_order_of_the_plan():
    loop = failover(A, B, C)

    assert walk(loop, DOWN) == ["a", "b", "c"]
    assert loop.next(Health(), 0.0) is None
    assert loop.attempts == 3


def test_a_first_answer_leaves_no_trace_of_a_fallback():
    loop = failover(A, B)
    loop.next(Health(), 0.0)

    assert (loop.tried, loop.first_reason, loop.attempts) == ((), "", 1)


def test_the_failed_and_the_skipped_are_told_in_order_and_the_winner_is_not():
    health = Health().after(B, Outcome(Fault.THROTTLED, "rate_limited", retry_after=60), now=0.0)
    loop = failover(A, B, C, health=health)

    loop.failed(loop.next(health, 0.0), SLOW)
    winner = loop.next(health, 0.0)

    assert winner.deployment is C
    assert (loop.tried, loop.first_reason, loop.attempts) == (("a", "b"), "timeout", 2)
    assert [one.word for one in loop.passed] == ["timeout", "held"]


def test_the_labels_are_those_of_the_providers():
    twins = [deployment(slug, at=provider(slug, upstream="ollama")) for slug in ("primary", "secondary")]
    loop = failover(*twins)
    walk(loop, DOWN)

    assert loop.tried == ("ollama", "ollama")


def test_live_state_is_read_at_the_moment_of_the_attempt():
    held = Health().after(A, Outcome(Fault.THROTTLED, "rate_limited", retry_after=5), now=0.0)

    since_opened = failover(A, B)
    since_over = failover(A, B, health=held)

    assert since_opened.next(opened(A), 0.0).deployment is B
    assert since_over.next(held, 6.0).deployment is A


def test_two_routes_to_one_deployment_are_one_attempt():
    query = Query("m")
    catalogue = snapshot(Alias("m", (Route(A, 1), Route(B, 2), Route(A, 3))))

    assert walk(Failover(plan(catalogue, query, Health(), now=0.0, draw=0.0), query), DOWN) == ["a", "b"]


def test_when_all_circuits_are_open_one_request_tries_the_closest_and_only_that():
    health = opened(A, B)
    loop = failover(A, B, health=health)

    assert walk(loop, DOWN, health=health) == ["a"]
    assert loop.tried == ("b", "a")
    assert loop.verdict() == Verdict(
        "all_upstreams_failed", None, (Reason("b", "circuit_open"), Reason("a", "connection_error"))
    )


def test_an_open_circuit_is_no_last_chance_after_another_deployment_failed():
    health = opened(B)

    assert walk(failover(A, B, health=health), DOWN, health=health) == ["a"]


@pytest.mark.fault("U22")
@pytest.mark.parametrize("status", [408, 409, 425])
def test_what_may_be_about_the_request_is_asked_once_elsewhere(status):
    undecided = Outcome(Fault.UNHEALTHY, "server_error", status)

    assert walk(failover(A, B, C), undecided) == ["a", "b"]
    assert walk(failover(A, B, C), undecided, DOWN) == ["a", "b", "c"]


def test_a_missing_capability_goes_on_to_the_next_deployment():
    loop = failover(A, B)

    assert walk(loop, INCAPABLE, DOWN) == ["a", "b"]


def test_too_long_is_asked_of_one_larger_window_and_then_of_nobody():
    small, same, large = (deployment(f"w{size}", context_window=size) for size in (8_000, 8_001, 32_000))
    twin, undeclared = deployment("twin", context_window=8_001), deployment("undeclared")
    loop = failover(same, twin, undeclared, small, large)

    assert walk(loop, LONG) == ["w8001", "w32000"]
    assert loop.tried == ("w8001", "twin", "w8000", "w32000", "undeclared")
    assert loop.verdict().code == "context_length_exceeded"


def test_too_long_is_asked_of_an_undeclared_window_where_no_larger_one_is_declared():
    same, twin = deployment("same", context_window=8_001), deployment("twin", context_window=8_001)
    loop = failover(same, deployment("undeclared"), twin, deployment("other"))

    assert walk(loop, LONG) == ["same", "undeclared"]


def test_a_larger_window_that_is_down_leaves_its_turn_to_the_next_larger_one():
    windows = [deployment(f"w{size}", context_window=size) for size in (8_000, 32_000, 64_000, 128_000)]
    loop = failover(*windows)
    asked = []
    for outcome in (LONG, DOWN, LONG):
        candidate = loop.next(Health(), 0.0)
        asked.append(candidate.deployment.slug)
        loop.failed(candidate, outcome)

    assert asked == ["w8000", "w32000", "w64000"]
    assert loop.next(Health(), 0.0) is None


def test_after_an_undeclared_window_that_refused_any_declared_one_may_be_larger():
    undeclared, small = deployment("undeclared"), deployment("small", context_window=4_000)

    assert walk(failover(undeclared, B, small), LONG) == ["undeclared", "small"]


@pytest.mark.parametrize("word", ["invalid_request", "content_filter"])
def test_a_wrong_request_stops_at_once_and_says_what_the_upstream_said(word):
    loop = failover(A, B)

    assert walk(loop, Outcome(Fault.REQUEST, word, 400, detail="messages: too short")) == ["a"]
    assert loop.verdict() == Verdict(word, detail="messages: too short")


def test_nothing_is_tried_for_a_client_that_left():
    assert walk(failover(A, B), Outcome(Fault.CLIENT, "cancelled")) == ["a"]


@pytest.mark.parametrize(
    ("remaining", "limit", "others", "seconds"),
    [
        (300, 60, True, 60),  # the provider's limit
        (60, 60, True, 45),  # 15 s are left for the other
        (20, 60, True, 5),
        (15, 60, True, 15),  # the last 15 s are used up
        (60, 60, False, 60),
        (40, 60, False, 40),
        (-1, 60, False, 0),
    ],
)
def test_an_attempt_leaves_fifteen_seconds_while_another_candidate_waits(remaining, limit, others, seconds):
    loop = failover(A, B) if others else failover(A)
    loop.next(Health(), 0.0)

    assert loop.time_for_attempt(remaining, limit) == seconds


def test_no_time_is_kept_for_a_candidate_that_is_skipped_anyway():
    health = opened(B)
    loop = failover(A, B, health=health)
    loop.next(health, 0.0)

    assert loop.time_for_attempt(60, 60) == 60


def test_all_failed_names_every_label_with_its_word():
    loop = failover(A, B)
    walk(loop, SLOW, DOWN)

    assert loop.verdict() == Verdict(
        "all_upstreams_failed", None, (Reason("a", "timeout"), Reason("b", "connection_error"))
    )


def test_all_throttled_is_told_with_the_soonest_moment_to_come_back():
    loop = failover(A, B)
    walk(
        loop,
        Outcome(Fault.THROTTLED, "rate_limited", retry_after=30),
        Outcome(Fault.THROTTLED, "rate_limited", retry_after=7),
    )

    assert (loop.verdict().code, loop.verdict().retry_after) == ("upstream_rate_limited", 7)


def test_one_throttled_among_other_failures_is_a_failure():
    loop = failover(A, B)
    walk(loop, THROTTLED, DOWN)

    assert loop.verdict().code == "all_upstreams_failed"


def test_a_passed_deadline_is_told_as_such_whatever_else_failed():
    loop = failover(A, B)
    loop.failed(loop.next(Health(), 0.0), SLOW)

    assert loop.verdict(deadline_passed=True) == Verdict(
        "upstream_timeout", reasons=(Reason("a", "timeout"),)
    )


def test_too_long_for_everybody_names_the_longest_window():
    loop = failover(deployment("s", context_window=8_000), deployment("l", context_window=32_000))
    walk(loop, LONG)

    assert (loop.verdict().code, loop.verdict().window) == ("context_length_exceeded", 32_000)


def test_too_long_is_not_said_while_a_larger_window_is_merely_held():
    large = deployment("l", context_window=32_000)
    health = Health().after(large, THROTTLED, now=0.0)
    loop = failover(deployment("s", context_window=8_000), large, health=health)
    walk(loop, LONG, health=health)

    assert loop.verdict().code == "all_upstreams_failed"


def test_a_capability_nobody_has_is_told_as_such():
    able = deployment("able", capabilities=frozenset({"tools"}))
    loop = failover(able, needs=frozenset({"tools"}))
    walk(loop, INCAPABLE)

    assert loop.verdict() == Verdict(
        "capability_not_supported", None, (Reason("able", "capability"),), "tools"
    )


def test_everything_held_is_no_healthy_upstream_with_the_soonest_moment():
    health = Health()
    for one, seconds in ((A, 40), (B, 20)):
        health = health.after(one, Outcome(Fault.THROTTLED, "rate_limited", retry_after=seconds), now=0.0)
    loop = failover(A, B, health=health)

    assert walk(loop, DOWN, health=health, now=5.0) == []
    assert loop.verdict() == Verdict(
        "no_healthy_upstream",
        15.0,
        (Reason("a", "held", "rate_limited", 35.0), Reason("b", "held", "rate_limited", 15.0)),
    )


def unkeyed(slug="unkeyed"):
    return deployment(slug, at=provider(slug, unready="no_credential"))


@pytest.mark.parametrize(
    ("deployments", "asked", "expected"),
    [
        ([unkeyed()], {}, Verdict("no_healthy_upstream")),
        (
            [unkeyed(), deployment("s", context_window=1_000), deployment("l", context_window=2_000)],
            {"input_tokens": 3_000},
            Verdict("context_length_exceeded", window=2_000),
        ),
        (
            [unkeyed(), A, deployment("half", capabilities=frozenset({"tools"}))],
            {"needs": frozenset({"tools", "vision"})},
            Verdict("capability_not_supported", detail="vision"),
        ),
        (
            [unkeyed(), deployment("dear", tier=DIRECT)],
            {"grants": Grants(highest_tier="free")},
            Verdict("model_not_allowed"),
        ),
        ([deployment("dear", tier=DIRECT)], {"policy": "free"}, Verdict("no_healthy_upstream")),
    ],
)
def test_when_nothing_is_eligible_the_reason_closest_to_working_is_told(deployments, asked, expected):
    loop = failover(*deployments, **asked)

    assert walk(loop, DOWN) == []
    assert loop.verdict() == expected


def test_a_price_ceiling_that_leaves_nothing_is_no_healthy_upstream():
    dear = deployment("dear", price=("9", "9"))
    thrifty = policy("auto", "free", price_ceiling=dear.prices[0].input / 2)

    assert failover(dear, policies=(thrifty,)).verdict() == Verdict("no_healthy_upstream")


def test_what_others_fill_is_passed_by_and_was_no_attempt():
    loop = failover(A, B)
    loop.withdraw(loop.next(Health(), 0.0))

    assert loop.attempts == 0
    assert loop.next(Health(), 0.0).deployment is B
    assert (loop.tried, loop.first_reason, loop.attempts) == (("a",), "busy", 1)


def test_what_others_fill_is_no_last_chance():
    health = opened(A)
    loop = failover(A, health=health)
    chance = loop.next(health, 0.0)
    loop.withdraw(chance)

    assert chance.deployment is A
    assert loop.next(health, 0.0) is None
    assert [reason.word for reason in loop.verdict().reasons] == ["busy"]
