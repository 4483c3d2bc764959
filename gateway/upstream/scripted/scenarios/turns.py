"""Scenarios that change with each request, counted per model name since the ledger's last reset."""

from gateway.upstream.scripted.scenarios.answers import ok
from gateway.upstream.scripted.scenarios.refusals import status
from gateway.upstream.scripted.scenarios.registry import cast, scenario
from gateway.upstream.scripted.script import Call, Script


@scenario
def flaky(call: Call, every: int = 2, code: int = 500) -> Script:
    """Every `every`-th request fails with this status, the others are answered."""
    return status(call, code=code) if call.hit % every == 0 else ok(call)


@scenario
def fails(call: Call, count: int = 3, code: int = 500) -> Script:
    """The first `count` requests fail with this status, the later ones are answered."""
    return status(call, code=code) if call.hit <= count else ok(call)


@scenario
def sequence(call: Call, of: str = "status|cut|ok") -> Script:
    """The n-th request plays the n-th of these, then the last one; settings work, with commas as %2C."""
    names = of.split("|")
    return cast(names[min(call.hit, len(names)) - 1]).play(call)
