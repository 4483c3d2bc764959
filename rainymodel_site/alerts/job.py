"""The worker's job: look at the rules, send what is due. Every worker asks; a lock lets one of them do it."""

import asyncio
import threading

import structlog
from django.db import DatabaseError, connections
from django.utils import timezone

from gateway.upstream.addresses import AddressRules
from rainymodel_site.alerts.address import reseal
from rainymodel_site.alerts.looking import LOOK_EVERY, look
from rainymodel_site.alerts.outbox import send_due

log = structlog.get_logger("rainymodel.alerts")


async def watch(rules: AddressRules, every: float = LOOK_EVERY) -> None:
    """Look again every so many seconds, in a thread: nothing here is in the way of requests."""
    stopping = threading.Event()
    try:
        while True:
            await asyncio.sleep(every)
            await asyncio.to_thread(look_and_send, rules, stopping)
    finally:
        stopping.set()


def look_and_send(rules: AddressRules, stopping: threading.Event) -> None:
    """One round; the thread's connection is closed after it. Without a database there is nothing to look at."""
    try:
        reseal()
        look(timezone.now())
        send_due(timezone.now(), rules, stopping)
    except (DatabaseError, OSError) as error:
        log.warning("alerts could not be looked at", error=type(error).__name__)
    finally:
        connections.close_all()
