"""The ids of requests: UUIDv7 that grow, and can be turned into times and back."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from gateway.uuid7 import IdMaker, id_floor, new_id, time_of

NOON = datetime(2026, 11, 21, 12, 0, 0, 500_000, tzinfo=UTC)


class Clock:
    def __init__(self, moment: datetime) -> None:
        self.seconds = moment.timestamp()

    def __call__(self) -> float:
        return self.seconds


def test_an_id_is_a_uuid_of_version_7_in_canonical_text() -> None:
    text = new_id()

    assert str(UUID(text)) == text
    assert UUID(text).version == 7
    assert UUID(text).variant == "specified in RFC 4122"


def test_an_id_tells_its_time() -> None:
    made = IdMaker(Clock(NOON)).new_id()

    assert time_of(UUID(made)) == NOON


def test_ids_only_grow_within_one_millisecond() -> None:
    ids = IdMaker(Clock(NOON))
    made = [ids.new_id() for _ in range(20_000)]

    assert made == sorted(set(made))
    assert time_of(UUID(made[-1])) - NOON < timedelta(milliseconds=10)


def test_ids_grow_while_the_clock_steps_back_a_little() -> None:
    clock = Clock(NOON)
    ids = IdMaker(clock)
    before = ids.new_id()
    clock.seconds -= 5

    assert ids.new_id() > before


def test_a_clock_set_back_by_an_hour_is_believed() -> None:
    clock = Clock(NOON + timedelta(hours=1))
    ids = IdMaker(clock)
    ids.new_id()
    clock.seconds = NOON.timestamp()

    assert time_of(UUID(ids.new_id())) == NOON


def test_the_floor_of_an_instant_parts_the_ids_before_from_those_after() -> None:
    clock = Clock(NOON - timedelta(milliseconds=1))
    ids = IdMaker(clock)
    before = UUID(ids.new_id())
    clock.seconds = NOON.timestamp()
    after = UUID(ids.new_id())

    assert before < id_floor(NOON) <= after
    assert time_of(id_floor(NOON)) == NOON
