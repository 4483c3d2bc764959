"""The document says everything that the tables say, and gives it all back."""

import copy
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext

from routing.catalogue import document_sha256, read_document, restore_rows
from routing.document import CatalogueError, UnknownSchema
from routing.models import Alias, Deployment, Price, Provider, Route, Tier, TierPolicy
from routing.tables import NOT_PUBLISHED, TABLES
from routing.tests.small_catalogue import load_small

pytestmark = pytest.mark.django_db

# Columns that no document holds: surrogate keys, and the row that a part belongs to.
NOT_IN_DOCUMENT = {"id"} | {table.part.parent for table in TABLES if table.part}


def entry(document: dict[str, Any], section: str, name: str) -> dict[str, Any]:
    return next(item for item in document[section] if name in (item.get("slug"), item.get("name")))


def test_rows_become_a_document_and_the_document_becomes_the_same_rows():
    load_small()
    document = read_document()
    for model in (Alias, Deployment, Provider, TierPolicy, Tier):
        model.objects.all().delete()

    restore_rows(copy.deepcopy(document))

    assert read_document() == document


def test_every_column_of_the_catalogue_is_in_the_document():
    published = {table.model: set(table.fields) for table in TABLES}
    published |= {table.part.model: set(table.part.fields) for table in TABLES if table.part}

    for model in apps.get_app_config("routing").get_models():
        if model.__name__ in NOT_PUBLISHED:
            assert model not in published
            continue
        columns = {field.name for field in model._meta.concrete_fields}
        assert columns - NOT_IN_DOCUMENT == published[model] - NOT_IN_DOCUMENT, model.__name__


def test_a_document_holds_money_as_decimal_text_and_moments_in_utc():
    load_small()

    first, second = entry(read_document(), "deployments", "moon/pale")["prices"]

    assert first == {
        "starts": "2026-01-01T00:00:00Z",
        "input": "0.28",
        "cached_input": "0.028",
        "output": "0.42",
    }
    assert second["cached_input"] is None
    assert entry(read_document(), "policies", "dear")["price_ceiling"] == "12.5"


def test_equal_tables_give_equal_fingerprints_in_any_order_of_keys():
    load_small()
    document = read_document()
    shuffled = {key: document[key] for key in reversed(list(document))}

    assert document_sha256(shuffled) == document_sha256(read_document())
    Provider.objects.filter(slug="sun").update(open_after=9)
    assert document_sha256(read_document()) != document_sha256(document)


def test_restoring_updates_creates_and_deletes_by_natural_key():
    load_small()
    document = read_document()
    kept = Deployment.objects.get(slug="moon/pale").pk
    Deployment.objects.filter(slug="moon/pale").update(quality=99)
    Price.objects.filter(deployment__slug="moon/pale").first().delete()
    Route.objects.filter(alias__name="weather", deployment__slug="sun/bright").delete()
    Alias.objects.create(name="stray")
    Alias.objects.filter(name="moon-*").delete()

    restore_rows(document)

    assert read_document() == document
    assert Deployment.objects.get(slug="moon/pale").pk == kept


def test_restoring_what_is_there_already_writes_nothing():
    load_small()
    document = read_document()

    with CaptureQueriesContext(connection) as queries:
        restore_rows(document)

    assert queries.captured_queries
    assert not [query for query in queries if query["sql"].startswith(("INSERT", "UPDATE", "DELETE"))]


def test_a_document_of_another_schema_is_refused():
    load_small()
    document = read_document() | {"schema": 2}

    with pytest.raises(UnknownSchema, match="schema 2, but this version of RainyModel reads schema 1"):
        restore_rows(document)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda document: document.pop("aliases"), "no list of aliases"),
        (lambda document: document["tiers"].append({"slug": "free"}), "needs a slug of its own"),
        (
            lambda document: document["deployments"][0].update(provider="nobody"),
            "names the provider 'nobody'",
        ),
        (lambda document: document["deployments"][0]["prices"].append({"starts": "soon"}), "starts"),
        (lambda document: document["aliases"][0].update(routes=None), "needs a list of routes"),
        (
            lambda document: document["aliases"][0]["routes"].append({"deployment": None}),
            "None, which does not exist",
        ),
        (lambda document: document["providers"][0].update(base_url="ftp://x"), "base_url"),
        (
            lambda document: document["providers"][0].update(extra_headers={"Host": "x"}),
            "set by the gateway itself",
        ),
        (lambda document: document["deployments"][0].update(quality="good"), "quality"),
        (
            lambda document: document["policies"][0]["steps"].extend(document["policies"][0]["steps"]),
            "same tier twice",
        ),
    ],
)
def test_a_document_that_the_tables_cannot_hold_changes_nothing(change, message):
    load_small()
    before = read_document()
    broken = copy.deepcopy(before)
    broken["tiers"][0]["name"] = "Changed"
    change(broken)

    with pytest.raises(CatalogueError, match=message):
        restore_rows(broken)

    assert read_document() == before
