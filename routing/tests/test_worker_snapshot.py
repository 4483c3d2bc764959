"""A worker's snapshot: loaded, swapped as one, and kept when something is wrong with the next one."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from routing.document import document_sha256
from routing.models import Alias, CatalogueRevision, Deployment, Provider
from routing.provider_secrets import set_secret
from routing.publish import publish
from routing.store import NOTHING_PUBLISHED, SnapshotStore
from routing.tests.small_catalogue import load_small
from routing.tests.worker_store import Clock, database, in_thread, with_store

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "snapshot.json"


def change(quality: int) -> None:
    Deployment.objects.filter(slug="moon/pale").update(quality=quality)
    publish("ada")


def test_the_first_load_serves_the_newest_revision_with_its_credentials(file, clock):
    load_small()
    publish("ada")

    async def story(store: SnapshotStore) -> None:
        assert not store.is_loaded
        await store.load()
        assert (store.revision, store.current.number, store.problem, store.since) == (1, 1, "", clock.now)
        assert set(store.current.aliases) == {"weather", "weather-mini"}
        assert store.credentials == {"sun": "sun-secret", "moon": "moon-secret"}

    with_store(story, file, clock)


@pytest.mark.fault("I11")
def test_a_new_revision_is_swapped_in_and_a_request_keeps_the_one_it_has(file, clock):
    load_small()
    publish("ada")

    async def story(store: SnapshotStore) -> None:
        await store.load()
        held = store.current
        clock.now += 10
        assert await store.refresh() is False  # nothing is new
        await in_thread(change, 42)
        assert await store.refresh() is True
        assert store.current.deployments["moon/pale"].quality == 42
        assert held.deployments["moon/pale"].quality == 7
        assert (store.revision, store.since) == (2, clock.now)

    with_store(story, file, clock)


def test_a_changed_secret_is_used_without_a_new_revision(file, clock):
    load_small()
    publish("ada")

    async def story(store: SnapshotStore) -> None:
        await store.load()
        assert store.current.providers["sun"].unready == "no_credential"
        await in_thread(store_secret, "first-secret")
        assert await store.refresh() is True
        assert (store.revision, store.credentials["sun"]) == (1, "first-secret")
        assert store.current.providers["sun"].unready is None
        await in_thread(store_secret, "second-secret")
        assert await store.refresh() is True
        assert store.credentials["sun"] == "second-secret"

    with_store(story, file, clock, variables={})


def store_secret(text: str) -> None:
    set_secret(Provider.objects.get(slug="sun"), text, "ada")


@pytest.mark.fault("I12")
def test_a_revision_with_errors_is_refused_and_the_last_good_one_serves(file, clock):
    load_small()
    publish("ada")

    async def story(store: SnapshotStore) -> None:
        await store.load()
        good = store.current
        await in_thread(sneak_in, lambda document: document["aliases"][-1].update(routes=[]))
        assert await store.refresh() is False
        assert store.current is good
        assert store.problem.startswith("Revision 2 is refused.")
        assert "It has no route" in store.problem
        assert await store.refresh() is False  # it is not compiled again and again
        assert "It has no route" in store.problem
        await in_thread(change, 5)
        assert await store.refresh() is True
        assert (store.revision, store.problem) == (3, "")

    with_store(story, file, clock)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda document: document.update(schema=2), "schema 2"),
        (lambda document: document.pop("providers"), "no list of providers"),
        (lambda document: document["deployments"][0].update(tier="nowhere"), "names 'nowhere'"),
    ],
)
def test_a_revision_that_does_not_compile_is_refused(file, clock, damage, reason):
    load_small()
    publish("ada")

    async def story(store: SnapshotStore) -> None:
        await store.load()
        await in_thread(sneak_in, damage)
        assert await store.refresh() is False
        assert store.revision == 1
        assert reason in store.problem

    with_store(story, file, clock)


def test_a_document_that_was_tampered_with_is_refused(file, clock):
    load_small()
    publish("ada")
    CatalogueRevision.objects.update(document={"schema": 1})

    async def story(store: SnapshotStore) -> None:
        await store.load()
        assert not store.is_loaded
        assert "is not what was published" in store.problem

    with_store(story, file, clock)


def sneak_in(damage: Callable[[dict[str, Any]], None]) -> None:
    """A revision that publishing would have refused, as psql could make it."""
    newest = CatalogueRevision.objects.first()
    document = newest.document
    damage(document)
    CatalogueRevision.objects.create(
        number=newest.number + 1,
        document=document,
        sha256=document_sha256(document),
        author="psql",
        parent=newest.number,
    )


def test_before_the_first_revision_there_is_nothing_to_serve_and_it_is_said(file, clock):
    async def story(store: SnapshotStore) -> None:
        await store.load()
        assert (store.is_loaded, store.revision, store.problem) == (False, 0, NOTHING_PUBLISHED)
        await in_thread(load_small)
        await in_thread(publish, "ada")
        assert await store.refresh() is True
        assert store.is_loaded

    with_store(story, file, clock)


@pytest.mark.fault("I01")
def test_the_database_coming_back_is_noticed_and_the_problem_goes(file, clock):
    load_small()
    publish("ada")

    async def story(store: SnapshotStore) -> None:
        await store.load()
        await in_thread(rename_table, "routing_cataloguerevision", "elsewhere")
        try:
            assert await store.refresh() is False
            assert "cannot be read from the database (UndefinedTable)" in store.problem
            assert store.revision == 1
        finally:
            await in_thread(rename_table, "elsewhere", "routing_cataloguerevision")
        await store.refresh()
        assert store.problem == ""

    with_store(story, file, clock)


def rename_table(old: str, new: str) -> None:
    with psycopg.connect(database(), autocommit=True) as direct:
        direct.execute(f"ALTER TABLE {old} RENAME TO {new}")


def test_many_callers_at_once_load_it_once(file, clock):
    load_small()
    publish("ada")

    async def story(store: SnapshotStore) -> None:
        await store.load()
        await in_thread(change, 3)
        results = await asyncio.gather(*(store.refresh() for _ in range(5)))
        assert sorted(results) == [False] * 4 + [True]

    with_store(story, file, clock)


def test_the_loop_goes_on_while_a_large_catalogue_compiles(file, clock):
    load_small()
    publish("ada")

    async def story(store: SnapshotStore) -> float:
        await store.load()
        await in_thread(sneak_in, grow)
        refreshing = asyncio.create_task(store.refresh())
        longest, loop = 0.0, asyncio.get_running_loop()
        while not refreshing.done():
            before = loop.time()
            await asyncio.sleep(0.005)
            longest = max(longest, loop.time() - before)
        assert refreshing.result() is True
        assert len(store.current.deployments) > 2000
        return longest

    assert with_store(story, file, clock) < 0.25


def grow(document: dict[str, Any]) -> None:
    model = next(entry for entry in document["deployments"] if entry["slug"] == "moon/pale")
    document["deployments"] += [
        model | {"slug": f"moon/{count}", "model": str(count)} for count in range(2000)
    ]


def test_an_alias_switched_off_in_the_tables_alone_changes_nothing_until_published(file, clock):
    load_small()
    publish("ada")

    async def story(store: SnapshotStore) -> None:
        await store.load()
        await in_thread(lambda: Alias.objects.update(enabled=False))
        assert await store.refresh() is False
        assert store.current.aliases["weather"].enabled

    with_store(story, file, clock)
