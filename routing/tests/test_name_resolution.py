"""Which alias a model name leads to, and who may use it."""

import pytest

from routing.engine.errors import ModelNotAllowed, UnknownModel
from routing.engine.query import Grants, Query
from routing.engine.resolve import resolve, visible_aliases
from routing.tests.catalogue import alias, deployment, provider, snapshot

OLLAMA = (provider("ollama-primary", upstream="ollama"), provider("ollama-secondary", upstream="ollama"))
HF = deployment("hf-qwen", at=provider("hf"), model="Qwen/Qwen2.5-72B-Instruct")
CATALOGUE = snapshot(
    alias("rainymodel/auto", HF),
    alias("claude-*", deployment("claude", model="claude-*")),
    alias("claude-*-latest", deployment("newest", model="claude-3-*")),
    alias("*", deployment("anything", model="*")),
    deployments=(
        deployment("primary", at=OLLAMA[0], model="qwen2.5:latest"),
        deployment("secondary", at=OLLAMA[1], model="qwen2.5:latest"),
        deployment("router", at=provider("openrouter"), model="*"),
        deployment("router-own", at=provider("openrouter"), model="openrouter/auto"),
    ),
)


def found(model, catalogue=CATALOGUE, **grants):
    answer = resolve(catalogue, Query(model, grants=Grants(**grants)))
    return answer.name, [(route.deployment.slug, route.deployment.model) for route in answer.routes]


def test_an_exact_alias_wins_over_every_pattern():
    assert found("rainymodel/auto") == ("rainymodel/auto", [("hf-qwen", "Qwen/Qwen2.5-72B-Instruct")])


@pytest.mark.parametrize("prefix", ["", "rainymodel/"])
def test_a_direct_call_reaches_one_providers_model_even_with_slashes_in_its_name(prefix):
    assert found(f"{prefix}hf/Qwen/Qwen2.5-72B-Instruct") == (
        "hf/Qwen/Qwen2.5-72B-Instruct",
        [("hf-qwen", "Qwen/Qwen2.5-72B-Instruct")],
    )


def test_a_direct_call_by_slug_means_that_provider_and_by_label_all_that_share_it():
    assert [slug for slug, _ in found("ollama-secondary/qwen2.5:latest")[1]] == ["secondary"]
    assert [slug for slug, _ in found("ollama/qwen2.5:latest")[1]] == ["primary", "secondary"]


def test_a_direct_call_knows_the_upstreams_exact_model_name_and_no_other_spelling():
    assert found("ollama/qwen2.5")[0] == "*"  # not the same as qwen2.5:latest; the pattern takes it


def test_a_direct_call_to_a_provider_that_takes_any_model_names_the_model_itself():
    assert found("openrouter/mistral/large")[1] == [("router", "mistral/large")]
    assert found("openrouter/openrouter/auto")[1] == [("router-own", "openrouter/auto")]


def test_the_longest_pattern_wins_and_its_star_fills_in_the_upstream_model():
    assert found("claude-opus-latest") == ("claude-*-latest", [("newest", "claude-3-opus")])
    assert found("claude-haiku") == ("claude-*", [("claude", "claude-haiku")])
    assert found("gpt-4o") == ("*", [("anything", "gpt-4o")])


def test_a_star_may_stand_for_nothing_but_the_parts_around_it_never_overlap():
    catalogue = snapshot(alias("ab*bc", deployment("d", model="x-*")))

    assert found("abbc", catalogue)[1] == [("d", "x-")]
    with pytest.raises(UnknownModel):
        found("abc", catalogue)


def test_an_unknown_name_says_where_to_find_the_known_ones():
    with pytest.raises(UnknownModel, match="GET /v1/models"):
        found("gpt-4o", snapshot(alias("rainymodel/auto", HF)))


def test_a_disabled_alias_or_pattern_is_passed_over():
    catalogue = snapshot(
        alias("gpt-4", deployment("off"), enabled=False),
        alias("gpt-4*", deployment("off-too"), enabled=False),
        alias("gpt-*", deployment("on")),
    )

    assert found("gpt-4", catalogue)[0] == "gpt-*"


def test_a_key_reaches_only_the_aliases_it_was_given():
    assert found("rainymodel/auto", aliases=frozenset({"rainymodel/*"}))[0] == "rainymodel/auto"
    assert found("claude-haiku", aliases=frozenset({"claude-*"}))[0] == "claude-*"
    assert found("claude-haiku", aliases=frozenset({"claude-haiku"}))[0] == "claude-*"
    with pytest.raises(ModelNotAllowed):
        found("rainymodel/auto", aliases=frozenset({"claude-*"}))
    with pytest.raises(ModelNotAllowed):
        found("claude-opus", aliases=frozenset({"claude-haiku"}))


def test_direct_calls_need_their_own_permission():
    with pytest.raises(ModelNotAllowed, match="direct call"):
        found("hf/Qwen/Qwen2.5-72B-Instruct", direct_calls=False)


@pytest.mark.parametrize("model", ["hf/Qwen/Qwen2.5-72B-Instruct", "rainymodel/hf/Qwen/Qwen2.5-72B-Instruct"])
def test_a_key_limited_to_our_own_names_does_not_reach_around_them_by_a_direct_call(model):
    with pytest.raises(ModelNotAllowed):
        found(model, aliases=frozenset({"rainymodel/*"}))

    assert found(model, aliases=frozenset({"hf/*"}))[0] == "hf/Qwen/Qwen2.5-72B-Instruct"


def test_the_model_list_shows_exact_enabled_listed_names_the_key_may_use():
    catalogue = snapshot(
        alias("rainymodel/auto", HF),
        alias("rainymodel/hidden", HF, listed=False),
        alias("rainymodel/off", HF, enabled=False),
        alias("other", HF),
        alias("claude-*", HF),
    )

    everyone = [one.name for one in visible_aliases(catalogue, Grants())]
    limited = [one.name for one in visible_aliases(catalogue, Grants(aliases=frozenset({"rainymodel/*"})))]

    assert everyone == ["rainymodel/auto", "other"]
    assert limited == ["rainymodel/auto"]
