"""What differs between two documents, as values and as lines."""

import copy

import pytest

from routing.catalogue import read_document
from routing.diff import ADDED, CHANGED, MOVED, REMOVED, FieldChange, PartChange, compare, differences
from routing.tests.open_catalogue import load_open

pytestmark = pytest.mark.django_db


@pytest.fixture
def old():
    load_open()
    return read_document()


@pytest.fixture
def new(old):
    return copy.deepcopy(old)


def entry(document, section, name):
    key = "name" if section in ("aliases", "policies") else "slug"
    return next(one for one in document[section] if one[key] == name)


def test_equal_documents_differ_in_nothing(old, new):
    assert compare(old, new) == ()


def test_a_field_has_its_old_and_its_new_value(old, new):
    entry(new, "deployments", "sun/bright")["quality"] = 9
    entry(new, "deployments", "sun/bright")["capabilities"] = []

    (change,) = compare(old, new)

    assert (change.noun, change.name, change.kind) == ("deployment", "sun/bright", CHANGED)
    assert change.fields == (FieldChange("capabilities", "tools", "none"), FieldChange("quality", "0", "9"))
    assert differences(old, new) == (
        "deployment sun/bright: capabilities: tools → none",
        "deployment sun/bright: quality: 0 → 9",
    )


def test_what_came_and_what_went(old, new):
    new["aliases"] = [one for one in new["aliases"] if one["name"] != "storm"]
    new["tiers"].append({"slug": "premium", "name": "Premium", "billing": "paid", "rank": 3})

    tier, alias = compare(old, new)

    assert (tier.kind, alias.kind) == (ADDED, REMOVED)
    assert FieldChange("rank", "", "3") in tier.fields
    assert differences(old, new) == ("tier premium: added", "alias storm: removed")


def test_the_first_document_is_all_new(old):
    assert {change.kind for change in compare(None, old)} == {ADDED}


def routes(new, *slugs, **more):
    usual = {"weight": 1, "enabled": True, **more}
    entry(new, "aliases", "weather")["routes"] = [
        {"deployment": slug, "position": place, **usual} for place, slug in enumerate(slugs)
    ]


@pytest.mark.parametrize(
    ("slugs", "parts"),
    [
        (["rain/heavy", "sun/bright"], [(MOVED, "rain/heavy", "place 2", "place 1")]),
        (["rain/heavy"], [(REMOVED, "sun/bright", "", "")]),
        (["a/b", "sun/bright", "rain/heavy"], [(ADDED, "a/b", "", "at place 1")]),
    ],
    ids=["moved", "removed", "added"],
)
def test_routes_are_told_apart(old, new, slugs, parts):
    routes(new, *slugs)

    (field,) = compare(old, new)[0].fields

    assert [(part.kind, part.name, part.before, part.after) for part in field.parts] == parts
    assert (field.before, field.after) == ("sun/bright, rain/heavy", ", ".join(slugs))


def test_only_what_has_to_move_is_called_moved(old, new):
    for document, order in ((old, "abcde"), (new, "eabcd")):
        routes(document, *order)

    (field,) = compare(old, new)[0].fields

    assert field.parts == (PartChange(MOVED, "e", "place 5", "place 1"),)
    assert field.is_rearranged


def test_a_weight_and_a_switch_are_changes_of_the_route(old, new):
    routes(new, "sun/bright", "rain/heavy", weight=3, enabled=False)

    (field,) = compare(old, new)[0].fields

    assert field.parts[0] == PartChange(CHANGED, "sun/bright", "on", "off, weight 3")


def test_other_numbers_for_the_same_order_are_a_change_without_parts(old, new):
    for route in entry(new, "aliases", "weather")["routes"]:
        route["position"] += 5

    (field,) = compare(old, new)[0].fields

    assert (field.parts, field.before) == ((), field.after)


def test_prices_are_told_by_their_start(old, new):
    price = entry(new, "deployments", "sun/bright")["prices"][0]
    price["output"] = "1.5"

    (field,) = compare(old, new)[0].fields

    assert field.parts == (
        PartChange(CHANGED, "price from 2026-01-01", "0/0/0 from 2026-01-01", "0/0/1.5 from 2026-01-01"),
    )
