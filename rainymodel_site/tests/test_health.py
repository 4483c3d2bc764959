"""The providers' health: what a line says, and a picture in which nothing is lost."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.traffic.figures import Figures, Latency, Step
from gateway.traffic.reading import ProviderFigures
from rainymodel_site.console.board import Group, Line, Opinion
from rainymodel_site.health.flow import GAP, NOBODY, SCALE, flow, rows
from rainymodel_site.health.providers import HEIGHT, WIDTH, health, path, range_of

STEPS = (
    Step("sun", "sun/ok", "timeout", False, "rain", "rain/ok", 6),
    Step("sun", "sun/ok", "circuit_open", True, "rain", "rain/ok", 3),
    Step("rain", "rain/ok", "server_error", False, "", "", 1),
)


def test_every_failure_is_in_the_picture_once():
    picture = flow(STEPS)
    assert [(node.name, node.count) for node in picture.left] == [("sun", 9), ("rain", 1)]
    assert [(node.name, node.count) for node in picture.right] == [("rain", 9), (NOBODY, 1)]
    assert [ribbon.kind for ribbon in picture.ribbons] == ["failed", "skipped", "failed"]
    assert picture.ribbons[0].told == "sun failed, then rain: 6×"
    assert picture.left[0].height == pytest.approx(SCALE * 0.9)
    assert picture.left[1].y == pytest.approx(picture.left[0].y + picture.left[0].height + GAP)
    assert [(row.provider, row.reason, row.next_provider, row.count) for row in rows(STEPS)] == [
        ("sun", "timed out", "rain", 6), ("sun", "circuit open", "rain", 3), ("rain", "failed", NOBODY, 1),
    ]  # fmt: skip


def test_without_failures_there_is_no_picture():
    assert flow(()) is None


def test_a_line_says_how_a_provider_stands_and_how_it_failed():
    opinion = Opinion("worker 1", "Open", "bad", "no requests for 42 seconds")
    line = Line("sun/ok", 1, True, "open", (opinion,))
    sun = Group("sun", None, (line,), concurrency_limit=8, quota_window="month", running=3)
    off = Group("off", None, (Line("off/ok", 2, False, "closed", ()),))
    answered = Figures(ok=20, output_tokens=300, latency=Latency(20, 10_000_000))
    found = health(
        [off, sun],
        [ProviderFigures("sun", answered, 5, 3), ProviderFigures("old", Figures(), 1, 0)],
        STEPS,
        (),
        datetime(2026, 1, 31, 22, tzinfo=UTC),
    )

    assert [one.slug for one in found] == ["sun", "old", "off"]
    assert (found[0].state, found[0].tone, found[0].story) == (
        "Open",
        "bad",
        "sun/ok: no requests for 42 seconds",
    )
    assert (found[0].success, found[0].failures, found[0].skipped) == ("80.0 %", ("timed out 6×",), "3")
    assert found[0].speed == "30/s"
    assert [one.state for one in found] == ["Open", "Gone", "Off"]
    assert [one.at_once for one in found] == ["3 of 8", "–", "0"]
    assert (found[0].quota_window, found[0].quota_begins) == ("month", datetime(2026, 2, 1, tzinfo=UTC))
    assert found[2].quota_begins is None


def test_a_trend_fills_its_box_from_the_first_moment_to_the_last():
    now = datetime(2026, 1, 1, tzinfo=UTC)
    trend = {now: 500.0, now + timedelta(hours=1): 1000.0, now + timedelta(hours=2): 250.0}
    assert path(trend) == f"M0.0 {HEIGHT - 1 - 11:.1f}L{WIDTH / 2:.1f} 1.0L{WIDTH:.1f} {HEIGHT - 1 - 5.5:.1f}"
    assert range_of(trend) == "between 250 ms and 1.0 s"
    assert path({now: 1.0}) == ""
