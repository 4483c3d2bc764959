"""Prices, windows and capabilities from the price file in litellm's package."""

import subprocess
import sys
from decimal import Decimal

import pytest

from rainymodel_site import env
from routing.price_file import PriceFacts, lookup, version


def facts_of(prefix: str, model: str) -> PriceFacts:
    facts = lookup(prefix, model)
    assert facts is not None
    return facts


def test_prices_are_decimal_text_per_million_tokens():
    facts = facts_of("openai/", "gpt-4o-mini")

    assert (facts.input, facts.cached_input, facts.output) == ("0.15", "0.075", "0.6")
    assert (facts.context_window, facts.output_limit) == (128_000, 16_384)
    assert facts.capabilities == ("tools", "vision", "json_schema")
    assert facts.mode == "chat"


@pytest.mark.parametrize(
    ("prefix", "model"),
    [("gemini", "gemini-2.5-flash"), ("anthropic", "claude-haiku-4-5"), ("deepseek", "deepseek-chat")],
)
def test_a_model_is_found_with_and_without_its_providers_prefix(prefix, model):
    assert Decimal(facts_of(prefix, model).input or 0) > 0


def test_the_source_names_package_version_and_entry():
    assert facts_of("gemini", "gemini-2.5-flash").source.startswith(f"litellm {version()} ")
    assert facts_of("gemini", "gemini-2.5-flash").source.endswith("gemini/gemini-2.5-flash")


@pytest.mark.parametrize(
    ("prefix", "model"),
    [
        ("openai", "no-such-model"),
        ("groq", "gpt-4o-mini"),
        ("", ""),
        ("openai", "*"),
        ("openai", "sample_spec"),
    ],
)
def test_an_unknown_model_and_another_providers_model_have_no_facts(prefix, model):
    assert lookup(prefix, model) is None


def test_the_file_is_read_without_importing_litellm():
    code = "import sys; from routing.price_file import providers; print(len(providers()), 'litellm' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=env.PROJECT, capture_output=True, text=True, check=True
    )

    count, is_imported = done.stdout.split()
    assert int(count) > 50
    assert is_imported == "False"
