"""Pages of alerts: rules and channels go in, an address never comes out again, a test says how it went."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry, Role, User
from rainymodel_site import audit
from rainymodel_site.alert_models import AlertChannel, AlertRule
from rainymodel_site.alerts.address import address_of, address_refusal, reseal
from rainymodel_site.alerts.looking import look
from rainymodel_site.tests.alert_receiver import SECRET, Receiver, channel_to, receiving, rule_for
from routing.addresses import AllowedUpstreams
from routing.sealing import read_ring
from routing.tests.pages import errors, read_form, told

pytestmark = pytest.mark.django_db


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.fixture
def operator(client: Client) -> Client:
    audit.connect()
    client.force_login(User.objects.create(username="ada", role=Role.ADMIN))
    return client


def page(kind: str, name: str, *args: object) -> str:
    return reverse(f"admin:rainymodel_site_alert{kind}_{name}", args=args)


def save(client: Client, kind: str, row: object = None, /, **values: object) -> object:
    """Fill a row's form, or that of a new one, and follow to where saving leads."""
    url = page(kind, "change", row.pk) if row else page(kind, "add")
    return client.post(url, read_form(client, url, f"alert{kind}_form") | values, follow=True)


def test_an_address_goes_in_and_only_its_host_comes_out(operator: Client, receiver: Receiver):
    answer = save(operator, "channel", name="hook", kind="webhook", address=receiver.url)
    assert errors(answer) == {}
    channel = AlertChannel.objects.get()
    assert address_of(channel) == receiver.url

    shown = [
        operator.get(page("channel", name, *args))
        for name, args in (("changelist", ()), ("change", [channel.pk]))
    ]
    assert all(channel.host in text.content.decode() for text in shown)
    everything = "".join(text.content.decode() for text in (answer, *shown))
    everything += str(list(AlertChannel.objects.values())) + str(list(AuditEntry.objects.values()))
    assert SECRET not in everything
    assert AuditEntry.objects.filter(subject="hook", action="created").exists()


def test_saving_with_an_empty_address_keeps_the_stored_one(operator: Client, receiver: Receiver):
    channel = channel_to(receiver.url)
    assert errors(save(operator, "channel", channel, name="renamed")) == {}
    channel.refresh_from_db()

    assert (channel.name, address_of(channel)) == ("renamed", receiver.url)


@pytest.mark.parametrize(
    "url",
    [
        "https://10.0.0.1/hook",
        "https://127.0.0.1/hook",
        "https://internal/hook",
        "http://hooks.example.com/x",
        "https://169.254.169.254/",
        "https://user:pw@hooks.example.com/",
        "hooks.example.com",
        "https://hooks.example.com/a b",
        "file:///etc/passwd",
    ],
)
def test_an_address_that_no_webhook_may_have_is_refused(url: str):
    assert address_refusal(url, AllowedUpstreams())


def test_an_address_with_a_query_is_fine():
    assert address_refusal("https://hooks.example.com/a?token=b", AllowedUpstreams()) == ""


def test_a_refused_address_is_not_shown_again(operator: Client):
    answer = save(operator, "channel", name="hook", address=f"https://10.0.0.1/{SECRET}")

    assert "address" in errors(answer)
    assert SECRET not in answer.content.decode()


def test_an_address_is_sealed_anew_when_the_ring_is(receiver: Receiver, settings):
    channel = channel_to(receiver.url)
    settings.SEALING_KEYS = f"{'QUFB' * 10}QUE=,{settings.SEALING_KEYS}"
    reseal()
    channel.refresh_from_db()

    assert read_ring(settings.SEALING_KEYS).seals_with_first(bytes(channel.sealed))
    assert address_of(channel) == receiver.url


def test_a_rule_is_entered_with_its_channels_and_the_audit_knows(operator: Client, receiver: Receiver):
    channel = channel_to(receiver.url)
    values = {"name": "errors", "kind": "errors", "threshold": "10", "channels": [str(channel.pk)]}
    assert errors(save(operator, "rule", **values)) == {}
    assert list(AlertRule.objects.get().channels.all()) == [channel]
    assert AuditEntry.objects.filter(subject="errors", changes__channels=[None, "hook"]).exists()

    save(operator, "rule", AlertRule.objects.get(), channels=[])
    assert AuditEntry.objects.filter(subject="errors", changes__channels=["hook", None]).exists()


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"threshold": ""}, "threshold"),
        ({"threshold": "101"}, "threshold"),
        ({"scope": "alias"}, "scope_name"),
        ({"kind": "fallbacks", "scope": "provider", "scope_name": "hf"}, "scope"),
        ({"scope": "alias", "scope_name": "rainymodel/atuo"}, "scope_name"),
        ({"quiet_from": "22:00"}, "quiet_to"),
        ({"quiet_from": "22:00", "quiet_to": "22:00"}, "quiet_to"),
        ({"time_zone": "Atlantis"}, "time_zone"),
        ({"minutes": "0"}, "minutes"),
    ],
    ids=[
        "no threshold",
        "too much",
        "scope of what",
        "no such scope",
        "nothing of this name",
        "half",
        "no hours",
        "no zone",
        "no window",
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_where_it_does_not(operator: Client, values: dict, field: str):
    answer = save(operator, "rule", **{"name": "odd", "kind": "errors", "threshold": "10"} | values)
    assert field in errors(answer)


def test_the_button_sends_a_test_and_says_how_it_went(operator: Client, receiver: Receiver):
    channel = channel_to(receiver.url)
    answer = operator.post(page("channel", "test", channel.pk), follow=True)
    assert told(answer) == [f"The test to hook arrived: {channel.host} took it (status 200)."]
    assert receiver.got[0]["event"] == "test"
    assert "The last message arrived at" in answer.content.decode()

    receiver.status = 404
    answer = operator.post(page("rule", "test", rule_for(channel).pk), follow=True)
    expected = f"{channel.host} answered with status 404. Check the channel's address."
    assert told(answer) == [f"The test to hook did not arrive: {expected}"]
    assert expected in operator.get(page("channel", "change", channel.pk)).content.decode().replace(
        "&#x27;", "'"
    )


def test_a_rule_without_channels_says_that_nobody_is_told(operator: Client):
    rule = rule_for()
    answer = operator.post(page("rule", "test", rule.pk), follow=True)

    assert told(answer) == ["Nothing was sent: the rule has no channel. Choose one, save, and try again."]
    assert "none: nobody is told" in operator.get(page("rule", "changelist")).content.decode()


def test_only_those_who_may_change_a_rule_may_test_it(client: Client, receiver: Receiver):
    rule = rule_for(channel_to(receiver.url))
    client.force_login(User.objects.create(username="dev", role=Role.DEVELOPER))

    assert client.post(page("rule", "test", rule.pk)).status_code == 403
    assert client.get(page("rule", "changelist")).status_code == 403
    assert receiver.got == []


def test_pages_say_what_fires_and_what_to_do_when_there_is_nothing(operator: Client):
    assert "add a channel" in operator.get(page("rule", "changelist")).content.decode()
    assert "There is no channel yet" in operator.get(page("channel", "changelist")).content.decode()
    rule = rule_for(kind="spend", threshold=1)
    look(datetime.now(UTC))
    assert "Nothing fires." in operator.get(page("rule", "change", rule.pk)).content.decode()

    rule.firings.create(
        identity="x", subject="hf", sentence="is down", began_at=datetime.now(UTC), seen_at=datetime.now(UTC)
    )
    assert "is down" in operator.get(page("rule", "change", rule.pk)).content.decode()
    assert "firing" in operator.get(page("rule", "changelist")).content.decode()
