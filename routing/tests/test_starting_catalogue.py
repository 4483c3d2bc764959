"""The starting catalogue as it ships: who is asked, in which order, by which policy, and at which price."""

import importlib.util
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from routing.catalogue import read_document
from routing.compile import compile_snapshot
from routing.engine.health import Health
from routing.engine.plan import plan
from routing.engine.query import Query
from routing.engine.snapshot import Snapshot
from routing.engine.validate import ERROR, validate
from routing.environment import STARTING_PAIRS, read_surroundings
from routing.loader import load_rows
from routing.management.commands.load_catalogue import read_seed
from routing.tests.small_catalogue import surroundings

pytestmark = pytest.mark.django_db

MOMENT = 1_795_219_200.0  # 2026-11-21
HF, HF_CODER = "hf Qwen/Qwen2.5-72B-Instruct", "hf Qwen/Qwen2.5-Coder-32B-Instruct"
FREEAPI, FREEAPI_CODER = "ollamafreeapi qwen2.5:latest", "ollamafreeapi qwen2.5-coder:latest"
OLLAMA = ["ollama-primary qwen2.5:14b", "ollama-secondary qwen2.5:7b"]
OLLAMA_CODER = ["ollama-primary qwen2.5-coder:7b", "ollama-secondary qwen2.5-coder:7b"]
CHAT, V4 = "deepseek deepseek-chat", "deepseek deepseek-v4-flash"
FLASH_2, FLASH_3 = "gemini gemini-2.0-flash", "gemini gemini-3.8-flash"
GEMINI_PRO = "gemini gemini-2.5-pro"
MINI, GPT = "openai gpt-4o-mini", "openai gpt-4o"
GROK_2, GROK_4 = "xai grok-2", "xai grok-4.7"
HAIKU = "claude claude-haiku-4-5-20251001"
SONNET_4, SONNET_5 = "claude claude-sonnet-4-20250514", "claude claude-sonnet-5-5"
ROUTER, ROUTER_CODER = "openrouter qwen/qwen-2.5-72b-instruct", "openrouter qwen/qwen-2.5-coder-32b-instruct"
ROUTER_SONNET = "openrouter anthropic/claude-sonnet-4"

# For a request of 1,000 tokens. Cheapest first; what has no known price comes last, as listed.
CHEAPEST = [MINI, CHAT, V4, FLASH_3, HAIKU, GROK_4, FLASH_2, GROK_2]
BEST = [GROK_2, GROK_4, HAIKU, FLASH_2, FLASH_3, CHAT, V4, MINI]
GENERAL = {
    "auto": [HF, FREEAPI, *OLLAMA, *CHEAPEST, ROUTER],
    "uncensored": [*OLLAMA, HF, FREEAPI, *CHEAPEST, ROUTER],
    "premium": [*BEST, ROUTER, HF, FREEAPI, *OLLAMA],
    "free": [HF, FREEAPI],
}
CODE_CHEAPEST = [MINI, CHAT, V4, HAIKU]
AGENT_CHEAPEST = [SONNET_5, GROK_4]
ORDERS = {
    "rainymodel": GENERAL,
    "rainymodel/auto": GENERAL,
    "rainymodel/chat": GENERAL,
    "rainymodel/document": GENERAL,
    "rainymodel/code": {
        "auto": [HF_CODER, FREEAPI_CODER, *OLLAMA_CODER, *CODE_CHEAPEST, ROUTER_CODER],
        "uncensored": [*OLLAMA_CODER, HF_CODER, FREEAPI_CODER, *CODE_CHEAPEST, ROUTER_CODER],
        "premium": [HAIKU, CHAT, V4, MINI, ROUTER_CODER, HF_CODER, FREEAPI_CODER, *OLLAMA_CODER],
        "free": [HF_CODER, FREEAPI_CODER],
    },
    "rainymodel/agent": {
        "auto": [HF, FREEAPI, *OLLAMA, GROK_4, GEMINI_PRO, SONNET_5, GPT, SONNET_4, GROK_2, ROUTER_SONNET],
        "uncensored": [*OLLAMA, HF, FREEAPI, GROK_4, GEMINI_PRO, SONNET_5, GPT, SONNET_4, GROK_2, ROUTER_SONNET],
        "premium": [SONNET_4, SONNET_5, GPT, GEMINI_PRO, GROK_2, GROK_4, ROUTER_SONNET, HF, FREEAPI, *OLLAMA],
        "free": [HF, FREEAPI],
    },
}  # fmt: skip


@pytest.fixture
def snapshot() -> Snapshot:
    """The starting catalogue where every credential is set and every wire exists."""
    load_rows(read_seed("start"), overwrite=False)
    everything = {name: "set" for name, _ in STARTING_PAIRS}
    here = read_surroundings({"RAINYMODEL_ENV": "production"} | everything)
    ready = surroundings(
        urls=here.urls, variables=here.variables, pairs=here.pairs, allowed=here.allowed,
        wires=frozenset({"openai", "litellm"}),
    )  # fmt: skip
    return compile_snapshot(read_document(), 1, ready)


def ordered(snapshot: Snapshot, alias: str, policy: str | None = None) -> list[str]:
    query = Query(model=alias, policy=policy, input_tokens=1000, time=MOMENT)
    found = plan(snapshot, query, Health(), now=0.0, draw=0.0).ordered
    return [f"{deployment.provider.slug} {deployment.model}" for deployment in found]


@pytest.mark.parametrize(
    ("alias", "policy"), [(alias, policy) for alias, orders in ORDERS.items() for policy in orders]
)
def test_each_policy_walks_each_alias_in_this_order(snapshot, alias, policy):
    assert ordered(snapshot, alias, policy) == ORDERS[alias][policy]


@pytest.mark.parametrize("alias", ORDERS)
def test_the_default_policy_is_auto_except_for_agents(snapshot, alias):
    expected = "premium" if alias == "rainymodel/agent" else "auto"

    assert ordered(snapshot, alias) == ORDERS[alias][expected]
    assert ordered(snapshot, alias, "default") == ORDERS[alias]["auto"]


@pytest.mark.parametrize("alias", ORDERS)
def test_free_never_reaches_what_is_paid_for(snapshot, alias):
    query = Query(model=alias, policy="free", time=MOMENT)

    found = plan(snapshot, query, Health(), now=0.0, draw=0.0)
    assert {deployment.tier.billing for deployment in found.ordered} == {"free"}
    assert all(deployment.price_at(MOMENT).output == 0 for deployment in found.ordered)


def test_long_documents_go_to_the_widest_window_once_the_small_ones_are_out(snapshot):
    query = Query(model="rainymodel/document", input_tokens=600_000, time=MOMENT)

    found = plan(snapshot, query, Health(), now=0.0, draw=0.0).ordered
    assert [f"{one.provider.slug} {one.model}" for one in found] == [V4, FLASH_3, FLASH_2]


def test_all_names_are_there_and_nothing_is_wrong(snapshot):
    assert set(snapshot.aliases) == set(ORDERS)
    assert len(snapshot.providers) == 10
    assert [str(finding) for finding in validate(snapshot) if finding.level == ERROR] == []
    assert {slug for slug, provider in snapshot.providers.items() if provider.unready} == set()
    assert {provider.breaker.open_after for provider in snapshot.providers.values()} == {3}
    assert {provider.breaker.open_for for provider in snapshot.providers.values()} == {60.0}
    limits = {slug: provider.limits.first_content for slug, provider in snapshot.providers.items()}
    assert limits == dict.fromkeys(limits, 60.0) | {
        "ollama-primary": 120.0,
        "ollama-secondary": 120.0,
        "openrouter": 90.0,
    }
    assert (
        snapshot.providers["ollama-primary"].concurrency_limit
        == snapshot.providers["ollama-secondary"].concurrency_limit
        == 2
    )


def test_without_any_credential_only_the_keyless_defaults_are_ready_in_production(snapshot):
    here = read_surroundings({"RAINYMODEL_ENV": "production"})

    bare = compile_snapshot(read_document(), 1, here)
    ready = {slug for slug, provider in bare.providers.items() if provider.unready is None}
    assert ready == {"ollamafreeapi", "ollama-primary", "ollama-secondary"}


def test_a_newcomers_first_prompt_goes_nowhere_by_surprise(snapshot):
    bare = compile_snapshot(read_document(), 1, read_surroundings({"RAINYMODEL_ENV": "development"}))

    assert {provider.unready for provider in bare.providers.values()} == {"no_credential"}


DIALECTS = {
    "openai": {"chat", "responses"},
    "openrouter": {"chat", "completions", "responses", "messages"},
    "ollamafreeapi": {"chat", "completions"},
    "ollama-primary": {"chat", "completions"},
    "ollama-secondary": {"chat", "completions"},
    "claude": {"chat", "messages"},
}


def test_each_provider_is_asked_in_the_dialects_that_it_surely_speaks(snapshot):
    spoken = {slug: one.dialects for slug, one in snapshot.deployments.items()}
    expected = {slug: DIALECTS.get(slug.split("/")[0], {"chat"}) for slug in spoken}

    assert spoken == expected


@pytest.mark.parametrize("dialect", ["completions", "responses", "messages"])
@pytest.mark.parametrize("alias", ORDERS)
def test_another_dialect_walks_an_alias_in_the_same_order(snapshot, alias, dialect):
    query = Query(model=alias, input_tokens=1000, time=MOMENT, dialect=dialect)
    found = plan(snapshot, query, Health(), now=0.0, draw=0.0).ordered

    assert [f"{one.provider.slug} {one.model}" for one in found] == ordered(snapshot, alias)


def test_only_xais_reasoning_model_is_spared_fields_that_it_refuses(snapshot):
    policies = {slug: dict(one.parameter_policy) for slug, one in snapshot.deployments.items()}
    refused = {"presence_penalty": None, "frequency_penalty": None, "stop": None}

    assert policies.pop("xai/grok-4.7") == {"max_tokens": "max_completion_tokens", **refused}
    assert not any(policies.values())


def test_every_deployment_says_where_its_figures_come_from_and_when():
    for slug, entry in read_seed("start")["deployments"].items():
        assert entry["source"], slug
        assert "2026-11-21" in entry["source"], slug
        assert len(entry["source"]) <= 200, slug


def test_prices_said_to_be_litellms_are_litellms(snapshot):
    table = price_table()
    for slug, entry in read_seed("start")["deployments"].items():
        if not entry["source"].startswith("litellm 1.106.2, "):
            continue
        row = table[entry["source"].split(", ")[1].split(" (")[0]]
        (price,) = entry["prices"]
        found = [per_million(row[f"{name}_token{suffix}"]) for name, suffix in PRICE_COLUMNS]
        assert [Decimal(str(price[name])) for name in ("input", "cached_input", "output")] == found, slug
        assert (entry["context_window"], entry["output_limit"]) == (
            row["max_input_tokens"],
            row["max_output_tokens"],
        ), slug


PRICE_COLUMNS = (("input_cost_per", ""), ("cache_read_input", "_cost"), ("output_cost_per", ""))


def per_million(price: float) -> Decimal:
    return (Decimal(str(price)) * 1_000_000).normalize()


def price_table() -> dict[str, Any]:
    """litellm's bundled price list, read without importing litellm."""
    found = importlib.util.find_spec("litellm")
    assert found and found.origin
    return json.loads(
        (Path(found.origin).parent / "model_prices_and_context_window_backup.json").read_text(
            encoding="utf-8"
        )
    )
