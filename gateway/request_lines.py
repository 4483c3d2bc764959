"""What operators read in the process's output of each request: the decision, each request out, each answer back.

    ROUTING DECISION auto-chat → cliproxy claude-sonnet-4-6, newapi gpt-5 (manual, policy listed) 0199…
    → CLAUDE: claude-sonnet-4 (streaming) -> https://api.anthropic.com/v1/messages 0199…
    ← CLAUDE: ✓ 200 in 1234ms for claude-sonnet-4 0199…
    – HF: skipped, is on hold for 5 minutes after it refused our credential 0199…
    ✗ REQUEST FAILED auto-chat: 503 no_healthy_upstream (hf is on hold for 5 minutes after …) 0199…

In production the same facts are one JSON object per line. A request only appends a few values here: lines are made and
written together, in a thread, so that neither the formatting nor a reader that is slow holds a request up.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict
from functools import lru_cache
from typing import Any

import orjson

from gateway.dialects.registry import DIALECTS
from gateway.errors import GatewayError
from gateway.messages import told, tried
from gateway.upstream.openai_wire import base_url_of
from gateway.visible import visible_line
from routing.engine.outcome import Outcome
from routing.engine.plan import Plan
from routing.engine.snapshot import Deployment
from routing.engine.verdict import Passed, Reason, Verdict

Facts = dict[str, Any]
FLUSH_SECONDS = 0.2
MOST_WAITING = 20_000  # lines; a reader that falls behind this far misses some, and is told how many
DECISION, SENT, ANSWERED = "ROUTING DECISION", "upstream request", "upstream answer"
SKIPPED, FAILED = "upstream skipped", "REQUEST FAILED"


class RequestLines:
    """Collects and writes. `write` takes whole lines; where it is None nothing is collected."""

    def __init__(self, write: Callable[[bytes], object] | None, *, as_json: bool) -> None:
        self._write, self._say = write, as_document if as_json else as_sentence
        self._waiting: deque[Facts] = deque()
        self._missed = 0

    def decided(self, request_id: str, plan: Plan) -> None:
        """Where routing will try, in order."""
        self._add(DECISION, request_id, plan=plan)

    def sent(self, request_id: str, deployment: Deployment, dialect: str, *, stream: bool) -> None:
        """A request goes out."""
        self._add(SENT, request_id, deployment=deployment, dialect=dialect, stream=stream)

    def answered(self, request_id: str, deployment: Deployment, outcome: Outcome, seconds: float) -> None:
        """An answer came back whole, or did not; `seconds` is the whole attempt."""
        self._add(ANSWERED, request_id, deployment=deployment, outcome=outcome, seconds=seconds)

    def skipped(self, request_id: str, passed: Passed) -> None:
        """A candidate was not asked, because of what is known of it."""
        self._add(SKIPPED, request_id, deployment=passed.deployment, passed=passed)

    def failed(self, request_id: str, model: str, error: GatewayError, verdict: Verdict) -> None:
        """Nothing answered; the client is told `error`."""
        self._add(FAILED, request_id, model=model, error=error, verdict=verdict)

    async def run(self) -> None:
        """Write what has gathered, several times a second."""
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            if self._waiting:
                await self.flush()

    async def flush(self) -> None:
        """Write everything that waits."""
        waiting, self._waiting = self._waiting, deque()
        missed, self._missed = self._missed, 0
        await asyncio.to_thread(self._write_lines, waiting, missed)

    def _add(self, event: str, request_id: str, **facts: Any) -> None:
        if self._write is None:
            return
        if len(self._waiting) >= MOST_WAITING:
            self._missed += 1
            return
        facts.update(event=event, time=time.time(), request_id=request_id)
        self._waiting.append(facts)

    def _write_lines(self, waiting: deque[Facts], missed: int) -> None:
        lines = [self._say(facts) for facts in waiting]
        if missed:
            lines.append(self._say({"event": f"{missed} request lines were left out", "time": time.time()}))
        if self._write is not None and lines:
            self._write(b"\n".join(lines) + b"\n")


def as_document(facts: Facts) -> bytes:
    """One JSON object, with the fields that all our log lines have."""
    whole, part = divmod(facts["time"], 1)
    document = {
        "event": facts["event"],
        "level": "info",
        "logger": "gateway.requests",
        "timestamp": f"{second(int(whole))}.{int(part * 1e6):06d}Z",
    }
    if "request_id" in facts:
        document["request_id"] = facts["request_id"]
    document.update(details(facts))
    return orjson.dumps(document)


@lru_cache(maxsize=4)
def second(moment: int) -> str:
    """A second since 1970 as our log lines have it; the lines of one come together."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment))


def details(facts: Facts) -> Facts:
    """What is particular to the event."""
    if facts["event"] == DECISION:
        plan: Plan = facts["plan"]
        ordered = plan.ordered
        return {
            "requested_model": plan.requested,
            "routing_mode": plan.alias.mode,
            "selected_model": plan.requested,
            "alias": plan.alias.name,
            "policy": plan.policy.name,
            "revision": plan.revision,
            "candidates": [deployment.slug for deployment in ordered],
            "left_out": [] if ordered else left_out(plan),
        }
    if facts["event"] == FAILED:
        reasons = [asdict(reason) for reason in facts["verdict"].reasons]
        error: GatewayError = facts["error"]
        return {
            "requested_model": facts["model"],
            "status": error.status,
            "code": error.code,
            "reasons": reasons,
        }
    if "deployment" not in facts:
        return {}
    deployment: Deployment = facts["deployment"]
    named = {"upstream": deployment.provider.upstream, "model": deployment.model}
    if facts["event"] == SENT:
        return {**named, "stream": facts["stream"], "url": address_of(deployment, facts["dialect"])}
    if facts["event"] == SKIPPED:
        passed: Passed = facts["passed"]
        return {**named, "reason": passed.word, "held_for": passed.held_for, "wait": passed.wait}
    outcome: Outcome = facts["outcome"]
    took = round(facts["seconds"] * 1000)
    return {**named, "ok": not outcome.word, "status": status_of(outcome), "reason": outcome.word, "ms": took}


def as_sentence(facts: Facts) -> bytes:
    """One line for a person."""
    return f"{visible_line(sentence(facts))} {facts.get('request_id', '')}".rstrip().encode()


def sentence(facts: Facts) -> str:
    """The line without the request's id."""
    if facts["event"] == DECISION:
        plan: Plan = facts["plan"]
        names = [f"{one.provider.upstream} {one.model}" for one in plan.ordered]
        order = ", ".join(names) or f"nothing can answer{in_brackets(left_out(plan))}"
        return f"{DECISION} {plan.requested} → {order} ({plan.alias.mode}, policy {plan.policy.name})"
    said = details(facts)
    if facts["event"] == FAILED:
        return (
            f"✗ {FAILED} {said['requested_model']}: {said['status']} {said['code']}{tried(facts['verdict'])}"
        )
    if "deployment" not in facts:
        return str(facts["event"])
    label = said["upstream"].upper()
    if facts["event"] == SKIPPED:
        return f"– {label}: {said['model']} skipped, {told(facts['passed'].reason)}"
    if facts["event"] == SENT:
        return f"→ {label}: {said['model']}{' (streaming)' if said['stream'] else ''} -> {said['url']}"
    mark = "✓" if said["ok"] else "✗"
    what = " ".join(str(word) for word in (said["status"], said["reason"]) if word)
    return f"← {label}: {mark} {what} in {said['ms']}ms for {said['model']}"


def left_out(plan: Plan) -> list[str]:
    """Why nothing can answer, each reason once: `hf is on hold for …`, `openai no_credential: …`."""
    skipped = (
        f"{one.deployment.provider.upstream} "
        + told(Reason("", one.skip, one.held_for, one.retry_after if one.held_for else None))
        for one in plan.candidates
    )
    never = (
        f"{one.deployment.provider.upstream} {one.reason}"
        + (f": {one.deployment.provider.why}" if one.reason == one.deployment.provider.unready else "")
        for one in plan.ineligible
    )
    return list(dict.fromkeys([*skipped, *never]))


def in_brackets(reasons: list[str]) -> str:
    """` (one; two)`, or nothing."""
    return f" ({'; '.join(reasons)})" if reasons else ""


def status_of(outcome: Outcome) -> int | None:
    """The upstream's status; 200 for an answer that came whole."""
    return outcome.status if outcome.word else 200


def address_of(deployment: Deployment, dialect: str) -> str:
    """Where the request goes: the URL; of one that litellm makes, the base URL or the prefix it is found by."""
    provider = deployment.provider
    if provider.wire == "litellm" and dialect == "chat":
        return provider.base_url or f"litellm {provider.litellm_prefix}"
    return base_url_of(provider) + DIALECTS[dialect].path
