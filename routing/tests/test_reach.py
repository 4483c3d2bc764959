"""How many deployments could answer each alias under each policy with each need, and which cells a draft empties."""

from dataclasses import replace

import pytest

from routing.engine.query import Query
from routing.engine.reach import (
    LONG_CONTEXT,
    OWN,
    Cell,
    at_stake,
    emptied,
    names_of,
    policy_behind,
    reach,
    touched,
)
from routing.engine.select import select
from routing.engine.snapshot import Alias, Route
from routing.tests.catalogue import DIRECT, alias, deployment, policy, provider, snapshot

SUN = deployment("sun", capabilities=frozenset({"tools"}), context_window=8_000)
RAIN = deployment("rain", tier=DIRECT, capabilities=frozenset({"tools", "vision", "json_schema"}))
POLICIES = (policy("auto", "free", "direct"), policy("free", "free"))


def count(catalogue, name, under=OWN, need="chat"):
    return reach(catalogue, *names_of(catalogue), 0.0)[Cell(name, under, need)]


def of(*aliases, **fields):
    return snapshot(*aliases, policies=POLICIES, **fields)


@pytest.mark.parametrize(
    ("under", "need", "expected"),
    [
        (OWN, "chat", 2),
        (OWN, "tools", 2),
        (OWN, "images", 1),
        (OWN, "JSON schema", 1),
        (OWN, "long context", 1),
        (OWN, "embeddings", 0),
        ("free", "chat", 1),
        ("free", "images", 0),
        ("free", "long context", 0),
    ],
)
def test_each_need_counts_the_deployments_that_a_request_with_it_would_find(under, need, expected):
    assert count(of(alias("m", SUN, RAIN)), "m", under, need) == expected


def test_what_is_off_or_has_no_credential_does_not_count_and_neither_does_the_last_resort():
    unkeyed = deployment("cloud", at=provider("cloud", unready="no_credential"))
    routes = (Route(replace(SUN, enabled=False), 1), Route(unkeyed, 2), Route(RAIN, 3, enabled=False))
    catalogue = of(Alias("m", routes), last_resort=deployment("demo"))

    assert select(catalogue, Query("m")).groups  # a request would get the demonstration
    assert count(catalogue, "m") == 0


def test_an_embedding_model_counts_for_embeddings_only():
    embedder = deployment("embedder", dialects=frozenset({"embeddings"}))
    catalogue = of(alias("vectors", embedder))

    assert (count(catalogue, "vectors"), count(catalogue, "vectors", need="embeddings")) == (0, 1)


def test_a_pattern_is_counted_by_its_own_routes_also_beside_a_longer_pattern_and_a_direct_call():
    wide = deployment("any", model="*")
    catalogue = of(alias("*", wide, RAIN), alias("sun-*", wide), alias("any/*", RAIN), deployments=(wide,))

    assert [count(catalogue, name) for name in ("*", "sun-*", "any/*")] == [2, 1, 1]


def test_a_price_ceiling_and_the_price_in_force_count():
    dear = replace(policy("cheap", "direct"), price_ceiling=SUN.prices[0].input)
    paid = deployment("paid", tier=DIRECT, price=("3", "9"))
    catalogue = snapshot(alias("m", paid), policies=(*POLICIES, dear))

    assert (count(catalogue, "m"), count(catalogue, "m", "cheap")) == (1, 0)


def test_a_window_smaller_than_a_long_context_is_the_edge():
    catalogue = of(alias("m", replace(SUN, context_window=LONG_CONTEXT)))
    smaller = of(alias("m", replace(SUN, context_window=LONG_CONTEXT - 1)))

    assert (count(catalogue, "m", need="long context"), count(smaller, "m", need="long context")) == (1, 0)


def test_emptied_are_the_cells_that_somebody_could_answer_and_nobody_can():
    serving, draft = of(alias("m", SUN, RAIN)), of(alias("m", SUN))

    assert {str(cell) for cell in emptied(serving, draft, 0.0)} == {
        f"m with {under}: {need}"
        for under in ("no policy named", "policy auto")
        for need in ("images", "JSON schema", "long context")
    }
    assert emptied(draft, serving, 0.0) == ()
    assert emptied(serving, serving, 0.0) == ()


def test_an_alias_or_a_policy_that_is_gone_empties_its_cells_unless_a_pattern_takes_over():
    serving = of(alias("m", SUN))

    gone = emptied(serving, of(alias("other", SUN)), 0.0)
    caught = emptied(serving, of(alias("*", SUN)), 0.0)
    unnamed = emptied(serving, snapshot(alias("m", SUN), policies=POLICIES[:1]), 0.0)

    assert {cell.alias for cell in gone} == {"m"}
    assert caught == ()
    assert {cell.policy for cell in unnamed} == {"free"}


def test_another_default_policy_is_seen_where_no_policy_is_named():
    serving = of(alias("m", RAIN))
    draft = of(replace(alias("m", RAIN), policy="free"))

    assert {cell.policy for cell in emptied(serving, draft, 0.0)} == {OWN}
    assert (policy_behind(serving, "m"), policy_behind(draft, "m")) == ("auto", "free")


def test_only_aliases_that_may_count_otherwise_are_touched():
    named = {
        "m": alias("m", SUN),
        "other": alias("other", RAIN),
        "off": replace(alias("off", SUN), enabled=False),
    }
    serving = of(*named.values())

    changed = of(*(named | {"m": alias("m", replace(SUN, enabled=False))}).values())
    other_policies = snapshot(*named.values(), policies=(policy("auto", "direct"),))

    assert touched(serving, of(*named.values())) == ("off",)
    assert touched(serving, changed) == ("m", "off")
    assert touched(serving, other_policies) == ("m", "off", "other")


def test_under_other_policies_what_stayed_the_same_is_counted_again_where_they_moved_only():
    m, other = alias("m", SUN), alias("other", RAIN)
    serving = of(m, other)
    moved = (POLICIES[0], policy("free", "free", "direct"))

    policies_only = at_stake(serving, snapshot(m, other, policies=moved))
    one_alias_too = at_stake(serving, snapshot(m, alias("other", SUN), policies=moved))
    tiers = at_stake(serving, replace(serving, tiers={}, memo={}))

    assert policies_only == {"m": (OWN, "free"), "other": (OWN, "free")}
    assert one_alias_too == {"m": (OWN, "free"), "other": (OWN, "auto", "free")}
    assert tiers == {"m": (OWN, "auto", "free"), "other": (OWN, "auto", "free")}
    assert at_stake(serving, serving) == {}
