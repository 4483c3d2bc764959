"""Keys through the API: made, told once, listed, changed, rolled, revoked, each within its owner's rights."""

import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import ApiKey, AuditEntry, Role, User
from rainymodel_site.tests.api_client import MASTER, Api, refused, someone, with_key

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator() -> Api:
    return Api(user=someone("root", Role.ADMIN))


@pytest.fixture
def ada() -> Api:
    return Api(user=someone())


def test_a_new_key_is_told_once_with_its_whole_row(ada: Api):
    answer = ada.post("keys/", {"label": "laptop", "requests_per_minute": 5, "usd_per_day": "2.50"})

    made = answer.json()
    assert answer.status_code == 201
    assert Api(made["key"]).get("me").json()["user"] == "ada"
    assert (made["label"], made["owner"], made["state"]) == ("laptop", "ada", "active")
    assert (made["requests_per_minute"], made["usd_per_day"]) == (5, "2.500000")
    assert answer.headers["location"] == f"/api/keys/{made['id']}/"
    again = ada.get(f"keys/{made['id']}/")
    assert "key" not in again.json()
    assert made["key"] not in ada.get("keys/").content.decode()


def test_making_a_key_is_audited_without_its_text(ada: Api):
    made = ada.post("keys/", {"label": "laptop"}).json()

    entry = AuditEntry.objects.filter(subject_id=made["id"]).get()
    assert (entry.actor, entry.action, entry.address) == ("ada", "created", "127.0.0.1")
    assert made["key"] not in str(entry.changes)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("requests_per_minute", 0),
        ("requests_per_minute", -1),
        ("requests_per_minute", 10**30),
        ("requests_per_minute", 1.5),
        ("requests_per_minute", True),
        ("requests_per_minute", "many"),
        ("tokens_per_minute", 0),
        ("concurrent_requests", -5),
        ("usd_per_day", "0"),
        ("usd_per_day", "-1"),
        ("usd_per_day", "1e40"),
        ("usd_per_day", "Infinity"),
        ("usd_per_month", "0.0000001"),
        ("expires_at", "2001-01-01T00:00:00Z"),
        ("expires_at", "soon"),
        ("networks", ["everywhere"]),
        ("networks", "10.0.0.0/8"),
        ("networks", ["10.0.0.1/8"]),
        ("aliases", ["two words"]),
        ("aliases", ["x"] * 101),
        ("policies", ["No Such Shape"]),
        ("highest_tier", "Ünder"),
        ("label", ""),
        ("label", "x" * 81),
        ("label", "two\nlines"),
        ("direct_calls", "perhaps"),
        ("id", "no-id"),
    ],
    ids=str,
)
def test_a_limit_that_makes_no_sense_is_refused_by_its_name(ada: Api, field: str, value: Any):
    answer = ada.post("keys/", {"label": "laptop", field: value})

    error = answer.json()["error"]
    assert (answer.status_code, error["type"]) == (400, "invalid_request_error")
    assert error["param"].split(".")[0] == field
    assert error["message"].startswith(field)
    assert ApiKey.objects.count() == 0


def test_a_missing_label_and_a_misspelt_limit_are_refused(ada: Api):
    refused(ada.post("keys/", {}), 400, "missing_field", "label")
    told = refused(ada.post("keys/", {"label": "x", "rpm": 5}), 400, "unknown_field", "rpm")
    assert "requests_per_minute" in told
    refused(ada.post("keys/", ["label"]), 400, "invalid_value")


def test_no_key_gets_more_than_its_owners_account():
    User.objects.filter(pk=someone().pk).update(requests_per_minute=10)
    ada = Api(user=someone())

    refused(
        ada.post("keys/", {"label": "x", "requests_per_minute": 11}),
        400,
        "invalid_value",
        "requests_per_minute",
    )
    assert ada.post("keys/", {"label": "x", "requests_per_minute": 10}).status_code == 201


@pytest.mark.parametrize("way", ["header", "id"])
def test_the_same_request_twice_makes_one_key(ada: Api, way: str):
    headers = {"Idempotency_Key": "deploy-17"} if way == "header" else {}
    body = {"label": "x"} | ({} if headers else {"id": str(uuid.uuid4())})

    first, second = ada.post("keys/", body, **headers), ada.post("keys/", body, **headers)

    assert first.status_code == 201
    assert first.json()["id"] in refused(second, 409, "key_already_made", "id")
    assert second.headers["location"] == first.headers["location"]
    assert ApiKey.objects.count() == 1


def test_the_same_idempotency_key_of_somebody_else_is_another_request(ada: Api):
    bob = Api(user=someone("bob"))

    statuses = [api.post("keys/", {"label": "x"}, Idempotency_Key="1").status_code for api in (ada, bob)]

    assert statuses == [201, 201]


def test_nobody_can_foresee_the_id_that_an_idempotency_key_makes(ada: Api, settings: Any):
    first = ada.post("keys/", {"label": "x"}, Idempotency_Key="1").json()["id"]
    settings.SECRET_KEY = "another secret of another server, long enough to be one"
    ada.client.force_login(someone())

    assert ada.post("keys/", {"label": "x"}, Idempotency_Key="1").json()["id"] != first


@pytest.mark.parametrize("text", ["", "  "], ids=["empty", "blank"])
def test_only_null_takes_an_amount_away(ada: Api, text: str):
    _, row = with_key(someone(), usd_per_day=Decimal(5))

    refused(ada.patch(f"keys/{row.pk}/", {"usd_per_day": text}), 400, "invalid_value", "usd_per_day")
    refused(ada.post("keys/", {"label": "x", "usd_per_month": text}), 400, "invalid_value", "usd_per_month")
    assert ada.get(f"keys/{row.pk}").json()["usd_per_day"] == "5.000000"
    assert ada.patch(f"keys/{row.pk}/", {"usd_per_day": None}).json()["usd_per_day"] is None


def test_the_list_holds_ones_own_keys_and_nothing_of_others(ada: Api):
    with_key(someone(), "mine")
    _, other = with_key(someone("bob"), "theirs")

    assert [row["label"] for row in ada.get("keys/").json()["data"]] == ["mine"]
    refused(ada.get(f"keys/{other.pk}/"), 404, "not_found")
    refused(ada.patch(f"keys/{other.pk}/", {"label": "mine now"}), 404, "not_found")
    refused(ada.delete(f"keys/{other.pk}/"), 404, "not_found")
    refused(ada.post(f"keys/{other.pk}/roll/", {}), 404, "not_found")
    refused(ada.get("keys/?owner=bob"), 403, "operators_only")
    refused(ada.post("keys/", {"label": "x", "owner": "bob"}), 403, "operators_only")
    other.refresh_from_db()
    assert (other.label, other.revoked_at) == ("theirs", None)


def test_a_list_is_read_page_by_page(ada: Api):
    for number in range(5):
        with_key(someone(), str(number))

    first = ada.get("keys/?limit=2").json()
    second = ada.get(f"keys/?limit=2&before={first['next']}").json()
    third = ada.get(f"keys/?limit=2&before={second['next']}").json()

    labels = [[row["label"] for row in page["data"]] for page in (first, second, third)]
    assert labels == [["4", "3"], ["2", "1"], ["0"]]
    assert third["next"] is None


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("state=broken", "state"),
        ("unused_for=-1", "unused_for"),
        ("stat=open", "stat"),
        ("before=nothing", "before"),
        (f"before={uuid.UUID(int=1)}", "before"),
    ],
)
def test_a_wrong_filter_is_refused_by_its_name(ada: Api, query: str, param: str):
    answer = ada.get(f"keys/?{query}")

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


def test_operators_find_keys_by_owner_state_and_use(operator: Api):
    now, ada = timezone.now(), someone("ada", email="ada@example.com")
    rows = {name: with_key(ada, name)[1] for name in ("used", "idle", "old", "shut")}
    rows["paused"] = with_key(someone("gone"), "paused")[1]
    User.objects.filter(username="gone").update(is_active=False)
    update(rows["used"], last_used_at=now)
    update(rows["idle"], last_used_at=now - timedelta(days=100))
    update(rows["old"], expires_at=now - timedelta(days=1), last_used_at=now)
    update(rows["shut"], revoked_at=now, last_used_at=now)

    def found(query: str) -> set[str]:
        return {row["label"] for row in operator.get(f"keys/?{query}").json()["data"]}

    assert found("") == {"used", "idle", "old", "shut", "paused"}
    assert found("owner=ADA@example.com") == {"used", "idle", "old", "shut"}
    assert found("state=open") == {"used", "idle", "paused"}
    assert found("state=expired") == {"old"}
    assert found("state=revoked") == {"shut"}
    assert found("state=paused") == {"paused"}
    assert found("unused_for=90") == {"idle"}
    refused(operator.get("keys/?owner=nobody"), 400, "user_not_found", "owner")


def test_keys_of_people_who_stayed_away_are_found_as_paused(operator: Api, settings: Any):
    settings.KEY_PAUSE_DAYS = 30
    away = someone("away", issuer="https://login.example", subject="away")
    with_key(away, "resting")
    with_key(someone("here", issuer="https://login.example", subject="here"), "working")
    User.objects.filter(pk=away.pk).update(last_sign_in=timezone.now() - timedelta(days=31))

    assert [row["label"] for row in operator.get("keys/?state=paused").json()["data"]] == ["resting"]
    assert operator.get("keys/?owner=away").json()["data"][0]["state"] == "paused"


def update(row: ApiKey, **fields: Any) -> None:
    ApiKey.objects.filter(pk=row.pk).update(**fields)


def test_an_operator_makes_keys_for_others(operator: Api):
    someone("ada", email="ada@example.com")

    by_mail = operator.post("keys/", {"label": "x", "owner": "ada@example.com"})
    own = operator.post("keys/", {"label": "y"})

    assert (by_mail.status_code, by_mail.json()["owner"]) == (201, "ada")
    assert own.json()["owner"] == "root"
    refused(operator.post("keys/", {"label": "z", "owner": "nobody"}), 400, "user_not_found", "owner")


def test_keys_of_the_master_key_belong_to_the_service_user(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RAINYMODEL_MASTER_KEY", MASTER)

    made = Api(MASTER).post("keys/", {"label": "for a program"}).json()

    assert made["owner"] == "service"
    assert AuditEntry.objects.filter(subject_id=made["id"]).get().actor == "RAINYMODEL_MASTER_KEY"


def test_a_change_keeps_what_it_does_not_name_and_null_takes_a_limit_away(ada: Api):
    _, row = with_key(someone(), "old", requests_per_minute=5, tokens_per_minute=100)

    changed = ada.patch(f"keys/{row.pk}", {"label": "new", "requests_per_minute": None}).json()

    assert (changed["label"], changed["requests_per_minute"], changed["tokens_per_minute"]) == (
        "new",
        None,
        100,
    )
    assert ada.patch(f"keys/{row.pk}", {}).json()["label"] == "new"


@pytest.mark.parametrize("field", ["owner", "id", "state", "secret_hash"])
def test_a_key_keeps_its_owner_and_identity(ada: Api, field: str):
    _, row = with_key(someone())

    refused(ada.patch(f"keys/{row.pk}/", {field: "x"}), 400, "unknown_field", field)


def test_a_rolled_key_lives_on_for_the_chosen_time(ada: Api):
    api, row = with_key(someone(), "ci", requests_per_minute=5)

    answer = ada.post(f"keys/{row.pk}/roll/", {"keep_hours": 2})

    row.refresh_from_db()
    assert answer.status_code == 201
    assert (answer.json()["label"], answer.json()["requests_per_minute"]) == ("ci", 5)
    assert str(row.replaced_by_id) == answer.json()["id"]
    assert timedelta(hours=1) < row.expires_at - timezone.now() < timedelta(hours=2)
    assert api.get("me").status_code == 200
    assert Api(answer.json()["key"]).get("me").status_code == 200


def test_a_key_rolled_without_keeping_is_shut_at_once(ada: Api):
    api, row = with_key(someone())

    assert ada.post(f"keys/{row.pk}/roll/", {"keep_hours": 0}).status_code == 201

    refused(api.get("me"), 401, "api_key_revoked")


@pytest.mark.parametrize("hours", [-1, 169, 10**20, "long"])
def test_a_key_cannot_be_kept_for_any_time(ada: Api, hours: Any):
    _, row = with_key(someone())

    refused(ada.post(f"keys/{row.pk}/roll/", {"keep_hours": hours}), 400, "invalid_value", "keep_hours")


def test_rolling_twice_by_mistake_rolls_once(ada: Api):
    _, row = with_key(someone())
    body = {"id": str(uuid.uuid4()), "keep_hours": 1}

    assert ada.post(f"keys/{row.pk}/roll/", body).status_code == 201
    refused(ada.post(f"keys/{row.pk}/roll/", body), 409, "key_already_made", "id")
    assert ApiKey.objects.count() == 2


def test_deleting_a_key_revokes_it_and_again_changes_nothing(ada: Api):
    api, row = with_key(someone())

    first = ada.delete(f"keys/{row.pk}/").json()
    second = ada.delete(f"keys/{row.pk}/").json()

    assert (first["state"], second) == ("revoked", first)
    refused(api.get("me"), 401, "api_key_revoked")
    refused(ada.patch(f"keys/{row.pk}/", {"label": "again"}), 400, "invalid_value")


def test_an_operator_revokes_many_at_once(operator: Api):
    rows = [with_key(someone(), str(number))[1] for number in range(3)]
    update(rows[2], revoked_at=timezone.now())
    unknown = uuid.uuid4()

    answer = operator.post("keys/revoke/", {"ids": [str(row.pk) for row in rows] + [str(unknown)]})

    assert set(answer.json()["revoked"]) == {str(rows[0].pk), str(rows[1].pk)}
    assert answer.json()["unchanged"] == [str(rows[2].pk), str(unknown)]
    assert ApiKey.objects.filter(revoked_at=None).count() == 0


@pytest.mark.parametrize("ids", [[], ["x"], "all", None], ids=str)
def test_what_to_revoke_must_be_said(operator: Api, ids: Any):
    answer = operator.post("keys/revoke/", {"ids": ids})

    assert (answer.status_code, answer.json()["error"]["param"].split(".")[0]) == (400, "ids")


def test_others_cannot_revoke_many(ada: Api):
    refused(ada.post("keys/revoke/", {"ids": [str(uuid.uuid4())]}), 403, "operators_only")


def test_a_key_without_limits_makes_keys_for_its_owner():
    api, _ = with_key(someone())

    assert api.post("keys/", {"label": "ci"}).json()["owner"] == "ada"


@pytest.mark.parametrize(
    "limit",
    [
        {"usd_per_day": "1"},
        {"requests_per_minute": 5},
        {"aliases": ["small/*"]},
        {"networks": ["127.0.0.0/8"]},
        {"highest_tier": "free"},
        {"direct_calls": False},
        {"expires_at": "2999-01-01T00:00:00Z"},
    ],
    ids=lambda limit: next(iter(limit)),
)
def test_a_limited_key_cannot_make_or_change_what_could_do_more(limit: dict[str, Any]):
    api, row = with_key(someone(), **limit)
    _, other = with_key(someone(), "other")

    refused(api.post("keys/", {"label": "free"}), 403, "limited_key")
    refused(api.patch(f"keys/{row.pk}/", {next(iter(limit)): None}), 403, "limited_key")
    refused(api.post(f"keys/{other.pk}/roll/", {}), 403, "limited_key")


def test_a_limited_key_may_roll_and_revoke_itself():
    api, row = with_key(someone(), aliases=["small/*"], usd_per_day=5)

    rolled = Api(api.post(f"keys/{row.pk}/roll/", {"keep_hours": 0}).json()["key"])

    assert rolled.get("me").json()["key"]["aliases"] == ["small/*"]
    assert rolled.delete(f"keys/{rolled.get('me').json()['key']['id']}/").json()["state"] == "revoked"
