"""Starts replays in a process of their own, stops them, and notices the ones that died."""

import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from accounts.actor import current_actor
from accounts.audit import record
from rainymodel_site import env
from rainymodel_site.console.explain_catalogue import DRAFT, Unanswerable, read_catalogue
from rainymodel_site.models import Replay

KEPT = 20  # replays; older ones go
MOST_DAYS = 31
UNDER_WAY = (Replay.State.WAITING, Replay.State.RUNNING)
DIED = "Its process ended without a word: the server was restarted, or it ran out of memory. Start it again."
NEVER_BEGAN = "Its process did not start. Start it again, or at a terminal: manage.py replay --days 1"


class CannotReplay(Unanswerable):
    """What was asked for cannot be replayed now; the message says why."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to replay through what, with what pretended to be down there."""

    days: int = 1
    revision: str = DRAFT
    down: tuple[str, ...] = ()
    down_deployments: tuple[str, ...] = ()


def ask(wanted: Wanted) -> Replay:
    """Write the replay down, audited. Raises Unanswerable: another is under way, or something is not there."""
    if not 1 <= wanted.days <= MOST_DAYS:
        raise CannotReplay(f"The log can be replayed for 1 to {MOST_DAYS} days.")
    catalogue = read_catalogue(wanted.revision)
    for slugs, known, kind in (
        (wanted.down, catalogue.snapshot.providers, "provider"),
        (wanted.down_deployments, catalogue.snapshot.deployments, "deployment"),
    ):
        if unknown := [slug for slug in slugs if slug not in known]:
            raise CannotReplay(f"There is no {kind} {unknown[0][:80]!r} in {catalogue.name}.")
    bury()
    actor = current_actor()
    with transaction.atomic():
        down = ", ".join((*wanted.down, *wanted.down_deployments)) or "nothing"
        record(actor.name, "asked what if", catalogue.name, {"down": (None, down)}, actor.address)
        if Replay.objects.filter(state__in=UNDER_WAY).exists():  # after the audit's lock: one at a time
            raise CannotReplay("Another replay is under way. Wait for its end, or cancel it.")
        forget_old()
        return Replay.objects.create(
            asked_by=actor.name,
            asked_at=timezone.now(),
            days=wanted.days,
            revision=wanted.revision,
            down=list(wanted.down),
            down_deployments=list(wanted.down_deployments),
        )


def start(replay: Replay) -> None:
    """Run it in a process that outlives the request and the worker, and shares nothing with them."""
    command: Sequence[str] = (sys.executable, str(env.PROJECT / "manage.py"), "replay", str(replay.pk))
    process = subprocess.Popen(
        command,
        cwd=env.PROJECT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    threading.Thread(target=process.wait, daemon=True, name=f"replay {replay.pk}").start()


def cancel(replay: Replay) -> bool:
    """Stop it; False when it was over already."""
    under_way = Replay.objects.filter(pk=replay.pk, state__in=UNDER_WAY)
    return bool(under_way.update(state=Replay.State.CANCELLED, ended_at=timezone.now()))


def bury() -> None:
    """Say of those whose process died that it did, so that the next one may begin."""
    now = timezone.now()
    for replay in Replay.objects.filter(state__in=UNDER_WAY):
        if replay.is_dead(now):
            problem = NEVER_BEGAN if replay.state == Replay.State.WAITING else DIED
            Replay.objects.filter(pk=replay.pk, state=replay.state, heartbeat_at=replay.heartbeat_at).update(
                state=Replay.State.FAILED, ended_at=now, problem=problem
            )


def forget_old() -> None:
    """Keep the newest."""
    kept = Replay.objects.order_by("-pk").values_list("pk", flat=True)[: KEPT - 1]
    Replay.objects.exclude(pk__in=list(kept)).delete()
