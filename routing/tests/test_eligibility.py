"""Why a deployment is left out, in words the explain page and the log show."""

import pytest

from routing.engine.errors import ModelNotAllowed, UnknownPolicy, UnknownProvider
from routing.engine.health import Health
from routing.engine.plan import plan
from routing.engine.query import Grants, Query
from routing.engine.select import MEMO_ENTRIES
from routing.engine.snapshot import Alias, Route
from routing.tests.catalogue import (
    DIRECT,
    INTERNAL,
    PREMIUM,
    alias,
    deployment,
    names,
    policy,
    provider,
    reasons,
    snapshot,
)

DEMO = deployment("demo", at=provider("demo"), capabilities=frozenset({"tools"}))


def ask(catalogue, model="m", **asked):
    return plan(catalogue, Query(model, **asked), Health(), now=0.0, draw=0.0)


def unready(slug, word, **fields):
    return deployment(slug, at=provider(slug, unready=word), **fields)


def test_what_cannot_be_called_says_so_and_the_rest_answers():
    on = deployment("on")
    routes = (
        Route(deployment("route-off"), 1, enabled=False),
        Route(deployment("deployment-off", enabled=False), 2),
        Route(unready("provider-off", "disabled"), 3),
        Route(unready("unkeyed", "no_credential"), 4),
        Route(unready("unspoken", "wire_unavailable"), 5),
        Route(unready("walled", "address_refused"), 6),
        Route(on, 6),
    )
    answer = ask(snapshot(Alias("m", routes)))

    assert names(answer) == ["on"]
    assert reasons(answer) == {
        "route-off": "disabled",
        "deployment-off": "disabled",
        "provider-off": "disabled",
        "unkeyed": "no_credential",
        "unspoken": "wire_unavailable",
        "walled": "address_refused",
    }


def test_a_tier_that_the_policy_does_not_name_is_not_reached():
    answer = ask(snapshot(alias("m", deployment("free"), deployment("paid", tier=DIRECT))), policy="free")

    assert names(answer) == ["free"]
    assert reasons(answer) == {"paid": "tier_not_in_policy"}


def test_a_key_with_a_highest_tier_stays_at_or_below_it():
    tiers = [deployment("f"), deployment("i", tier=INTERNAL), deployment("d", tier=DIRECT)]
    catalogue = snapshot(alias("m", *tiers))

    assert names(ask(catalogue, grants=Grants(highest_tier="internal"))) == ["f", "i"]
    assert reasons(ask(catalogue, grants=Grants(highest_tier="internal"))) == {"d": "tier_not_allowed"}
    assert names(ask(catalogue, grants=Grants(highest_tier="renamed-since"))) == []


def test_a_missing_capability_is_named():
    catalogue = snapshot(
        alias("m", deployment("plain"), deployment("able", capabilities=frozenset({"tools"})))
    )

    answer = ask(catalogue, needs=frozenset({"tools", "vision"}))

    assert [(r.reason, r.detail) for r in answer.ineligible] == [
        ("capability", "tools, vision"),
        ("capability", "vision"),
    ]


@pytest.mark.parametrize(
    ("tokens_in", "tokens_out", "expected"),
    [
        (8_000, 192, ["small", "undeclared"]),
        (8_000, 193, ["undeclared"]),
        (8_192, None, ["small", "undeclared"]),
        (8_193, None, ["undeclared"]),
    ],
)
def test_input_and_asked_output_must_fit_a_declared_window(tokens_in, tokens_out, expected):
    catalogue = snapshot(alias("m", deployment("small", context_window=8_192), deployment("undeclared")))

    answer = ask(catalogue, input_tokens=tokens_in, output_tokens=tokens_out)

    assert names(answer) == expected
    assert set(reasons(answer).values()) <= {"context_too_small"}


def test_the_provider_header_takes_a_slug_or_a_label_and_leaves_the_others_out():
    one, two = (deployment(slug, at=provider(slug, upstream="ollama")) for slug in ("first", "second"))
    catalogue = snapshot(alias("m", one, deployment("other"), two))

    assert names(ask(catalogue, provider="second")) == ["second"]
    assert names(ask(catalogue, provider="ollama")) == ["first", "second"]
    assert reasons(ask(catalogue, provider="ollama")) == {"other": "provider_filter"}


def test_a_provider_that_serves_nothing_of_the_model_is_an_error_that_lists_those_that_do():
    catalogue = snapshot(alias("m", deployment("a"), deployment("b")), alias("n", deployment("c")))

    with pytest.raises(UnknownProvider) as refusal:
        ask(catalogue, provider="c")

    assert refusal.value.legal == ("a", "b")


def test_an_unknown_policy_is_an_error_that_lists_names_and_synonyms():
    with pytest.raises(UnknownPolicy) as refusal:
        ask(snapshot(alias("m", deployment("a"))), policy="cheap")

    assert refusal.value.legal == ("auto", "default", "free", "premium", "uncensored")


def test_a_key_uses_only_its_policies_by_name_or_synonym():
    catalogue = snapshot(alias("m", deployment("a")))

    assert names(ask(catalogue, grants=Grants(policies=frozenset({"default"})))) == ["a"]
    assert names(ask(catalogue, policy="default", grants=Grants(policies=frozenset({"auto"})))) == ["a"]
    with pytest.raises(ModelNotAllowed, match="premium"):
        ask(catalogue, policy="premium", grants=Grants(policies=frozenset({"auto"})))


def test_a_price_ceiling_leaves_out_what_is_dearer_or_unknown():
    cheap, edge = deployment("cheap", price=("1", "2")), deployment("edge", price=("1", "5"))
    dear, mystery = deployment("dear", price=("1", "5.01")), deployment("mystery", price=("1", None))
    thrifty = policy("auto", "free", price_ceiling=cheap.prices[0].input * 5)
    answer = ask(snapshot(alias("m", cheap, edge, dear, mystery), policies=(thrifty,)))

    assert names(answer) == ["cheap", "edge"]
    assert reasons(answer) == {"dear": "price_ceiling", "mystery": "price_ceiling"}


def test_a_caller_with_a_money_limit_is_kept_away_from_unknown_prices():
    catalogue = snapshot(alias("m", deployment("mystery", price=None), deployment("free")))

    answer = ask(catalogue, grants=Grants(priced_only=True))

    assert names(answer) == ["free"]
    assert reasons(answer) == {"mystery": "unpriced"}


def test_a_missing_credential_is_said_before_a_missing_capability():
    answer = ask(snapshot(alias("m", unready("unkeyed", "no_credential"))), needs=frozenset({"vision"}))

    assert reasons(answer) == {"unkeyed": "no_credential"}


def test_the_dialect_of_a_request_leaves_nobody_out():
    chat_only = deployment("chat-only", dialects=frozenset({"chat"}))

    assert names(ask(snapshot(alias("m", chat_only)), dialect="messages")) == ["chat-only"]


def test_the_last_resort_answers_when_nothing_can_be_called_here():
    catalogue = snapshot(
        alias("m", unready("unkeyed", "no_credential"), deployment("dear", tier=PREMIUM)), last_resort=DEMO
    )
    answer = ask(catalogue, policy="free")

    assert names(answer) == ["demo"]
    assert reasons(answer) == {"unkeyed": "no_credential", "dear": "tier_not_in_policy"}


def test_a_real_refusal_stays_a_refusal_beside_a_last_resort():
    catalogue = snapshot(
        alias("m", unready("unkeyed", "no_credential"), deployment("blind")), last_resort=DEMO
    )
    answer = ask(catalogue, needs=frozenset({"vision"}))

    assert names(answer) == []
    assert reasons(answer) == {"unkeyed": "no_credential", "blind": "capability"}


def test_a_last_resort_that_cannot_do_it_either_says_so():
    catalogue = snapshot(alias("m", unready("unkeyed", "no_credential")), last_resort=DEMO)
    answer = ask(catalogue, needs=frozenset({"vision"}))

    assert names(answer) == []
    assert reasons(answer) == {"unkeyed": "no_credential", "demo": "capability"}


def test_the_last_resort_keeps_out_while_anything_else_is_eligible():
    catalogue = snapshot(alias("m", deployment("real")), last_resort=DEMO)

    assert names(ask(catalogue)) == ["real"]


def test_a_provider_header_reaches_the_last_resort_only_by_its_name():
    catalogue = snapshot(
        alias("m", deployment("real"), unready("unkeyed", "no_credential")), last_resort=DEMO
    )

    assert names(ask(catalogue, provider="demo")) == ["demo"]
    assert names(ask(catalogue, provider="unkeyed")) == []
    with pytest.raises(UnknownProvider):
        ask(catalogue, provider="elsewhere")


def test_a_refusal_by_the_named_provider_itself_stays_one_beside_the_last_resort():
    small = deployment("small", at=DEMO.provider, context_window=10)
    answer = ask(snapshot(alias("m", small), last_resort=DEMO), provider="demo", input_tokens=11)

    assert names(answer) == []
    assert reasons(answer) == {"small": "context_too_small"}


def test_a_last_resort_that_is_also_a_route_is_answered_for_once():
    off = Route(DEMO, 1, enabled=False)
    answer = ask(snapshot(Alias("m", (off,)), last_resort=DEMO))

    assert (names(answer), answer.ineligible) == (["demo"], ())


def test_what_is_remembered_between_requests_never_changes_an_answer():
    catalogue = snapshot(
        alias("m", deployment("small", context_window=100), deployment("large", context_window=1_000))
    )
    sizes = [50, 150, 50, 1_500, 100, 101, 1_000, 1_001]

    remembered = [names(ask(catalogue, input_tokens=size)) for size in sizes]
    fresh = [names(ask(snapshot(*catalogue.aliases.values()), input_tokens=size)) for size in sizes]

    assert remembered == fresh
    assert remembered[:4] == [["small", "large"], ["large"], ["small", "large"], []]


def test_what_is_remembered_stays_small_whatever_names_clients_invent():
    catalogue = snapshot(alias("*", deployment("any", model="*")))
    for number in range(MEMO_ENTRIES * 2):
        ask(catalogue, model=f"invented-{number}")
    ask(catalogue, model="x" * 100_000)

    assert len(catalogue.memo) <= MEMO_ENTRIES
    assert max(len(key[0]) for key in catalogue.memo if isinstance(key, tuple)) < 1_000
