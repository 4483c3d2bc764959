"""The keys on disk: they work after a restart without a database, and only where the file is young and ours."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from accounts.caller import Defaults
from accounts.errors import ApiKeyExpired, KeysUnavailable
from accounts.issue import revoke_keys
from accounts.key_file import KeyFile
from accounts.models import User
from accounts.tests.lobby import Clock, Lobby, lobby
from accounts.tests.people import key_of, person

pytestmark = pytest.mark.django_db(transaction=True)
PEPPER = "pepper" * 8


class Place:
    """A key file and the clocks of the process that uses it."""

    def __init__(self, path: Path) -> None:
        self.path, self.wall, self.monotonic = path, Clock(1_800_000_000.0), Clock(500.0)
        self.file = self.after_restart()

    def after_restart(self, pepper: str = PEPPER, *, writes: bool = True) -> KeyFile:
        return KeyFile(self.path, pepper, writes=writes, clock=self.wall, monotonic=self.monotonic)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    return Place(tmp_path / "state" / "keys")


def save(place: Place) -> None:
    """What a worker does while the database answers."""
    with lobby(file=place.file) as gate:
        look_and_save(gate)


def look_and_save(gate: Lobby) -> None:
    gate.poll()
    gate.run(gate.directory.save_keys())


@pytest.mark.fault("I01")
def test_after_a_restart_without_a_database_a_saved_key_is_the_same_caller(place: Place):
    owner = person("ada", email="ada@example.org", usd_per_day=Decimal("2.25"))
    _, text = key_of(
        owner,
        aliases=["rainymodel/auto"],
        highest_tier="free",
        usd_per_month=Decimal(3),
        networks=["10.0.0.0/8"],
        expires_at=datetime(2100, 1, 1, tzinfo=UTC),
    )
    defaults = Defaults(600, 32)
    with lobby(file=place.file, defaults=defaults) as gate:
        known = gate.enter(text)
        look_and_save(gate)

    with lobby(file=place.after_restart(), defaults=defaults) as gate:
        gate.cut_database()
        assert gate.enter(text) == known
        assert gate.enter(text) is gate.enter(text)


@pytest.mark.fault("I01", "I02")
def test_a_key_that_is_not_in_the_file_cannot_be_checked_and_is_not_called_wrong(place: Place):
    key_of(person())
    save(place)
    _, late = key_of(User.objects.get(), "Orcide")

    with lobby(file=place.after_restart()) as gate:
        gate.cut_database()
        with pytest.raises(KeysUnavailable):
            gate.enter(late)


@pytest.mark.fault("I01")
def test_the_file_holds_no_key_and_none_that_is_shut(place: Place):
    (revoked, _), (kept, text) = key_of(person(), "old"), key_of(person("eve"), "new")
    _, of_nobody = key_of(person("bob"), "his")
    User.objects.filter(username="bob").update(is_active=False)
    revoke_keys([revoked.pk])
    save(place)
    written = place.path.read_text()

    assert place.path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in place.path.parent.iterdir()] == ["keys"]
    assert kept.kid in written
    assert revoked.kid not in written and of_nobody[6:14] not in written
    assert text not in written and text[15:47] not in written


@pytest.mark.fault("I01")
@pytest.mark.parametrize("case", ["a day old", "edited", "another pepper", "not text", "missing"])
def test_a_file_that_is_old_or_not_ours_opens_nothing(place: Place, case: str):
    _, text = key_of(person(), highest_tier="free")
    save(place)
    file = place.after_restart("other" * 8 if case == "another pepper" else PEPPER)
    if case == "a day old":
        place.wall.now += 24 * 3600
    elif case == "edited":
        place.path.write_text(place.path.read_text().replace('"free"', '"premium"'))
    elif case == "not text":
        place.path.write_bytes(b"\xff\xfe")
    elif case == "missing":
        place.path.unlink()

    with lobby(file=file) as gate:
        gate.cut_database()
        with pytest.raises(KeysUnavailable):
            gate.enter(text)


def test_a_saved_key_expires_at_its_moment(place: Place):
    moment = datetime(2100, 1, 1, tzinfo=UTC)
    _, text = key_of(person(), expires_at=moment)
    save(place)

    with lobby(file=place.after_restart()) as gate:
        gate.cut_database()
        gate.wall.now = moment.timestamp()
        with pytest.raises(ApiKeyExpired):
            gate.enter(text)


def test_changed_keys_are_saved_once_a_minute_and_unchanged_ones_once_an_hour(place: Place):
    row, _ = key_of(person())
    with lobby(file=place.file) as gate:
        look_and_save(gate)
        revoke_keys([row.pk])
        look_and_save(gate)
        assert row.kid in place.path.read_text()
        place.monotonic.now += 60
        look_and_save(gate)
        assert row.kid not in place.path.read_text()
        place.path.unlink()
        place.monotonic.now += 3_599
        look_and_save(gate)
        assert not place.path.exists()
        place.monotonic.now += 1
        look_and_save(gate)
        assert place.path.exists()


def test_one_of_the_workers_writes_and_a_full_disk_stops_nothing(place: Place, tmp_path: Path):
    key_of(person())
    with lobby(file=place.after_restart(writes=False)) as gate:
        look_and_save(gate)
    assert not place.path.exists()

    (tmp_path / "state").write_text("a file where the directory should be")
    save(place)


@pytest.mark.fault("I02")
def test_a_key_that_was_revoked_and_not_used_since_does_not_work_on_without_a_database(place: Place):
    row, text = key_of(person())
    with lobby() as gate:
        gate.poll()
        gate.enter(text)
        revoke_keys([row.pk])
        gate.poll()
        gate.cut_database()
        with pytest.raises(KeysUnavailable):
            gate.enter(text)
