"""Finding a provider's models: whom to ask and how, what is said when it fails, and the command that adds them."""

import asyncio
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.models import AuditEntry
from gateway.upstream.addresses import AddressRules
from gateway.upstream.scripted import scripted_upstream
from gateway.upstream.sessions import Sessions
from rainymodel_site.console.asking import Asked, ListingFailed, list_models
from rainymodel_site.console.found import discover
from rainymodel_site.tests.listing_server import ListingServer, listing_server
from routing.addresses import AllowedUpstreams
from routing.discovery import Offer
from routing.engine.snapshot import Provider as CompiledProvider
from routing.loader import load_rows
from routing.models import CatalogueRevision, Deployment, Provider
from routing.provider_secrets import set_secret
from routing.publish import publish

pytestmark = pytest.mark.django_db

CANARY = "sk-canary-0123456789"


def load(**providers: dict[str, Any]) -> None:
    """A catalogue of these providers, and one deployment at the first."""
    first = next(iter(providers))
    load_rows(
        {
            "tiers": {
                "internal": {"name": "Internal", "billing": "self_hosted", "rank": 1},
                "direct": {"name": "Direct", "billing": "paid", "rank": 2},
            },
            "policies": {"auto": {"steps": ["internal", "direct"]}},
            "providers": {slug: {"upstream": slug, **fields} for slug, fields in providers.items()},
            "deployments": {f"{first}/known": {"provider": first, "model": "known", "tier": "internal"}},
        },
        overwrite=True,
    )
    publish("start")


@pytest.fixture
def server() -> Iterator[ListingServer]:
    with listing_server({}) as running:
        yield running


def found_at(slug: str) -> dict[str, Offer]:
    return {offer.model: offer for offer in discover(Provider.objects.get(slug=slug))}


def ran(*arguments: str) -> str:
    output = StringIO()
    call_command("discover", *arguments, stdout=output, stderr=StringIO())
    return output.getvalue()


def test_an_ollama_server_tells_windows_and_capabilities_in_its_own_dialect():
    with scripted_upstream(models=("known", "fresh")) as upstream:
        load(home={"base_url": upstream.base_url, "address_class": "private"})

        found = found_at("home")

    assert (found["known"].state, found["fresh"].state) == ("known", "new")
    assert (found["fresh"].context_window, found["fresh"].capabilities) == (32768, ("tools",))


def test_an_lm_studio_server_is_asked_in_its_own_dialect(server):
    server.answers = {
        "/v1/models": (200, {"data": [{"id": "fresh", "object": "model"}]}),
        "/api/v0/models": (200, {"data": [{"id": "fresh", "type": "llm", "max_context_length": 8192}]}),
    }
    load(home={"base_url": f"{server.url}/v1", "address_class": "private"})

    assert found_at("home")["fresh"].context_window == 8192


def test_a_routers_listing_fills_in_prices():
    with scripted_upstream(models=("maker/fresh",)) as upstream:
        load(router={"base_url": upstream.base_url.replace("/v1", "/router/v1")})

        offer = found_at("router")["maker/fresh"]

    assert (offer.input, offer.output, offer.output_limit) == ("0.15", "0.6", 4096)
    assert offer.capabilities == ("json_schema", "tools", "vision")


def test_the_credential_and_extra_headers_go_along(server):
    server.answers = {"/v1/models": (200, {"data": []})}
    load(shop={"base_url": f"{server.url}/v1", "extra_headers": {"X-Title": "RainyModel"}})
    set_secret(Provider.objects.get(slug="shop"), CANARY, "ada")

    assert found_at("shop") == {}
    sent = server.headers_of("/v1/models")
    assert sent["authorization"] == f"Bearer {CANARY}"
    assert sent["x-title"] == "RainyModel"


def test_gemini_gets_its_key_in_a_header_and_never_in_the_address(server):
    server.answers = {
        "/v1beta/models?pageSize=1000": (
            200, {"models": [{"name": "models/fresh", "supportedGenerationMethods": ["generateContent"]}]},
        )
    }  # fmt: skip
    load(gemini={"wire": "litellm", "base_url": server.url, "litellm_prefix": "gemini/"})
    give_secret("gemini")

    assert "fresh" in found_at("gemini")
    assert server.headers_of("/v1beta/models?pageSize=1000")["x-goog-api-key"] == CANARY
    assert all(CANARY not in path for _, path, _ in server.asked)


def test_anthropic_gets_its_key_and_version_in_headers(server):
    server.answers = {"/v1/models?limit=1000": (200, {"data": [{"id": "fresh", "type": "model"}]})}
    load(claude={"wire": "litellm", "base_url": server.url, "litellm_prefix": "anthropic/"})
    give_secret("claude")

    assert "fresh" in found_at("claude")
    sent = server.headers_of("/v1/models?limit=1000")
    assert (sent["x-api-key"], sent["anthropic-version"]) == (CANARY, "2023-06-01")
    assert "authorization" not in sent


def give_secret(slug: str) -> None:
    """The provider has a secret here."""
    set_secret(Provider.objects.get(slug=slug), CANARY, "ada")


def test_a_prefix_without_a_listing_offers_what_the_price_file_has():
    load(home={"base_url": "http://127.0.0.1:9/v1"}, cohere={"wire": "litellm", "litellm_prefix": "cohere/"})
    give_secret("cohere")

    found = found_at("cohere")

    assert found
    assert all("cohere" not in model.split("/") for model in found)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((401, {"error": "no"}), r"wants a credential \(401\), and none is set"),
        ((404, {}), r"no list of models here \(404\). Check the base URL"),
        ((302, b""), r"no list of models here \(302\)"),
        ((429, {}), "limiting our rate"),
        ((500, {}), "status 500"),
        ((200, b"<html>hello</html>"), "not with a list of models: it is not JSON"),
        ((200, {"hello": 1}), "no list named data"),
        ((200, b"[" + b" " * (5 * 1024 * 1024) + b"]"), "more than 5 MB"),
    ],
    ids=["401", "404", "redirect", "429", "500", "html", "other json", "too large"],
)
def test_each_failure_is_said_in_a_sentence(server, answer, said):
    server.answers = {"/v1/models": answer}
    load(shop={"base_url": f"{server.url}/v1"})

    with pytest.raises(ListingFailed, match=said):
        found_at("shop")


def test_a_refused_credential_is_said_and_not_shown(server):
    server.answers = {"/v1/models": (401, {"error": CANARY})}
    load(shop={"base_url": f"{server.url}/v1"})
    set_secret(Provider.objects.get(slug="shop"), CANARY, "ada")

    with pytest.raises(ListingFailed, match="refused our credential") as caught:
        found_at("shop")
    assert CANARY not in str(caught.value)


def test_a_server_that_is_not_there_and_an_address_that_is_not_allowed_are_said():
    load(
        gone={"base_url": "http://127.0.0.1:9/v1", "address_class": "private"},
        inside={"base_url": "http://10.9.8.7:11434/v1", "address_class": "private"},
    )

    with pytest.raises(ListingFailed, match="could not be reached"):
        found_at("gone")
    with pytest.raises(ListingFailed, match=r"10\.9\.8\.7:11434 is not in RAINYMODEL_PRIVATE_UPSTREAMS"):
        found_at("inside")


def test_an_address_is_judged_when_it_is_connected_to(server):
    server.answers = {"/v1/models": (200, {"data": []})}

    async def ask() -> None:
        sessions = Sessions(AddressRules(AllowedUpstreams()))
        try:
            await list_models(
                Asked(CompiledProvider("shop", "shop", base_url=f"{server.url}/v1"), None, sessions, print)
            )
        finally:
            await sessions.close()

    with pytest.raises(ListingFailed, match="is not an allowed public address"):
        asyncio.run(ask())
    assert server.asked == []


def test_the_command_lists_and_adds_nothing_by_itself():
    with scripted_upstream(models=("known", "fresh")) as upstream:
        load(home={"base_url": upstream.base_url, "address_class": "private"})

        text = ran("home")

    assert "is home/known" in text
    assert "+ fresh" in text
    assert "1 are new. Add some with --add" in text
    assert Deployment.objects.count() == 1


def test_the_command_shows_its_progress_on_stderr():
    progress = StringIO()
    with scripted_upstream(models=("known", "fresh")) as upstream:
        load(home={"base_url": upstream.base_url, "address_class": "private"})

        call_command("discover", "home", stdout=StringIO(), stderr=progress)

    assert "asking home … 2 of 2 models" in progress.getvalue()


def test_without_a_yes_and_nobody_to_ask_nothing_is_added():
    with scripted_upstream(models=("fresh",)) as upstream:
        load(home={"base_url": upstream.base_url, "address_class": "private"})

        with pytest.raises(CommandError, match=r"Nothing was added: there is nobody to ask here.*--yes"):
            ran("home", "--all")

    assert Deployment.objects.count() == 1


def test_with_a_yes_the_models_are_added_published_and_audited():
    with scripted_upstream(models=("fresh", "known")) as upstream:
        load(home={"base_url": upstream.base_url, "address_class": "private"})

        text = ran("home", "--add", "fresh", "--yes")

    row = Deployment.objects.get(slug="home/fresh")
    assert "Added to tier internal: home/fresh. Published as revision 2" in text
    assert (row.context_window, row.capabilities, row.tier.slug) == (32768, ["tools"], "internal")
    assert [price.input for price in row.prices.all()] == [0]
    assert CatalogueRevision.objects.count() == 2
    assert AuditEntry.objects.filter(action="created", subject__contains="home/fresh").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nobody",), "There is no provider 'nobody'; there are home"),
        (("home", "--tier", "none"), "There is no tier 'none'; there are internal, direct"),
        (
            ("home", "--add", "known", "missing"),
            "known: it is a deployment already; missing: the provider does not",
        ),
    ],
    ids=["provider", "tier", "models"],
)
def test_what_cannot_be_done_is_said(arguments, said):
    with scripted_upstream(models=("known",)) as upstream:
        load(home={"base_url": upstream.base_url, "address_class": "private"})

        with pytest.raises(CommandError, match=said):
            ran(*arguments)
    assert Deployment.objects.count() == 1
