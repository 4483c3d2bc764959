"""Figures from roll-ups: what lies in a window, no more and no less, and percentiles as near as they say."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from gateway.log_writer import INSERT, array
from gateway.tests.traffic_rows import ago, attempt, no_traffic, row
from gateway.traffic.figures import Figures, Latency
from gateway.traffic.histogram import BOUNDS, BUCKETS, WORST_ERROR, percentile
from gateway.traffic.reading import by, by_provider, errors, fallback_flow, overview, series
from gateway.traffic.saved import saved
from gateway.traffic.tables import FAMILIES, KEYS, TRAFFIC, Family
from gateway.traffic.window import UNITS, Window, cover, floor, kept
from routing.models import Deployment, Price, Provider, Tier

NOW = datetime(2026, 11, 21, 15, 20, 31, tzinfo=UTC)
moments = st.datetimes(datetime(2025, 11, 1), datetime(2026, 11, 21, 15, 20), timezones=st.just(UTC))  # noqa: DTZ001


@pytest.fixture
def empty(db: None) -> None:
    no_traffic()


def write(*lines: bytes) -> None:
    """As the recorder does, over Django's connection."""
    with connection.cursor() as cursor:
        cursor.execute(INSERT, (array(lines),))


def held(window: Window, family: Family, moment: datetime) -> int:
    """How many parts of a window count a row of this moment."""
    return sum(
        1
        for part in cover(window, family)
        if part.low <= floor(moment, part.table.unit)
        and (part.high is None or floor(moment, part.table.unit) < part.high)
    )


@given(moments, moments, moments, st.sampled_from(FAMILIES))
def test_each_moment_of_a_window_is_in_one_part_and_others_in_none(
    one: datetime, other: datetime, moment: datetime, family: Family
):
    window = kept(Window(min(one, other), max(one, other)), family, NOW)

    assert window.until is not None
    assert window.since <= min(one, other) and window.until >= max(one, other)
    assert held(window, family, moment) == (window.since <= moment < window.until)


@given(moments, st.sampled_from(FAMILIES))
def test_a_window_that_is_open_counts_what_comes_later(since: datetime, family: Family):
    window = kept(Window(since), family, NOW)

    assert held(window, family, NOW + timedelta(days=3)) == 1
    assert held(window, family, window.since) == 1
    assert held(window, family, window.since - timedelta(microseconds=1)) == 0


@given(moments, st.sampled_from(FAMILIES))
def test_no_part_asks_for_what_its_table_has_forgotten(since: datetime, family: Family):
    for part in cover(kept(Window(since), family, NOW), family):
        if part.table.unit != "day":
            assert NOW - part.low <= (part.table.keep_days + 1) * UNITS["day"]


def test_a_day_that_is_over_comes_from_few_rows():
    parts = cover(kept(Window(NOW - timedelta(hours=24)), TRAFFIC, NOW), TRAFFIC)

    assert [(part.table.unit, part.low.hour, part.low.minute) for part in parts] == [
        ("minute", 15, 20),
        ("hour", 16, 0),
        ("day", 0, 0),
    ]


@given(
    st.lists(st.floats(BOUNDS[0], BOUNDS[-1] * 0.999), min_size=1, max_size=200),
    st.sampled_from([0.5, 0.95, 0.99]),
)
def test_a_percentile_is_as_near_as_it_says(values: list[float], share: float):
    counts = [0] * BUCKETS
    for value in values:
        counts[sum(1 for bound in BOUNDS if bound <= value)] += 1
    exact = sorted(values)[max(0, -int(-len(values) * share // 1) - 1)]

    told = percentile(counts, share, min(values), max(values))

    assert told is not None
    assert exact * (1 - WORST_ERROR) - 0.01 <= told <= exact * (1 + WORST_ERROR) + 0.01


def test_nothing_measured_has_no_percentile_and_no_share():
    assert Latency().percentile(0.5) is None
    assert Figures().success_share is None
    assert (Figures() + Figures()).latency.avg_ms is None


@pytest.mark.usefixtures("empty")
def test_an_overview_sums_up_what_the_log_says():
    kinds = ("ok", "ok", "ok", "client_error", "upstream_error", "truncated", "refused", "lost", "cancelled")
    write(
        *(
            row(ago(hours=number), state=state, total_ms=100.0 * number, stream=number == 1)
            for number, state in enumerate(kinds)
        ),
        row(ago(hours=25, minutes=2)),
        row(alias="", provider="", attempt_count=0, state="refused"),
    )

    found = overview(Window.last(24))
    figures = found.figures
    assert (figures.requests, figures.ok, figures.errors, figures.cancelled) == (10, 3, 6, 1)
    assert figures.success_share == pytest.approx(3 / 9)
    assert (figures.latency.min_ms, figures.latency.max_ms, figures.latency.avg_ms) == (0, 200, 100)
    assert (figures.streams, figures.unpriced, found.providers) == (1, 9, 1)
    assert found.per_minute == pytest.approx(10 / (24 * 60), rel=0.01)


@pytest.mark.usefixtures("empty")
def test_every_dimension_adds_up_to_the_whole():
    dice = random.Random(3)
    write(
        *(
            row(
                ago(minutes=dice.random() * 3000), alias=dice.choice("abc"), state=dice.choice(["ok", "lost"])
            )
            for _ in range(99)
        )
    )

    whole = overview(Window.last(48)).figures
    for dimension in TRAFFIC.dimensions:
        assert sum((group.figures for group in by(Window.last(48), dimension)), Figures()) == whole
    assert sum((point.figures for point in series(Window.last(72), "alias")), Figures()).requests == 99
    assert {group.names for group in by(Window.last(48), "alias", "state")} == {
        (a, s) for a in "abc" for s in ("ok", "lost")
    }


@pytest.mark.usefixtures("empty")
def test_one_person_and_one_key_have_figures_of_their_own():
    key = "0b2a0a7e-0000-4000-8000-000000000001"
    write(
        row(user_id="7", key_id=key),
        row(user_id="7"),
        row(user_id="8", state="refused", error_code="insufficient_quota"),
    )

    window = Window.last(2)
    assert overview(window, user_id="7").figures.ok == 2
    assert overview(window, key_id=UUID(key)).figures.requests == 1
    assert [(e.error, e.requests) for e in errors(window, user_id="8")] == [("insufficient_quota", 1)]
    assert {group.names for group in by(window, "user_id", keys=True)} == {("7",), ("8",)}
    assert [point.figures.requests for point in series(window, user_id="7", step="day")] == [2]


@pytest.mark.usefixtures("empty")
def test_a_provider_answers_for_its_failed_attempts():
    tried = [attempt("hf", "timeout"), attempt("groq", "held", skipped=True), attempt("openai")]
    broken = [attempt("openai", "connection_error")]
    write(
        row(provider="openai", attempts=tried, attempt_count=2, fallback_reason="timeout"),
        row(provider="openai", attempts=broken, state="truncated"),
        row(provider="hf"),
    )

    found = {one.provider: one for one in by_provider(Window.last(1))}
    assert (found["hf"].figures.ok, found["hf"].failed, found["hf"].success_share) == (1, 1, 0.5)
    assert (found["openai"].figures.ok, found["openai"].failed, found["openai"].success_share) == (1, 0, 0.5)
    assert (found["groq"].figures.requests, found["groq"].failed, found["groq"].skipped) == (0, 0, 1)
    [first, *_] = [step for step in fallback_flow(Window.last(1)) if step.provider == "hf"]
    assert (first.word, first.next_provider, first.count) == ("timeout", "openai", 1)


@pytest.mark.usefixtures("empty")
def test_what_was_saved_is_told_against_the_cheapest_premium_model():
    tiers = [
        Tier.objects.create(slug=slug, name=slug, billing="paid", rank=rank)
        for slug, rank in (("cheap", 901), ("dear", 902))
    ]
    provider = Provider.objects.create(slug="acme", upstream="acme", base_url="https://acme.example/v1")
    for slug, price in (("acme/a", "10"), ("acme/b", "4")):
        deployment = Deployment.objects.create(slug=slug, provider=provider, model=slug[5:], tier=tiers[1])
        Price.objects.create(
            deployment=deployment, starts=ago(days=1), input=price, cached_input="1", output=price
        )
    write(
        row(
            tier="cheap",
            input_tokens=1_000_000,
            cached_tokens=500_000,
            output_tokens=250_000,
            cost_usd=Decimal("0.5"),
        ),
        row(tier="dear", input_tokens=1_000_000, cost_usd=Decimal(4)),
    )

    found = saved(Window.last(1))
    assert (found.tier, found.model, found.cost_usd) == ("dear", "acme/b", Decimal("0.5"))
    assert (found.instead_usd, found.saved_usd) == (Decimal("5.5"), Decimal(5))


@pytest.mark.usefixtures("empty")
def test_an_unknown_dimension_or_step_is_refused():
    with pytest.raises(ValueError, match="There is no dimension 'policy'"):
        by(Window.last(1), "policy", user_id="7")
    with pytest.raises(ValueError, match="nothing by the minute"):
        series(Window.last(1), step="minute", user_id="7")
    assert "policy" not in KEYS.dimensions
