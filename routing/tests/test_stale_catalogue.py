"""How long the database has not been seen, and what serves meanwhile."""

from pathlib import Path

import pytest

from routing.publish import publish
from routing.store import SnapshotStore
from routing.tests.small_catalogue import load_small
from routing.tests.worker_store import NOWHERE, Clock, with_store

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.fault("I13")]


def test_every_successful_look_starts_the_count_again_and_a_failed_one_does_not(tmp_path: Path):
    load_small()
    publish("ada")
    clock, monotonic = Clock(), Clock()

    async def story(store: SnapshotStore) -> None:
        await store.load()
        monotonic.now += 50
        assert store.unseen_for == 50
        await store.refresh()
        assert store.unseen_for == 0

    with_store(story, tmp_path / "snapshot.json", clock, monotonic=monotonic)

    async def without_database(store: SnapshotStore) -> None:
        await store.load()
        monotonic.now += 61
        await store.refresh()
        assert (store.unseen_for, store.is_from_file, store.revision) == (61, True, 1)

    with_store(without_database, tmp_path / "snapshot.json", clock, at=NOWHERE, monotonic=monotonic)
