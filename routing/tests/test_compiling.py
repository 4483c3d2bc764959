"""What a document means on one worker: limits, prices, patterns, policies, and who can be called."""

import copy
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from rainymodel_site import env
from routing.addresses import AllowedUpstreams
from routing.catalogue import read_document
from routing.compile import compile_snapshot
from routing.document import CatalogueError, UnknownSchema
from routing.engine.health import Health
from routing.engine.plan import plan
from routing.engine.query import Query
from routing.engine.snapshot import CAPABILITIES, IMAGE_URLS, TimeLimits
from routing.engine.validate import validate
from routing.tests.small_catalogue import load_small, surroundings

pytestmark = pytest.mark.django_db


@pytest.fixture
def document() -> dict[str, Any]:
    load_small()
    return read_document()


def test_the_small_catalogue_compiles_without_errors(document):
    snapshot = compile_snapshot(document, 7, surroundings())

    assert snapshot.number == 7
    assert [finding for finding in validate(snapshot) if finding.level == "error"] == []
    assert set(snapshot.aliases) == {"weather", "weather-mini"}
    assert snapshot.last_resort is None


def test_a_deployment_has_its_own_limits_or_its_providers(document):
    deployments = compile_snapshot(document, 1, surroundings()).deployments

    assert deployments["sun/bright"].limits == TimeLimits(connect=3, first_content=45, idle=30, total=600)
    assert deployments["moon/pale"].limits == TimeLimits(connect=3, first_content=10, idle=30, total=90)


def test_prices_are_exact_and_follow_the_calendar(document):
    pale = compile_snapshot(document, 1, surroundings()).deployments["moon/pale"]

    assert pale.price_at(datetime(2026, 6, 1, tzinfo=UTC).timestamp()).output == Decimal("0.42")
    later = pale.price_at(datetime(2027, 6, 1, tzinfo=UTC).timestamp())
    assert (later.input, later.cached_input) == (Decimal("0.3"), None)
    assert pale.price_at(0.0) is None


def test_no_dialect_means_chat(document):
    deployments = compile_snapshot(document, 1, surroundings()).deployments

    assert deployments["moon/pale"].dialects == {"chat"}
    assert deployments["sun/bright"].dialects == {"chat", "embeddings"}


def test_patterns_come_longest_first(document):
    snapshot = compile_snapshot(document, 1, surroundings())

    assert [alias.name for alias in snapshot.patterns] == ["moon-big-*", "moon-*"]


def test_policies_are_found_by_synonym_too(document):
    policies = compile_snapshot(document, 1, surroundings()).policies

    assert policies["default"] is policies["auto"]
    assert policies["dear"].price_ceiling == Decimal("12.5")


def test_breaker_headers_and_parameters_reach_the_snapshot(document):
    snapshot = compile_snapshot(document, 1, surroundings())

    assert (snapshot.providers["moon"].breaker.open_after, snapshot.providers["moon"].breaker.open_for) == (
        2,
        7.5,
    )
    assert snapshot.providers["sun"].extra_headers == (("X-Title", "RainyModel"),)
    assert snapshot.providers["sun"].concurrency_limit == 4
    assert (snapshot.providers["sun"].quota_window, snapshot.providers["moon"].quota_window) == (
        "month",
        None,
    )
    assert snapshot.deployments["moon/pale"].parameter_policy == (
        ("max_tokens", "max_completion_tokens"),
        ("temperature", None),
    )


def test_a_document_of_before_the_quota_window_serves(document):
    for entry in document["providers"]:
        del entry["quota_window"]

    assert compile_snapshot(document, 1, surroundings()).providers["sun"].quota_window is None


@pytest.mark.fault("C32")
@pytest.mark.parametrize(
    ("address_class", "given"), [("public", True), ("private", False), ("plaintext", False)]
)
def test_only_what_sees_on_the_public_net_is_given_addresses_of_images(
    document, address_class: str, given: bool
):
    for provider in document["providers"]:
        provider["address_class"] = address_class

    deployments = compile_snapshot(document, 1, surroundings()).deployments

    assert (IMAGE_URLS in deployments["sun/bright"].capabilities) is given
    assert IMAGE_URLS not in deployments["moon/pale"].capabilities


def test_no_secret_is_in_a_snapshot(document):
    text = repr(compile_snapshot(document, 1, surroundings())) + repr(surroundings())

    assert "sun-secret" not in text
    assert "moon-secret" not in text


def test_the_demonstration_upstream_is_the_last_resort_only(document):
    snapshot = compile_snapshot(
        document, 1, surroundings(mode=env.DEVELOPMENT, variables={}, demo_url="http://127.0.0.1:9/v1")
    )

    found = plan(snapshot, Query(model="weather", needs=frozenset(CAPABILITIES)), Health(), now=0, draw=0)
    assert [deployment.slug for deployment in found.ordered] == ["demo"]
    demo = snapshot.last_resort
    assert (demo.provider.upstream, demo.tier.slug, demo.tier.billing, demo.model) == (
        "demo",
        "demo",
        "free",
        "demo",
    )
    assert demo.provider.unready is None
    assert "demo" not in snapshot.providers


def test_a_loopback_address_is_private_in_development(document):
    document["providers"][0].update(base_url="http://localhost:11434/v1", address_class="public")
    at_home = surroundings(mode=env.DEVELOPMENT, allowed=AllowedUpstreams(loopback=True))

    slug = document["providers"][0]["slug"]
    assert compile_snapshot(document, 1, at_home).providers[slug].address_class == "private"
    assert compile_snapshot(document, 1, surroundings()).providers[slug].address_class == "public"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda document: document["deployments"][0].update(provider="nobody"), "names 'nobody'"),
        (lambda document: document["aliases"][0]["routes"][0].update(deployment="x"), "names 'x'"),
        (lambda document: document["providers"][0].pop("wire"), "'wire', which the document lacks"),
        (
            lambda document: document["providers"][0].update(base_url="https://${HOME}/v1"),
            "HOME may not stand in a URL",
        ),
        (lambda document: document["providers"][0].update(extra_headers=[]), "providers"),
        (lambda document: document["deployments"][-1]["prices"][0].update(input="much"), "deployments"),
        (
            lambda document: document["policies"][1].update(synonyms=["auto"]),
            "synonym 'auto', which is taken",
        ),
        (lambda document: document["tiers"].append("free"), "no list of tiers"),
    ],
)
def test_a_broken_document_is_refused_with_the_entry_it_is_about(document, change, message):
    broken = copy.deepcopy(document)
    change(broken)

    with pytest.raises(CatalogueError, match=message):
        compile_snapshot(broken, 1, surroundings())


def test_another_schema_is_refused(document):
    with pytest.raises(UnknownSchema, match="schema 99"):
        compile_snapshot(document | {"schema": 99}, 1, surroundings())
