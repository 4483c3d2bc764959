"""What to try next, and what to say when nothing is left: the decisions of the attempt loop, without its I/O.

    while candidate := failover.next(health, now):
        take its probe and count it: health.claim(...).started(...)
        if other workers fill its provider: give both back, failover.withdraw(candidate), go on
        outcome = attempt(candidate, failover.time_for_attempt(remaining, limit))
        teach and give back: health.after(...).ended(...), .release(...) if the claim changed the health
        if it worked: answer, with failover.tried, .first_reason and .attempts
        failover.failed(candidate, outcome)
    raise the error that failover.verdict() names

What `next` hands out can be claimed as long as the same health is used: await nothing in between.
"""

from collections.abc import Iterable

from routing.engine.health import BUSY, SHORT_WAIT, Health
from routing.engine.outcome import Fault, Outcome
from routing.engine.plan_values import Candidate, Plan
from routing.engine.query import Query
from routing.engine.snapshot import Deployment
from routing.engine.verdict import Passed, Verdict, of_attempts, of_nothing_tried

RESERVE = 15.0
ONCE_ELSEWHERE = frozenset({408, 409, 425})  # they may be about the request as much as about the upstream


class Failover:
    """Walks one plan for one request; each deployment is tried at most once.

    It owns its progress and nothing else: health is read as it is at the moment of each step.
    """

    def __init__(self, plan: Plan, query: Query) -> None:
        self.plan, self.query = plan, query
        self._waiting = _each_once(plan.candidates)
        self._passed: list[Passed] = []
        self._attempts = 0
        self._undecided = self._too_long = 0
        self._stopped_by: Outcome | None = None

    def next(self, health: Health, now: float) -> Candidate | None:
        """The next candidate to attempt, or None when there is nothing left to try.

        Live state is asked again here, because it changes during a request. Where every candidate is
        skipped and nothing was attempted, the one closest to its probe is handed out after all.
        """
        if self._stopped_by is not None:
            return None
        while self._waiting:
            deployment = self._waiting.pop(0).deployment
            reason, wait = health.skip_reason(deployment, now)
            if not reason:
                return self._hand_out(deployment)
            held_for = health.held_for(deployment) if reason == "held" else ""
            self._passed.append(Passed(deployment, reason, wait, held_for=held_for))
        return self._last_chance(health, now) if self._attempts == 0 else None

    def failed(self, candidate: Candidate, outcome: Outcome) -> None:
        """Take note of a failed attempt: it decides what may come next.

        A second 408, 409 or 425 ends the walk: it is not this upstream's mood any more.
        """
        deployment = candidate.deployment
        self._passed.append(Passed(deployment, outcome.word, outcome.retry_after, outcome.fault))
        if not outcome.retryable:
            self._stopped_by = outcome
        self._undecided += outcome.fault is Fault.UNHEALTHY and outcome.status in ONCE_ELSEWHERE
        if self._undecided > 1:
            self._waiting = []
        if outcome.fault is Fault.TOO_LONG:
            self._keep_larger_windows(deployment)

    def withdraw(self, candidate: Candidate) -> None:
        """It was handed out and not asked after all: all places at its provider are taken, by other workers too."""
        self._attempts -= 1
        self._passed.append(Passed(candidate.deployment, BUSY, SHORT_WAIT))

    @property
    def attempts(self) -> int:
        """How many candidates were handed out to be attempted."""
        return self._attempts

    @property
    def passed(self) -> tuple[Passed, ...]:
        """Everything that did not answer, in order: failed attempts and skipped candidates."""
        return tuple(self._passed)

    @property
    def tried(self) -> tuple[str, ...]:
        """The upstream labels of all that did not answer, in order."""
        return tuple(passed.deployment.provider.upstream for passed in self._passed)

    @property
    def first_reason(self) -> str:
        """The word of the first failure or skip; empty when the first candidate answered."""
        return self._passed[0].word if self._passed else ""

    def time_for_attempt(self, remaining: float, limit: float) -> float:
        """Seconds the present attempt may take, of the `remaining` ones until the deadline.

        At most the provider's limit, and while another candidate waits at least 15 s are left for it. The
        last 15 s are not divided: who gets to them may use them up.
        """
        others_wait = any(not candidate.skip for candidate in self._waiting)
        if others_wait and remaining > RESERVE:
            return min(limit, remaining - RESERVE)
        return max(min(limit, remaining), 0.0)

    def verdict(self, *, deadline_passed: bool = False) -> Verdict:
        """Which error the client gets, once no candidate answered."""
        if self._stopped_by is not None:
            return Verdict(self._stopped_by.word, detail=self._stopped_by.detail)
        if deadline_passed:
            return Verdict("upstream_timeout", reasons=tuple(passed.reason for passed in self._passed))
        if self._attempts == 0:
            return of_nothing_tried(self.plan, self.query, self.passed)
        return of_attempts(self.plan, self.query, self.passed)

    def _hand_out(self, deployment: Deployment) -> Candidate:
        self._attempts += 1
        return Candidate(deployment)

    def _last_chance(self, health: Health, now: float) -> Candidate | None:
        chance = health.last_chance((one.deployment for one in self._passed if one.word != BUSY), now)
        if chance is None:
            return None
        self._passed = [passed for passed in self._passed if passed.deployment is not chance]
        return self._hand_out(chance)

    def _keep_larger_windows(self, refused: Deployment) -> None:
        """After "too long", one more is asked: of larger declared windows, else of undeclared ones.

        An undeclared window that refused counts as 0: any declared one may be larger. When that one finds it too
        long as well, nobody else is asked: each may charge for saying so.
        """
        self._too_long += 1
        if self._too_long > 1:
            self._passed += [Passed(c.deployment, "context_too_long") for c in self._waiting]
            self._waiting = []
            return
        window = refused.context_window or 0
        declared = [c for c in self._waiting if c.deployment.context_window is not None]
        larger = [c for c in declared if (c.deployment.context_window or 0) > window]
        undeclared = [c for c in self._waiting if c.deployment.context_window is None]
        self._passed += [Passed(c.deployment, "context_too_long") for c in declared if c not in larger]
        self._waiting = larger + undeclared


def _each_once(candidates: Iterable[Candidate]) -> list[Candidate]:
    """An alias may lead to one deployment by two routes; the first of them counts."""
    first: dict[str, Candidate] = {}
    for candidate in candidates:
        first.setdefault(candidate.deployment.slug, candidate)
    return list(first.values())
