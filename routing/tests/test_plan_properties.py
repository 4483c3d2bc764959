"""What holds for every catalogue and every request, tried on many made-up ones."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from routing.engine.failover import Failover
from routing.engine.health import Health
from routing.engine.order import draws
from routing.engine.outcome import Fault, Outcome
from routing.engine.plan import plan
from routing.engine.query import Grants, Query
from routing.engine.snapshot import CAPABILITIES, STRATEGIES, Alias, Route
from routing.tests.catalogue import POLICIES, TIERS, deployment, policy, provider, snapshot

PROVIDERS = [
    provider("open"),
    provider("small", concurrency_limit=1),
    provider("unkeyed", unready="no_credential"),
]
needs = st.frozensets(st.sampled_from(CAPABILITIES), max_size=2)
amounts = st.one_of(st.none(), st.sampled_from(["0", "0.1", "3", "40"]))
draw_values = st.floats(0, 1, exclude_max=True)


@st.composite
def routes(draw):
    count = draw(st.integers(0, 12))
    return tuple(
        Route(
            deployment(
                f"d{number}",
                at=draw(st.sampled_from(PROVIDERS)),
                tier=draw(st.sampled_from(TIERS)),
                price=(draw(amounts), draw(amounts)),
                capabilities=draw(needs),
                context_window=draw(st.sampled_from([None, 100, 1_000])),
                quality=draw(st.integers(0, 3)),
                enabled=draw(st.booleans()),
            ),
            position=draw(st.integers(0, 5)),
            weight=draw(st.integers(0, 4)),
            enabled=draw(st.booleans()),
        )
        for number in range(count)
    )


@st.composite
def policies(draw):
    tiers = draw(st.lists(st.sampled_from([tier.slug for tier in TIERS]), unique=True))
    steps = [f"{tier}:{draw(st.sampled_from(STRATEGIES))}" for tier in tiers]
    return (*POLICIES, policy("made-up", *steps))


queries = st.builds(
    Query,
    model=st.just("m"),
    policy=st.sampled_from([None, "auto", "free", "premium", "made-up"]),
    needs=needs,
    input_tokens=st.integers(0, 2_000),
    output_tokens=st.one_of(st.none(), st.integers(0, 2_000)),
    grants=st.builds(Grants, highest_tier=st.sampled_from([None, "internal"]), priced_only=st.booleans()),
)
outcomes = st.builds(
    Outcome,
    fault=st.sampled_from(Fault),
    word=st.just("word"),
    retry_after=st.sampled_from([None, 0.0, 30.0, 1e9]),
    first_content=st.sampled_from([None, 0.1, 5.0]),
)


@st.composite
def histories(draw, made_routes):
    """The health after some outcomes and some attempts still running, and the time by then."""
    health, now = Health(), 0.0
    if made_routes:
        for _ in range(draw(st.integers(0, 20))):
            one = draw(st.sampled_from(made_routes)).deployment
            now += draw(st.sampled_from([0.0, 1.0, 20.0]))
            health = health.after(one, draw(outcomes), now=now, draw=draw(st.floats(0, 1)))
            health = health.started(one) if draw(st.booleans()) else health
            health = (health.claim(one, now) or health) if draw(st.booleans()) else health
    return health, now


@given(st.data(), routes(), policies(), queries, draw_values)
def test_every_route_is_answered_for_exactly_once(data, made_routes, made_policies, query, draw):
    catalogue = snapshot(Alias("m", made_routes), policies=made_policies)
    health, now = data.draw(histories(made_routes))

    answer = plan(catalogue, query, health, now=now, draw=draw)

    told = [one.deployment.slug for one in (*answer.candidates, *answer.ineligible)]
    assert Counter(told) == Counter(route.deployment.slug for route in made_routes)
    assert len(answer.ordered) + len(answer.rejected) == len(made_routes)
    assert answer == plan(catalogue, query, health, now=now, draw=draw)  # and from memory the same


@given(routes(), policies(), queries, draw_values)
def test_the_free_policy_costs_nothing_in_any_catalogue(made_routes, made_policies, query, draw):
    catalogue = snapshot(Alias("m", made_routes), policies=made_policies)
    asked = Query("m", policy="free", needs=query.needs, input_tokens=query.input_tokens)

    answer = plan(catalogue, asked, Health(), now=0.0, draw=draw)

    assert all(one.deployment.tier.billing == "free" for one in answer.candidates)


@given(st.lists(st.integers(0, 5), max_size=30), draw_values)
def test_a_weighted_step_is_a_permutation_of_its_routes(weights, draw):
    made = tuple(Route(deployment(f"d{i}"), i, weight=weight) for i, weight in enumerate(weights))
    catalogue = snapshot(Alias("m", made), policies=(policy("auto", "free:weighted"),))

    answer = plan(catalogue, Query("m"), Health(), now=0.0, draw=draw)

    assert sorted(one.slug for one in answer.ordered) == sorted(route.deployment.slug for route in made)


@given(draw_values)
def test_the_draws_derived_from_one_draw_stay_below_one(draw):
    series = draws(draw)

    assert all(0 <= next(series) < 1 for _ in range(20))


@given(st.data(), routes(), policies(), queries, draw_values)
def test_failover_ends_tries_nothing_twice_and_always_has_an_answer(
    data, made_routes, made_policies, query, draw
):
    catalogue = snapshot(Alias("m", made_routes), policies=made_policies)
    health, now = data.draw(histories(made_routes))
    loop = Failover(plan(catalogue, query, health, now=now, draw=draw), query)
    attempted = []

    while (candidate := loop.next(health, now)) is not None:
        assert health.claim(candidate.deployment, now) is not None
        attempted.append(candidate.deployment.slug)
        loop.failed(candidate, data.draw(outcomes.filter(lambda one: one.fault is not Fault.NONE)))

    assert len(set(attempted)) == len(attempted) == loop.attempts
    assert len(loop.tried) <= len(loop.plan.candidates)
    assert loop.verdict().code
