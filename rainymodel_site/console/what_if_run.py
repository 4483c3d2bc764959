"""Runs one replay in its own process: reads the log page by page, says how far it is, stops when it is told to."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils import timezone

from accounts.models import ApiKey
from gateway.uuid7 import id_floor, time_of
from rainymodel_site.console.explain_catalogue import (
    EVERYTHING,
    LIVE,
    Unanswerable,
    grants_of,
    pretend_down,
    read_catalogue,
)
from rainymodel_site.console.explain_page import dialect_of
from rainymodel_site.console.what_if import DRAWS, Asked, Comparison, Side
from rainymodel_site.console.what_if_result import result_of
from rainymodel_site.models import Replay
from routing.engine.query import Grants, Query
from routing.engine.select import DEFAULT_POLICY
from routing.models import CatalogueRevision

PAGE = 5_000  # rows
TELL_EVERY = 1.0  # seconds
# By the primary key, which is time; never with an offset, never counted.
ROWS = """
SELECT id, requested_model, alias, policy, provider_filter, needs, endpoint, input_tokens_estimate, max_tokens,
       key_id, key_label, revision, input_tokens, cached_tokens, output_tokens
FROM gateway_requestlog WHERE id > %s AND id < %s ORDER BY id LIMIT %s
"""
NO_ALIAS = "(no alias)"  # one line for all: clients write what they like for a model
OURS = "It ended by a mistake of ours ({kind}). The terminal shows it: manage.py replay {pk}"


class Stopped(Exception):
    """Somebody cancelled it."""


@dataclass(slots=True)
class Reader:
    """Rows of the log as questions, at the prices of one moment and with the scopes that keys have now."""

    moment: float
    _grants: dict[UUID, Grants] = field(default_factory=dict)
    _policies: dict[int, dict[str, str]] = field(default_factory=dict)

    def asked(self, row: tuple[Any, ...]) -> Asked:
        """One row."""
        id, model, alias, policy, provider, needs, endpoint, estimate, most, key, label, revision, *tokens = (
            row
        )
        if policy and policy == self.usual_policy(revision, alias):
            policy = ""  # the log has the policy that was used, also where none was named
        query = Query(
            model=model,
            policy=policy or None,
            provider=provider or None,
            needs=frozenset(needs),
            input_tokens=estimate,
            output_tokens=most,
            dialect=dialect_of(endpoint),
            time=self.moment,
            grants=self._grants.get(key, EVERYTHING),
        )
        return Asked(query, alias or NO_ALIAS, key, label, id.int % DRAWS, *tokens)

    def learn(self, rows: list[tuple[Any, ...]]) -> None:
        """Look up the keys of these rows that are not known yet."""
        new = {row[9] for row in rows if row[9] is not None} - set(self._grants)
        self._grants.update(dict.fromkeys(new, EVERYTHING))
        for key in ApiKey.objects.select_related("owner").filter(pk__in=new):
            self._grants[key.pk] = grants_of(key)

    def usual_policy(self, revision: int, alias: str) -> str:
        """What a request to the alias followed when it named none, in the revision that served it."""
        if revision not in self._policies:
            row = CatalogueRevision.objects.filter(number=revision).first()
            entries = row.document.get("aliases", []) if row else []
            self._policies[revision] = {entry["name"]: entry.get("policy") or "" for entry in entries}
        return self._policies[revision].get(alias) or DEFAULT_POLICY


def run(replay: Replay) -> None:
    """Do it, and write what came of it into its row; returns when it is over, was cancelled or could not begin."""
    now = timezone.now()
    begun = Replay.objects.filter(pk=replay.pk, state=Replay.State.WAITING).update(
        state=Replay.State.RUNNING, started_at=now, heartbeat_at=now, pid=os.getpid()
    )
    if not begun:
        return
    try:
        result = replayed(replay)
    except Stopped:
        return
    except Unanswerable as problem:
        end(replay, Replay.State.FAILED, problem=str(problem))
    except Exception as mistake:
        end(replay, Replay.State.FAILED, problem=OURS.format(kind=type(mistake).__name__, pk=replay.pk))
        raise
    else:
        end(replay, Replay.State.DONE, result=result, progress=1.0)


def replayed(replay: Replay) -> dict[str, Any]:
    """The result. Raises Unanswerable and Stopped."""
    moment = time.time()
    serving, other = read_catalogue(LIVE), read_catalogue(replay.revision)
    health = pretend_down(other.snapshot, frozenset(replay.down), frozenset(replay.down_deployments))
    comparison = Comparison(Side(serving.snapshot), Side(other.snapshot, health))
    reader, told = Reader(moment), time.monotonic()
    until = replay.asked_at
    since = until - timedelta(days=replay.days)
    for rows in pages(since, until):
        reader.learn(rows)
        for row in rows:
            if row[1]:  # without a model the request was never read
                comparison.add(reader.asked(row))
        if time.monotonic() - told >= TELL_EVERY:
            told = time.monotonic()
            tell(
                replay,
                progress=(time_of(rows[-1][0]) - since) / (until - since),
                requests=comparison.requests,
            )
    tell(replay, progress=1.0, requests=comparison.requests)
    names = {"serving": serving.name, "other": other.name}
    return names | result_of(comparison, moment)


def pages(since: datetime, until: datetime) -> Iterator[list[tuple[Any, ...]]]:
    """The log of that time, oldest first."""
    last, end_id = id_floor(since), id_floor(until)
    while True:
        with connection.cursor() as cursor:
            cursor.execute(ROWS, [last, end_id, PAGE])
            rows = cursor.fetchall()
        if rows:
            yield rows
            last = rows[-1][0]
        if len(rows) < PAGE:
            return


def tell(replay: Replay, **fields: Any) -> None:
    """Say how far it is. Raises Stopped when it is not wanted any more."""
    running = Replay.objects.filter(pk=replay.pk, state=Replay.State.RUNNING)
    if not running.update(heartbeat_at=timezone.now(), **fields):
        raise Stopped


def end(replay: Replay, state: str, **fields: Any) -> None:
    """The last word, unless somebody cancelled it meanwhile."""
    running = Replay.objects.filter(pk=replay.pk, state=Replay.State.RUNNING)
    running.update(state=state, ended_at=timezone.now(), **fields)
