"""What a request used, in classes that share no token, and what it cost.

`input` was not served from a cache, `cached` was, `output` is everything written; `reasoning` is the part of
`output` that the client does not see. input + cached + output is the whole.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from routing.engine.snapshot import Price

BYTES_PER_TOKEN = 4
MOST_TOKENS = 100_000_000  # more in one request is a mistake of the upstream
MILLION = Decimal(1_000_000)
SMALLEST = Decimal("0.000000001")


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one request. `raw` is the upstream's own account; `estimated` says that there was none."""

    input: int = 0
    cached: int = 0
    output: int = 0
    reasoning: int = 0
    raw: dict[str, Any] | None = None
    estimated: bool = False


def read_usage(raw: dict[str, Any]) -> Usage | None:
    """An OpenAI-shaped usage object, or DeepSeek's; None when it does not tell both directions.

    What is not a sensible number counts as absent. A missing direction follows from the total.
    """
    prompt, completion = count(raw.get("prompt_tokens")), count(raw.get("completion_tokens"))
    total = count(raw.get("total_tokens"))
    if prompt is None and completion is not None:
        prompt = difference(total, completion)
    if completion is None and prompt is not None:
        completion = difference(total, prompt)
    if prompt is None or completion is None:
        return None
    cached, reasoning = cached_tokens(raw), detail(raw, "completion_tokens_details", "reasoning_tokens")
    if reasoning and total == prompt + completion + reasoning:
        completion += reasoning  # this upstream counts reasoning beside the completion, not inside it
    if cached > prompt:
        cached = 0
    return Usage(prompt - cached, cached, completion, min(reasoning, completion), raw)


def estimate_usage(input_tokens: int, output_bytes: int) -> Usage:
    """For an upstream that told nothing: the request's estimate, and a token for every four bytes written."""
    return Usage(input=input_tokens, output=-(-output_bytes // BYTES_PER_TOKEN), estimated=True)


def price_usage(price: Price | None, usage: Usage) -> Decimal | None:
    """USD, to the ninth decimal; None when a price that matters is unknown.

    A class without tokens needs no price. Cached input whose own price is unknown costs what input costs.
    """
    if price is None:
        return None
    cached_price = price.input if price.cached_input is None else price.cached_input
    cost = Decimal(0)
    for tokens, rate in (
        (usage.input, price.input),
        (usage.cached, cached_price),
        (usage.output, price.output),
    ):
        if tokens and rate is None:
            return None
        cost += tokens * (rate or 0)
    return (cost / MILLION).quantize(SMALLEST)


def price_document(price: Price) -> dict[str, Any]:
    """The price row as the log keeps it: money as decimal strings, unknown as null."""
    return {
        "starts": price.starts,
        "input": amount(price.input),
        "cached_input": amount(price.cached_input),
        "output": amount(price.output),
    }


def amount(value: Decimal | None) -> str | None:
    """A price as text."""
    return None if value is None else format(value, "f")


def cached_tokens(raw: dict[str, Any]) -> int:
    """OpenAI's detail, else DeepSeek's own field."""
    return (
        detail(raw, "prompt_tokens_details", "cached_tokens")
        or count(raw.get("prompt_cache_hit_tokens"))
        or 0
    )


def detail(raw: dict[str, Any], group: str, name: str) -> int:
    """A count inside a group of details; 0 when absent."""
    details = raw.get(group)
    return (count(details.get(name)) or 0) if isinstance(details, dict) else 0


def difference(total: int | None, part: int) -> int | None:
    """What a total leaves beside one part; None when that makes no sense."""
    return None if total is None or total < part else total - part


def count(value: object) -> int | None:
    """A number of tokens, or None for anything that cannot be one."""
    if type(value) is int and 0 <= value <= MOST_TOKENS:
        return value
    return None
