"""The journal: what it says survives SIGKILL, stays within its bounds, and goes when it has been written."""

from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from gateway.journal.directory import take_over
from gateway.journal.journal import LARGEST, SMALLEST, Journal
from gateway.journal.leftover import Leftover
from gateway.journal.records import ADMITTED, ENDED, NAMES, PLANNED, admission, completed, planned
from gateway.journal.segment import Segment, records
from gateway.log_rows import COLUMNS, LogEntry
from gateway.record import Recorder
from gateway.tests.dead_worker import MEGABYTE, WORKER, killed_worker, segments
from gateway.uuid7 import new_id

HOLDS = [("key:one:day", 20_000, 5)]


def entry(**known: str) -> LogEntry:
    return LogEntry(new_id(), datetime.now(UTC), "a", **known)


def left_by(root: Path, worker: str = WORKER) -> tuple[Leftover, list[bytes]]:
    """A dead worker's journal and the rows in it."""
    leftover = Leftover.of(root / worker)
    assert leftover is not None
    return leftover, [row for segment in leftover.segments() for row in leftover.read(segment)]


def ids(rows: list[bytes]) -> list[str]:
    return [orjson.loads(row)["id"] for row in rows]


def test_a_killed_worker_leaves_its_rows_its_running_requests_and_its_counts(tmp_path: Path) -> None:
    done, running, planned, gone = (new_id() for _ in range(4))

    def act(recorder: Recorder) -> None:
        recorder.close(recorder.open(id=done, key_label="team"))
        recorder.discard(recorder.open(id=gone))
        recorder.open(id=running, user_agent="curl")
        asked = recorder.open(id=planned)
        asked.requested_model = "rainymodel/auto"
        recorder.plan(asked, ["sun/ok"], HOLDS)

    killed_worker(tmp_path, act)
    leftover, rows = left_by(tmp_path)
    lost = {orjson.loads(row)["id"]: (orjson.loads(row), holds) for row, holds in leftover.lost()}

    assert ids(rows) == [done]
    assert sorted(lost) == sorted([running, planned])
    assert lost[running][0]["user_agent"] == "curl"
    assert lost[running][0] | {"id": "", "started_at": ""} == {
        **orjson.loads(LogEntry("", datetime.now(UTC), WORKER, user_agent="curl").to_row()),
        "id": "", "started_at": "", "state": "lost", "error_code": "lost", "estimated": True,
    }  # fmt: skip
    assert lost[planned][0]["requested_model"] == "rainymodel/auto"
    assert lost[planned][0]["cost_usd"] == "5E-9"
    assert lost[planned][1] == HOLDS
    counts = leftover.counts()
    assert sum(each.admitted for each in counts) == 4
    assert sum(each.discarded for each in counts) == 1
    leftover.remove()
    assert list(tmp_path.iterdir()) == []


def test_nobody_takes_the_journal_of_a_living_worker(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "a", MEGABYTE)
    journal.admit(entry(), 1)

    assert take_over(tmp_path / "a") is None
    assert Leftover.of(tmp_path / "a") is None


@pytest.mark.parametrize("left", [1, 8, 9, 200], ids="{}-bytes".format)
def test_a_record_torn_by_the_death_is_left_out_and_those_before_it_count(tmp_path: Path, left: int) -> None:
    first, second = entry().to_row(), entry().to_row()
    segment = Segment(tmp_path / "one", SMALLEST).begin(1)
    segment.append(ENDED, first)
    whole = segment.end
    segment.append(ENDED, second)
    content = (tmp_path / "one").read_bytes()
    torn = content[: whole + left].ljust(len(content), b"\0")

    assert list(records(content)) == [(ENDED, first), (ENDED, second)]
    assert list(records(torn)) == [(ENDED, first)]
    assert list(records(content[:whole] + b"\xff" * 100)) == [(ENDED, first)]


def test_a_segment_that_is_filled_again_does_not_show_its_earlier_filling(tmp_path: Path) -> None:
    segment = Segment(tmp_path / "one", SMALLEST).begin(1)
    for _ in range(5):
        segment.append(ENDED, b"before")
    segment.begin(2).append(ENDED, b"behind")

    assert list(records((tmp_path / "one").read_bytes())) == [(ENDED, b"behind")]


@pytest.mark.parametrize(
    "content", [b"", b"short", bytes(SMALLEST), b"\xff" * 100], ids=["0", "5", "zero", "ff"]
)
def test_a_file_that_was_never_begun_holds_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "dead").mkdir()
    (tmp_path / "dead" / "0.segment").write_bytes(content)

    _, rows = left_by(tmp_path, "dead")
    assert rows == []


def write_rows(journal: Journal, count: int) -> int:
    """So many finished requests; how many rows were recorded."""
    recorded = 0
    for _ in range(count):
        each = entry()
        journal.admit(each, 1)
        segment = journal.end(each.id, each.to_row())
        if segment is not None:
            recorded += 1
            segment.waiting -= 1
    return recorded


def test_what_is_written_makes_room_and_the_files_stay_few(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "a", 4 * MEGABYTE)
    for _ in range(50):
        assert write_rows(journal, 100) == 100
        journal.tidy(journal.number)

    assert journal.number > 10
    assert len(segments(tmp_path)) <= 5
    assert journal.refused == 0


def test_a_running_request_is_copied_to_where_it_stays_when_its_segment_goes(tmp_path: Path) -> None:
    long = new_id()

    def act(recorder: Recorder) -> None:
        journal = recorder.journal
        assert journal is not None
        recorder.plan(recorder.open(id=long, key_label="long"), ["sun/ok"], HOLDS)
        while journal.number < 4:
            write_rows(journal, 100)
            journal.tidy(journal.number)
        assert journal.segments == 1

    killed_worker(tmp_path, act)
    leftover, _ = left_by(tmp_path)

    [(row, holds)] = leftover.lost()
    assert (orjson.loads(row)["id"], orjson.loads(row)["key_label"], holds) == (long, "long", HOLDS)


def test_a_death_within_that_copy_forgets_nothing_of_the_plan(tmp_path: Path) -> None:
    long = entry(key_label="long")
    (tmp_path / "dead").mkdir()
    segment = Segment(tmp_path / "dead" / "0.segment", SMALLEST).begin(1)
    for kind, record in (
        (ADMITTED, admission(long, 1)), (PLANNED, planned(long, ["sun/ok"], HOLDS)), (ADMITTED, admission(long, 1)),
    ):  # fmt: skip
        segment.append(kind, record)
    leftover, _ = left_by(tmp_path, "dead")

    [(row, holds)] = leftover.lost()
    assert (orjson.loads(row)["key_label"], holds) == ("long", HOLDS)


def test_a_segment_kept_for_the_next_filling_tells_nothing_of_the_last(tmp_path: Path) -> None:
    def act(recorder: Recorder) -> None:
        journal = recorder.journal
        assert journal is not None
        while journal.number < 4:
            write_rows(journal, 100)
        journal.tidy(journal.number)

    killed_worker(tmp_path, act)
    leftover, _ = left_by(tmp_path)

    assert len(segments(tmp_path)) == 2
    assert len(leftover.segments()) == 1


def test_segments_with_rows_that_wait_and_those_behind_them_stay(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "a", 4 * MEGABYTE)
    waiting = entry()
    journal.admit(waiting, 1)
    segment = journal.end(waiting.id, waiting.to_row())
    assert segment is not None
    write_rows(journal, 500)
    before = journal.segments
    journal.tidy(journal.number)
    assert journal.segments == before > 2

    segment.waiting -= 1
    journal.tidy(journal.number)
    assert journal.segments == 1


@pytest.mark.fault("I15")
async def test_a_full_journal_refuses_counts_and_takes_records_again_when_there_is_room(
    tmp_path: Path,
) -> None:
    journal, other = Journal(tmp_path, "a", MEGABYTE), Journal(tmp_path, "b", MEGABYTE)
    waiting = entry()
    journal.admit(waiting, 1)
    first = journal.end(waiting.id, waiting.to_row())
    assert first is not None
    assert write_rows(journal, 2_000) < 2_000
    assert (journal.is_full, journal.refused > 0) == (True, True)
    assert sum(path.stat().st_size for path in segments(tmp_path)) == MEGABYTE

    late = entry()
    journal.admit(late, 1)
    assert not journal.plan(late, ["sun/ok"], HOLDS)
    assert write_rows(other, 1) == 0  # all workers share the bound
    await journal.look_ahead()
    assert journal.is_full

    first.waiting -= 1
    journal.tidy(journal.number)
    assert not journal.is_full
    assert write_rows(journal, 100) == 100
    await other.look_ahead()
    assert write_rows(other, 1) == 1


@pytest.mark.fault("I15")
async def test_a_disk_that_takes_nothing_is_a_full_journal_and_never_an_exception(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("a file where the directory should be")
    journal = Journal(tmp_path / "journal", "a", MEGABYTE)
    journal.open()
    assert journal.is_full
    assert write_rows(journal, 3) == 0
    await journal.look_ahead()
    assert journal.refused == 6

    (tmp_path / "journal").unlink()
    await journal.look_ahead()
    assert not journal.is_full
    assert write_rows(journal, 3) == 3


def test_a_row_larger_than_a_segment_gets_one_of_its_size(tmp_path: Path) -> None:
    id = new_id()

    def act(recorder: Recorder) -> None:
        each = recorder.open(id=id)
        each.attempts = [{"word": "y" * LARGEST}]
        recorder.close(each)

    killed_worker(tmp_path, act)
    _, rows = left_by(tmp_path)
    assert ids(rows) == [id]
    assert len(rows[0]) > LARGEST


def test_hostile_texts_of_an_admission_are_cut_and_made_harmless(tmp_path: Path) -> None:
    def act(recorder: Recorder) -> None:
        recorder.open(user_agent="x" * 60_000)
        recorder.open(user_agent="\ud800 \x00")

    killed_worker(tmp_path, act)
    leftover, _ = left_by(tmp_path)

    agents = [orjson.loads(row)["user_agent"] for row, _ in leftover.lost()]
    assert agents == ["x" * 200, "\ufffd\ufffd\ufffd \ufffd"]


def test_a_stop_in_order_leaves_no_file_and_one_with_open_requests_leaves_them(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "a", MEGABYTE)
    running = entry()
    journal.admit(running, 1)
    journal.close()
    assert len(segments(tmp_path)) == 1

    journal.discard(running.id, 1)
    journal.close()
    assert list(tmp_path.iterdir()) == []
    journal.admit(entry(), 1)
    assert list(tmp_path.iterdir()) == []


def test_a_row_of_a_version_with_fewer_columns_gets_the_defaults_of_the_others() -> None:
    row = entry(key_label="team").to_row()
    old = {name: value for name, value in orjson.loads(row).items() if name not in {"needs", "routing_mode"}}

    assert completed(row, COLUMNS) is row
    assert orjson.loads(completed(orjson.dumps(old), list(old))) == orjson.loads(row)


def test_the_journal_of_another_version_is_read_by_its_own_names(tmp_path: Path) -> None:
    id, now = new_id(), datetime.now(UTC).isoformat()
    (tmp_path / "dead").mkdir()
    segment = Segment(tmp_path / "dead" / "0.segment", SMALLEST).begin(1)
    names = {"row": COLUMNS, "admission": ["started_at", "id", "mood"], "plan": ["colour", "alias"]}
    for kind, values in (
        (NAMES, names), (ADMITTED, [7, now, id, "good"]), (PLANNED, [id, ["sun/ok"], HOLDS, "red", "auto"]),
    ):  # fmt: skip
        segment.append(kind, orjson.dumps(values))
    leftover, _ = left_by(tmp_path, "dead")

    [(row, holds)] = leftover.lost()
    told = orjson.loads(row)
    assert (told["id"], told["alias"], told["state"], holds) == (id, "auto", "lost", HOLDS)
    assert [each.admitted for each in leftover.counts()] == [7]
