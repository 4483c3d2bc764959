"""A worker's standings as rows that the operators' page reads; written whole, and only when something changed."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import orjson
import psycopg_pool

from gateway.states.changes import Track
from gateway.states.standing import FINE, HALF_OPEN, OPEN, Standing
from routing.engine.snapshot import Deployment

NO_TRACK = Track()
FORGET = "DELETE FROM gateway_upstreamstate WHERE worker_id = %s"
# Ages are seconds from now, so that a worker's own clock does not matter.
WRITE = """
INSERT INTO gateway_upstreamstate
    (worker_id, deployment, provider, state, circuit, until, failures, hold, held_until, whole_provider, demoted,
     since, opened, held, last_word, last_status, last_at)
SELECT worker.id, deployment, provider, state, circuit, now() + until * interval '1 second', failures, hold,
    now() + held_until * interval '1 second', whole_provider, demoted, now() + since * interval '1 second', opened,
    held, last_word, last_status, now() + last_at * interval '1 second'
FROM gateway_worker worker, jsonb_to_recordset(%s::jsonb) AS row(
    deployment text, provider text, state text, circuit text, until float, failures int, hold text, held_until float,
    whole_provider boolean, demoted boolean, since float, opened int, held int, last_word text, last_status int,
    last_at float)
WHERE worker.id = %s
"""
RUNNING = "UPDATE gateway_worker SET running = %s::jsonb WHERE id = %s"
OPEN_ELSEWHERE = """
SELECT DISTINCT deployment
FROM gateway_upstreamstate JOIN gateway_worker worker ON worker.id = worker_id
WHERE circuit = ANY(%s) AND worker_id <> %s AND worker.heartbeat_at > now() - interval '15 seconds'
"""

Rows = tuple[tuple[Deployment, Standing, Track], ...]


class Report:
    """What this worker wrote last; writes again what differs."""

    def __init__(self, pool: psycopg_pool.AsyncConnectionPool, worker: str) -> None:
        self._pool, self._worker = pool, UUID(worker)
        self._written: tuple[Any, ...] | None = None
        self._running: dict[str, int] | None = None

    async def write(self, rows: Rows, now: float, *, anyway: bool = False) -> None:
        """Replace this worker's rows when they differ from the last ones, or `anyway`. Raises psycopg.Error.

        Nothing counts as written while the worker itself is not on the list: its rows need it there.
        """
        told = tuple(fixed(*row) for row in rows)
        if told == self._written and not (anyway and told):
            return
        body = orjson.dumps([as_row(*row, now=now) for row in rows]).decode()
        async with self._pool.connection(timeout=2) as connection:
            await connection.execute(FORGET, (self._worker,))
            done = await connection.execute(WRITE, (body, self._worker))
        self._written = told if done.rowcount == len(rows) else None

    async def write_running(self, running: Mapping[str, int], *, anyway: bool = False) -> None:
        """Say how many requests are at which provider when that has changed, or `anyway`. Raises psycopg.Error."""
        told = {slug: count for slug, count in running.items() if count}
        if told == self._running and not (anyway and told):
            return
        async with self._pool.connection(timeout=2) as connection:
            done = await connection.execute(RUNNING, (orjson.dumps(told).decode(), self._worker))
        self._running = told if done.rowcount else None

    async def open_elsewhere(self) -> frozenset[str]:
        """The deployments that other workers, which are alive, keep away from or try one request at a time."""
        async with self._pool.connection(timeout=2) as connection:
            found = await connection.execute(OPEN_ELSEWHERE, ([OPEN, HALF_OPEN], self._worker))
            return frozenset(row[0] for row in await found.fetchall())


def worth_telling(
    deployments: Mapping[str, Deployment], found: Mapping[str, Standing], tracks: Mapping[str, Track]
) -> Rows:
    """Of all standings those that are not FINE, and those of deployments that have been in trouble."""
    return tuple(
        (deployments[slug], stands, tracks.get(slug, NO_TRACK))
        for slug, stands in found.items()
        if stands != FINE or slug in tracks
    )


def fixed(deployment: Deployment, stands: Standing, track: Track) -> tuple[Any, ...]:
    """All that is told, for comparison."""
    return (
        deployment.slug,
        deployment.provider.slug,
        stands,
        track.state,
        track.since,
        track.opened,
        track.held,
        track.last_word,
        track.last_at,
    )


def as_row(deployment: Deployment, stands: Standing, track: Track, *, now: float) -> dict[str, Any]:
    """The row's columns; moments as seconds from now, None where there is none."""
    moments = {
        "until": stands.until,
        "held_until": stands.held_until,
        "since": track.since,
        "last_at": track.last_at,
    }
    return {
        "deployment": deployment.slug,
        "provider": deployment.provider.slug,
        "state": stands.state,
        "circuit": stands.circuit,
        "failures": stands.failures,
        "hold": stands.hold,
        "whole_provider": stands.whole_provider,
        "demoted": stands.demoted,
        "opened": track.opened,
        "held": track.held,
        "last_word": track.last_word,
        "last_status": track.last_status,
        **{name: moment - now if moment else None for name, moment in moments.items()},
    }
