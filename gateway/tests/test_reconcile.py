"""`manage.py reconcile`: what the workers counted, beside what the tables hold."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from gateway.models import DeadLetter, RequestLog, Worker
from gateway.uuid7 import IdMaker

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
WINDOW = {"since": NOON, "until": NOON + timedelta(minutes=10)}


def admitted(
    minute: datetime, count: int, *, discarded: int = 0, pending: int = 0, worker: str = "one"
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO gateway_admission (worker, minute, admitted, discarded, pending) VALUES (%s, %s, %s, %s, %s)",
            (worker, minute, count, discarded, pending),
        )


def row(minute: datetime, state: str = "ok", seconds: int = 5) -> str:
    moment = minute + timedelta(seconds=seconds)
    id = IdMaker(moment.timestamp).new_id()
    RequestLog.objects.create(id=id, started_at=moment, state=state)
    return id


def set_aside(minute: datetime, id: str | None = None) -> None:
    made = id or IdMaker((minute + timedelta(seconds=5)).timestamp).new_id()
    DeadLetter.objects.create(id=made, row="{}", reason="DataError")


def reconcile(capsys: pytest.CaptureFixture[str], **options: Any) -> tuple[int, str]:
    """The exit status and what was printed."""
    try:
        call_command("reconcile", **{**WINDOW, **options})
    except SystemExit as exit:
        return int(exit.code or 0), capsys.readouterr().out
    return 0, capsys.readouterr().out


def sums(capsys: pytest.CaptureFixture[str], **options: Any) -> dict[str, Any]:
    status, said = reconcile(capsys, json=True, **options)
    told: dict[str, Any] = json.loads(said)
    assert told["settled"] is (status == 0)
    return told


def test_an_empty_window_is_accounted_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert reconcile(capsys) == (
        0,
        "No request was admitted from 2026-03-01 12:00 until 2026-03-01 12:10 UTC.\n",
    )
    assert sums(capsys)["admitted"] == 0


def test_rows_set_aside_lost_and_running_requests_add_up(capsys: pytest.CaptureFixture[str]) -> None:
    alive = Worker.objects.create(hostname="a", pid=1, started_at=NOON, heartbeat_at=timezone.now())
    admitted(NOON, 5, discarded=1)
    admitted(NOON + timedelta(minutes=1), 3, pending=2, worker=str(alive.pk))
    for seconds in (0, 59):
        row(NOON, seconds=seconds)
    row(NOON, "lost")
    set_aside(NOON)
    row(NOON + timedelta(minutes=1))

    status, said = reconcile(capsys)

    assert status == 0
    assert said.splitlines() == [
        "Requests admitted from 2026-03-01 12:00 until 2026-03-01 12:10 UTC:",
        "  admitted               7",
        "  recorded               3",
        "  set aside              1",
        "  lost                   1",
        "  in flight              2",
        "  left behind            0",
        "  missing                0",
        "Every request is accounted for.",
    ]


def test_a_missing_row_is_found_in_its_minute_and_ends_in_status_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    admitted(NOON, 1)
    admitted(NOON + timedelta(minutes=3), 4)
    row(NOON)
    row(NOON + timedelta(minutes=3))

    status, said = reconcile(capsys)

    assert status == 1
    assert "3 requests have no row (docs/runbook.md" in said
    header, only = said.splitlines()[-2:]
    assert (
        " ".join(header.split())
        == "minute (UTC) admitted recorded set aside lost in flight left behind missing"
    )
    assert only.split() == ["2026-03-01", "12:03", "4", "1", "0", "0", "0", "0", "3"]


def test_a_row_that_nobody_admitted_is_a_difference_too(capsys: pytest.CaptureFixture[str]) -> None:
    admitted(NOON, 1)
    row(NOON)
    row(NOON + timedelta(minutes=5))

    told = sums(capsys)
    assert (told["missing"], told["settled"]) == (-1, False)
    assert [each["since"] for each in told["minutes"]] == ["2026-03-01T12:05:00+00:00"]
    assert "1 rows belong to no admitted request" in reconcile(capsys)[1]


def test_two_differences_that_cancel_out_are_still_differences(capsys: pytest.CaptureFixture[str]) -> None:
    admitted(NOON, 2)
    row(NOON)
    row(NOON + timedelta(minutes=5))

    told = sums(capsys)
    assert (told["missing"], told["settled"]) == (0, False)
    assert [each["missing"] for each in told["minutes"]] == [1, -1]


def test_what_a_silent_worker_had_is_left_behind_until_it_is_swept(
    capsys: pytest.CaptureFixture[str],
) -> None:
    long_ago = timezone.now() - timedelta(minutes=5)
    silent = Worker.objects.create(hostname="a", pid=1, started_at=NOON, heartbeat_at=long_ago)
    admitted(NOON, 2, pending=2, worker=str(silent.pk))

    told = sums(capsys)
    assert (told["left_behind"], told["missing"], told["settled"]) == (2, 0, False)
    assert "left behind by workers that are silent" in reconcile(capsys)[1]


def test_a_row_both_written_and_set_aside_counts_once(capsys: pytest.CaptureFixture[str]) -> None:
    admitted(NOON, 1)
    set_aside(NOON, row(NOON))

    assert sums(capsys)["set_aside"] == 0


def test_what_lies_outside_the_window_does_not_count(capsys: pytest.CaptureFixture[str]) -> None:
    for minute in (NOON - timedelta(minutes=1), NOON, NOON + timedelta(minutes=10)):
        admitted(minute, 1)
        row(minute)

    assert sums(capsys)["admitted"] == 1


def test_rows_from_before_the_counting_began_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    row(NOON)
    admitted(NOON + timedelta(minutes=4), 1)
    row(NOON + timedelta(minutes=4))

    status, said = reconcile(capsys)
    assert status == 0
    assert said.startswith("Requests have been counted since 2026-03-01 12:04 UTC.\n")


def test_a_long_window_shows_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    admitted(NOON, 1)
    row(NOON)

    call_command("reconcile", since=NOON, until=NOON + timedelta(days=2))
    assert capsys.readouterr().err.splitlines() == [
        "2026-03-02 12:00 UTC: 24 of 48 hours",
        "2026-03-03 12:00 UTC: 48 of 48 hours",
    ]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--since", "yesterday"], "'yesterday' is not a time like 2026-05-01T12:00"),
        (
            ["--since", "2026-05-01T12:00", "--until", "2026-05-01T12:00"],
            "--since must be earlier than --until",
        ),
    ],
    ids=["not-a-time", "no-window"],
)
def test_a_window_that_makes_no_sense_is_refused(arguments: list[str], complaint: str) -> None:
    with pytest.raises(CommandError, match=complaint):
        call_command("reconcile", *arguments)
