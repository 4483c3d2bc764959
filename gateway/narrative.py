"""What happened to a request, in one plain sentence.

"asked rainymodel/auto under policy auto; hf timed out after 60.0 s; ollama (qwen2.5:14b) answered in 2.1 s;
412 tokens; $0"
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Protocol

from gateway.messages import HELD_AFTER

# What an attempt that ended in this word did.
FAILED = {
    "timeout": "timed out",
    "connection_error": "could not be reached",
    "rate_limited": "limited our rate",
    "quota_exhausted": "had no quota left",
    "credential_refused": "refused our credential",
    "configuration": "did not know the model or is not set up right",
    "server_error": "failed",
    "bad_response": "sent a broken answer",
    "capability": "could not do what was asked",
    "context_too_long": "found the context too long",
    "invalid_request": "refused the request as invalid",
    "content_filter": "refused the content",
    "cancelled": "was stopped",
}
# What reads differently once content had come.
BROKE_OFF = {"connection_error": "lost the connection", "timeout": "fell silent"}
# Why a deployment was skipped without an attempt.
SKIPPED = {
    "circuit_open": "circuit open",
    "held": "on hold",
    "busy": "busy",
    "capability": "cannot do what was asked",
    "context_too_long": "context too long for it",
    "context_too_small": "its context window is too small",
    "disabled": "disabled",
    "no_credential": "no credential",
    "address_refused": "its address is not allowed here",
    "tier_not_in_policy": "its tier is not in the policy",
    "tier_not_allowed": "its tier is above what the key may reach",
    "provider_filter": "not the provider asked for",
    "price_ceiling": "above the policy's price ceiling",
    "unpriced": "its price is unknown and the key has a budget",
    "budget_spent": "what is left of the budget does not cover it",
    "wire_unavailable": "its wire is not available here",
}
# How it ended for the client, by state; some error codes say more.
ENDINGS = {
    "client_error": "the request was turned down with {told}",
    "refused": "refused with {told}",
    "upstream_error": "the client got {told}",
    "truncated": "the answer ended early with an error frame ({told})",
    "cancelled": "the client left{after}",
    "lost": "the worker ended before it could say how this went",
}
ENDINGS_OF_CODES = {
    "rate_limit_exceeded": "refused: the key's requests or tokens per minute were used up",
    "request_over_token_limit": "refused: it alone is over the key's tokens per minute",
    "concurrency_limit": "refused: the key's requests at once were all running",
    "insufficient_quota": "refused: the key's budget was spent",
    "internal_error": "the gateway itself failed, the client got {told}",
}
SECOND = 1000.0
NOTICED = 100.0  # milliseconds


class Row(Protocol):
    """What the sentence needs to know; RequestLog and LogEntry both have it."""

    requested_model: str
    policy: str
    provider_filter: str
    attempts: list[dict[str, Any]]
    state: str
    status: int
    error_code: str
    total_ms: float | None
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    estimated: bool
    cost_usd: Decimal | None


def narrate(row: Row) -> str:
    """The request's story, its parts separated by semicolons, in the order in which they happened."""
    parts = [asked(row), *(attempt_story(attempt) for attempt in row.attempts), ending(row), *account(row)]
    return "; ".join(part for part in parts if part)


def asked(row: Row) -> str:
    """What was asked for."""
    if not row.requested_model:
        return "sent a request that was not read"
    policy = f" under policy {row.policy}" if row.policy else ""
    provider = f" from {row.provider_filter} only" if row.provider_filter else ""
    return f"asked {row.requested_model}{policy}{provider}"


def attempt_story(attempt: dict[str, Any]) -> str:
    """What one deployment did, or why it was skipped."""
    label = attempt.get("upstream") or attempt.get("deployment") or "an upstream"
    answering = f"{label} ({attempt['model']})" if attempt.get("model") else label
    first, took = timing(attempt, "first_content_ms"), timing(attempt, "total_ms")
    happened = what_happened(attempt)
    if attempt.get("skipped"):
        return f"{label} was {happened}"
    if not attempt.get("word"):
        return f"{answering} {happened}{within(took)}"
    if first is not None:
        return f"{answering} began to answer{after(first)}, then {happened}{after(took)}"
    return f"{label} {happened}{after(took)}"


def what_happened(attempt: dict[str, Any]) -> str:
    """The reason word of an attempt in plain words."""
    word = str(attempt.get("word") or "")
    if attempt.get("skipped"):
        because = HELD_AFTER.get(str(attempt.get("held_for") or ""))
        return f"skipped: {plain(SKIPPED, word)}{f' after {because}' if because else ''}"
    if not word:
        return "answered"
    words = FAILED if timing(attempt, "first_content_ms") is None else {**FAILED, **BROKE_OFF}
    return plain(words, word)


def timing(attempt: dict[str, Any], name: str) -> float | None:
    """One of an attempt's durations in milliseconds; None when it has none."""
    value = attempt.get(name)
    return float(value) if isinstance(value, int | float) else None


def ending(row: Row) -> str:
    """What the client got, where the attempts do not say it."""
    if row.state == "ok":
        return elsewhere(row) if row.attempts else "answered"
    sentence = ENDINGS_OF_CODES.get(row.error_code) or ENDINGS.get(row.state, "ended as {told}")
    return sentence.format(told=f"{row.status} {row.error_code}".strip(), after=after(row.total_ms))


def elsewhere(row: Row) -> str:
    """Time that no upstream took: the gateway's own, and the client's for sending and reading."""
    besides = (row.total_ms or 0.0) - sum(timing(attempt, "total_ms") or 0.0 for attempt in row.attempts)
    return f"{duration(besides)} outside the upstreams" if besides >= NOTICED else ""


def account(row: Row) -> Iterator[str]:
    """Tokens and money; nothing for a request that used nothing."""
    tokens = row.input_tokens + row.cached_tokens + row.output_tokens
    if not tokens and row.cost_usd is None:
        if row.state in {"ok", "lost"}:
            yield "cost unknown"
        return
    about = "about " if row.estimated else ""
    yield f"{about}{tokens:,} token{'' if tokens == 1 else 's'}"
    yield "cost unknown" if row.cost_usd is None else about + dollars(row.cost_usd)


def dollars(amount: Decimal) -> str:
    """`$0`, `$0.0012`, `$1.25`: no more digits than say something, whole cents from a cent on."""
    if not amount:
        return "$0"
    text = format(amount.normalize(), "f")
    whole, _, decimals = text.partition(".")
    return f"${int(whole):,}.{decimals:0<2}"


def duration(milliseconds: float) -> str:
    """`0.6 ms`, `340 ms`, `2.1 s`: as exact as people care."""
    if milliseconds < 9.95:
        return f"{milliseconds:.1f} ms"
    if round(milliseconds) < SECOND:
        return f"{milliseconds:.0f} ms"
    return f"{milliseconds / SECOND:,.1f} s"


def within(milliseconds: float | None) -> str:
    """` in 2.1 s`, or nothing when nobody knows."""
    return "" if milliseconds is None else f" in {duration(milliseconds)}"


def after(milliseconds: float | None) -> str:
    """` after 60.0 s`, or nothing when nobody knows."""
    return "" if milliseconds is None else f" after {duration(milliseconds)}"


def reason_words(word: str) -> str:
    """A reason for a fallback in plain words: of an attempt that failed, or of a deployment that was skipped."""
    return plain({**SKIPPED, **FAILED}, word)


def plain(words: dict[str, str], word: str) -> str:
    """The phrase for a reason word; an unlisted word is shown as it is."""
    return words.get(word, word.replace("_", " ") or "no reason given")
