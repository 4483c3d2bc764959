"""Access tokens of the sign-in provider at the gateway's directory of callers."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from accounts.caller import Defaults
from accounts.errors import AccessTokenRefused, InvalidApiKey, KeysUnavailable
from accounts.fake_login import FakeLogin, fake_login
from accounts.models import Role, User
from accounts.oidc.bearer import AccessTokens
from accounts.oidc.provider import Provider
from accounts.tests.lobby import Clock, Lobby, lobby
from accounts.tests.people import key_of, person
from accounts.tests.visitor import ADA, BOTH, DAN, VERA

pytestmark = pytest.mark.django_db(transaction=True)
AUDIENCES = ("rainymodel", "rainymodel-api")


@pytest.fixture(params=BOTH)
def provider(request: pytest.FixtureRequest) -> Iterator[FakeLogin]:
    with fake_login(behaviour=request.param) as running:
        yield running


@contextmanager
def door(provider: FakeLogin, **options: Any) -> Iterator[tuple[Lobby, Clock]]:
    """A directory that takes the provider's tokens, and the clock that measures how old its keys are."""
    clock = Clock(5_000.0)
    us = Provider(provider.issuer, provider.client_id, provider.client_secret)
    with lobby(tokens=AccessTokens(us, AUDIENCES, clock), **options) as gate:
        gate.wall.now = time.time()
        yield gate, clock


def known(provider: FakeLogin, email: str = ADA, role: str = Role.ADMIN, **fields: Any) -> User:
    """A user who has signed in before."""
    return person(email, role, email=email, issuer=provider.issuer, subject=email, **fields)


def fetches(provider: FakeLogin) -> int:
    """How often the provider's keys were asked for."""
    return sum(request.path == "/oauth2/jwks" for request in provider.requests)


def test_a_token_acts_as_its_user_with_the_limits_of_the_settings(provider: FakeLogin):
    user = known(provider, role=Role.RESEARCHER)
    with door(provider, defaults=Defaults(600, 32)) as (gate, _):
        caller = gate.enter(provider.access_token(ADA))
        again = gate.enter(provider.access_token(ADA, audience="rainymodel-api"))

    assert (caller.owner_id, caller.owner, caller.role) == (str(user.pk), ADA, "researcher")
    assert (caller.source, caller.requests_per_minute, caller.concurrent_requests) == ("sso", 600, 32)
    assert not caller.operator and caller.key_id == again.key_id


def test_the_role_is_the_one_known_here_not_the_tokens(provider: FakeLogin):
    known(provider, role=Role.DEVELOPER)
    with door(provider) as (gate, _):
        assert gate.enter(provider.access_token(ADA, role="admin")).role == "developer"


def test_the_keys_are_fetched_once(provider: FakeLogin):
    known(provider)
    with door(provider) as (gate, _):
        for _ in range(5):
            gate.enter(provider.access_token(ADA))

    assert fetches(provider) == 1


def test_many_first_tokens_at_once_share_one_question(provider: FakeLogin):
    known(provider)
    with door(provider) as (gate, _):

        async def all_at_once() -> int:
            tokens = [provider.access_token(ADA) for _ in range(20)]
            found = await asyncio.gather(*(gate.directory.look_up(token) for token in tokens))
            return len({caller.key_id for caller in found})

        assert gate.run(all_at_once()) == 1

    assert fetches(provider) == 1


def test_an_id_token_does_not_call(provider: FakeLogin):
    known(provider)
    with door(provider) as (gate, _), pytest.raises(AccessTokenRefused, match="ID token"):
        gate.enter(provider.id_token(ADA))


ATTACKS = ("wrong_aud", "wrong_iss", "other_client", "expired", "issued_in_future", "no_sub")
FORGERIES = ("wrong_signature", "alg_none", "hs256_public_key")


@pytest.mark.fault("I25")
@pytest.mark.parametrize("attack", [*ATTACKS, *FORGERIES])
def test_a_token_that_is_not_what_it_should_be_does_not_call(provider: FakeLogin, attack: str):
    known(provider)
    with door(provider) as (gate, _):
        provider.attack = attack
        with pytest.raises(AccessTokenRefused):
            gate.enter(provider.access_token(ADA))


@pytest.mark.fault("I25")
def test_an_audience_that_is_not_accepted_does_not_call(provider: FakeLogin):
    known(provider)
    with door(provider) as (gate, _), pytest.raises(AccessTokenRefused, match="another application"):
        gate.enter(provider.access_token(ADA, audience="orcide"))


@pytest.mark.parametrize("text", ["a.b.c", "eyJh.eyJh.eyJh", "ey..", "not-a-token"])
def test_what_is_no_token_of_the_issuer_asks_nobody(provider: FakeLogin, text: str):
    with door(provider) as (gate, _), pytest.raises((AccessTokenRefused, InvalidApiKey)):
        gate.enter(text)

    assert provider.requests == []


def test_who_never_signed_in_here_does_not_call(provider: FakeLogin):
    person("dan", Role.ADMIN, email=DAN)
    with door(provider) as (gate, _), pytest.raises(AccessTokenRefused, match="not known here"):
        gate.enter(provider.access_token(DAN))


@pytest.mark.parametrize("change", [{"is_active": False}, {"role": Role.VIEWER}, {"subject": VERA}], ids=str)
def test_a_token_stops_with_its_user(provider: FakeLogin, change: dict[str, Any]):
    known(provider)
    with door(provider) as (gate, _):
        token = provider.access_token(ADA)
        gate.poll()
        gate.enter(token)
        User.objects.update(**change)
        gate.poll()
        with pytest.raises(AccessTokenRefused):
            gate.enter(token)


def test_a_token_is_answered_from_memory_until_it_expires(provider: FakeLogin):
    known(provider)
    with door(provider) as (gate, _):
        token = provider.access_token(ADA, expires_in=20)
        gate.enter(token)
        assert gate.directory.find(token) is not None
        gate.wall.now += 21
        with pytest.raises(AccessTokenRefused, match="expired"):
            gate.directory.find(token)


def test_memory_lasts_half_a_minute(provider: FakeLogin):
    known(provider)
    with door(provider) as (gate, _):
        token = provider.access_token(ADA)
        gate.enter(token)
        gate.monotonic.now += 31
        assert gate.directory.find(token) is None


@pytest.mark.fault("I24")
def test_new_keys_are_found_at_the_first_token_that_the_old_ones_did_not_sign(provider: FakeLogin):
    known(provider)
    with door(provider) as (gate, clock):
        gate.enter(provider.access_token(ADA))
        provider.rotate_keys()
        clock.now += 60
        assert gate.enter(provider.access_token(ADA)).owner == ADA

    assert fetches(provider) == 2


@pytest.mark.fault("I24")
def test_forged_tokens_ask_for_the_keys_once_a_minute(provider: FakeLogin):
    known(provider)
    with door(provider) as (gate, clock):
        gate.enter(provider.access_token(ADA))
        provider.attack = "wrong_signature"
        for _ in range(3):
            clock.now += 60
            for _ in range(5):
                with pytest.raises(AccessTokenRefused, match="none of the issuer's keys"):
                    gate.enter(provider.access_token(ADA))

    assert fetches(provider) == 4


def test_without_the_provider_the_keys_at_hand_count_for_an_hour(provider: FakeLogin):
    known(provider)
    with door(provider) as (gate, clock):
        gate.enter(provider.access_token(ADA))
        provider.stop_answering = {"jwks": "refuse"}
        clock.now += 3_500
        assert gate.enter(provider.access_token(ADA)).owner == ADA
        clock.now += 200
        with pytest.raises(KeysUnavailable):
            gate.enter(provider.access_token(ADA))


def test_a_forged_token_is_refused_while_the_provider_is_away(provider: FakeLogin):
    known(provider)
    with door(provider) as (gate, clock):
        gate.enter(provider.access_token(ADA))
        provider.stop_answering = {"jwks": "refuse"}
        provider.attack = "wrong_signature"
        clock.now += 60
        with pytest.raises(AccessTokenRefused):
            gate.enter(provider.access_token(ADA))


def test_without_any_keys_nobody_can_tell(provider: FakeLogin):
    known(provider)
    provider.stop_answering = {"jwks": "refuse"}
    with door(provider) as (gate, _), pytest.raises(KeysUnavailable):
        gate.enter(provider.access_token(ADA))


@pytest.mark.fault("I23")
def test_keys_work_beside_tokens(provider: FakeLogin):
    _, text = key_of(known(provider))
    with door(provider) as (gate, _):
        assert gate.enter(text).source == "database"

    assert provider.requests == []


def test_without_an_accepted_audience_a_token_is_a_wrong_key(provider: FakeLogin):
    known(provider)
    with lobby() as gate, pytest.raises(InvalidApiKey):
        gate.enter(provider.access_token(ADA))
