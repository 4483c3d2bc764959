"""The last good catalogue on disk: it serves while the database is down, and only when it is young and ours."""

import json
import os
from pathlib import Path

import pytest

from routing.models import Provider
from routing.provider_secrets import set_secret
from routing.publish import publish
from routing.snapshot_file import SnapshotFile
from routing.store import SnapshotStore
from routing.tests.small_catalogue import load_small
from routing.tests.worker_store import NOWHERE, PEPPER, Clock, with_store

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "snapshot.json"


@pytest.mark.fault("I01")
def test_while_the_database_is_down_the_file_of_the_last_day_serves(file, clock):
    load_small()
    set_secret(Provider.objects.get(slug="sun"), "sealed-canary", "ada")
    publish("ada")
    with_store(lambda store: store.load(), file, clock)

    async def story(store: SnapshotStore) -> None:
        await store.load()
        assert store.revision == 1
        assert store.credentials == {"sun": "sealed-canary", "moon": "moon-secret"}
        assert "cannot be read from the database" in store.problem
        assert "Serving revision 1, saved 5.0 hours ago" in store.problem
        assert await store.refresh() is False
        assert store.is_loaded

    clock.now += 5 * 3600
    with_store(story, file, clock, at=NOWHERE)


def test_the_file_keeps_secrets_sealed_and_belongs_to_its_owner(file, clock):
    load_small()
    set_secret(Provider.objects.get(slug="sun"), "sealed-canary", "ada")
    publish("ada")
    with_store(lambda store: store.load(), file, clock)

    assert file.stat().st_mode & 0o777 == 0o600
    assert os.listdir(file.parent) == ["snapshot.json"]
    assert "sealed-canary" not in file.read_text()
    assert "moon-secret" not in file.read_text()


@pytest.mark.fault("I01")
@pytest.mark.parametrize("case", ["old", "edited", "another pepper", "not JSON", "missing", "another ring"])
def test_a_file_that_is_old_or_not_ours_is_not_served(file, clock, settings, case):
    load_small()
    publish("ada")
    with_store(lambda store: store.load(), file, clock)
    if case == "old":
        clock.now += 24 * 3600
    elif case == "edited":
        outer = json.loads(file.read_text())
        outer["payload"] = outer["payload"].replace("api.sun.example", "evil.example")
        file.write_text(json.dumps(outer))
    elif case == "another pepper":
        saved = SnapshotFile(file, PEPPER).read(clock.now)
        SnapshotFile(file, "other" * 8).write(saved)
    elif case == "not JSON":
        file.write_text("{")
    elif case == "missing":
        file.unlink()
    elif case == "another ring":  # the document still serves; its sealed secrets just do not open
        settings.SEALING_KEYS = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="

    async def story(store: SnapshotStore) -> None:
        await store.load()
        assert store.is_loaded is (case == "another ring")
        assert "cannot be read from the database" in store.problem

    with_store(story, file, clock, at=NOWHERE)


def test_an_unchanged_catalogue_is_confirmed_in_the_file_every_hour(file, clock):
    load_small()
    publish("ada")
    born = clock.now

    async def story(store: SnapshotStore) -> None:
        await store.load()
        clock.now = born + 1800
        await store.refresh()
        assert SnapshotFile(file, PEPPER).read(clock.now).confirmed_at == born
        clock.now = born + 30 * 3600
        await store.refresh()
        assert SnapshotFile(file, PEPPER).read(clock.now).confirmed_at == clock.now

    with_store(story, file, clock)


def test_a_directory_that_cannot_be_written_stops_nothing(clock, tmp_path):
    load_small()
    publish("ada")
    (tmp_path / "file").write_text("")

    async def story(store: SnapshotStore) -> None:
        await store.load()
        assert store.is_loaded

    with_store(story, tmp_path / "file" / "snapshot.json", clock)
