"""Tokens in disjoint classes, read from what upstreams say, and priced."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.usage import Usage, estimate_usage, price_document, price_usage, read_usage
from routing.engine.snapshot import Price

PRICE = Price(starts=0.0, input=Decimal("2"), cached_input=Decimal("0.5"), output=Decimal("8"))
OPENAI = {"prompt_tokens": 112, "completion_tokens": 300, "total_tokens": 412}


def classes(raw: dict[str, Any]) -> tuple[int, int, int, int] | None:
    usage = read_usage(raw)
    return None if usage is None else (usage.input, usage.cached, usage.output, usage.reasoning)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (OPENAI, (112, 0, 300, 0)),
        ({**OPENAI, "prompt_tokens_details": {"cached_tokens": 100}}, (12, 100, 300, 0)),
        ({**OPENAI, "completion_tokens_details": {"reasoning_tokens": 250}}, (112, 0, 300, 250)),
        ({**OPENAI, "prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 48}, (48, 64, 300, 0)),
        ({"prompt_tokens": 9, "total_tokens": 9}, (9, 0, 0, 0)),
        ({"completion_tokens": 5, "total_tokens": 9}, (4, 0, 5, 0)),
        ({**OPENAI, "prompt_tokens_details": None, "completion_tokens_details": "?"}, (112, 0, 300, 0)),
    ],
)
def test_what_upstreams_say_becomes_disjoint_classes(raw: dict[str, Any], expected: tuple[int, ...]) -> None:
    assert classes(raw) == expected


def test_reasoning_that_is_counted_beside_the_completion_is_added_to_the_output() -> None:
    raw = {
        "prompt_tokens": 10,
        "completion_tokens": 20,
        "total_tokens": 130,
        "completion_tokens_details": {"reasoning_tokens": 100},
    }

    assert classes(raw) == (10, 0, 120, 100)


@pytest.mark.parametrize("absurd", [-1, 1.5, "112", None, True, 10**12, [1], float("nan")])
def test_an_absurd_number_counts_as_absent(absurd: object) -> None:
    assert classes({"prompt_tokens": absurd, "completion_tokens": 300, "total_tokens": 412}) == (
        112,
        0,
        300,
        0,
    )
    assert classes({"prompt_tokens": absurd, "completion_tokens": 300}) is None
    assert classes({**OPENAI, "prompt_tokens_details": {"cached_tokens": absurd}}) == (112, 0, 300, 0)


def test_more_cached_than_sent_is_absurd() -> None:
    assert classes({**OPENAI, "prompt_tokens_details": {"cached_tokens": 113}}) == (112, 0, 300, 0)


counts = st.integers(0, 10_000)


@given(prompt=counts, completion=counts, cached=counts, reasoning=counts, total=st.none() | counts)
def test_the_classes_share_no_token_and_add_up(
    prompt: int, completion: int, cached: int, reasoning: int, total: int | None
) -> None:
    usage = read_usage(
        {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": total,
            "prompt_tokens_details": {"cached_tokens": cached},
            "completion_tokens_details": {"reasoning_tokens": reasoning},
        }
    )

    assert usage is not None
    assert usage.input + usage.cached == prompt
    assert usage.output in {completion, completion + reasoning}
    assert 0 <= usage.reasoning <= usage.output
    assert min(usage.input, usage.cached) >= 0


@given(st.dictionaries(st.text(), st.recursive(st.none() | st.integers() | st.text(), st.lists), max_size=5))
def test_no_usage_object_breaks_the_reader(raw: dict[str, Any]) -> None:
    assert read_usage(raw) is None or isinstance(read_usage(raw), Usage)


def test_usage_is_estimated_at_four_bytes_a_token_and_marked() -> None:
    assert estimate_usage(100, 401) == Usage(input=100, output=101, estimated=True)
    assert estimate_usage(7, 0) == Usage(input=7, output=0, estimated=True)


@pytest.mark.parametrize(
    ("price", "usage", "cost"),
    [
        (PRICE, Usage(1_000_000, 1_000_000, 1_000_000), "10.5"),
        (PRICE, Usage(input=1), "0.000002"),
        (PRICE, Usage(output=100, reasoning=90), "0.0008"),
        (Price(0.0, Decimal(0), Decimal(0), Decimal(0)), Usage(5, 5, 5), "0"),
        (Price(0.0, Decimal(2), None, Decimal(8)), Usage(cached=1_000_000), "2"),
        (Price(0.0, Decimal(2), None, None), Usage(input=1_000_000), "2"),
    ],
)
def test_each_class_costs_its_own_price(price: Price, usage: Usage, cost: str) -> None:
    assert price_usage(price, usage) == Decimal(cost)


@pytest.mark.parametrize(
    "price",
    [
        None,
        Price(0.0, None, None, None),
        Price(0.0, Decimal(2), None, None),
        Price(0.0, None, None, Decimal(8)),
    ],
)
def test_an_unknown_price_makes_an_unknown_cost_never_zero(price: Price | None) -> None:
    assert price_usage(price, Usage(input=10, output=10)) is None


def test_the_price_row_is_kept_as_decimal_strings() -> None:
    row = Price(1e9, Decimal("0.0000001"), None, Decimal("8.50"))

    assert price_document(row) == {
        "starts": 1e9,
        "input": "0.0000001",
        "cached_input": None,
        "output": "8.50",
    }
