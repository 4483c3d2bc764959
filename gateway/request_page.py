"""What the page of one request shows, as plain values; the template only lays them out."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.urls import NoReverseMatch, reverse

from accounts.moments import moment_words
from gateway.models import RequestLog
from gateway.narrative import dollars, duration, narrate, timing, what_happened
from gateway.why import Why, why

UNKNOWN, NOTHING = "unknown", "–"
TONES = {"ok": "good", "cancelled": "quiet", "refused": "warn", "client_error": "warn"}
NANO = 10**9
LATEST = datetime(9999, 1, 1, tzinfo=UTC).timestamp()
SHORTEST_BAR = 0.6  # percent; thinner would not be seen
Fact = tuple[str, str]


@dataclass(frozen=True, slots=True)
class AttemptLine:
    """One deployment tried or skipped. `offset`, `waiting` and `answering` are percent of the whole time."""

    number: str
    label: str
    model: str
    tier: str
    story: str
    word: str
    status: str
    tone: str
    first_content: str
    total: str
    notes: tuple[str, ...] = ()
    offset: float = 0.0
    waiting: float = 0.0
    answering: float = 0.0

    @property
    def answering_from(self) -> float:
        """Where the second part of the bar begins."""
        return self.offset + self.waiting

    @property
    def span(self) -> str:
        """The bar in words, for who does not see it."""
        return f"from {self.offset:.0f} % to {self.answering_from + self.answering:.0f} % of the whole time"


@dataclass(frozen=True, slots=True)
class OwnShare:
    """What the gateway itself took, in words and in percent of the whole time."""

    took: str
    width: float


@dataclass(frozen=True, slots=True)
class Section:
    """A group of facts under a heading."""

    title: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class RequestPage:
    """Everything the page shows."""

    sentence: str
    at: datetime
    tone: str
    state: str
    why: Why
    explain: str
    attempts: tuple[AttemptLine, ...]
    own: OwnShare | None
    whole: str
    sections: tuple[Section, ...]
    documents: tuple[Fact, ...]


def request_page(row: RequestLog) -> RequestPage:
    """The page of one row."""
    reasons = why(row)
    return RequestPage(
        sentence=narrate(row),
        at=row.started_at,
        tone=TONES.get(row.state, "bad"),
        state=row.get_state_display(),
        why=reasons,
        explain=explain_address(row),
        attempts=tuple(attempt_lines(row)),
        own=own_share(row),
        whole=duration(whole_time(row)),
        sections=(
            asked(row, reasons.deadline),
            caller(row),
            answer(row),
            usage(row),
            cost(row),
            headers(row),
        ),
        documents=tuple(documents(row)),
    )


def explain_address(row: RequestLog) -> str:
    """Where routing explains what it would do with such a request now; empty where there is no such page."""
    try:
        return f"{reverse('console:explain')}?request={row.pk}" if row.requested_model else ""
    except NoReverseMatch:
        return ""


def own_share(row: RequestLog) -> OwnShare | None:
    """The gateway's own time, spread over the whole; None when it was not measured."""
    if row.overhead_ms is None:
        return None
    width = min(row.overhead_ms / whole_time(row), 1.0) * 100
    return OwnShare(duration(row.overhead_ms), round(max(width, SHORTEST_BAR), 2))


def whole_time(row: RequestLog) -> float:
    """The milliseconds that the bars are parts of."""
    return max(row.total_ms or 0.0, sum(milliseconds(attempt, "total_ms") for attempt in row.attempts), 1.0)


def attempt_lines(row: RequestLog) -> Iterator[AttemptLine]:
    """The attempts one after the other, each where it lies in the whole time."""
    whole, before, number = whole_time(row), 0.0, 0
    for attempt in row.attempts:
        number += not attempt.get("skipped")
        yield attempt_line(attempt, number, before / whole, whole)
        before += milliseconds(attempt, "total_ms")


def attempt_line(attempt: dict[str, Any], number: int, start: float, whole: float) -> AttemptLine:
    """One line; `start` is the share of the whole time that lies before it."""
    skipped, word = bool(attempt.get("skipped")), str(attempt.get("word") or "")
    total, first = milliseconds(attempt, "total_ms"), milliseconds(attempt, "first_content_ms")
    waiting = min(first, total) if timing(attempt, "first_content_ms") is not None else total
    return AttemptLine(
        number=NOTHING if skipped else str(number),
        label=str(attempt.get("upstream") or attempt.get("deployment") or UNKNOWN),
        model=str(attempt.get("model") or ""),
        tier=str(attempt.get("tier") or NOTHING),
        story=what_happened(attempt),
        word=word,
        status=str(attempt.get("status") or NOTHING),
        tone="quiet" if skipped else "bad" if word else "good",
        first_content=shown_ms(timing(attempt, "first_content_ms")),
        total=shown_ms(timing(attempt, "total_ms")),
        notes=tuple(attempt_notes(attempt)),
        offset=round(start * 100, 2),
        waiting=0.0 if skipped else round(max(waiting / whole * 100, SHORTEST_BAR), 2),
        answering=round((total - waiting) / whole * 100, 2),
    )


def attempt_notes(attempt: dict[str, Any]) -> Iterator[str]:
    """What else the log knows of an attempt."""
    if attempt.get("asked_in"):
        yield f"asked in the {attempt['asked_in']} dialect, its answer translated"
    if attempt.get("said"):
        yield f"it said: {attempt['said']}"
    if isinstance(odd := attempt.get("oddities"), list):
        yield f"odd in its answer: {', '.join(str(one).replace('_', ' ') for one in odd)}"
    if isinstance(billed := attempt.get("maybe_billed"), int):
        yield f"it may have gone on and cost up to {dollars(Decimal(billed) / NANO)} all the same"


def asked(row: RequestLog, deadline: str) -> Section:
    """What the client asked for; `deadline` is the alias's."""
    facts = (
        ("Model", row.requested_model or NOTHING),
        ("Alias", row.alias or NOTHING),
        ("Model it became", f"{row.selected_model} ({row.routing_mode})" if is_chosen(row) else "the same"),
        ("Policy", row.policy or NOTHING),
        ("Provider asked for", row.provider_filter or "any"),
        ("Needs", ", ".join(row.needs) or "nothing special"),
        ("Input, estimated", f"{row.input_tokens_estimate:,} tokens"),
        ("Output at most", NOTHING if row.max_tokens is None else f"{row.max_tokens:,} tokens"),
        ("Answer as", "stream" if row.stream else "JSON"),
        ("Deadline", deadline_of(row, deadline)),
        ("Endpoint", row.endpoint or NOTHING),
    )
    return Section("What was asked", facts)


def is_chosen(row: RequestLog) -> bool:
    """Whether the alias's mode put another model in the place of the one asked for."""
    return bool(row.routing_mode and row.selected_model) and row.selected_model != row.requested_model


def deadline_of(row: RequestLog, alias: str) -> str:
    """The client's own deadline, else the alias's."""
    if row.deadline_ms is not None:
        return f"{duration(row.deadline_ms)}, the client's own"
    return f"{alias} (the alias's)" if alias else "the alias's"


def caller(row: RequestLog) -> Section:
    """Who asked."""
    facts = (
        ("Key", row.key_label or NOTHING),
        ("User id", row.user_id or NOTHING),
        ("End user", row.end_user or NOTHING),
        ("Address", row.client_address or NOTHING),
        ("Client", row.user_agent or NOTHING),
        ("Client's request id", row.client_request_id or NOTHING),
    )
    return Section("Who asked", facts)


def answer(row: RequestLog) -> Section:
    """What answered, and how long it took."""
    facts = (
        ("Answered by", row.upstream or "nothing"),
        ("Upstream model", row.upstream_model or NOTHING),
        ("Deployment", row.deployment or NOTHING),
        ("Provider", row.provider or NOTHING),
        ("Tier", row.tier or NOTHING),
        ("Status", f"{row.status} {row.error_code}".strip()),
        ("First failed or skipped for", row.fallback_reason or "none was"),
        ("First content, for the client", shown_ms(row.first_content_ms)),
        ("Whole request", shown_ms(row.total_ms)),
        ("Our own share", shown_ms(row.overhead_ms)),
        ("Catalogue revision", str(row.revision or NOTHING)),
        ("Worker", row.worker or NOTHING),
    )
    return Section("The answer", facts)


def usage(row: RequestLog) -> Section:
    """Tokens, each counted once."""
    facts = (
        ("Input, not cached", f"{row.input_tokens:,}"),
        ("Input, cached", f"{row.cached_tokens:,}"),
        ("Output", f"{row.output_tokens:,}"),
        ("of which reasoning", f"{row.reasoning_tokens:,}"),
        ("Together", f"{row.total_tokens:,}"),
        ("Counted by", counted_by(row)),
    )
    return Section("Tokens", facts)


def counted_by(row: RequestLog) -> str:
    """Where the numbers come from."""
    if row.estimated:
        return "us: estimated, four bytes a token"
    return "the upstream" if row.usage_raw is not None else "nobody"


def cost(row: RequestLog) -> Section:
    """The cost and the prices that made it."""
    if row.cost_usd is None and not row.attempt_count:
        return Section("Cost", (("Cost", "none: no upstream was asked"),))
    total = UNKNOWN if row.cost_usd is None else dollars(row.cost_usd)
    facts = [("Cost", f"about {total}" if row.estimated and row.cost_usd else total)]
    if row.price is None:
        return Section("Cost", (*facts, ("Price", UNKNOWN)))
    facts.append(("Price in force since", price_start(row.price.get("starts"))))
    for title, name in (("Input", "input"), ("Cached input", "cached_input"), ("Output", "output")):
        facts.append((f"{title} price", per_million(row.price.get(name))))
    return Section("Cost", tuple(facts))


def price_start(starts: Any) -> str:
    """The day from which a price row counts; seconds since 1970 in the log."""
    if not isinstance(starts, int | float) or not 0 < starts < LATEST:
        return "the beginning" if starts == 0 else UNKNOWN
    return moment_words(datetime.fromtimestamp(starts, UTC))


def headers(row: RequestLog) -> Section:
    """What the client could read in the answer's own headers, to find this page again."""
    tried = [str(attempt.get("upstream") or UNKNOWN) for attempt in row.attempts if attempt.get("word")]
    facts = (
        ("x-request-id", str(row.pk)),
        ("x-rainymodel-route", row.tier or ("error" if row.state != "ok" else NOTHING)),
        ("x-rainymodel-upstream", row.upstream or "none"),
        ("x-rainymodel-model", row.upstream_model or NOTHING),
        ("x-rainymodel-policy", row.policy or NOTHING),
        ("x-rainymodel-attempts", str(row.attempt_count)),
        ("x-rainymodel-fallback-reason", row.fallback_reason or NOTHING),
        ("x-rainymodel-tried", ", ".join(tried) or NOTHING),
        ("x-rainymodel-revision", str(row.revision or NOTHING)),
    )
    return Section("The answer's headers", facts)


def per_million(amount: str | None) -> str:
    """A price as the log keeps it, for people."""
    return UNKNOWN if amount is None else f"{dollars(Decimal(amount))} per million tokens"


def documents(row: RequestLog) -> Iterator[Fact]:
    """What is kept as JSON, and only what there is."""
    for title, value in (
        ("Usage as the upstream told it", row.usage_raw),
        ("Reserved before the call", row.reservation),
        ("Parameters changed for the upstream", row.parameter_edits),
    ):
        if value:
            yield title, json.dumps(value, ensure_ascii=False, indent=2)


def milliseconds(attempt: dict[str, Any], name: str) -> float:
    """A duration of an attempt; 0 when it has none."""
    return max(timing(attempt, name) or 0.0, 0.0)


def shown_ms(value: float | None) -> str:
    """A duration for people; a dash for none."""
    return NOTHING if value is None else duration(value)
