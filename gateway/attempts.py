"""Performs the attempts that the engine's failover decides on: one deployment after the other, each at most once."""

from collections.abc import Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

import structlog

from accounts.ledger.ledger import Reservation
from gateway.asking import upstream_call
from gateway.cost_bounds import Bounds
from gateway.dialects.dialect import Dialect
from gateway.dialects.registry import DIALECTS
from gateway.errors import AttemptFailed, ClientLeft, StreamBroken
from gateway.exchange import Exchange
from gateway.messages import error_for_verdict
from gateway.upstream.wire import Completion, UpstreamStream, Wire
from routing.engine.failover import Failover
from routing.engine.outcome import Fault, Outcome
from routing.engine.snapshot import Deployment
from routing.engine.verdict import Passed

log = structlog.get_logger("gateway.attempts")
LEFT = Outcome(Fault.CLIENT, "cancelled")
NOT_UNDERSTOOD = Outcome(Fault.UNHEALTHY, "bad_response")
# The request's own time was over, which says nothing about the upstream.
OUT_OF_TIME = Outcome(Fault.CLIENT, "timeout")


class Attempt:
    """One attempt at one deployment, from its first byte out to its outcome; it becomes one line of the log entry.

    `enter`, then `answer`, then `finish`; an attempt that could not enter is over and leaves no line.
    """

    def __init__(self, exchange: Exchange, deployment: Deployment) -> None:
        services = exchange.services
        self.deployment = deployment
        self._exchange = exchange
        self.started = services.clock()
        self.patience = deployment.limits.first_content
        self._call = upstream_call(exchange, deployment, self.patience)
        self._cut_short = False
        self._probe = services.live.begin(deployment)
        self._place: Reservation | None = None
        self.first_content: float | None = None
        self._answer: Completion | UpstreamStream | None = None

    @property
    def dialect(self) -> Dialect:
        """What was spoken with the upstream."""
        return DIALECTS[self._call.dialect]

    @property
    def translated(self) -> bool:
        """True when the upstream was not asked in the client's own dialect."""
        return self._call.dialect != self._exchange.request.dialect

    async def enter(self) -> bool:
        """Take a place at the provider, where it has a limit; False when all are taken, and nothing was begun."""
        services, provider = self._exchange.services, self.deployment.provider
        if provider.concurrency_limit is None:
            return True
        try:
            self._place = await services.places.take(provider.slug, provider.concurrency_limit)
        finally:
            if self._place is None:
                services.live.withdraw(self.deployment, probe=self._probe)
        self.started = services.clock()
        return self._place is not None

    async def complete(self) -> Completion:
        """One whole JSON answer. Raises AttemptFailed."""
        completion = await self._wire.complete(self._call)
        self.first_content = completion.first_content
        return completion

    async def open_stream(self) -> UpstreamStream:
        """A stream with its first content. Raises AttemptFailed."""
        stream = await self._wire.open_stream(self._call)
        self.first_content = stream.first_content
        return stream

    async def answer(self, limit: float) -> Completion | UpstreamStream:
        """A whole answer or an open stream, as was asked, its first content within `limit` seconds.

        Raises AttemptFailed, also for what nobody foresaw.
        """
        if limit < self.patience:
            self._call, self._cut_short = replace(self._call, first_content_limit=limit), True
        exchange = self._exchange
        exchange.services.lines.sent(
            exchange.call.request_id, self.deployment, self._call.dialect, stream=exchange.request.stream
        )
        try:
            self._answer = await (self.open_stream() if exchange.request.stream else self.complete())
            return self._answer
        except AttemptFailed:
            raise
        except Exception:
            log.exception("an upstream's answer was not understood", deployment=self.deployment.slug)
            raise AttemptFailed(NOT_UNDERSTOOD) from None

    def finish(self, outcome: Outcome, said: str = "") -> None:
        """Write the attempt into the log entry and teach the worker's health; once. `said`: see AttemptFailed."""
        exchange = self._exchange
        # Out of our own time, not the upstream's: a short deadline must not open a healthy circuit.
        ours = self._cut_short and self.first_content is None and outcome.word == "timeout"
        lesson = OUT_OF_TIME if ours else outcome
        exchange.services.live.end(self.deployment, lesson, probe=self._probe)
        if self._place is not None:
            self._place.release()
        seconds = exchange.services.clock() - self.started
        exchange.services.lines.answered(exchange.call.request_id, self.deployment, outcome, seconds)
        exchange.entry.attempts.append(
            {
                **line_of(self.deployment, outcome.word),
                **self._maybe_billed(outcome),
                **({"asked_in": self._call.dialect} if self.translated else {}),
                **({"said": said} if said else {}),
                **({"oddities": list(odd)} if (odd := self._oddities) else {}),
                "status": outcome.status,
                "at_ms": milliseconds(self.started - exchange.call.started),
                "first_content_ms": milliseconds(self.first_content),
                "total_ms": milliseconds(seconds),
            }
        )

    def _maybe_billed(self, outcome: Outcome) -> dict[str, int]:
        """What an attempt that was given up may cost all the same, at most, because its upstream may have gone on.

        In billionths of a US dollar; nothing where the price is unknown or none.
        """
        if outcome.word != "timeout" or self.first_content is not None:
            return {}
        query = self._exchange.query
        bounds = Bounds(query.input_tokens, query.output_tokens, query.time)
        cost = bounds.cost([self.deployment])
        return {"maybe_billed": cost} if cost else {}

    @property
    def _oddities(self) -> tuple[str, ...]:
        return self._answer.oddities if self._answer is not None else ()

    @property
    def _wire(self) -> Wire:
        return wire_for(self._exchange.services.wires, self.deployment, self._call.dialect)


class Answered:
    """The attempt that answered, with what it opened, for a `with` block: how that ends is the attempt's outcome."""

    __slots__ = ("_exchange", "answer", "attempt")

    def __init__(self, exchange: Exchange, attempt: Attempt, answer: Any) -> None:
        self._exchange, self.attempt, self.answer = exchange, attempt, answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        attempt = self.attempt
        if error is None:
            whole = not self._exchange.request.stream
            attempt.finish(Outcome(Fault.NONE, first_content=attempt.first_content, whole=whole))
        elif isinstance(error, StreamBroken):
            attempt.finish(error.outcome, error.said)
        elif isinstance(error, ClientLeft | GeneratorExit):
            attempt.finish(LEFT)
        elif isinstance(error, Exception):
            attempt.finish(NOT_UNDERSTOOD)
        else:
            attempt.finish(OUT_OF_TIME if self._exchange.overdue else LEFT)


async def find_answer(exchange: Exchange) -> Answered:
    """Walk the plan until a deployment answers. Raises the GatewayError of the engine's verdict when none does."""
    services, failover = exchange.services, Failover(exchange.plan, exchange.query)
    noted: list[Passed] = []
    while True:
        candidate = None if exchange.late else failover.next(services.live.health, services.clock())
        note_skipped(exchange, failover.passed, noted)
        if candidate is None:
            break
        attempt = Attempt(exchange, candidate.deployment)
        try:
            entered = await attempt.enter()
        except BaseException:
            failover.withdraw(candidate)
            describe_walk(exchange, failover)
            raise
        if not entered:
            failover.withdraw(candidate)
            continue
        limit = failover.time_for_attempt(exchange.first_content_by - attempt.started, attempt.patience)
        try:
            answer = await attempt.answer(limit)
        except AttemptFailed as failed:
            attempt.finish(failed.outcome, failed.said)
            failover.failed(candidate, failed.outcome)
        except BaseException:
            attempt.finish(OUT_OF_TIME if exchange.overdue else LEFT)
            describe_walk(exchange, failover)
            raise
        else:
            describe_walk(exchange, failover)
            return Answered(exchange, attempt, answer)
    describe_walk(exchange, failover)
    verdict = failover.verdict(deadline_passed=exchange.late)
    obstacle = exchange.request.obstacle
    if obstacle is not None and verdict.code == "capability_not_supported" and not failover.attempts:
        raise obstacle
    error = error_for_verdict(verdict, exchange.plan.requested)
    services.lines.failed(exchange.call.request_id, exchange.plan.requested, error, verdict)
    raise error


def wire_for(wires: Mapping[str, Wire], deployment: Deployment, dialect: str) -> Wire:
    """The provider's wire; whatever is not chat is relayed as it is, at whichever provider."""
    return wires[deployment.provider.wire if dialect == "chat" else "openai"]


def describe_walk(exchange: Exchange, failover: Failover) -> None:
    """What the log entry and the headers say of the way to the answer, or to none."""
    progress, entry = exchange.progress, exchange.entry
    progress.attempts = entry.attempt_count = failover.attempts
    progress.first_reason = entry.fallback_reason = failover.first_reason
    progress.tried = failover.tried


def note_skipped(exchange: Exchange, passed: tuple[Passed, ...], noted: list[Passed]) -> None:
    """Add the candidates skipped since the last look to the log entry, and all that passed since then to `noted`."""
    for one in passed:
        if any(one is each for each in noted):
            continue
        noted.append(one)
        if one.fault is None:
            held = {"held_for": one.held_for} if one.held_for else {}
            exchange.entry.attempts.append({**line_of(one.deployment, one.word), **held, "skipped": True})
            exchange.services.lines.skipped(exchange.call.request_id, one)


def line_of(deployment: Deployment, word: str) -> dict[str, Any]:
    """The part of an attempt's log line that names the deployment."""
    return {
        "deployment": deployment.slug,
        "provider": deployment.provider.slug,
        "upstream": deployment.provider.upstream,
        "model": deployment.model,
        "tier": deployment.tier.slug,
        "word": word,
    }


def milliseconds(seconds: float | None) -> float | None:
    """Milliseconds with a tenth's precision."""
    return None if seconds is None else round(seconds * 10_000) / 10
