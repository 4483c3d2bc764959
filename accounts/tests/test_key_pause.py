"""Keys of people pause when their owner has not signed in for long."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.errors import ApiKeyPaused
from accounts.models import AccessChange, ApiKey, Role, User
from accounts.pausing import Pausing
from accounts.tests.lobby import Lobby, lobby
from accounts.tests.people import key_of, person

pytestmark = pytest.mark.django_db(transaction=True)
SSO = {"issuer": "https://login.orcest.ai", "subject": "ada@orcest.ai"}
RULE = Pausing(days=30, sso=True, address="https://rm.orcest.ai/signin/")


@contextmanager
def gate_now(rule: Pausing = RULE) -> Iterator[Lobby]:
    """A directory whose clock is the real one."""
    with lobby(pausing=rule) as gate:
        gate.wall.now = timezone.now().timestamp()
        yield gate


def days_ago(days: float) -> Any:
    return timezone.now() - timedelta(days=days)


def test_a_key_works_within_the_days_and_rests_after_them():
    _, text = key_of(person(**SSO, last_sign_in=days_ago(29)))
    with gate_now() as gate:
        assert gate.enter(text).label == "Lamino"
        gate.wall.now += 86_400
        gate.monotonic.now += 60
        with pytest.raises(ApiKeyPaused) as paused:
            gate.enter(text)

    assert str(paused.value) == (
        "This API key is paused: its owner has not signed in for 30 days. "
        "Sign in at https://rm.orcest.ai/signin/ once and it works again."
    )


def test_a_refusal_from_memory_says_the_same():
    _, text = key_of(person(**SSO, last_sign_in=days_ago(31)))
    with gate_now() as gate:
        with pytest.raises(ApiKeyPaused) as first:
            gate.enter(text)
        with pytest.raises(ApiKeyPaused) as second:
            gate.directory.find(text)

    assert str(first.value) == str(second.value)


def test_one_sign_in_wakes_the_key():
    owner = person(**SSO, last_sign_in=days_ago(31))
    _, text = key_of(owner)
    with gate_now() as gate:
        gate.poll()
        with pytest.raises(ApiKeyPaused):
            gate.enter(text)
        User.objects.filter(pk=owner.pk).update(last_sign_in=timezone.now())
        gate.poll()
        assert gate.enter(text).label == "Lamino"


def test_a_sign_in_within_the_day_tells_the_workers_nothing():
    person(**SSO, last_sign_in=days_ago(0.9))
    before = AccessChange.objects.get().number
    User.objects.update(last_sign_in=timezone.now())

    assert AccessChange.objects.get().number == before


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"role": Role.SERVICE}, RULE),
        ({}, Pausing(days=30, sso=False)),
        (SSO, Pausing(days=0, sso=True)),
    ],
    ids=["a service's", "a local operator's without single sign-on", "any, when switched off"],
)
def test_a_key_that_never_rests(fields: dict[str, Any], rule: Pausing):
    _, text = key_of(person(**fields, last_sign_in=days_ago(900), date_joined=days_ago(900)))
    with gate_now(rule) as gate:
        assert gate.enter(text).label == "Lamino"


@pytest.mark.parametrize(
    ("joined", "sso", "rests"),
    [(31, True, True), (29, True, False), (31, False, False)],
    ids=["long here", "new here", "without single sign-on"],
)
def test_for_somebody_who_never_signed_in_the_days_count_from_the_beginning(
    joined: float, sso: bool, rests: bool
):
    rule = Pausing(days=30, sso=sso)
    owner = person(date_joined=days_ago(joined))

    assert (
        rule.has_begun(owner.role, False, owner.date_joined.timestamp(), timezone.now().timestamp()) is rests
    )


def test_the_state_of_a_key_says_the_same(settings: Any):
    settings.OIDC_CLIENT_SECRET, settings.KEY_PAUSE_DAYS = "a-secret", 30
    away, here, service = (
        person("away", last_sign_in=days_ago(31)),
        person("here", last_sign_in=days_ago(1)),
        person("robot", Role.SERVICE, date_joined=days_ago(900)),
    )
    for owner in (away, here, service):
        key_of(owner)

    states = {row.owner.username: row.state for row in ApiKey.objects.select_related("owner")}
    assert states == {"away": "paused", "here": "active", "robot": "active"}
