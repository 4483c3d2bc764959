"""Open LLM Router's catalogue: ten models, five other names, and beginnings of names."""

import pytest
from django.core.management import call_command

from routing.catalogue import read_document
from routing.compile import compile_snapshot
from routing.engine.errors import UnknownModel
from routing.engine.query import Query
from routing.engine.resolve import resolve
from routing.engine.snapshot import Snapshot
from routing.engine.validate import ERROR, validate
from routing.environment import STARTING_PAIRS
from routing.management.commands.load_catalogue import read_seed
from routing.models import Deployment, Provider
from routing.price_file import lookup
from routing.tests.small_catalogue import surroundings

pytestmark = pytest.mark.django_db

MODELS = {
    "gpt-4o": "openai",
    "gpt-4.1": "openai",
    "o3": "openai",
    "grok-4": "groq",
    "grok-3": "groq",
    "claude-opus-4-1-20250805": "claude",
    "claude-sonnet-4-20250514": "claude",
    "gemini-2.5-pro": "gemini",
    "gemini-2.5-flash": "gemini",
    "gemini-2.5-flash-lite": "gemini",
}
ALIASES = {
    "gpt-4.1": "openai gpt-4.1",
    "grok-4": "groq grok-4",
    "claude-sonnet-4": "claude claude-sonnet-4-20250514",
    "claude-opus-4.1": "claude claude-opus-4-1-20250805",
    "gemini-2.5": "gemini gemini-2.5-pro",
}


def loaded(*seeds: str) -> Snapshot:
    for seed in seeds:
        call_command("load_catalogue", seed)
    return compile_snapshot(read_document(), 1, surroundings(wires=frozenset({"openai", "litellm"})))


def target(snapshot: Snapshot, name: str) -> str:
    """Where the name's only route leads."""
    (route,) = resolve(snapshot, Query(model=name)).routes
    return f"{route.deployment.provider.slug} {route.deployment.model}"


@pytest.mark.parametrize(
    "seeds", [("openllm",), ("start", "openllm"), ("openllm", "start")], ids=" then ".join
)
def test_every_model_and_every_other_name_leads_where_it_was_promised(seeds):
    snapshot = loaded(*seeds)

    assert {model: target(snapshot, model) for model in MODELS} == {
        model: f"{provider} {model}" for model, provider in MODELS.items()
    }
    assert {name: target(snapshot, name) for name in ALIASES} == ALIASES
    assert [finding for finding in validate(snapshot) if finding.level == ERROR] == []


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("gpt-5-nano", "openai gpt-5-nano"),
        ("grok-9", "groq grok-9"),
        ("claude-next", "claude claude-next"),
        ("gemini-4", "gemini gemini-4"),
    ],
)
def test_other_names_are_told_by_their_beginning(name, where):
    assert target(loaded("openllm"), name) == where


def test_a_name_of_no_known_beginning_is_unknown():
    snapshot = loaded("openllm")

    with pytest.raises(UnknownModel):
        resolve(snapshot, Query(model="llama-3"))


def test_providers_of_the_starting_catalogue_are_shared():
    loaded("start")
    before = set(Provider.objects.values_list("slug", flat=True))
    loaded("openllm")

    assert set(Provider.objects.values_list("slug", flat=True)) - before == {"groq"}
    assert Deployment.objects.filter(model="gpt-4o").count() == 1


def test_what_it_shares_with_the_starting_catalogue_is_the_same_there():
    start, openllm = read_seed("start"), read_seed("openllm")

    shared = {section: set(start[section]) & set(openllm[section]) for section in openllm}
    assert {"gemini", "claude", "openai"} == shared["providers"]
    assert {"openai/gpt-4o", "gemini/gemini-2.5-pro"} <= shared["deployments"]
    assert all(start[section][key] == openllm[section][key] for section in shared for key in shared[section])


@pytest.mark.parametrize("model", MODELS)
def test_prices_and_windows_are_those_of_the_price_file_where_it_has_the_model(model):
    provider = MODELS[model]
    row = read_seed("openllm")["deployments"][f"{provider}/{model}"]
    facts = lookup({"claude": "anthropic"}.get(provider, provider), model)

    if facts is None:
        assert "prices" not in row
        assert row["source"].startswith("Not in litellm ")
    else:
        (price,) = row["prices"]
        assert [str(price[name]) for name in ("input", "cached_input", "output")] == [
            facts.input,
            facts.cached_input,
            facts.output,
        ]
        assert (row["context_window"], row["output_limit"]) == (facts.context_window, facts.output_limit)
        assert tuple(row["capabilities"]) == facts.capabilities


def test_every_credential_is_paired_with_its_provider():
    variables = {row["credential_variable"] for row in read_seed("openllm")["providers"].values()}

    assert variables <= {name for name, _ in STARTING_PAIRS}
