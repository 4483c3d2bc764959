"""What is refused at publishing, and in which words the operator reads it."""

from dataclasses import replace
from decimal import Decimal

import pytest

from routing.engine.snapshot import Alias, BreakerRules, Route, TimeLimits
from routing.engine.validate import ERROR, WARNING, errors_of, validate
from routing.tests.catalogue import (
    DIRECT,
    POLICIES,
    alias,
    deployment,
    policy,
    price_row,
    provider,
    snapshot,
)
from routing.tests.starting import starting_catalogue

SUN = deployment("sun")
GOOD = alias("rainymodel/auto", SUN)


def found(*aliases, level=ERROR, **fields):
    """The messages of one level, each with its subject in front."""
    findings = validate(snapshot(*(aliases or (GOOD,)), **fields))
    return [f"{one.subject}: {one.message}" for one in findings if one.level == level]


def at(**fields):
    return alias("rainymodel/auto", deployment("sun", at=provider("sun", **fields)))


def with_sun(**fields):
    return alias("rainymodel/auto", deployment("sun", **fields))


def test_the_starting_catalogue_has_nothing_to_correct():
    assert validate(starting_catalogue()) == ()


def test_every_finding_says_what_to_do():
    findings = validate(snapshot(alias("a"), at(base_url="ftp://x", wire="smoke", concurrency_limit=0)))

    assert len(findings) >= 3
    assert all(one.advice and str(one).startswith(f"error: {one.subject}: ") for one in findings)


@pytest.mark.fault("I12")
def test_an_alias_needs_a_route():
    assert found(alias("empty")) == ["alias empty: It has no route."]


def test_an_alias_needs_a_route_that_is_on():
    off = Alias("m", (Route(SUN, 1, enabled=False), Route(deployment("rain", enabled=False), 2)))

    assert found(off) == ["alias m: None of its routes is enabled."]
    assert found(replace(off, enabled=False)) == []


def test_two_routes_to_one_deployment_are_a_warning():
    assert found(alias("m", SUN, SUN)) == []
    assert found(alias("m", SUN, SUN), level=WARNING) == ["alias m: 2 routes lead to sun."]


def test_a_negative_weight_is_refused():
    assert found(Alias("m", (Route(SUN, 1, weight=-1),))) == [
        "alias m: The route to sun has a negative weight."
    ]


def test_a_policy_names_known_tiers_once_and_known_strategies():
    wrong = policy("odd", "free", "gratis", "free:fanciest")

    assert found(policies=(*POLICIES, wrong)) == [
        "policy odd: The tier 'free' has 2 steps.",
        "policy odd: A step names the unknown tier 'gratis'.",
        "policy odd: The strategy 'fanciest' is unknown.",
    ]


def test_a_price_ceiling_is_zero_or_more():
    ceilings = (Decimal(-1), Decimal("NaN"), Decimal(0))
    messages = [found(policies=(*POLICIES, policy("c", price_ceiling=one))) for one in ceilings]

    assert messages == [["policy c: The price ceiling is not an amount."]] * 2 + [[]]


def test_a_policy_name_is_taken_once_synonyms_included():
    messages = found(policies=(*POLICIES, policy("listed", synonyms=("auto",)), *POLICIES[:1]))

    assert messages == [
        "policy auto: The name 'auto' is taken twice.",
        "policy listed: The name 'auto' is taken twice.",
    ]


def test_the_default_policy_of_an_alias_exists():
    assert found(alias("m", SUN, policy="cheap")) == ["alias m: The default policy 'cheap' is unknown."]
    assert found(alias("m", SUN, policy="default")) == []
    assert found(alias("m", SUN), policies=POLICIES[1:]) == [
        "alias m: It relies on the policy 'auto', which does not exist."
    ]


def test_a_tier_says_who_pays():
    odd = replace(DIRECT, billing="barter")

    messages = validate(replace(snapshot(GOOD), tiers={"direct": odd, "free": SUN.tier}))

    assert "tier direct: The billing 'barter' is unknown." in [f"{m.subject}: {m.message}" for m in messages]


@pytest.mark.parametrize(
    "rows", [(), (price_row(None, "1"),), (price_row("1", "1"), price_row("1", None, starts=9))]
)
def test_a_paid_deployment_without_a_price_is_a_warning(rows):
    paid = with_sun(tier=DIRECT, prices=rows)

    assert found(paid) == []
    assert found(paid, level=WARNING) == ["deployment sun: It is paid for, and its price is unknown."]


@pytest.mark.parametrize("amount", ["-0.01", "NaN", "Infinity"])
def test_a_price_is_an_amount_of_money(amount):
    assert found(with_sun(price=("0", amount))) == ["deployment sun: A price is negative or not a number."]


def test_prices_start_one_after_the_other():
    for starts in ((5, 5), (9, 5)):
        rows = tuple(price_row("1", "1", starts=start) for start in starts)
        assert found(with_sun(prices=rows)) == [
            "deployment sun: Two prices start at the same moment, or they are out of order."
        ]


def test_a_pattern_has_one_star():
    assert found(alias("a*b*", SUN)) == ["alias a*b*: The pattern has more than one *."]
    assert found(alias("a*", deployment("sun", model="x*y*"))) == [
        "deployment sun: The upstream model has more than one *."
    ]


def test_only_a_pattern_or_a_direct_call_may_fill_in_an_upstream_model():
    open_model = deployment("open", model="*")

    assert found(alias("claude-*", open_model)) == []
    assert found(deployments=(open_model,)) == []
    assert found(alias("claude", open_model)) == [
        "alias claude: open takes its model from a pattern, and this name has no *."
    ]


@pytest.mark.parametrize("name", ["a*", "*"])
def test_two_patterns_of_one_name_are_refused(name):
    assert found(alias(name, SUN), alias(name, SUN)) == [f"alias {name}: 2 aliases have this name."]


@pytest.mark.fault("I12")
@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("", "does not start with https:// or http://"),
        ("api.example.com/v1", "does not start with https:// or http://"),
        ("ftp://api.example.com", "does not start with https:// or http://"),
        ("https://", "has no valid host"),
        ("https:///v1", "has no valid host"),
        ("https://${HOST}/v1", "has no valid host"),
        ("https://api.example.com:0/v1", "has no valid host"),
        ("https://api.example.com:99999/v1", "cannot be read"),
        ("https://[::1/v1", "cannot be read"),
        ("https://user:pass@api.example.com/v1", "holds a user or password, which belongs in the credential"),
        ("https://@api.example.com/v1", "holds a user or password, which belongs in the credential"),
        ("https://api.example.com/v1?key=1", "has a query or fragment"),
        ("https://api.example.com/v1#", "has a query or fragment"),
        ("https://api.example.com/v1\n", "has a space or a character outside ASCII"),
        ("https://api.exämple.com/v1", "has a space or a character outside ASCII"),
    ],
)
def test_a_base_url_is_a_plain_address(address, problem):
    assert found(at(base_url=address)) == [f"provider sun: The base URL {problem}."]


@pytest.mark.parametrize(
    "address", ["https://api.example.com/v1", "https://api.example.com:8443", "https://[2001:db8::1]:443/v1/"]
)
def test_ordinary_addresses_pass(address):
    assert found(at(base_url=address)) == []


def test_plain_http_needs_a_class_that_allows_it():
    address = "http://164.92.147.36:11434/v1"

    assert found(at(base_url=address)) == [
        "provider sun: The base URL is plain http, and its address class is public."
    ]
    assert found(at(base_url=address, address_class="plaintext")) == []
    assert found(at(base_url=address, address_class="private")) == []
    assert found(at(base_url=address, address_class="friendly")) == [
        "provider sun: The address class 'friendly' is unknown."
    ]


def test_a_translated_provider_needs_no_address():
    assert found(at(base_url="", wire="litellm")) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"limits": TimeLimits(connect=0)},
        {"limits": TimeLimits(first_content=float("nan"))},
        {"breaker": BreakerRules(open_after=0)},
        {"breaker": BreakerRules(open_for=0)},
        {"concurrency_limit": 0},
        {"quota_window": "fortnight"},
    ],
)
def test_limits_that_let_no_request_through_are_refused(fields):
    assert len(found(at(**fields))) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"model": " "},
        {"context_window": 0},
        {"output_limit": -1},
        {"capabilities": frozenset({"telepathy"})},
        {"dialects": frozenset({"latin"})},
        {"limits": TimeLimits(idle=-1)},
    ],
)
def test_a_deployment_is_described_in_known_words_and_sizes(fields):
    assert len(found(with_sun(**fields))) == 1


def test_the_deadlines_of_an_alias_are_positive():
    assert found(alias("m", SUN, total_deadline=0)) == ["alias m: A deadline is not a positive time."]


@pytest.mark.fault("I12")
def test_targets_are_aliases_and_do_not_come_back():
    assert found(alias("m", SUN, mini_target="gone")) == ["alias m: The mini target 'gone' is not an alias."]
    assert found(alias("m", SUN, standard_target="m")) == ["alias m: Its targets lead back to itself."]
    circle = (
        alias("one", SUN, mini_target="two"),
        alias("two", SUN, standard_target="three"),
        alias("three", SUN, mini_target="one"),
    )
    assert len(found(*circle)) == 3
    assert found(*circle[:2], alias("three", SUN)) == []


@pytest.mark.fault("I12")
def test_a_catalogue_has_a_size():
    crowd = [deployment(f"d{number}", at=SUN.provider) for number in range(3_400)]

    assert found(alias("m", *crowd)) == ["catalogue: It has 10,223 rows."]
    assert found(alias("m", *crowd[:3_000])) == []


def test_errors_come_before_warnings_and_can_be_told_apart():
    findings = validate(snapshot(alias("m", deployment("paid", tier=DIRECT, price=None)), alias("empty")))

    assert [one.level for one in findings] == [ERROR, WARNING]
    assert [one.subject for one in errors_of(findings)] == ["alias empty"]
