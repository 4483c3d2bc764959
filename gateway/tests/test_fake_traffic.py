"""Made-up traffic fills the log and its roll-ups alike, and stays out of production."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from gateway.models import RequestLog
from gateway.tests.traffic_rows import no_traffic
from gateway.traffic.fake import ALIASES, Traffic, hours_of
from gateway.traffic.reading import by, fallback_flow, overview
from gateway.traffic.window import Window


def run(command: str, *options: str) -> str:
    """What a command says."""
    said = io.StringIO()
    call_command(command, *options, stdout=said)
    return said.getvalue()


@pytest.fixture
def made(transactional_db: None) -> str:
    """Two days of it."""
    no_traffic()
    return run("fake_traffic", "--rows", "4000", "--days", "2", "--seed", "5")


def test_every_row_is_written_and_rolled_up(made: str):
    assert RequestLog.objects.count() == 4000
    assert overview(Window.last(72)).figures.requests == 4000
    assert "4,000 rows" in made
    assert "agree" in run(
        "rebuild_traffic", "--check", "--since", f"{datetime.now(UTC) - timedelta(days=3):%Y-%m-%d}"
    )


def test_the_mix_has_all_that_pages_show(made: str):
    window = Window.last(72)
    figures = overview(window).figures

    assert {group.names[0] for group in by(window, "alias")} == {alias[0] for alias in ALIASES}
    assert figures.success_share is not None and 0.9 < figures.success_share < 1
    assert figures.cost_usd > 0 and 0 < figures.cancelled < 400 and 0 < figures.streams < 4000
    assert any(step.next_provider for step in fallback_flow(window))
    assert RequestLog.objects.order_by("id").first() is not None


def test_a_check_finds_a_roll_up_that_was_meddled_with(made: str):
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE gateway_traffic_hour SET requests = requests + 1 WHERE alias = 'rainymodel/agent'"
        )

    with pytest.raises(SystemExit, match="1"):
        run("rebuild_traffic", "--check", "--since", "2026-01-01")
    assert "rolled up" in run("rebuild_traffic", "--since", "2026-01-01")
    assert "agree" in run("rebuild_traffic", "--check", "--since", "2026-01-01")


def test_the_same_seed_makes_the_same_rows():
    hour = datetime(2026, 11, 20, 9, tzinfo=UTC)

    assert list(Traffic(3).lines(hour, 50)) == list(Traffic(3).lines(hour, 50))
    assert list(Traffic(3).lines(hour, 50)) != list(Traffic(4).lines(hour, 50))


def test_rows_are_spread_over_whole_hours_of_the_past():
    until = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
    hours = list(hours_of(10_000, 3, until))

    assert sum(count for _, count in hours) == 10_000 and len(hours) == 72
    assert max(hour for hour, _ in hours) == datetime(2026, 11, 20, 8, tzinfo=UTC)
    assert all(count > 0 for _, count in hours)


def test_it_is_refused_in_production(settings: Any):
    settings.IS_PRODUCTION = True

    with pytest.raises(CommandError, match="This is production"):
        run("fake_traffic", "--rows", "1")
