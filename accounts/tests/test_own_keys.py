"""What a person may do with API keys: make, change, roll, revoke, within what the account allows."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import connection
from django.utils import timezone

from accounts import own_keys
from accounts.actor import Actor
from accounts.keys import hash_key, parse_key
from accounts.models import ApiKey, AuditEntry, Role, User
from accounts.tests.people import key_of, person

pytestmark = pytest.mark.django_db
ROSA = Actor("rosa", "192.0.2.7")


def refused(act: Any, *args: Any, **fields: Any) -> dict[str, list[str]]:
    """What is said about each field."""
    with pytest.raises(ValidationError) as caught:
        act(*args, **fields)
    return caught.value.message_dict


def many_keys(owner: User, count: int) -> None:
    for number in range(count):
        key_of(owner, f"key {number}")
    ApiKey.objects.update(created_at=timezone.now() - timedelta(hours=1))


def test_a_new_key_has_its_limits_and_its_text_opens_it(settings: Any):
    rosa = person("rosa", usd_per_day=Decimal(5))
    row, made = own_keys.create(
        rosa, ROSA, "Lamino", usd_per_day=Decimal(5), aliases=["rainymodel/*"], direct_calls=False
    )

    row.refresh_from_db()
    assert (row.label, row.owner, row.usd_per_day) == ("Lamino", rosa, Decimal(5))
    assert (row.aliases, row.direct_calls, row.state) == (["rainymodel/*"], False, "active")
    assert parse_key(made.text) == row.kid
    assert bytes(row.secret_hash) == hash_key(made.text, settings.KEY_PEPPER)


def test_the_audit_names_the_actor_and_never_the_secret():
    row, made = own_keys.create(person("rosa"), ROSA, "Lamino")
    own_keys.change(row, ROSA, label="Lamino 2")
    own_keys.revoke(row, ROSA)

    entries = AuditEntry.objects.filter(subject_id=str(row.pk)).order_by("id")
    assert [(entry.actor, entry.action, entry.address) for entry in entries] == [
        ("rosa", "created", "192.0.2.7"),
        ("rosa", "changed", "192.0.2.7"),
        ("rosa", "changed", "192.0.2.7"),
    ]
    assert entries[1].changes == {"label": ["Lamino", "Lamino 2"]}
    assert made.text[15:] not in str([entry.changes for entry in entries])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("label", ""),
        ("label", "two\x07bells"),
        ("label", "x" * 81),
        ("requests_per_minute", 0),
        ("requests_per_minute", 61),
        ("requests_per_minute", "60"),
        ("requests_per_minute", True),
        ("usd_per_day", Decimal("5.01")),
        ("usd_per_day", Decimal("NaN")),
        ("usd_per_month", Decimal("0.001")),
        ("networks", ["10.0.0.1/8"]),
        ("networks", "10.0.0.0/8"),
        ("aliases", ["two words"]),
        ("aliases", [f"model-{number}" for number in range(101)]),
        ("policies", ["Not A Slug"]),
        ("expires_at", datetime(2020, 1, 1, tzinfo=timezone.get_default_timezone())),
        ("expires_at", datetime(2099, 1, 1)),  # noqa: DTZ001  (that it has no zone is the point)
        ("direct_calls", None),
        ("revoked_at", None),
        ("secret_hash", b""),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_makes_no_sense_or_is_too_much_is_told_beside_its_field(field: str, value: Any):
    rosa = person("rosa", requests_per_minute=60, usd_per_day=Decimal(5))
    row, _ = key_of(rosa)

    assert list(refused(own_keys.change, row, ROSA, **{field: value})) == [field]
    assert list(refused(own_keys.create, rosa, ROSA, **{"label": "New", field: value})) == [field]
    assert list(ApiKey.objects.values_list("label", "requests_per_minute")) == [("Lamino", None)]


def test_every_field_that_is_wrong_is_told_at_once():
    told = refused(
        own_keys.create, person(requests_per_minute=60), ROSA, "x", requests_per_minute=99, networks="here"
    )

    assert told == {
        "requests_per_minute": ["The account allows at most 60."],
        "networks": ["Give a list of texts."],
    }


def test_the_accounts_limits_are_what_is_set_there():
    assert own_keys.at_most(person("rosa", usd_per_day=Decimal(5), concurrent_requests=3)) == {
        "usd_per_day": Decimal(5),
        "concurrent_requests": 3,
    }
    assert own_keys.at_most(person("free")) == {}


def test_a_lower_account_does_not_stand_in_the_way_of_another_label():
    rosa = person("rosa")
    row, _ = key_of(rosa, requests_per_minute=600)
    User.objects.update(requests_per_minute=60)

    assert own_keys.change(row, ROSA, label="Evenings").label == "Evenings"
    assert "requests_per_minute" in refused(own_keys.change, row, ROSA, requests_per_minute=61)


def test_a_person_holds_twenty_open_keys_and_no_more():
    rosa = person("rosa")
    many_keys(rosa, 20)

    assert "revoke one" in refused(own_keys.create, rosa, ROSA, "one more")[NON_FIELD_ERRORS][0]
    own_keys.revoke(ApiKey.objects.all()[0], ROSA)
    ApiKey.objects.filter(label="key 7").update(expires_at=timezone.now())
    own_keys.create(rosa, ROSA, "in the place of the revoked")
    own_keys.create(rosa, ROSA, "in the place of the expired")
    assert own_keys.open_keys(rosa).count() == 20


def test_a_service_holds_as_many_as_it_needs():
    service = person("service", Role.SERVICE)
    many_keys(service, 20)

    assert own_keys.create(service, ROSA, "one more")[0].state == "active"


@pytest.mark.django_db(transaction=True)
def test_of_keys_made_at_the_same_moment_only_so_many_as_there_is_room_for_come_to_be():
    rosa = person("rosa")
    many_keys(rosa, 18)

    def make(number: int) -> bool:
        try:
            own_keys.create(rosa, ROSA, f"at once {number}")
        except ValidationError:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(make, range(6)))
    assert made.count(True) == 2 and own_keys.open_keys(rosa).count() == 20


def test_the_same_id_makes_one_key():
    rosa, id = person("rosa"), uuid4()
    own_keys.create(rosa, ROSA, "Lamino", id=id)

    with pytest.raises(own_keys.AlreadyMade) as caught:
        own_keys.create(rosa, ROSA, "Lamino", id=id)
    assert caught.value.made == id and ApiKey.objects.count() == 1


def test_somebody_who_may_not_call_gets_no_key():
    assert "owner" in refused(own_keys.create, person("vera", Role.VIEWER), ROSA, "Lamino")


def test_a_rolled_key_passes_on_its_label_and_its_limits():
    soon = timezone.now() + timedelta(days=90)
    old, text = key_of(
        person("rosa"),
        "Lamino",
        aliases=["rainymodel/auto"],
        policies=["free"],
        highest_tier="free",
        direct_calls=False,
        requests_per_minute=6,
        tokens_per_minute=7,
        concurrent_requests=8,
        usd_per_day=Decimal(1),
        usd_per_month=Decimal(2),
        networks=["10.0.0.0/8"],
        expires_at=soon,
        store_prompts=True,
        max_body_mb=20,
    )
    new, made = own_keys.roll(old, ROSA, timedelta(days=7))

    old, new = ApiKey.objects.get(pk=old.pk), ApiKey.objects.get(pk=new.pk)
    for name in ("label", "owner", *own_keys.LIMIT_FIELDS):
        assert getattr(new, name) == (soon if name == "expires_at" else getattr(old, name)), name
    assert made.text != text and new.kid == parse_key(made.text)


@pytest.mark.parametrize("hours", [1, 24, 168])
def test_the_old_key_goes_on_for_the_chosen_time(hours: int):
    old, _ = key_of(person("rosa"))
    before = timezone.now()
    new, _ = own_keys.roll(old, ROSA, timedelta(hours=hours))

    old.refresh_from_db()
    assert timedelta() <= old.expires_at - before - timedelta(hours=hours) < timedelta(minutes=1)
    assert (old.replaced_by, old.state, new.expires_at) == (new, "active", None)


def test_without_an_overlap_the_old_key_is_revoked():
    old, _ = key_of(person("rosa"))
    new, _ = own_keys.roll(old, ROSA)

    old.refresh_from_db()
    assert (old.state, old.replaced_by, new.state) == ("revoked", new, "active")


def test_rolling_makes_no_key_live_longer():
    soon = timezone.now() + timedelta(hours=2)
    old, _ = key_of(person("rosa"), expires_at=soon)
    own_keys.roll(old, ROSA, timedelta(days=7))

    old.refresh_from_db()
    assert old.expires_at == soon


def test_a_full_set_of_keys_can_still_be_rolled_each_of_them_once():
    rosa = person("rosa")
    many_keys(rosa, 20)
    old = ApiKey.objects.all()[0]
    new, _ = own_keys.roll(old, ROSA, timedelta(days=1))

    assert "already" in refused(own_keys.roll, old, ROSA)[NON_FIELD_ERRORS][0]
    assert "still works" in refused(own_keys.roll, new, ROSA)[NON_FIELD_ERRORS][0]
    assert "most" in refused(own_keys.create, rosa, ROSA, "one more")[NON_FIELD_ERRORS][0]
    own_keys.revoke(old, ROSA)
    assert own_keys.roll(new, ROSA)[0].state == "active"


def test_a_roll_that_is_sent_twice_makes_one_key():
    old, _ = key_of(person("rosa"))
    id = uuid4()
    own_keys.roll(old, ROSA, timedelta(hours=1), id=id)

    with pytest.raises(own_keys.AlreadyMade):
        own_keys.roll(old, ROSA, timedelta(hours=1), id=id)
    assert ApiKey.objects.count() == 2


@pytest.mark.parametrize("keep", [timedelta(days=8), timedelta(seconds=-1)], ids=["8 days", "before now"])
def test_an_overlap_has_bounds(keep: timedelta):
    old, _ = key_of(person("rosa"))

    assert "keep" in refused(own_keys.roll, old, ROSA, keep)


def test_a_key_that_has_ended_is_not_rolled():
    old, _ = key_of(person("rosa"))
    ApiKey.objects.update(expires_at=timezone.now())
    assert "expired" in refused(own_keys.roll, old, ROSA)[NON_FIELD_ERRORS][0]
    own_keys.revoke(old, ROSA)

    assert "revoked" in refused(own_keys.roll, old, ROSA)[NON_FIELD_ERRORS][0]


def test_a_key_that_was_replaced_or_revoked_is_not_changed():
    old, _ = key_of(person("rosa"))
    new, _ = own_keys.roll(old, ROSA, timedelta(days=1))

    later = timezone.now() + timedelta(days=900)
    assert "replaced" in refused(own_keys.change, old, ROSA, expires_at=later)[NON_FIELD_ERRORS][0]
    own_keys.revoke(new, ROSA)
    assert "revoked" in refused(own_keys.change, new, ROSA, label="x")[NON_FIELD_ERRORS][0]


def test_revoking_again_keeps_the_first_moment():
    row, _ = key_of(person("rosa"))
    first = own_keys.revoke(row, ROSA).revoked_at

    assert first is not None and own_keys.revoke(row, ROSA).revoked_at == first


def test_an_operator_may_touch_every_key_and_others_their_own():
    rosa, ada = person("rosa"), person("ada", Role.ADMIN)
    key_of(rosa, "hers"), key_of(ada, "his")

    assert {row.label for row in own_keys.keys_for(rosa)} == {"hers"}
    assert {row.label for row in own_keys.keys_for(ada)} == {"hers", "his"}
    assert not own_keys.keys_for(person("dan", Role.DEVELOPER)).exists()


def test_an_expired_key_comes_back_only_where_there_is_room():
    rosa = person("rosa")
    row, _ = key_of(rosa, "old")
    ApiKey.objects.update(expires_at=timezone.now() - timedelta(days=1))
    many_keys(rosa, own_keys.MOST_OPEN_KEYS)

    told = refused(own_keys.change, row, ROSA, expires_at=None)
    assert "20 open keys" in told[NON_FIELD_ERRORS][0]
    own_keys.change(row, ROSA, label="still expired")

    own_keys.revoke(ApiKey.objects.filter(label="key 0").get(), ROSA)
    assert own_keys.change(row, ROSA, expires_at=None).state == "active"


def test_a_person_makes_twenty_keys_a_minute_and_no_more_but_revokes_any():
    rosa = person("rosa")
    for _ in range(own_keys.MOST_A_MINUTE):
        row, _ = own_keys.create(rosa, ROSA, "again")
        own_keys.revoke(row, ROSA)
    kept = ApiKey.objects.first()
    assert kept is not None
    with pytest.raises(own_keys.TooOften, match="20 keys were made within a minute"):
        own_keys.create(rosa, ROSA, "once more")

    ApiKey.objects.filter(pk=kept.pk).update(created_at=timezone.now() - timedelta(seconds=61))
    row, _ = own_keys.create(rosa, ROSA, "later")
    with pytest.raises(own_keys.TooOften):
        own_keys.roll(row, ROSA)
    assert own_keys.revoke(row, ROSA).state == "revoked"


def test_the_keys_of_programs_are_made_as_fast_as_an_operator_likes():
    robot = person("robot", Role.SERVICE)
    for _ in range(own_keys.MOST_A_MINUTE + 1):
        own_keys.create(robot, ROSA, "one of many")

    assert ApiKey.objects.count() == own_keys.MOST_A_MINUTE + 1
