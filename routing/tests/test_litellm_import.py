"""What a litellm configuration becomes here: providers, deployments, aliases and policies."""

import pytest

from routing.catalogue import read_document
from routing.compile import compile_snapshot
from routing.engine.health import Health
from routing.engine.plan import plan
from routing.engine.query import Query
from routing.provider_secrets import surroundings_here
from routing.tests.litellm_import import ENTRY, PROXY_BASE, entry, imported, published, routes, sample

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch):
    monkeypatch.setenv("CLIPROXY_API_BASE", PROXY_BASE)


@pytest.mark.parametrize(
    ("name", "aliases"),
    [
        ("aliases", {"rainymodel/auto", "rainymodel/agent", "house/summary"}),
        ("tiers", {"team/chat", "team/agent", "gpt-*"}),
        ("fallback_order", {"auto-chat", "auto-codex-mini", "chat", "codex-small"}),
    ],
)
def test_a_sample_imports_whole_into_an_empty_catalogue_and_is_published(name, aliases):
    report = sample(name)

    assert {alias["name"] for alias in published()["aliases"]} == aliases
    assert "Published as revision 1." in report


def test_an_entry_of_each_provider_becomes_a_route_with_its_tier():
    sample("aliases")

    tiers = {slug: entry("deployments", slug)["tier"] for slug in routes("rainymodel/auto")}
    assert tiers == {
        "hf/Qwen/Qwen2.5-72B-Instruct": "free",
        "ollamafreeapi/qwen2.5:latest": "free",
        "ollama-164-92-147-36-11434/qwen2.5:14b": "internal",
        "deepseek/deepseek-chat": "direct",
        "gemini/gemini-2.5-flash": "direct",
        "openrouter/qwen/qwen-2.5-72b-instruct": "premium",
    }


def test_prices_come_from_the_price_file_and_nobody_pays_for_free_and_internal_tiers():
    sample("aliases")

    price = entry("deployments", "gemini/gemini-2.5-flash")["prices"][0]
    assert (price["input"], price["cached_input"], price["output"]) == ("0.3", "0.03", "2.5")
    free = entry("deployments", "hf/Qwen/Qwen2.5-72B-Instruct")["prices"][0]
    assert (free["input"], free["output"]) == ("0", "0")
    assert entry("deployments", "openrouter/qwen/qwen-2.5-72b-instruct")["prices"] == []


def test_a_known_model_has_its_capabilities_and_an_unknown_one_is_taken_to_have_them():
    sample("aliases")

    known = entry("deployments", "deepseek/deepseek-chat")
    assert (known["capabilities"], known["context_window"]) == (["tools", "json_schema"], 131_072)
    assert known["source"].startswith("litellm ")
    unknown = entry("deployments", "hf/Qwen/Qwen2.5-72B-Instruct")
    assert (unknown["capabilities"], unknown["context_window"]) == (["tools", "vision", "json_schema"], None)


def test_the_vendors_price_is_not_assumed_at_somebody_elses_address():
    sample("fallback_order")

    deployment = entry("deployments", "new-api-house/gpt-5")
    assert deployment["prices"] == []
    assert deployment["context_window"] == 272_000
    assert deployment["parameter_policy"] == {"max_tokens": "max_completion_tokens"}


def test_url_variables_stay_in_the_address():
    sample("aliases")

    assert (
        entry("providers", "ollamafreeapi")["base_url"]
        == "${OLLAMAFREE_API_BASE:-https://ollamafreeapi.orcest.ai}/v1"
    )
    primary = entry("providers", "ollama-164-92-147-36-11434")
    assert primary["base_url"] == "${OLLAMA_PRIMARY_URL:-http://164.92.147.36:11434}/v1"
    assert (primary["address_class"], primary["upstream"]) == ("plaintext", "ollama")


def test_timeouts_become_limits_to_the_first_content():
    sample("tiers")

    assert entry("providers", "hf")["first_content_limit"] == 60
    assert entry("providers", "openrouter")["first_content_limit"] == 120
    slugs = routes("team/chat") + routes("team/agent")
    assert {slug: entry("deployments", slug)["first_content_limit"] for slug in slugs} == {
        "hf/Qwen/Qwen2.5-72B-Instruct": None,
        "ollama-10-0-0-5-11434/qwen2.5:14b": None,
        "openrouter/qwen/qwen-2.5-72b-instruct": 90,
        "openrouter/anthropic/claude-sonnet-4": None,
        "openrouter/qwen/qwen-2.5-72b-instruct#2": None,
    }


def test_a_long_timeout_lengthens_the_deadlines_that_would_cut_it(tmp_path):
    imported(tmp_path, ENTRY.replace("gpt-4o,", "gpt-4o, timeout: 900,"))

    alias, provider = entry("aliases", "house/one"), entry("providers", "openai")
    assert (alias["first_content_deadline"], alias["total_deadline"]) == (900, 900)
    assert (provider["first_content_limit"], provider["total_limit"]) == (900, 1200)


def test_allowed_fails_and_cooldown_become_the_breaker():
    sample("tiers")

    assert {(row["open_after"], row["open_for"]) for row in read_document()["providers"]} == {(5, 30)}


def test_a_stated_order_is_kept_by_the_policy_listed():
    sample("fallback_order")

    assert routes("auto-chat") == [
        "cliproxy-8317/claude-sonnet-4-6",
        "new-api-house/gpt-5",
        "volcengine/glm-4.7",
    ]
    assert entry("aliases", "auto-chat")["policy"] == "listed"
    assert entry("policies", "listed")["steps"] == []
    assert entry("aliases", "auto-codex-mini")["policy"] is None


def test_group_aliases_lead_where_their_names_lead():
    report = sample("fallback_order")

    chat, small = entry("aliases", "chat"), entry("aliases", "codex-small")
    assert (routes("chat"), chat["policy"], chat["listed"]) == (routes("auto-chat"), "listed", True)
    assert (routes("codex-small"), small["listed"]) == (routes("auto-codex-mini"), False)
    assert "line 47: model_group_alias ghost (nobody): there is no alias of the name it stands for." in report


def test_a_pattern_fills_the_upstream_name():
    sample("tiers")

    here = surroundings_here()
    snapshot = compile_snapshot(published(), 1, here)
    found = plan(snapshot, Query("gpt-4.1-mini"), Health(), now=0.0, draw=0.0)
    assert [candidate.deployment.model for candidate in found.candidates] == ["gpt-4.1-mini"]


@pytest.mark.parametrize(
    ("info", "tier"),
    [
        ("tier: free", "free"),
        ("tier: internal", "internal"),
        ("tier: self_hosted", "internal"),
        ("tier: premium", "premium"),
        ("tier: paid", "direct"),
        ("tier: gold", "direct"),
        ("description: 'FREE: credits'", "free"),
        ("description: '[premium] the best'", "premium"),
        ("description: 'runs in the internal tier'", "internal"),
        ("description: 'feel free to use it'", "direct"),
    ],
)
def test_the_tier_is_told_by_what_the_entry_says_else_by_its_provider(tmp_path, info, tier):
    imported(tmp_path, ENTRY + f"  model_info: {{{info}}}\n")

    assert entry("deployments", "openai/gpt-4o")["tier"] == tier
