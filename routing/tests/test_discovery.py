"""What a provider lists → what could become deployments of it."""

import json
from typing import Any

import pytest

from routing.catalogue import read_entry
from routing.discovery import ListedModel, merged, offers
from routing.discovery_add import add_offers, chosen_offers, offers_of, usual_tier
from routing.discovery_listings import (
    NotAListing,
    anthropic_listing,
    gemini_listing,
    lm_studio_listing,
    ollama_details,
    ollama_tags,
    openai_listing,
)
from routing.models import Deployment, Provider, Tier
from routing.price_providers import price_provider
from routing.tests.small_catalogue import load_small, surroundings

TODAY = "2026-11-21"


def offered(*listed: ListedModel, provider: str = "", known: dict[str, str] | None = None) -> dict[str, Any]:
    found = offers(listed, provider=provider, known=known or {}, today=TODAY)
    return {offer.model: offer for offer in found}


def body(document: Any) -> bytes:
    return json.dumps(document).encode()


def test_openrouters_prices_window_and_parameters_are_read_from_its_listing():
    entry = {
        "id": "maker/model",
        "context_length": 131072,
        "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"]},
        "pricing": {"prompt": "0.00000015", "completion": "0.0000006", "input_cache_read": "0.000000075"},
        "top_provider": {"max_completion_tokens": 16384},
        "supported_parameters": ["tools", "structured_outputs", "temperature"],
    }

    (model,) = openai_listing(body({"data": [entry]}))

    assert (model.input, model.cached_input, model.output) == ("0.15", "0.075", "0.6")
    assert (model.context_window, model.output_limit) == (131072, 16384)
    assert model.capabilities == ("json_schema", "tools", "vision")
    assert model.mode == "chat"


@pytest.mark.parametrize("price", ["-1", "NaN", "Infinity", "", "dear", None, True, 10**9], ids=str)
def test_what_is_no_price_is_unknown(price):
    (model,) = openai_listing(body({"data": [{"id": "m", "pricing": {"prompt": price}}]}))

    assert model.input is None


def test_a_routed_model_has_what_holds_for_every_service_behind_it():
    services = [
        {
            "status": "live",
            "context_length": 131072,
            "pricing": {"input": 0.1, "output": 0.3},
            "supports_tools": True,
        },
        {
            "status": "live",
            "context_length": 32768,
            "pricing": {"input": 0.9, "output": 0.9},
            "supports_tools": False,
        },
        {"status": "staging", "context_length": 4096},
    ]

    (model,) = openai_listing(body({"data": [{"id": "m", "providers": services}]}))

    assert (model.context_window, model.input, model.output) == (32768, "0.9", "0.9")
    assert model.capabilities == ()


def test_ollama_tells_window_and_capabilities_of_one_model():
    shown = {
        "model_info": {"qwen2.context_length": 32768},
        "capabilities": ["completion", "tools", "thinking"],
    }

    model = ollama_details("qwen", body(shown))

    assert (model.mode, model.context_window, model.capabilities) == ("chat", 32768, ("reasoning", "tools"))


def test_the_window_that_ollama_was_told_to_use_counts_more_than_what_the_model_could():
    shown = {"model_info": {"qwen2.context_length": 32768}, "parameters": 'num_ctx    8192\nstop "x"'}

    assert ollama_details("qwen", body(shown)).context_window == 8192


def test_ollamas_embedding_models_are_told_apart():
    assert ollama_details("bge", body({"capabilities": ["embedding"]})).mode == "embedding"
    assert [model.model for model in ollama_tags(body({"models": [{"name": "a:latest"}]}))] == ["a:latest"]


def test_lm_studio_tells_kind_window_and_what_is_loaded():
    entries = [
        {
            "id": "sees",
            "type": "vlm",
            "state": "loaded",
            "max_context_length": 131072,
            "loaded_context_length": 4096,
        },
        {"id": "vectors", "type": "embeddings", "state": "not-loaded", "max_context_length": 512},
    ]

    sees, vectors = lm_studio_listing(body({"data": entries}))

    assert (sees.mode, sees.context_window, sees.capabilities, sees.note) == (
        "chat",
        4096,
        ("vision",),
        "loaded",
    )
    assert (vectors.mode, vectors.context_window, vectors.note) == ("embedding", 512, "")


def test_gemini_and_anthropic_listings_are_read():
    gemini = {
        "name": "models/gemini-x", "inputTokenLimit": 1000, "outputTokenLimit": 10,
        "supportedGenerationMethods": ["generateContent"],
    }  # fmt: skip

    (first,) = gemini_listing(body({"models": [gemini]}))
    (second,) = anthropic_listing(body({"data": [{"id": "claude-x", "type": "model"}]}))

    assert (first.model, first.context_window, first.output_limit) == ("gemini-x", 1000, 10)
    assert (second.model, second.mode) == ("claude-x", "chat")


@pytest.mark.parametrize(
    "garbage", [b"<html>", b"", b"[" * 100_000, b"null", b'{"data": 3}', b'{"models": []}'], ids=range(6)
)
def test_what_is_no_listing_is_refused(garbage):
    with pytest.raises(NotAListing):
        openai_listing(garbage)


def test_entries_that_make_no_sense_are_left_out():
    entries = [
        None,
        3,
        {"id": 7},
        {"id": ""},
        {"id": "x" * 400},
        {"id": "good", "pricing": [], "providers": 5},
    ]

    assert [model.model for model in openai_listing(body({"data": entries}))] == ["good"]


def test_listings_complete_each_other_and_the_first_wins():
    told = merged([ListedModel("m", context_window=8)], [ListedModel("m", context_window=9, output_limit=4)])

    assert told == (ListedModel("m", context_window=8, output_limit=4),)


def test_the_price_files_word_counts_more_than_the_listings():
    offer = offered(ListedModel("gpt-4o-mini", context_window=5, input="9", output="9"), provider="openai")[
        "gpt-4o-mini"
    ]

    assert (offer.input, offer.cached_input, offer.output) == ("0.15", "0.075", "0.6")
    assert offer.context_window == 128_000
    assert "gpt-4o-mini" in offer.source
    assert TODAY in offer.source


def test_what_nobody_knows_stays_unknown():
    offer = offered(ListedModel("nobody-knows"), provider="openai")["nobody-knows"]

    assert (offer.input, offer.output, offer.context_window, offer.price) == (None, None, None, "unknown")


def test_an_embedding_model_speaks_embeddings_only():
    assert offered(ListedModel("text-embedding-3-small"), provider="openai")[
        "text-embedding-3-small"
    ].dialects == ("embeddings",)
    assert offered(ListedModel("bge-m3"))["bge-m3"].dialects == ("embeddings",)
    assert offered(ListedModel("qwen2.5:14b"))["qwen2.5:14b"].dialects == ("chat",)


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("whisper-large-v9", "audio transcription"),
        ("gpt-9-transcribe", "audio transcription"),
        ("tts-9-hd", "audio speech"),
        ("gpt-image-9", "image generation"),
        ("dall-e-9", "image generation"),
        ("omni-moderation-2099", "moderation"),
        ("rerank-v9", "rerank"),
        ("gpt-realtime-9", "realtime"),
    ],
)
def test_a_model_that_nobody_knows_is_told_by_its_name(model, kind):
    offer = offered(ListedModel(model))[model]

    assert (offer.state, offer.why) == ("unfit", f"is for {kind}, which this gateway does not serve")


@pytest.mark.parametrize("model", ["imagine-7b", "bettts-chat", "e55-instruct", "gpt-9-vision"])
def test_a_name_that_only_resembles_one_is_a_chat_models(model):
    assert offered(ListedModel(model))[model].dialects == ("chat",)


def test_what_the_listing_says_counts_more_than_the_name():
    assert offered(ListedModel("whisper-chat", mode="chat"))["whisper-chat"].dialects == ("chat",)


@pytest.mark.parametrize(
    ("window", "limit", "text"),
    [(131072, 16384, "131,072 / 16,384"), (1048576, None, "1,048,576 / ?"), (None, None, "unknown")],
    ids=["both", "window", "neither"],
)
def test_sizes_are_told_with_thousands_separators(window, limit, text):
    assert offered(ListedModel("m", context_window=window, output_limit=limit))["m"].window == text


def test_known_models_and_unfit_ones_are_not_offered():
    found = offered(
        ListedModel("there"), ListedModel("fresh"), ListedModel("two words"), ListedModel("any*"),
        ListedModel("dall-e-3", mode="image_generation"), known={"there": "sun/there"},
    )  # fmt: skip

    assert {name: offer.state for name, offer in found.items()} == {
        "fresh": "new", "there": "known", "any*": "unfit", "dall-e-3": "unfit", "two words": "unfit",
    }  # fmt: skip
    assert found["there"].why == "is sun/there"


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        ({"wire": "openai", "base_url": "https://api.openai.com/v1"}, "openai"),
        ({"wire": "openai", "base_url": "https://router.huggingface.co/v1"}, "huggingface"),
        ({"wire": "openai", "base_url": "https://openrouter.ai/api/v1"}, "openrouter"),
        ({"wire": "litellm", "litellm_prefix": "anthropic/"}, "anthropic"),
        ({"wire": "litellm", "litellm_prefix": "openai/", "base_url": "https://other.example/v1"}, ""),
        ({"wire": "openai", "base_url": "https://other.example/v1"}, ""),
    ],
    ids=["openai", "hugging face", "openrouter", "prefix", "prefix elsewhere", "unknown host"],
)
def test_the_price_file_speaks_for_the_vendors_own_address_only(entry, name):
    whole = {"base_url": "", "litellm_prefix": "", **entry}

    assert price_provider(whole, surroundings()) == name


@pytest.mark.django_db
def test_chosen_offers_become_deployments_with_their_prices():
    load_small()
    moon = Provider.objects.get(slug="moon")
    found = offers_of(
        moon, [ListedModel("fresh", input="0.5", output="1.5", context_window=4096), ListedModel("pale")]
    )
    chosen, problems = chosen_offers(found, ["fresh", "pale", "missing"])

    report = add_offers(moon, Tier.objects.get(slug="direct"), chosen)

    assert report.added == ["moon/fresh"]
    assert problems == {"pale": "it is a deployment already", "missing": "the provider does not list it"}
    entry = read_entry(Deployment.objects.get(slug="moon/fresh"))
    assert (entry["context_window"], entry["tier"]) == (4096, "direct")
    assert [(price["input"], price["cached_input"], price["output"]) for price in entry["prices"]] == [
        ("0.5", None, "1.5")
    ]


@pytest.mark.django_db
def test_in_a_free_tier_a_new_deployment_costs_nothing():
    load_small()
    sun = Provider.objects.get(slug="sun")
    found = offers_of(sun, [ListedModel("fresh", input="0.5", output="1.5")])

    add_offers(sun, Tier.objects.get(slug="free"), found)

    (price,) = Deployment.objects.get(slug="sun/fresh").prices.all()
    assert (price.input, price.output) == (0, 0)
    assert usual_tier(sun) == Tier.objects.get(slug="free")


@pytest.mark.django_db
def test_a_deployment_that_appeared_meanwhile_is_left_out():
    load_small()
    sun = Provider.objects.get(slug="sun")
    found = offers_of(sun, [ListedModel("fresh")])
    add_offers(sun, Tier.objects.get(slug="free"), found)

    report = add_offers(sun, Tier.objects.get(slug="free"), found)

    assert report.added == []
    assert report.left_out == {"fresh": "It is a deployment already."}
