"""The worker's current snapshot: load, verify, swap one reference, keep the last good one.

No ORM here: a worker reads the newest revision over its own connection pool, and compiles it in a thread, so
that requests go on meanwhile.
"""

import asyncio
import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
from django.conf import settings
from psycopg_pool import AsyncConnectionPool

from routing.compile import compile_snapshot
from routing.document import CatalogueError, document_sha256
from routing.engine.snapshot import Snapshot
from routing.engine.validate import errors_of, validate
from routing.environment import Surroundings, credentials, read_surroundings
from routing.sealing import KeyRing, open_all, read_ring
from routing.snapshot_file import SavedCatalogue, SnapshotFile

CHANNEL = "rainymodel_catalogue"  # LISTEN here; the triggers of the migrations notify it
PATIENCE = 5.0  # seconds the database gets for one look
SAVE_AGAIN_AFTER = (
    3600.0  # an unchanged catalogue is saved again, so that the file's age says when it was true
)
NOTHING_PUBLISHED = "Nothing has been published yet; run manage.py load_catalogue."

NEWEST = "SELECT number, sha256 FROM routing_cataloguerevision ORDER BY number DESC LIMIT 1"
SECRETS_MARK = """
    SELECT md5(coalesce(string_agg(provider_slug || ' ' || base_url || ' ' || md5(sealed), ' ' ORDER BY id), ''))
    FROM routing_providersecret"""
DOCUMENT = "SELECT document::text FROM routing_cataloguerevision WHERE number = %s"
SECRETS = "SELECT provider_slug, base_url, sealed FROM routing_providersecret ORDER BY id"

Fingerprint = tuple[int, str, str]
log = logging.getLogger("rainymodel.catalogue")


@dataclass(frozen=True, slots=True)
class Serving:
    """What is swapped as one: a snapshot, the credentials that go with it, and since when it serves."""

    snapshot: Snapshot
    credentials: Mapping[str, str] = field(repr=False)
    since: float
    saved: SavedCatalogue | None = None
    from_file: bool = False


NOTHING = Serving(Snapshot(0, {}, {}, {}, {}, (), {}), {}, 0.0)


class SnapshotStore:
    """Owns the snapshot of one worker. `problem` says why the newest revision does not serve, or is empty."""

    def __init__(
        self,
        pool: AsyncConnectionPool[Any],
        surroundings: Surroundings,
        ring: KeyRing,
        file: SnapshotFile,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.problem = NOTHING_PUBLISHED
        self._monotonic, self._looked_at = monotonic, monotonic()
        self._pool, self._surroundings, self._ring, self._file, self._clock = (
            pool,
            surroundings,
            ring,
            file,
            clock,
        )
        self._serving = NOTHING
        self._refused: tuple[Fingerprint, str] | None = None  # and why
        self._one_at_a_time = asyncio.Lock()

    @property
    def current(self) -> Snapshot:
        """The snapshot that serves; revision 0, which is empty, before the first one."""
        return self._serving.snapshot

    @property
    def credentials(self) -> Mapping[str, str]:
        """Provider slug → secret, of the providers that have one."""
        return self._serving.credentials

    @property
    def is_loaded(self) -> bool:
        """True when there is a catalogue to serve."""
        return self._serving.saved is not None

    @property
    def revision(self) -> int:
        """The number of the revision that serves."""
        return self._serving.snapshot.number

    @property
    def since(self) -> float:
        """The wall time of the last swap."""
        return self._serving.since

    @property
    def is_from_file(self) -> bool:
        """True while the saved catalogue serves and the database has not confirmed it since the start."""
        return self._serving.from_file

    @property
    def unseen_for(self) -> float:
        """Seconds since the database was last looked at with success, or since the start."""
        return self._monotonic() - self._looked_at

    async def load(self) -> None:
        """The first load: from the database, else from the last good file. Without either, `problem` says why."""
        await self.refresh()
        if not self.is_loaded and self.problem != NOTHING_PUBLISHED:
            await self._load_from_file()

    async def refresh(self) -> bool:
        """Swap in what the database holds, when it differs and is good; True when it did.

        Never raises: whatever goes wrong, the last good snapshot keeps serving and `problem` says what it was.
        """
        async with self._one_at_a_time:
            try:
                return await self._refresh()
            except CatalogueError as error:
                self._note(str(error))
            except (psycopg.Error, OSError, TimeoutError) as error:
                self._note(f"The catalogue cannot be read from the database ({type(error).__name__}).")
            return False

    async def _refresh(self) -> bool:
        saved = await self._newer()
        if saved is None:
            return False
        try:
            serving = await asyncio.to_thread(self._build, saved)
        except Exception as error:  # also a defect of ours must not take a working catalogue away
            self._refused = saved.fingerprint, _reason(error, saved.number)
            raise CatalogueError(self._refused[1]) from error
        self._swap(serving)
        await self._save(saved)
        return True

    async def _newer(self) -> SavedCatalogue | None:
        """What the database holds when that is neither serving nor refused already."""
        async with asyncio.timeout(PATIENCE), self._pool.connection() as connection, connection.transaction():
            await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            newest = await (await connection.execute(NEWEST)).fetchone()
            if newest is None:
                self._looked_at = self._monotonic()
                raise CatalogueError(NOTHING_PUBLISHED)
            mark = await (await connection.execute(SECRETS_MARK)).fetchone()
            fingerprint = (newest[0], newest[1], mark[0] if mark else "")
            self._looked_at = self._monotonic()
            if self._refused and self._refused[0] == fingerprint:
                raise CatalogueError(self._refused[1])
            if not self._serves(fingerprint):
                return await self._fetch(connection, fingerprint)
        await self._confirm()
        return None

    async def _fetch(
        self, connection: psycopg.AsyncConnection[Any], fingerprint: Fingerprint
    ) -> SavedCatalogue:
        document = await (await connection.execute(DOCUMENT, [fingerprint[0]])).fetchone()
        secrets = await (await connection.execute(SECRETS)).fetchall()
        return SavedCatalogue(
            number=fingerprint[0],
            sha256=fingerprint[1],
            document=document[0] if document else "",
            secrets=tuple((slug, address, bytes(sealed)) for slug, address, sealed in secrets),
            secrets_mark=fingerprint[2],
            confirmed_at=self._clock(),
        )

    def _build(self, saved: SavedCatalogue) -> Serving:
        """Compile and check; runs in a thread. Raises CatalogueError when the revision must not serve."""
        document = json.loads(saved.document)
        if document_sha256(document) != saved.sha256:
            raise CatalogueError(f"Revision {saved.number} is not what was published: its sha256 differs.")
        surroundings = self._surroundings.with_secrets(open_all(saved.secrets, self._ring))
        snapshot = compile_snapshot(document, saved.number, surroundings)
        if errors := errors_of(validate(snapshot)):
            reasons = " ".join(f"{finding.subject}: {finding.message}" for finding in errors[:3])
            raise CatalogueError(f"Revision {saved.number} is refused. {reasons}")
        return Serving(snapshot, credentials(document, surroundings), self._clock(), saved)

    def _serves(self, fingerprint: Fingerprint) -> bool:
        return self._serving.saved is not None and self._serving.saved.fingerprint == fingerprint

    def _swap(self, serving: Serving) -> None:
        self._serving, self._refused, self.problem = serving, None, ""
        log.info("Revision %d serves", serving.snapshot.number)

    async def _confirm(self) -> None:
        """The database holds what serves; once an hour the file is told."""
        self.problem, self._refused = "", None
        self._serving = replace(self._serving, from_file=False)
        saved, now = self._serving.saved, self._clock()
        if saved is not None and now - saved.confirmed_at > SAVE_AGAIN_AFTER:
            confirmed = replace(saved, confirmed_at=now)
            self._serving = replace(self._serving, saved=confirmed)
            await self._save(confirmed)

    async def _save(self, saved: SavedCatalogue) -> None:
        try:
            await asyncio.to_thread(self._file.write, saved)
        except OSError as error:
            log.warning("The last good catalogue could not be saved: %s", error)

    async def _load_from_file(self) -> None:
        saved = await asyncio.to_thread(self._file.read, self._clock())
        if saved is None:
            return
        try:
            serving = await asyncio.to_thread(self._build, saved)
        except CatalogueError as error:
            self._note(f"{self.problem} The saved catalogue is of no use either: {error}")
            return
        reason = self.problem
        self._swap(replace(serving, from_file=True))
        self._note(
            f"{reason} Serving revision {saved.number}, saved {_hours(self._clock() - saved.confirmed_at)} ago."
        )

    def _note(self, problem: str) -> None:
        """Keep the problem for the pages that show it; log it once, not at every look."""
        if problem != self.problem:
            log.warning("Catalogue: %s", problem)
        self.problem = problem


def make_store(pool: AsyncConnectionPool[Any]) -> SnapshotStore:
    """The store of this process: its environment, its key ring, and the file in its state directory."""
    file = SnapshotFile(settings.STATE_DIR / "snapshot.json", settings.KEY_PEPPER)
    return SnapshotStore(pool, read_surroundings(os.environ), read_ring(settings.SEALING_KEYS), file)


def _reason(error: Exception, number: int) -> str:
    if isinstance(error, CatalogueError):
        return str(error)
    log.error("Revision %d could not be compiled", number, exc_info=error)
    return f"Revision {number} could not be compiled; the log has the details."


def _hours(seconds: float) -> str:
    return f"{max(seconds, 0) / 3600:.1f} hours"
