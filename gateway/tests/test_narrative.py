"""The sentence that tells an operator what happened to a request."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from gateway.log_rows import LogEntry
from gateway.models import State
from gateway.narrative import FAILED, SKIPPED, dollars, duration, narrate
from routing.engine.outcome import FALLBACK_WORDS, REJECTED_WORDS


def tried(upstream: str, word: str = "", total_ms: float | None = None, **more: Any) -> dict[str, Any]:
    return {"upstream": upstream, "word": word, "total_ms": total_ms, "first_content_ms": None, **more}


def passed(upstream: str, word: str) -> dict[str, Any]:
    return {"upstream": upstream, "word": word, "skipped": True}


OLLAMA = tried("ollama", total_ms=2100, model="qwen2.5:14b", first_content_ms=300)
ASKED = {"requested_model": "rainymodel/auto", "policy": "auto", "status": 200, "state": "ok"}
USED = {"input_tokens": 100, "cached_tokens": 12, "output_tokens": 300, "cost_usd": Decimal(0)}
STORIES = {
    "answered after a fallback": (
        {**ASKED, **USED, "attempts": [tried("hf", "timeout", 60_000), OLLAMA]},
        "asked rainymodel/auto under policy auto; hf timed out after 60.0 s;"
        " ollama (qwen2.5:14b) answered in 2.1 s; 412 tokens; $0",
    ),
    "answered after time went by elsewhere": (
        {**ASKED, **USED, "attempts": [OLLAMA], "total_ms": 2243.2},
        "asked rainymodel/auto under policy auto; ollama (qwen2.5:14b) answered in 2.1 s;"
        " 143 ms outside the upstreams; 412 tokens; $0",
    ),
    "answered about as soon as the upstream did": (
        {**ASKED, **USED, "attempts": [OLLAMA], "total_ms": 2149.0},
        "asked rainymodel/auto under policy auto; ollama (qwen2.5:14b) answered in 2.1 s; 412 tokens; $0",
    ),
    "answered at a price": (
        {**ASKED, **USED, "attempts": [OLLAMA], "cost_usd": Decimal("0.001200000")},
        "asked rainymodel/auto under policy auto; ollama (qwen2.5:14b) answered in 2.1 s; 412 tokens; $0.0012",
    ),
    "answered at an unknown price": (
        {**ASKED, **USED, "attempts": [OLLAMA], "cost_usd": None},
        "asked rainymodel/auto under policy auto; ollama (qwen2.5:14b) answered in 2.1 s;"
        " 412 tokens; cost unknown",
    ),
    "answered, with estimated usage": (
        {**ASKED, **USED, "attempts": [OLLAMA], "cost_usd": Decimal("0.5"), "estimated": True},
        "asked rainymodel/auto under policy auto; ollama (qwen2.5:14b) answered in 2.1 s;"
        " about 412 tokens; about $0.50",
    ),
    "answered by the one provider asked for": (
        {
            **ASKED,
            **USED,
            "provider_filter": "ollama",
            "attempts": [passed("openai", "circuit_open"), OLLAMA],
        },
        "asked rainymodel/auto under policy auto from ollama only; openai was skipped: circuit open;"
        " ollama (qwen2.5:14b) answered in 2.1 s; 412 tokens; $0",
    ),
    "a body that could not be read": (
        {"state": "client_error", "status": 400, "error_code": "invalid_json"},
        "sent a request that was not read; the request was turned down with 400 invalid_json",
    ),
    "an upstream called the request invalid": (
        {
            **ASKED,
            "state": "client_error",
            "status": 400,
            "error_code": "invalid_request",
            "attempts": [tried("openai", "invalid_request", 340)],
        },
        "asked rainymodel/auto under policy auto; openai refused the request as invalid after 340 ms;"
        " the request was turned down with 400 invalid_request",
    ),
    "over the key's rate": (
        {"state": "refused", "status": 429, "error_code": "rate_limit_exceeded"},
        "sent a request that was not read; refused: the key's requests or tokens per minute were used up",
    ),
    "everything failed": (
        {
            **ASKED,
            "state": "upstream_error",
            "status": 502,
            "error_code": "all_upstreams_failed",
            "attempts": [tried("hf", "rate_limited", 90), tried("openai", "connection_error", 3000)],
        },
        "asked rainymodel/auto under policy auto; hf limited our rate after 90 ms;"
        " openai could not be reached after 3.0 s; the client got 502 all_upstreams_failed",
    ),
    "our own mistake": (
        {**ASKED, "state": "upstream_error", "status": 500, "error_code": "internal_error"},
        "asked rainymodel/auto under policy auto; the gateway itself failed,"
        " the client got 500 internal_error",
    ),
    "broken off after content": (
        {
            **ASKED,
            **USED,
            "state": "truncated",
            "status": 502,
            "error_code": "upstream_error",
            "estimated": True,
            "attempts": [tried("hf", "timeout", 31_000, first_content_ms=400, model="Qwen")],
        },
        "asked rainymodel/auto under policy auto; hf (Qwen) began to answer after 400 ms,"
        " then fell silent after 31.0 s; the answer ended early with an error frame (502 upstream_error);"
        " about 412 tokens; about $0",
    ),
    "left by the client": (
        {
            **ASKED,
            "state": "cancelled",
            "status": 499,
            "total_ms": 1600,
            "attempts": [tried("hf", "cancelled", 1500)],
        },
        "asked rainymodel/auto under policy auto; hf was stopped after 1.5 s; the client left after 1.6 s",
    ),
    "lost with its worker": (
        {**ASKED, "state": "lost", "status": 0},
        "asked rainymodel/auto under policy auto;"
        " the worker ended before it could say how this went; cost unknown",
    ),
}


def entry(**known: Any) -> LogEntry:
    return LogEntry("0193b3a0-0000-7000-8000-000000000000", datetime(2026, 11, 21, tzinfo=UTC), **known)


@pytest.mark.parametrize("story", STORIES)
def test_a_row_reads_as_a_sentence(story: str) -> None:
    row, sentence = STORIES[story]

    assert narrate(entry(**row)) == sentence


def test_every_state_has_a_story() -> None:
    assert {row["state"] for row, _ in STORIES.values()} == set(State.values)


def test_every_reason_word_has_a_phrase() -> None:
    assert set(FALLBACK_WORDS) - set(FAILED) == {"circuit_open", "held", "busy"}
    assert {"circuit_open", "held", "busy", "capability", "context_too_long"} <= set(SKIPPED)
    assert set(REJECTED_WORDS) <= set(SKIPPED)


def test_a_word_nobody_knows_is_shown_as_it_is() -> None:
    row = entry(**ASKED, attempts=[tried("hf", "new_reason", 5), passed("xai", "")])

    assert "hf new reason after 5.0 ms; xai was skipped: no reason given" in narrate(row)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0", "$0"),
        ("0.000000000", "$0"),
        ("0.5", "$0.50"),
        ("0.000000001", "$0.000000001"),
        ("0.00123", "$0.00123"),
        ("1234.5", "$1,234.50"),
        ("20", "$20.00"),
    ],
)
def test_money_has_the_digits_that_say_something(amount: str, text: str) -> None:
    assert dollars(Decimal(amount)) == text


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0.62, "0.6 ms"),
        (9.97, "10 ms"),
        (340, "340 ms"),
        (999.7, "1.0 s"),
        (2100, "2.1 s"),
        (60_000, "60.0 s"),
    ],
)
def test_durations_are_as_exact_as_people_care(milliseconds: float, text: str) -> None:
    assert duration(milliseconds) == text
