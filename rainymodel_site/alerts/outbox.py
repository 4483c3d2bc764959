"""Sends what is due, each channel's messages in order; a channel that fails is left alone for a while."""

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import F, Q
from django.utils import timezone

from gateway.upstream.addresses import AddressRules
from rainymodel_site.alert_models import AlertChannel, AlertMessage
from rainymodel_site.alerts.sending import NotDelivered, deliver
from rainymodel_site.alerts.words import Document

CLAIM = timedelta(minutes=5)  # longer than one message takes, also by e-mail
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(minutes=30)
GIVEN_UP_AFTER, KEPT_FOR = timedelta(days=1), timedelta(days=30)
AT_ONCE = 20  # messages of a channel in one round


def send_due(now: datetime, rules: AddressRules, stopping: threading.Event | None = None) -> int:
    """Send what waits; how many messages arrived. The rest is left to others once the worker is `stopping`."""
    forget(now)
    over = stopping or threading.Event()
    waiting = AlertMessage.objects.filter(sent_at=None).values("channel")
    channels = AlertChannel.objects.filter(pk__in=waiting, enabled=True)
    return sum(send_all(channel, rules, over) for channel in channels if claim(channel, now))


def forget(now: datetime) -> None:
    """Give up what could not be sent for a day; let go of what was sent long ago."""
    AlertMessage.objects.filter(sent_at=None, made_at__lt=now - GIVEN_UP_AFTER).delete()
    AlertMessage.objects.filter(sent_at__lt=now - KEPT_FOR).delete()


def claim(channel: AlertChannel, now: datetime) -> bool:
    """Take the channel, unless it is to be left alone or another worker has it."""
    now = max(now, timezone.now())  # the channels before may have taken long
    free = AlertChannel.objects.filter(Q(retry_at=None) | Q(retry_at__lte=now), pk=channel.pk)
    return free.update(retry_at=now + CLAIM) == 1


def send_all(channel: AlertChannel, rules: AddressRules, over: threading.Event) -> int:
    """Send the channel's messages until one fails; it is then tried again later, that one first."""
    sent = 0
    for message in due(channel):
        if over.is_set():
            break
        if not AlertMessage.objects.filter(pk=message.pk, sent_at=None).exists():
            continue  # a test let go of the claim, and another worker was here
        try:
            attempt(channel, message.document, rules, keep=True)
        except NotDelivered:
            return sent
        AlertMessage.objects.filter(pk=message.pk).update(sent_at=timezone.now())
        sent += 1
    AlertChannel.objects.filter(pk=channel.pk).update(retry_at=None)
    return sent


def due(channel: AlertChannel) -> Iterator[AlertMessage]:
    """Its messages that were not sent yet, the oldest first."""
    yield from AlertMessage.objects.filter(channel=channel, sent_at=None).order_by("id")[:AT_ONCE]


def attempt(channel: AlertChannel, told: Document, rules: AddressRules, *, keep: bool = False) -> str:
    """Send one message and note on the channel what came of it; `keep` it claimed. Raises NotDelivered."""
    row = AlertChannel.objects.filter(pk=channel.pk)
    try:
        arrived = deliver(channel, told, rules)
    except NotDelivered as problem:
        now = timezone.now()
        failures = row.values_list("failures", flat=True).first() or 0
        row.update(
            last_error=str(problem), failed_at=now, failures=F("failures") + 1, retry_at=now + pause(failures)
        )
        raise
    now = timezone.now()
    claimed = now + CLAIM if keep else None
    row.update(last_error="", failed_at=None, failures=0, retry_at=claimed, last_sent_at=now)
    return arrived


def pause(failures: int) -> timedelta:
    """How long to leave a channel alone after so many failures before this one: twice as long each time."""
    return min(FIRST_PAUSE * 2 ** min(failures, 10), LONGEST_PAUSE)
