"""Requests per minute and at once, per key: exact, and a refusal consumes nothing."""

import pytest

from accounts.callers import Caller
from gateway.admit import Limits
from gateway.errors import LimitReached


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def caller(key_id: str = "k", **limits: int) -> Caller:
    return Caller(key_id, "kid", "label", None, "owner", "service", "database", **limits)


def ask(limits: Limits, who: Caller) -> bool:
    try:
        with limits.admit(who):
            return True
    except LimitReached:
        return False


def test_no_sixty_seconds_hold_more_requests_than_allowed():
    clock = Clock()
    limits, who = Limits(clock), caller(requests_per_minute=3)
    admitted: list[float] = []
    for _ in range(600):
        clock.now += 1.7
        if ask(limits, who):
            admitted.append(clock.now)

    busiest = max(sum(start <= moment < start + 60 for moment in admitted) for start in admitted)
    assert busiest == 3
    assert len(admitted) > 40


def test_a_refused_request_consumes_nothing():
    clock = Clock()
    limits, who = Limits(clock), caller(requests_per_minute=1)
    assert ask(limits, who)
    clock.now += 59
    assert not any(ask(limits, who) for _ in range(100))
    clock.now += 1.1

    assert ask(limits, who)


def test_the_wait_it_names_is_when_the_next_request_passes():
    clock = Clock()
    limits, who = Limits(clock), caller(requests_per_minute=1)
    assert ask(limits, who)
    clock.now += 20
    with pytest.raises(LimitReached) as caught, limits.admit(who):
        pass
    clock.now += caught.value.retry_after

    assert ask(limits, who)


def test_requests_at_once_are_given_back_however_the_request_ends():
    limits, who = Limits(Clock()), caller(concurrent_requests=1)
    with limits.admit(who):
        assert not ask(limits, who)
    with pytest.raises(RuntimeError), limits.admit(who):
        raise RuntimeError

    assert ask(limits, who)


def test_a_limit_of_zero_refuses_everything_politely():
    with pytest.raises(LimitReached), Limits(Clock()).admit(caller(requests_per_minute=0)):
        pass


def test_one_keys_use_is_not_anothers():
    limits = Limits(Clock())
    assert ask(limits, caller("a", requests_per_minute=1))

    assert ask(limits, caller("b", requests_per_minute=1))
    assert not ask(limits, caller("a", requests_per_minute=1))


def test_a_key_without_limits_is_never_refused():
    limits = Limits(Clock())

    assert all(ask(limits, caller()) for _ in range(1000))


def test_what_idle_keys_used_is_forgotten():
    clock = Clock()
    limits = Limits(clock, remembered=10)
    for number in range(100):
        clock.now += 61
        assert ask(limits, caller(str(number)))

    assert limits.known <= 11
