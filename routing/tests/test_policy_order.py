"""In which order a request walks the catalogue: the four policies, and the strategies inside a tier."""

import pytest

from routing.engine.health import Health
from routing.engine.outcome import Fault, Outcome
from routing.engine.plan import plan
from routing.engine.query import Query
from routing.engine.snapshot import Alias, Route
from routing.tests.catalogue import DIRECT, INTERNAL, alias, deployment, names, policy, price_row, snapshot
from routing.tests.starting import starting_catalogue

STARTING = starting_catalogue()

# A request of 1,000 tokens in, and no maximum out: 500 are expected.
GENERAL = {
    "auto": [
        "hf Qwen/Qwen2.5-72B-Instruct",
        "ollamafreeapi qwen2.5:latest",
        "ollama-primary qwen2.5:14b",
        "ollama-secondary qwen2.5:7b",
        "gemini gemini-2.0-flash",
        "openai gpt-4o-mini",
        "deepseek deepseek-chat",
        "claude claude-haiku-4-5",
        "xai grok-2",
        "openrouter qwen/qwen-2.5-72b-instruct",
    ],
    "uncensored": [
        "ollama-primary qwen2.5:14b",
        "ollama-secondary qwen2.5:7b",
        "hf Qwen/Qwen2.5-72B-Instruct",
        "ollamafreeapi qwen2.5:latest",
        "gemini gemini-2.0-flash",
        "openai gpt-4o-mini",
        "deepseek deepseek-chat",
        "claude claude-haiku-4-5",
        "xai grok-2",
        "openrouter qwen/qwen-2.5-72b-instruct",
    ],
    "premium": [
        "claude claude-haiku-4-5",
        "xai grok-2",
        "deepseek deepseek-chat",
        "gemini gemini-2.0-flash",
        "openai gpt-4o-mini",
        "openrouter qwen/qwen-2.5-72b-instruct",
        "hf Qwen/Qwen2.5-72B-Instruct",
        "ollamafreeapi qwen2.5:latest",
        "ollama-primary qwen2.5:14b",
        "ollama-secondary qwen2.5:7b",
    ],
    "free": [
        "hf Qwen/Qwen2.5-72B-Instruct",
        "ollamafreeapi qwen2.5:latest",
    ],
}
CODE = {
    "auto": [
        "hf Qwen/Qwen2.5-Coder-32B-Instruct",
        "ollamafreeapi qwen2.5-coder:latest",
        "ollama-primary qwen2.5-coder:7b",
        "ollama-secondary qwen2.5-coder:7b",
        "openai gpt-4o-mini",
        "deepseek deepseek-chat",
        "claude claude-haiku-4-5",
        "openrouter qwen/qwen-2.5-coder-32b-instruct",
    ],
    "uncensored": [
        "ollama-primary qwen2.5-coder:7b",
        "ollama-secondary qwen2.5-coder:7b",
        "hf Qwen/Qwen2.5-Coder-32B-Instruct",
        "ollamafreeapi qwen2.5-coder:latest",
        "openai gpt-4o-mini",
        "deepseek deepseek-chat",
        "claude claude-haiku-4-5",
        "openrouter qwen/qwen-2.5-coder-32b-instruct",
    ],
    "premium": [
        "claude claude-haiku-4-5",
        "deepseek deepseek-chat",
        "openai gpt-4o-mini",
        "openrouter qwen/qwen-2.5-coder-32b-instruct",
        "hf Qwen/Qwen2.5-Coder-32B-Instruct",
        "ollamafreeapi qwen2.5-coder:latest",
        "ollama-primary qwen2.5-coder:7b",
        "ollama-secondary qwen2.5-coder:7b",
    ],
    "free": [
        "hf Qwen/Qwen2.5-Coder-32B-Instruct",
        "ollamafreeapi qwen2.5-coder:latest",
    ],
}
AGENT = {
    "auto": [
        "hf Qwen/Qwen2.5-72B-Instruct",
        "ollamafreeapi qwen2.5:latest",
        "ollama-primary qwen2.5:14b",
        "ollama-secondary qwen2.5:7b",
        "gemini gemini-2.5-pro",
        "xai grok-2",
        "openai gpt-4o",
        "claude claude-sonnet-4",
        "openrouter anthropic/claude-sonnet-4",
    ],
    "uncensored": [
        "ollama-primary qwen2.5:14b",
        "ollama-secondary qwen2.5:7b",
        "hf Qwen/Qwen2.5-72B-Instruct",
        "ollamafreeapi qwen2.5:latest",
        "gemini gemini-2.5-pro",
        "xai grok-2",
        "openai gpt-4o",
        "claude claude-sonnet-4",
        "openrouter anthropic/claude-sonnet-4",
    ],
    "premium": [
        "claude claude-sonnet-4",
        "gemini gemini-2.5-pro",
        "openai gpt-4o",
        "xai grok-2",
        "openrouter anthropic/claude-sonnet-4",
        "hf Qwen/Qwen2.5-72B-Instruct",
        "ollamafreeapi qwen2.5:latest",
        "ollama-primary qwen2.5:14b",
        "ollama-secondary qwen2.5:7b",
    ],
    "free": [
        "hf Qwen/Qwen2.5-72B-Instruct",
        "ollamafreeapi qwen2.5:latest",
    ],
}
TABLE = {
    "rainymodel/auto": GENERAL,
    "rainymodel/chat": GENERAL,
    "rainymodel/code": CODE,
    "rainymodel/agent": AGENT,
    "rainymodel/document": GENERAL,  # long inputs leave the small windows out, see below
    "rainymodel": GENERAL,
}
ROWS = [(name, asked, order) for name, rows in TABLE.items() for asked, order in rows.items()]


def planned(catalogue, model, *, health=None, draw=0.0, **asked):
    return names(plan(catalogue, Query(model, **asked), health or Health(), now=0.0, draw=draw))


@pytest.mark.parametrize(("model", "asked", "order"), ROWS, ids=[f"{row[0]}-{row[1]}" for row in ROWS])
def test_each_starting_alias_is_walked_in_the_order_of_the_policy(model, asked, order):
    assert planned(STARTING, model, policy=asked, input_tokens=1_000) == order


def test_the_table_covers_every_starting_alias_and_every_policy():
    policies = {one.name for one in STARTING.policies.values()}

    assert set(TABLE) == set(STARTING.aliases)
    assert all(set(rows) == policies for rows in TABLE.values())


@pytest.mark.parametrize("model", TABLE)
@pytest.mark.parametrize("tokens", [1, 20_000, 100_000])
def test_the_free_policy_never_reaches_a_paid_tier(model, tokens):
    health = Health()
    for one in STARTING.deployments.values():
        if one.tier.billing == "free":
            health = health.after(one, Outcome(Fault.THROTTLED, "rate_limited", retry_after=300), now=0.0)

    answer = plan(STARTING, Query(model, policy="free", input_tokens=tokens), health, now=0.0, draw=0.0)

    assert {one.deployment.tier.slug for one in answer.candidates} <= {"free"}
    assert answer.ordered == ()  # all throttled, and still nothing that costs money


def test_without_a_policy_header_the_default_of_the_alias_decides_and_then_auto():
    assert planned(STARTING, "rainymodel/agent", input_tokens=1_000) == AGENT["premium"]
    assert planned(STARTING, "rainymodel/auto", input_tokens=1_000) == GENERAL["auto"]
    assert planned(STARTING, "rainymodel/auto", policy="default", input_tokens=1_000) == GENERAL["auto"]


def test_a_long_document_goes_to_the_models_whose_window_holds_it_the_cheapest_first():
    assert planned(STARTING, "rainymodel/document", input_tokens=60_000) == [
        "gemini gemini-2.0-flash",
        "openai gpt-4o-mini",
        "deepseek deepseek-chat",
        "claude claude-haiku-4-5",
        "xai grok-2",
    ]
    assert planned(STARTING, "rainymodel/document", input_tokens=500_000) == ["gemini gemini-2.0-flash"]


def test_the_cheapest_depends_on_how_much_goes_in_and_how_much_comes_out():
    cheap_in = deployment("cheap-in", tier=DIRECT, price=("1", "20"))
    cheap_out = deployment("cheap-out", tier=DIRECT, price=("4", "4"))
    catalogue = snapshot(alias("m", cheap_in, cheap_out))

    assert planned(catalogue, "m", input_tokens=10_000, output_tokens=100) == ["cheap-in", "cheap-out"]
    assert planned(catalogue, "m", input_tokens=100, output_tokens=10_000) == ["cheap-out", "cheap-in"]
    assert planned(catalogue, "m", input_tokens=2_000) == ["cheap-out", "cheap-in"]  # 500 are expected
    assert planned(catalogue, "m", input_tokens=3_000) == ["cheap-in", "cheap-out"]


def test_a_deployment_is_not_charged_for_more_output_than_it_can_give():
    short = deployment("short", tier=DIRECT, price=("1", "20"), output_limit=100)
    long = deployment("long", tier=DIRECT, price=("1", "10"))

    assert planned(snapshot(alias("m", long, short)), "m", output_tokens=10_000) == ["short", "long"]
    assert planned(snapshot(alias("m", long, short)), "m", output_tokens=100) == ["long", "short"]


@pytest.mark.parametrize("unknown", [None, (None, "1"), ("1", None)])
def test_an_unknown_price_comes_after_every_known_one_and_is_not_taken_for_free(unknown):
    mystery = deployment("mystery", tier=DIRECT, price=unknown)
    dear = deployment("dear", tier=DIRECT, price=("500", "500"))

    assert planned(snapshot(alias("m", mystery, dear)), "m", input_tokens=10) == ["dear", "mystery"]


def test_equal_prices_keep_the_listed_order():
    same = [deployment(f"d{number}", tier=DIRECT, price=("0.1", "0.3")) for number in range(5)]

    assert planned(snapshot(alias("m", *same)), "m", input_tokens=7) == ["d0", "d1", "d2", "d3", "d4"]


def test_the_price_in_force_at_the_time_of_the_request_counts():
    rows = (price_row("1", "1"), price_row("9", "9", starts=1_000.0))
    rising = deployment("rising", tier=DIRECT, prices=rows)
    steady = deployment("steady", tier=DIRECT, price=("5", "5"))
    catalogue = snapshot(alias("m", rising, steady))

    assert planned(catalogue, "m", input_tokens=10, time=999.0) == ["rising", "steady"]
    assert planned(catalogue, "m", input_tokens=10, time=1_000.0) == ["steady", "rising"]


def test_best_puts_quality_first_and_the_listed_order_second():
    one, two, three = (deployment(slug, quality=quality) for slug, quality in (("a", 5), ("b", 9), ("c", 9)))
    catalogue = snapshot(alias("m", one, two, three), policies=(policy("auto", "free:best"),))

    assert planned(catalogue, "m") == ["b", "c", "a"]


def test_fastest_measures_what_it_does_not_know_once_and_then_goes_by_time():
    slow, quick, new = (deployment(slug) for slug in ("slow", "quick", "new"))
    catalogue = snapshot(alias("m", slow, quick, new), policies=(policy("auto", "free:fastest"),))
    health = Health()
    for one, seconds in ((slow, 2.0), (quick, 0.2)):
        health = health.after(one, Outcome(Fault.NONE, first_content=seconds), now=0.0)

    assert planned(catalogue, "m", health=health) == ["new", "quick", "slow"]

    health = health.after(new, Outcome(Fault.UNHEALTHY, "timeout"), now=0.0)
    assert planned(catalogue, "m", health=health) == ["quick", "slow", "new"]


def test_weights_decide_how_often_each_deployment_comes_first():
    heavy, light = deployment("heavy"), deployment("light")
    routes = (Route(heavy, 1, weight=3), Route(light, 2, weight=1))
    catalogue = snapshot(Alias("m", routes), policies=(policy("auto", "free:weighted"),))

    firsts = [planned(catalogue, "m", draw=number / 10_000)[0] for number in range(10_000)]

    assert 7_400 <= firsts.count("heavy") <= 7_600


def test_the_second_place_of_a_weighted_step_follows_the_weights_too():
    routes = tuple(
        Route(deployment(slug), position, weight=weight)
        for position, (slug, weight) in enumerate((("a", 2), ("b", 2), ("c", 1)), start=1)
    )
    catalogue = snapshot(Alias("m", routes), policies=(policy("auto", "free:weighted"),))

    orders = [tuple(planned(catalogue, "m", draw=number / 10_000)) for number in range(10_000)]
    after_a = [order[1] for order in orders if order[0] == "a"]

    assert 3_850 <= len(after_a) <= 4_150
    assert 0.63 <= after_a.count("b") / len(after_a) <= 0.70


def test_the_same_draw_gives_the_same_order_and_a_weight_of_zero_comes_last():
    routes = tuple(
        Route(deployment(slug), position, weight=weight)
        for position, (slug, weight) in enumerate((("idle", 0), ("a", 1), ("b", 1)), start=1)
    )
    catalogue = snapshot(Alias("m", routes), policies=(policy("auto", "free:weighted"),))

    assert planned(catalogue, "m", draw=0.3) == planned(catalogue, "m", draw=0.3)
    assert {planned(catalogue, "m", draw=draw / 100)[-1] for draw in range(100)} == {"idle"}


def test_a_policy_without_steps_walks_the_routes_as_listed_whatever_their_tiers():
    dear, local, free = (
        deployment("dear", tier=DIRECT),
        deployment("local", tier=INTERNAL),
        deployment("free"),
    )
    routes = (Route(free, 3), Route(dear, 1), Route(local, 2))
    catalogue = snapshot(Alias("m", routes), policies=(policy("listed"),))

    answer = plan(catalogue, Query("m", policy="listed"), Health(), now=0.0, draw=0.0)

    assert names(answer) == ["dear", "local", "free"]
    assert answer.tier_order == ("direct", "internal", "free")


def test_the_tier_order_of_a_policy_is_told_even_where_a_tier_is_empty():
    answer = plan(STARTING, Query("rainymodel/auto", policy="premium"), Health(), now=0.0, draw=0.0)

    assert answer.tier_order == ("direct", "premium", "free", "internal")
