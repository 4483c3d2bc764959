"""Which error a request ends in when no candidate answered it. The codes are the API's own."""

from dataclasses import dataclass

from routing.engine.outcome import Fault
from routing.engine.plan_values import Plan, Rejection
from routing.engine.query import Query
from routing.engine.snapshot import Deployment, Provider

SOON = 1.0


@dataclass(frozen=True, slots=True)
class Reason:
    """Why one deployment did not answer: its label and the word; of one on hold also the word that put it there.

    `wait` is the seconds that the hold lasts, None for what is not on hold.
    """

    label: str
    word: str
    held_for: str = ""
    wait: float | None = None


@dataclass(frozen=True, slots=True)
class Passed:
    """A deployment that did not answer: `fault` of its attempt, None when it was skipped untried.

    `wait` is the seconds until it may be tried again, as far as anybody knows. `held_for` is the word of the
    outcome that put a held one on hold.
    """

    deployment: Deployment
    word: str
    wait: float | None = None
    fault: Fault | None = None
    held_for: str = ""

    @property
    def reason(self) -> Reason:
        """What an error message needs of it."""
        wait = self.wait if self.word == "held" else None
        return Reason(self.deployment.provider.upstream, self.word, self.held_for, wait)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The error's code, and the facts its message needs.

    `retry_after`: seconds, None when nobody knows a better moment. `reasons`: of each deployment that did not
    answer. `detail`: the missing capabilities or dialect, or the upstream's own words about a wrong request.
    `window`: the longest context known to be possible here. `named`: what keeps the provider that the request
    asked for away, where nothing was eligible.
    """

    code: str
    retry_after: float | None = None
    reasons: tuple[Reason, ...] = ()
    detail: str = ""
    window: int | None = None
    named: Rejection | None = None


def of_attempts(plan: Plan, query: Query, passed: tuple[Passed, ...]) -> Verdict:
    """At least one attempt was made and all failed.

    A fault that is the request's own matter is told as such only when every attempt ended in it, and, for
    a context too long, when no deployment that may be larger was skipped for another reason.
    """
    reasons = tuple(one.reason for one in passed)
    faults = {one.fault for one in passed if one.fault is not None}
    if faults == {Fault.THROTTLED}:
        return Verdict("upstream_rate_limited", _soonest(passed), reasons)
    if faults == {Fault.TOO_LONG} and all(one.word == "context_too_long" for one in passed):
        return Verdict("context_length_exceeded", reasons=reasons, window=_longest_window(plan))
    if faults == {Fault.CAPABILITY}:
        return Verdict("capability_not_supported", reasons=reasons, detail=", ".join(sorted(query.needs)))
    return Verdict("all_upstreams_failed", reasons=reasons)


def of_nothing_tried(plan: Plan, query: Query, passed: tuple[Passed, ...]) -> Verdict:
    """No attempt was made: everything eligible is skipped for now, or nothing is eligible.

    In the second case the reason that is closest to working decides: too long, then not capable, then not
    allowed; what cannot be called here at all says nothing about the request.
    """
    if passed:
        return Verdict("no_healthy_upstream", _soonest(passed), tuple(one.reason for one in passed))
    refused = {rejection.reason for rejection in plan.ineligible}
    if "context_too_small" in refused:
        return Verdict("context_length_exceeded", window=_longest_window(plan))
    if "capability" in refused:
        return Verdict("capability_not_supported", detail=_missing(plan, query))
    if refused & {"tier_not_allowed", "unpriced"}:
        return Verdict("model_not_allowed")
    return Verdict("no_healthy_upstream", named=_named(plan, query))


def _soonest(passed: tuple[Passed, ...]) -> float:
    return min(SOON if one.wait is None else one.wait for one in passed)


def _missing(plan: Plan, query: Query) -> str:
    """What the refused deployments lack of the request's needs; the one lacking least speaks for all."""
    refused = [rejection.deployment for rejection in plan.ineligible if rejection.reason == "capability"]
    least = min((query.needs - deployment.capabilities for deployment in refused), key=len)
    return ", ".join(sorted(least)) or query.dialect


def _named(plan: Plan, query: Query) -> Rejection | None:
    """What the provider that the request names was left out for; None when it names none."""
    if query.provider is None:
        return None
    refused = (rejection for rejection in plan.ineligible if rejection.reason != "provider_filter")
    return next((one for one in refused if _is(query.provider, one.deployment.provider)), None)


def _is(name: str, provider: Provider) -> bool:
    return name in (provider.slug, provider.upstream)


def _longest_window(plan: Plan) -> int | None:
    """Of what was a candidate or refused for its window; None when none is declared."""
    deployments = [candidate.deployment for candidate in plan.candidates]
    deployments += [r.deployment for r in plan.ineligible if r.reason == "context_too_small"]
    return max((d.context_window for d in deployments if d.context_window is not None), default=None)
