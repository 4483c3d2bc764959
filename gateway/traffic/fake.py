"""Traffic that never was, for trials and measurements: a realistic mix of rows for the request log, from a seed.

Most requests take one of SHAPES combinations of key, alias, deployment and ending, which are worded once; only ids,
times, tokens, durations and costs are drawn for each row.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson

from gateway.log_rows import COLUMNS, LogEntry

SHAPES = 3_000
KEYS = 60
HOUR = timedelta(hours=1)
DRAWN = ("id", "started_at", "first_content_ms", "total_ms", "overhead_ms", "input_tokens", "cached_tokens",
         "output_tokens", "reasoning_tokens", "cost_usd")  # fmt: skip
STATED = tuple(name for name in COLUMNS if name not in DRAWN)
ENDPOINTS = (("/v1/chat/completions", 88), ("/v1/messages", 7), ("/v1/responses", 3), ("/v1/embeddings", 2))
# What is asked for, by which policy, how often, and the deployments in order.
QWEN = "hf/Qwen/Qwen2.5-72B-Instruct"
CODER, OLLAMA = "hf/Qwen/Qwen2.5-Coder-32B-Instruct", "ollama-primary/qwen2.5:14b"
MINI, DEEPSEEK, SONNET = "openai/gpt-4o-mini", "deepseek/deepseek-chat", "claude/claude-sonnet-4-20250514"
ALIASES = (
    ("rainymodel/auto", "auto", 46, (QWEN, OLLAMA, MINI)),
    ("rainymodel/chat", "auto", 18, (QWEN, OLLAMA, MINI)),
    ("rainymodel/code", "auto", 20, (CODER, DEEPSEEK, MINI)),
    ("rainymodel/agent", "premium", 12, (SONNET, "openai/gpt-4o", DEEPSEEK)),
    ("claude-*", "premium", 4, (SONNET, "openrouter/qwen/qwen-2.5-72b-instruct")),
)
# Provider → tier, how likely an attempt fails, the usual seconds, USD per million tokens in and out.
PROVIDERS = {
    "hf": ("free", 0.09, 2.4, 0.0, 0.0),
    "ollama-primary": ("internal", 0.03, 4.0, 0.0, 0.0),
    "deepseek": ("direct", 0.02, 2.0, 0.27, 1.1),
    "openai": ("premium", 0.01, 1.6, 0.15, 0.6),
    "claude": ("premium", 0.015, 2.6, 3.0, 15.0),
    "openrouter": ("premium", 0.02, 2.2, 0.4, 0.4),
}
FAILURES = (
    ("timeout", 30),
    ("rate_limited", 34),
    ("server_error", 16),
    ("connection_error", 8),
    ("circuit_open", 12),
)
# Endings that have nothing to do with upstreams, of ten thousand requests.
OTHERS = (
    ("client_error", 400, "invalid_request", 90),
    ("refused", 429, "rate_limit_exceeded", 70),
    ("lost", 0, "", 1),
)


@dataclass(frozen=True, slots=True)
class Shape:
    """What rows have in common: their fields as COPY text, and what the rest is drawn from. Times in ms."""

    fields: tuple[str, ...]
    waited: float
    typical: float
    answered: bool
    stream: bool
    priced: bool
    price: tuple[float, float]


def hours_of(rows: int, days: int, until: datetime) -> Iterator[tuple[datetime, int]]:
    """So many rows spread over the hours up to `until`: less at night and at weekends; every row is in one hour."""
    last = until.replace(minute=0, second=0, microsecond=0)
    hours = [last - HOUR * back for back in range(24 * days, 0, -1)]
    weights = [busy(hour) for hour in hours]
    done, share, whole = 0, 0.0, sum(weights)
    for hour, weight in zip(hours, weights, strict=True):
        share += weight
        upto = round(rows * share / whole)
        yield hour, upto - done
        done = upto


def busy(hour: datetime) -> float:
    """How much is asked in this hour, compared with others."""
    day = 1.0 + 0.75 * math.sin((hour.hour - 8) * math.pi / 12)
    return day * (0.45 if hour.weekday() >= 5 else 1.0)


class Traffic:
    """Rows of the log as lines for COPY; the same seed and calls make the same rows."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        self._shapes = [self._shape() for _ in range(SHAPES)]
        self._spread = [self._dice.lognormvariate(0.0, 0.55) for _ in range(4_096)]
        self._sizes = [self._dice.lognormvariate(6.1, 1.1) for _ in range(4_096)]

    def lines(self, begin: datetime, count: int) -> Iterator[bytes]:
        """So many rows of an hour, oldest first."""
        draw, first = self._dice.random, int(begin.timestamp() * 1000)
        times = sorted(int(draw() * 3_600_000) for _ in range(count))
        for number, offset in enumerate(times):
            yield self._line(first + offset, number)

    def _line(self, millisecond: int, number: int) -> bytes:
        draw = self._dice.random
        shape = self._shapes[int(draw() * SHAPES)]
        random_part = f"8{int(draw() * 4096):03x}-{int(draw() * (1 << 48)):012x}"
        id = f"{millisecond >> 16:08x}-{millisecond & 0xFFFF:04x}-7{number & 0xFFF:03x}-{random_part}"
        moment = datetime.fromtimestamp(millisecond / 1000, UTC).isoformat()
        overhead = 0.4 + draw() * 0.8
        numbers: tuple[str, ...]
        if not shape.answered:
            numbers = ("\\N", f"{shape.waited + overhead:.3f}", f"{overhead:.3f}", "0", "0", "0", "0", "\\N")
        else:
            numbers = self._answer(shape, overhead)
        return "\t".join((id, moment, *numbers, *shape.fields)).encode() + b"\n"

    def _answer(self, shape: Shape, overhead: float) -> tuple[str, ...]:
        """Times, tokens and cost of an answer."""
        spread, draw = self._spread, self._dice.random
        asked, told = int(self._sizes[int(draw() * 4096)]), int(self._sizes[int(draw() * 4096)] * 0.4) + 1
        cached = asked // 3 if draw() < 0.25 else 0
        first = shape.waited + shape.typical * 0.2 * spread[int(draw() * 4096)] + overhead
        total = first + shape.typical * 0.8 * spread[int(draw() * 4096)]
        cost = (asked * shape.price[0] + told * shape.price[1]) / 1e6
        return (
            f"{first if shape.stream else total:.3f}",
            f"{total:.3f}",
            f"{overhead:.3f}",
            str(asked - cached),
            str(cached),
            str(told),
            "0",
            f"{cost:.9f}" if shape.priced else "\\N",
        )

    def _shape(self) -> Shape:
        """One combination, as often as such requests come."""
        dice = self._dice
        entry = LogEntry("", datetime.now(UTC), worker="fake", revision=1)
        number = min(int(dice.expovariate(0.12)), KEYS - 1)
        entry.key_id, entry.key_label = f"fa4e0000-0000-4000-8000-{number:012d}", f"fake key {number}"
        entry.user_id, entry.user_agent = f"fake-{number % 25}", "fake/1"
        entry.endpoint = self._one_of(ENDPOINTS)
        entry.stream = entry.endpoint != "/v1/embeddings" and dice.random() < 0.7
        alias, entry.policy, _, deployments = dice.choices(ALIASES, [alias[2] for alias in ALIASES])[0]
        entry.alias = entry.requested_model = alias
        entry.state, entry.status = "ok", 200
        if (other := self._other()) is not None:
            entry.state, entry.status, entry.error_code = other
            return shape_of(entry, None)
        return shape_of(entry, self._walk(entry, deployments))

    def _other(self) -> tuple[str, int, str] | None:
        place = self._dice.random() * 10_000
        for state, status, code, share in OTHERS:
            place -= share
            if place < 0:
                return state, status, code
        return None

    def _walk(self, entry: LogEntry, deployments: tuple[str, ...]) -> str | None:
        """The attempts, one after the other; the provider that answered, None when none did."""
        for deployment in deployments:
            provider = deployment.partition("/")[0]
            line = {"deployment": deployment, "provider": provider, "upstream": provider,
                    "model": deployment.partition("/")[2], "tier": PROVIDERS[provider][0], "word": ""}  # fmt: skip
            if self._dice.random() >= PROVIDERS[provider][1]:
                self._answered(entry, line)
                return provider
            line["word"] = word = self._one_of(FAILURES)
            skipped: dict[str, Any] = (
                {"skipped": True} if word == "circuit_open" else {"total_ms": waiting(word)}
            )
            entry.attempts.append({**line, **skipped})
            entry.fallback_reason = entry.fallback_reason or word
        entry.state, entry.status, entry.error_code = "upstream_error", 502, "all_upstreams_failed"
        return None

    def _answered(self, entry: LogEntry, line: dict[str, Any]) -> None:
        entry.provider, entry.deployment, entry.tier = line["provider"], line["deployment"], line["tier"]
        entry.upstream, entry.upstream_model = line["upstream"], line["model"]
        entry.estimated = self._dice.random() < 0.02
        ending = self._dice.random()
        if ending < 0.02:
            entry.state, entry.status, line["word"] = "cancelled", 499, "cancelled"
        elif ending < 0.025:
            entry.state, entry.error_code, line["word"] = (
                "truncated",
                "upstream_disconnected",
                "connection_error",
            )
        entry.attempts.append({**line, "status": 200, "total_ms": 1000.0})

    def _one_of(self, choices: tuple[tuple[str, int], ...]) -> str:
        return self._dice.choices([name for name, _ in choices], [weight for _, weight in choices])[0]


def waiting(word: str) -> float:
    """How long an attempt takes that fails so, in ms."""
    return {"timeout": 10_000.0, "connection_error": 3_000.0}.get(word, 220.0)


def shape_of(entry: LogEntry, provider: str | None) -> Shape:
    """The shape of such an entry."""
    tried = [attempt for attempt in entry.attempts if not attempt.get("skipped")]
    entry.attempt_count = len(tried)
    _, _, seconds, dear, dearer = PROVIDERS.get(provider or "", ("", 0.0, 0.0, 0.0, 0.0))
    waited = sum(attempt["total_ms"] for attempt in tried if attempt["word"] not in ("", "cancelled"))
    priced = provider not in (None, "openrouter") and not entry.estimated
    if priced:
        entry.price = {"input": str(Decimal(str(dear))), "output": str(Decimal(str(dearer)))}
    fields = tuple("{}" if name == "needs" else copy_text(getattr(entry, name)) for name in STATED)
    return Shape(fields, waited, seconds * 1000, provider is not None, entry.stream, priced, (dear, dearer))


def copy_text(value: Any) -> str:
    """A value as COPY reads it. Only what this module makes: no tabs, no line ends."""
    if value is None:
        return "\\N"
    if isinstance(value, bool):
        return "t" if value else "f"
    return orjson.dumps(value).decode() if isinstance(value, dict | list) else str(value)
