"""Alerts with their tables and real receivers: each trouble is told once, whoever looks and however often."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, time, timedelta

import pytest
from django.core import mail
from django.db import connections, transaction

from gateway.models import Worker
from gateway.upstream.addresses import AddressRules
from rainymodel_site.alert_models import AlertChannel, AlertFiring, AlertMessage, AlertRule
from rainymodel_site.alerts.job import watch
from rainymodel_site.alerts.looking import locked, look
from rainymodel_site.alerts.outbox import send_due
from rainymodel_site.tests.alert_receiver import AT_HOME, SECRET, Receiver, channel_to, receiving, rule_for
from routing.addresses import AllowedUpstreams

NOW = datetime.now(UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


def silent_worker(number: int = 1) -> Worker:
    """A worker that has said nothing for two days."""
    long_ago = NOW - timedelta(days=2)
    return Worker.objects.create(
        hostname="here", number=number, pid=number, started_at=long_ago, heartbeat_at=long_ago
    )


def rounds(*moments: datetime) -> None:
    """Look and send at each of the moments."""
    for moment in moments:
        look(moment)
        send_due(moment, AT_HOME)


@pytest.mark.django_db
def test_a_trouble_is_told_when_it_begins_and_when_it_ends(receiver: Receiver):
    rule_for(channel_to(receiver.url))
    worker = silent_worker()
    rounds(NOW, NOW + MINUTE, NOW + 2 * MINUTE)
    Worker.objects.filter(pk=worker.pk).delete()
    rounds(NOW + 3 * MINUTE, NOW + 4 * MINUTE, NOW + 5 * MINUTE)

    assert receiver.events() == ["firing", "resolved"]
    assert receiver.got[0]["rule"] == "the rule"
    assert receiver.got[0]["troubles"][0]["subject"] == "here · worker 1"
    assert "has not reported for 2880 minutes" in receiver.got[0]["troubles"][0]["sentence"]
    assert not AlertFiring.objects.exists()


@pytest.mark.django_db
def test_several_troubles_of_one_look_are_one_message_and_a_later_one_another(receiver: Receiver):
    rule_for(channel_to(receiver.url))
    silent_worker(1), silent_worker(2)
    rounds(NOW)
    silent_worker(3)
    rounds(NOW + MINUTE)

    assert [len(body["troubles"]) for body in receiver.got] == [2, 1]


@pytest.mark.django_db
def test_what_goes_on_is_reminded_of(receiver: Receiver):
    rule_for(channel_to(receiver.url), remind_hours=2)
    silent_worker()
    rounds(*(NOW + timedelta(hours=hours) for hours in range(5)))

    assert receiver.events() == ["firing", "reminder", "reminder"]


@pytest.mark.django_db
def test_quiet_hours_hold_back_what_still_fires_afterwards(receiver: Receiver):
    noon = NOW.replace(hour=12, minute=0)
    rule_for(channel_to(receiver.url), quiet_from=time(11), quiet_to=time(14), minutes=1)
    silent_worker(1)
    gone = silent_worker(2)
    rounds(noon)
    gone.delete()
    rounds(noon + timedelta(hours=1))
    assert receiver.got == []

    rounds(noon + timedelta(hours=3))
    assert receiver.events() == ["firing"]
    assert [one["subject"] for one in receiver.got[0]["troubles"]] == ["here · worker 1"]


@pytest.mark.django_db
def test_an_end_within_quiet_hours_is_told_after_them(receiver: Receiver):
    morning = NOW.replace(hour=10, minute=0)
    rule_for(channel_to(receiver.url), quiet_from=time(11), quiet_to=time(14))
    worker = silent_worker()
    rounds(morning)
    worker.delete()
    rounds(morning + timedelta(hours=2))
    assert receiver.events() == ["firing"]
    rounds(morning + timedelta(hours=5))

    assert receiver.events() == ["firing", "resolved"]


@pytest.mark.django_db(transaction=True)
def test_two_workers_that_look_at_once_tell_it_once(receiver: Receiver):
    rule_for(channel_to(receiver.url))
    silent_worker()
    start = threading.Barrier(2)

    def one_worker() -> None:
        start.wait()
        rounds(NOW)
        connections.close_all()

    workers = [threading.Thread(target=one_worker) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    rounds(NOW)

    assert receiver.events() == ["firing"]
    assert AlertMessage.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_nobody_looks_while_another_worker_does():
    rule_for()
    silent_worker()
    looked: list[bool] = []

    def other() -> None:
        looked.append(look(NOW))
        connections.close_all()

    with transaction.atomic():
        assert locked()
        worker = threading.Thread(target=other)
        worker.start()
        worker.join()

    assert looked == [False]
    assert not AlertFiring.objects.exists()


@pytest.mark.django_db
def test_a_channel_that_fails_says_so_is_left_alone_and_tried_again(receiver: Receiver):
    channel = channel_to(receiver.url)
    rule_for(channel)
    silent_worker()
    receiver.status = 500
    rounds(NOW)
    channel.refresh_from_db()
    assert "answered with status 500" in channel.last_error and SECRET not in channel.last_error
    assert channel.retry_at is not None and channel.failures == 1

    receiver.status = 200
    rounds(NOW)
    assert receiver.got == []  # too early
    rounds(channel.retry_at + MINUTE)
    channel.refresh_from_db()
    assert receiver.events() == ["firing"]
    assert (channel.last_error, channel.failures, channel.retry_at) == ("", 0, None)


@pytest.mark.django_db
def test_slack_gets_one_text(receiver: Receiver):
    rule_for(channel_to(receiver.url, "slack"))
    silent_worker()
    rounds(NOW)

    (body,) = receiver.got
    assert set(body) == {"text"}
    assert body["text"].startswith("Alert: the rule –") and "• here · worker 1 has not" in body["text"]


@pytest.mark.django_db
def test_a_webhook_cannot_reach_a_private_address(receiver: Receiver):
    channel = channel_to(receiver.url)
    rule_for(channel)
    silent_worker()
    look(NOW)
    send_due(NOW, AddressRules(AllowedUpstreams()))  # as in production

    channel.refresh_from_db()
    assert receiver.paths == []
    assert "is a private address" in channel.last_error


@pytest.mark.django_db
def test_an_e_mail_goes_to_every_recipient_or_says_what_is_missing(settings):
    channel = AlertChannel.objects.create(name="ops", kind="email", recipients="a@b.example, c@d.example")
    rule_for(channel)
    silent_worker()
    rounds(NOW)
    channel.refresh_from_db()
    assert "E-mail is not set up here: set EMAIL_HOST" in channel.last_error

    settings.EMAIL_HOST = "mail.example"
    rounds(NOW + 5 * MINUTE)
    (sent,) = mail.outbox
    assert sent.to == ["a@b.example", "c@d.example"]
    assert sent.subject == "[RainyModel] Alert: the rule"


@pytest.mark.django_db
def test_a_rule_that_is_switched_off_says_nothing_more(receiver: Receiver):
    rule = rule_for(channel_to(receiver.url))
    silent_worker()
    rounds(NOW)
    AlertRule.objects.filter(pk=rule.pk).update(enabled=False)
    rounds(NOW + MINUTE)

    assert receiver.events() == ["firing"]
    assert not AlertFiring.objects.exists()


@pytest.mark.django_db
def test_a_worker_that_stops_leaves_the_rest_to_others(receiver: Receiver):
    rule_for(channel_to(receiver.url))
    silent_worker()
    look(NOW)
    stopping = threading.Event()
    stopping.set()
    assert send_due(NOW, AT_HOME, stopping) == 0
    assert receiver.got == []
    assert send_due(NOW, AT_HOME) == 1


@pytest.mark.django_db(transaction=True)
async def test_a_workers_job_looks_and_sends_by_itself(receiver: Receiver):
    await asyncio.to_thread(prepare, receiver)
    job = asyncio.ensure_future(watch(AT_HOME, every=0.01))
    async with asyncio.timeout(20):
        while not receiver.got:
            await asyncio.sleep(0.02)
    job.cancel()
    with suppress(asyncio.CancelledError):
        await job

    assert receiver.events() == ["firing"]


def prepare(receiver: Receiver) -> None:
    """A rule with something to tell, from a thread of its own."""
    rule_for(channel_to(receiver.url))
    silent_worker()
    connections.close_all()
