"""The directory on a real Postgres: who gets in, what is remembered, and what happens without the database."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal

import psycopg
import pytest
from django.utils import timezone

from accounts.caller import Caller, Defaults
from accounts.errors import ApiKeyExpired, ApiKeyRevoked, InvalidApiKey, KeysUnavailable
from accounts.issue import revoke_keys
from accounts.key_rows import UNREACHABLE
from accounts.keys import checksum, make_key
from accounts.models import ApiKey, User
from accounts.tests.lobby import Lobby, database_address, lobby
from accounts.tests.people import key_of, person

pytestmark = pytest.mark.django_db(transaction=True)


def forged(text: str) -> str:
    """A key of the same kid with another secret and a right checksum."""
    body = text[:-6]
    other = body[:-1] + ("a" if body[-1] != "a" else "b")
    return other + checksum(other)


def test_a_key_becomes_a_caller_with_its_owner_and_its_limits():
    row, text = key_of(
        person("ada", email="ada@example.org"),
        aliases=["rainymodel/auto"],
        policies=["free"],
        highest_tier="free",
        direct_calls=False,
        requests_per_minute=7,
        tokens_per_minute=9_000,
        usd_per_day=Decimal("1.5"),
        networks=["10.0.0.0/8"],
        store_prompts=True,
        max_body_mb=50,
    )
    with lobby(defaults=Defaults(600, 32)) as gate:
        caller = gate.enter(text)

    assert (caller.key_id, caller.kid, caller.label) == (str(row.pk), row.kid, "Lamino")
    assert (caller.owner_id, caller.owner, caller.role) == (
        str(row.owner_id),
        "ada@example.org",
        "researcher",
    )
    assert (caller.aliases, caller.policies, caller.highest_tier) == ({"rainymodel/auto"}, {"free"}, "free")
    assert (caller.requests_per_minute, caller.concurrent_requests, caller.tokens_per_minute) == (
        7,
        32,
        9_000,
    )
    assert (caller.usd_per_day, caller.usd_per_month) == (Decimal("1.5"), None)
    assert (caller.direct_calls, caller.store_prompts, caller.operator, caller.source) == (
        False,
        True,
        False,
        "database",
    )
    assert caller.max_body_bytes == 50 * 1024 * 1024
    assert caller.may_call_from("10.1.1.1") and not caller.may_call_from("192.0.2.1")


def test_a_key_without_restrictions_has_none():
    _, text = key_of(person())
    with lobby() as gate:
        caller = gate.enter(text)

    assert (caller.aliases, caller.policies, caller.highest_tier, caller.networks) == (None, None, None, ())
    assert (caller.requests_per_minute, caller.expires_at, caller.max_body_bytes) == (None, None, None)


def test_a_known_key_is_answered_from_memory_for_thirty_seconds():
    _, text = key_of(person())
    with lobby() as gate:
        first = gate.enter(text)
        gate.monotonic.now += 29
        assert gate.directory.find(text) is first
        gate.monotonic.now += 2
        assert gate.directory.find(text) is None


def test_a_wrong_secret_is_invalid_even_when_the_key_is_revoked():
    row, text = key_of(person())
    revoke_keys([row.pk])
    with lobby() as gate:
        with pytest.raises(InvalidApiKey):
            gate.enter(forged(text))
        with pytest.raises(ApiKeyRevoked):
            gate.enter(text)


@pytest.mark.fault("C27")
def test_an_unknown_key_is_refused_from_memory_the_second_time():
    _, text = key_of(person())
    ApiKey.objects.all().delete()
    with lobby() as gate:
        with pytest.raises(InvalidApiKey):
            gate.enter(text)
        gate.cut_database()
        with pytest.raises(InvalidApiKey):
            gate.directory.find(text)


@pytest.mark.fault("C28")
def test_a_key_expires_at_its_moment_while_it_is_remembered():
    _, text = key_of(person(), expires_at=datetime(2100, 1, 1, tzinfo=UTC))
    moment = datetime(2100, 1, 1, tzinfo=UTC).timestamp()
    with lobby() as gate:
        gate.wall.now = moment - 1
        assert gate.enter(text).expires_at == moment
        gate.wall.now = moment
        with pytest.raises(ApiKeyExpired):
            gate.directory.find(text)
        gate.monotonic.now += 60
        with pytest.raises(ApiKeyExpired):
            gate.enter(text)


@pytest.mark.parametrize("change", [{"is_active": False}, {"role": "viewer"}, {"role": "something new"}])
def test_a_key_stops_with_its_owner(change: dict[str, object]):
    owner = person()
    _, text = key_of(owner)
    with lobby() as gate:
        gate.poll()
        gate.enter(text)
        User.objects.filter(pk=owner.pk).update(**change)
        gate.poll()
        with pytest.raises(ApiKeyRevoked):
            gate.enter(text)


def test_a_revoked_key_is_refused_after_the_next_poll():
    row, text = key_of(person())
    with lobby() as gate:
        gate.poll()
        gate.enter(text)
        revoke_keys([row.pk])
        gate.poll()
        with pytest.raises(ApiKeyRevoked):
            gate.enter(text)


def test_a_key_that_was_just_made_works_although_it_was_asked_for_before():
    row, text = key_of(person())
    kept = ApiKey.objects.get()
    ApiKey.objects.all().delete()
    with lobby() as gate:
        gate.poll()
        with pytest.raises(InvalidApiKey):
            gate.enter(text)
        kept.save(force_insert=True)
        gate.poll()
        assert gate.enter(text).key_id == str(row.pk)


def test_a_poll_without_news_keeps_what_is_remembered():
    _, text = key_of(person())
    with lobby() as gate:
        gate.poll()
        gate.enter(text)
        gate.poll()
        assert gate.directory.find(text) is not None


def test_requests_at_the_same_time_share_one_question():
    _, text = key_of(person())
    with lobby() as gate:

        async def many() -> set[int]:
            found = await asyncio.gather(*(gate.directory.look_up(text) for _ in range(50)))
            return {id(caller) for caller in found}

        assert len(gate.run(many())) == 1


def test_a_client_that_leaves_does_not_spoil_the_answer_for_the_others():
    _, text = key_of(person())
    with lobby() as gate:

        async def first_leaves() -> str:
            first = asyncio.ensure_future(gate.directory.look_up(text))
            second = asyncio.ensure_future(gate.directory.look_up(text))
            await asyncio.sleep(0)
            first.cancel()
            return (await second).kid

        assert gate.run(first_leaves()) == text[6:14]


@pytest.mark.fault("I02")
def test_without_the_database_known_keys_work_on_and_unknown_ones_cannot_be_checked():
    _, known = key_of(person())
    _, unknown = key_of(User.objects.get(), "Orcide")
    with lobby() as gate:
        gate.enter(known)
        gate.cut_database()
        gate.monotonic.now += 3_600
        assert gate.enter(known).label == "Lamino"
        with pytest.raises(KeysUnavailable):
            gate.enter(unknown)


def test_without_the_database_a_malformed_key_is_still_refused():
    with lobby() as gate:
        gate.cut_database()
        with pytest.raises(InvalidApiKey):
            gate.enter("sk-rm_nonsense")


def test_without_the_database_a_key_last_checked_two_days_ago_is_unknown():
    _, text = key_of(person())
    with lobby() as gate:
        gate.enter(text)
        gate.cut_database()
        gate.monotonic.now += 2 * 86_400
        with pytest.raises(KeysUnavailable):
            gate.enter(text)


def test_without_the_database_a_revoked_key_stays_refused():
    row, text = key_of(person())
    with lobby() as gate:
        gate.enter(text)
        revoke_keys([row.pk])
        gate.directory.invalidate()
        with pytest.raises(ApiKeyRevoked):
            gate.enter(text)
        gate.cut_database()
        gate.monotonic.now += 60
        with pytest.raises(KeysUnavailable):
            gate.enter(text)


def test_without_the_database_an_expired_key_is_refused():
    moment = datetime(2100, 1, 1, tzinfo=UTC)
    _, text = key_of(person(), expires_at=moment)
    with lobby() as gate:
        gate.enter(text)
        gate.cut_database()
        gate.monotonic.now += 60
        gate.wall.now = moment.timestamp() + 1
        with pytest.raises(ApiKeyExpired):
            gate.enter(text)


@pytest.mark.fault("C27")
def test_a_flood_of_wrong_keys_pushes_out_no_right_one():
    _, text = key_of(person())
    with lobby(remembered=10) as gate:
        caller = gate.enter(text)
        for _ in range(30):
            with pytest.raises(InvalidApiKey):
                gate.run(gate.directory.look_up(make_key().text))
        assert gate.directory.find(text) is caller


def test_of_more_keys_than_fit_the_one_unused_longest_is_forgotten():
    owner = person()
    texts = [key_of(owner, f"key {number}")[1] for number in range(3)]
    with lobby(remembered=2) as gate:
        gate.enter(texts[0])
        gate.enter(texts[1])
        gate.directory.find(texts[0])
        gate.enter(texts[2])
        assert [gate.directory.find(text) is None for text in texts] == [False, True, False]


def test_in_an_outage_the_database_is_asked_every_five_seconds_and_not_by_every_request():
    _, known = key_of(person())
    _, unknown = key_of(User.objects.get(), "Orcide")
    with lobby() as gate:
        gate.enter(known)
        gate.cut_database()
        gate.monotonic.now += 60
        before = gate.line.used
        for _ in range(20):
            gate.enter(known)
            with pytest.raises(KeysUnavailable):
                gate.enter(unknown)
        assert gate.line.used == before + 1
        gate.monotonic.now += 6
        gate.enter(known)
        assert gate.line.used == before + 2


def test_the_first_poll_that_succeeds_ends_the_outage():
    _, text = key_of(person())
    with lobby() as gate:
        gate.cut_database()
        with pytest.raises(KeysUnavailable):
            gate.enter(text)
        gate.restore_database()
        gate.poll()
        assert gate.enter(text).label == "Lamino"


def test_the_last_use_is_written_in_batches_and_raises_no_alarm():
    row, text = key_of(person())
    with lobby() as gate:
        gate.poll()
        gate.enter(text)
        gate.run(gate.directory.flush_last_used())
        written = ApiKey.objects.get(pk=row.pk).last_used_at
        gate.poll()
        assert gate.directory.find(text) is not None

    assert written is not None and abs((timezone.now() - written).total_seconds()) < 60


def test_a_last_use_that_could_not_be_written_is_kept_for_the_next_time():
    row, text = key_of(person())
    with lobby() as gate:
        gate.enter(text)
        gate.cut_database()
        with pytest.raises(UNREACHABLE):
            gate.run(gate.directory.flush_last_used())
        gate.restore_database()
        gate.run(gate.directory.flush_last_used())
    assert ApiKey.objects.get(pk=row.pk).last_used_at is not None


def test_the_credential_itself_is_kept_nowhere_in_the_directory():
    _, text = key_of(person())
    with lobby() as gate:
        gate.enter(text)
        held = repr(vars(gate.directory))

    assert text not in held and text[15:47] not in held


@pytest.mark.fault("I14")
@pytest.mark.parametrize("step", [-3_600, 3_600], ids=["back an hour", "on an hour"])
def test_a_step_of_the_clock_changes_nothing_of_what_is_remembered(step: float):
    _, text = key_of(person())
    with lobby() as gate:
        caller = gate.enter(text)
        gate.wall.now += step
        assert gate.directory.find(text) is caller
        gate.cut_database()
        gate.monotonic.now += 60
        assert gate.enter(text) is caller


@pytest.mark.fault("I03")
def test_while_a_slow_database_is_asked_again_memory_answers():
    row, text = key_of(person())
    with lobby() as gate:
        caller = gate.enter(text)
        gate.monotonic.now += 60
        with locked_keys():
            assert gate.enter(text) is caller
        ApiKey.objects.filter(pk=row.pk).update(label="renamed")
        assert any(asked_later(gate, text).label == "renamed" for _ in range(40))


def asked_later(gate: Lobby, text: str) -> Caller:
    """The key, when its last answer is not fresh any more."""
    gate.monotonic.now += 60
    return gate.enter(text)


@contextmanager
def locked_keys() -> Iterator[None]:
    """Questions about keys get no answer while the block lasts."""
    with psycopg.connect(database_address()) as connection:
        connection.execute("LOCK TABLE accounts_apikey IN ACCESS EXCLUSIVE MODE")
        yield
