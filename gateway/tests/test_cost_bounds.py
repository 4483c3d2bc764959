"""What a request may use at most."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import orjson
import pytest

from accounts.caller import Caller
from accounts.ledger.ledger import Exceeded
from accounts.ledger.rules import Rule, nano
from accounts.limits import rules_of
from gateway.cost_bounds import ASSUMED_OUTPUT, bounds_of
from gateway.dialects.registry import DIALECTS
from gateway.limit_words import refusal
from routing.engine.snapshot import Deployment, Price, Provider, Tier

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
PRICED = Deployment(
    slug="rain/m",
    provider=Provider(slug="rain", upstream="rain"),
    model="m",
    tier=Tier(slug="direct", name="Direct", billing="paid", rank=1),
    prices=(Price(starts=0.0, input=Decimal(1), cached_input=Decimal(1), output=Decimal(2)),),
)


def output(body: dict[str, Any], dialect: str = "chat") -> int:
    return bounds_of(DIALECTS[dialect].parse(orjson.dumps(body)), 1.0).output(PRICED)


@pytest.mark.parametrize(
    ("fields", "most"),
    [
        ({"max_tokens": 100}, 100),
        ({"max_tokens": 100, "n": 128}, 12_800),
        ({"n": 3}, 3 * ASSUMED_OUTPUT),
        ({"max_tokens": 100_000, "max_completion_tokens": 1}, 100_000),
        ({"max_completion_tokens": 10, "n": None}, 10),
        ({}, ASSUMED_OUTPUT),
    ],
    ids=["stated", "many", "many-unstated", "both-names", "null", "unstated"],
)
def test_all_the_answers_of_a_chat_are_counted(fields: dict[str, Any], most: int):
    assert output({**CHAT, **fields}) == most


@pytest.mark.parametrize(
    ("fields", "most"),
    [
        ({"prompt": "a", "max_tokens": 5}, 5),
        ({"prompt": ["a", "b"], "max_tokens": 5}, 10),
        ({"prompt": ["a", "b"], "max_tokens": 5, "n": 2, "best_of": 4}, 40),
        ({"prompt": [1, 2, 3], "max_tokens": 5}, 5),
        ({"prompt": [[1, 2], [3]], "max_tokens": 5}, 10),
    ],
    ids=["one", "two-prompts", "best-of", "tokens", "two-of-tokens"],
)
def test_every_prompt_of_a_text_completion_has_its_answers(fields: dict[str, Any], most: int):
    assert output({"model": "m", **fields}, "completions") == most


def test_embeddings_write_nothing():
    assert output({"model": "m", "input": "a"}, "embeddings") == 0


def test_a_request_costs_at_most_its_input_and_a_quarter_and_its_output():
    bounds = replace(
        bounds_of(DIALECTS["chat"].parse(orjson.dumps({**CHAT, "max_tokens": 10})), 1.0), input_tokens=100
    )

    assert bounds.cost([PRICED]) == nano(Decimal("0.000125") + Decimal("0.00002"))
    assert bounds.input_alone().cost([PRICED]) == nano(Decimal("0.000125"))
    assert bounds.is_priced(PRICED) and not bounds.is_priced(replace(PRICED, prices=()))


def test_a_request_dearer_than_the_whole_budget_is_told_so_and_not_what_is_left():
    day = Rule("key:a", "day", nano(Decimal(1)))
    error = refusal(Exceeded(day, nano(Decimal(2)), day.limit, 0.0, 20_000))

    assert "this request alone may cost 2.00 USD" in error.message and "are left" not in error.message


def test_a_rolled_key_keeps_the_limits_of_the_one_it_replaced():
    old = Caller("1", "a", "Lamino", None, "ops", "service", "database", usd_per_day=Decimal(1))
    new = replace(old, key_id="2", limited_as="1")

    assert rules_of(new) == rules_of(old)
    assert [rule.name for rule in rules_of(new).money] == ["key:1:day"]
