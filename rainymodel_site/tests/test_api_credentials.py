"""Who gets into the management API: keys, sessions, and what is refused with the gateway's own words."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from structlog.contextvars import get_contextvars

from accounts.keys import make_key
from accounts.models import Role, User
from rainymodel_site.tests.api_client import MASTER, Api, refused, someone, with_key

pytestmark = pytest.mark.django_db


@pytest.fixture
def master(monkeypatch: pytest.MonkeyPatch) -> Api:
    monkeypatch.setenv("RAINYMODEL_MASTER_KEY", MASTER)
    monkeypatch.setenv("RAINYMODEL_API_KEYS", "a-service-key-for-tests-0123456789")
    return Api(MASTER)


def test_without_a_credential_it_is_a_401():
    answer = Api().get("me/")

    assert "Sign in, or send an API key" in refused(answer, 401, "missing_api_key")
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_key_acts_for_its_owner():
    api, row = with_key(someone(), requests_per_minute=7)

    told = api.get("me/").json()

    assert (told["user"], told["role"], told["operator"], told["signed_in_by"]) == (
        "ada",
        "researcher",
        False,
        "key",
    )
    assert (told["key"]["id"], told["key"]["requests_per_minute"]) == (str(row.pk), 7)


@pytest.mark.parametrize("header", ["Authorization", "x-api-key"])
def test_a_key_comes_in_either_header(header: str):
    api, _ = with_key(someone())
    key = api.headers["Authorization"].removeprefix("Bearer ")
    value = f"bearer {key}" if header == "Authorization" else key

    assert Client().get("/api/me", headers={header: value}).status_code == 200


@pytest.mark.parametrize("path", ["me", "me/"])
def test_paths_work_with_and_without_a_slash(path: str):
    api, _ = with_key(someone())

    assert api.get(path).status_code == 200


def test_the_key_shows_when_it_was_last_used():
    api, row = with_key(someone())

    api.get("me/")

    row.refresh_from_db()
    assert row.last_used_at is not None


@pytest.mark.parametrize(
    "key",
    ["sk-rm_wrong", "nonsense", make_key().text, "ey.ey.ey", "x" * 5000],
    ids=["short", "no key", "unknown", "no token", "long"],
)
def test_a_wrong_key_is_refused_even_beside_a_session(key: str):
    api = Api(key, user=someone(role=Role.ADMIN))

    refused(api.get("me/"), 401, "invalid_api_key")


def test_who_keeps_guessing_keys_is_told_to_wait(settings: Any):
    settings.TRUSTED_PROXIES = 1
    api, _ = with_key(someone())
    there = {"X-Forwarded-For": "203.0.113.77"}
    guesses = [Api(make_key().text).get("me", **there).status_code for _ in range(20)]

    answer = Api(make_key().text).get("me", **there)

    assert guesses == [401] * 20
    refused(answer, 429, "too_many_bad_keys")
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert api.get("me", **there).status_code == 200


def test_a_revoked_key_is_refused():
    api, row = with_key(someone())
    row.revoked_at = timezone.now()
    row.save()

    refused(api.get("me/"), 401, "api_key_revoked")


def test_an_expired_key_is_refused():
    api, row = with_key(someone())
    row.expires_at = timezone.now() - timedelta(seconds=1)
    row.save()

    refused(api.get("me/"), 401, "api_key_expired")


@pytest.mark.parametrize("change", [{"is_active": False}, {"role": Role.VIEWER}], ids=["inactive", "viewer"])
def test_the_key_of_somebody_shut_out_is_refused(change: dict[str, Any]):
    owner = someone()
    api, _ = with_key(owner)
    User.objects.filter(pk=owner.pk).update(**change)

    refused(api.get("me/"), 401, "api_key_revoked")


def test_the_key_of_somebody_long_gone_is_paused(settings: Any):
    settings.KEY_PAUSE_DAYS = 30
    owner = someone(issuer="https://login.example", subject="ada")
    api, _ = with_key(owner)
    User.objects.filter(pk=owner.pk).update(last_sign_in=timezone.now() - timedelta(days=31))

    assert "30 days" in refused(api.get("me/"), 401, "api_key_paused")


def test_a_key_works_from_its_networks_only():
    here, _ = with_key(someone(), networks=["127.0.0.0/8"])
    elsewhere, _ = with_key(someone(), networks=["10.0.0.0/8"])

    assert here.get("me/").status_code == 200
    refused(elsewhere.get("me/"), 403, "address_not_allowed")


def test_behind_a_proxy_the_address_is_the_one_it_names(settings: Any):
    settings.TRUSTED_PROXIES = 1
    api, _ = with_key(someone(), networks=["10.0.0.0/8"])

    allowed = api.client.get(
        "/api/me", headers={**api.headers, "X-Forwarded-For": "10.0.0.1, 192.0.2.9, 10.1.2.3"}
    )
    forged = api.client.get("/api/me", headers={**api.headers, "X-Forwarded-For": "10.1.2.3, 192.0.2.9"})

    assert allowed.status_code == 200
    refused(forged, 403, "address_not_allowed")


@pytest.mark.parametrize("query", ["api_key=sk-rm_x", "key=sk-rm_x", "access_token=a", "x=sk-rm_abc", "KEY="])
def test_a_key_in_the_url_is_refused(query: str):
    api, _ = with_key(someone())

    refused(api.get(f"me/?{query}"), 400, "key_in_url")


def test_two_different_keys_are_refused():
    api, _ = with_key(someone())

    refused(api.get("me/", **{"x-api-key": "another"}), 400, "two_api_keys")


def test_the_master_key_is_an_operator(master: Api):
    told = master.get("me/").json()

    assert (told["user"], told["operator"], told["signed_in_by"]) == (
        "RAINYMODEL_MASTER_KEY",
        True,
        "environment",
    )


def test_another_key_of_the_environment_is_none_and_owns_nothing(master: Api):
    service = Api("a-service-key-for-tests-0123456789")

    assert service.get("me/").json()["operator"] is False
    assert service.get("keys/").json()["data"] == []
    refused(service.post("keys/", {"label": "mine"}), 403, "owns_no_keys")
    refused(service.get("users/"), 403, "operators_only")


def test_an_admins_session_is_an_operator_and_an_admins_own_key_is_not():
    admin = someone("root", Role.ADMIN)
    api, _ = with_key(admin)

    assert Api(user=admin).get("users/").status_code == 200
    refused(api.get("users/"), 403, "operators_only")
    assert api.get("me/").json()["operator"] is False


def test_a_viewer_has_no_access():
    refused(Api(user=someone(role=Role.VIEWER)).get("me/"), 403, "no_access")


def test_a_session_reads_without_a_csrf_token_and_writes_with_one():
    api = Api(user=someone(), enforce_csrf_checks=True)
    page = api.client.get("/signin/")
    token = page.context["csrf_token"]

    assert api.get("me/").status_code == 200
    refused(api.post("keys/", {"label": "mine"}), 403, "csrf_failed")
    made = api.post("keys/", {"label": "mine"}, X_CSRFToken=str(token))
    assert made.status_code == 201


def test_a_key_writes_without_a_csrf_token():
    api, _ = with_key(someone())
    strict = Client(enforce_csrf_checks=True)

    answer = strict.post("/api/keys/", {"label": "ci"}, content_type="application/json", headers=api.headers)

    assert answer.status_code == 201


def test_what_is_not_there_is_told_in_the_same_shape():
    refused(Api().get("nothing/here"), 404, "unknown_url")
    refused(Api().post("nothing", {}), 404, "unknown_url")
    refused(Client().get("/api"), 404, "unknown_url")


class Listener(logging.Handler):
    """What log lines hold of the requests made meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str | None] = []
        self.told = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.ids.append(get_contextvars().get("request_id"))
        self.told += str(vars(record))


@contextmanager
def listening() -> Iterator[Listener]:
    """All that is logged within the block."""
    listener = Listener()
    logging.getLogger().addHandler(listener)
    try:
        yield listener
    finally:
        logging.getLogger().removeHandler(listener)


def test_every_answer_names_its_request_and_the_log_does_too():
    api, _ = with_key(someone())
    with listening() as listener:
        ids = [
            api.get(path).headers["x-request-id"] for path in ("me", "nothing", "keys?limit=0", "users", "me")
        ]

    assert len(set(ids)) == 5
    assert listener.ids == ids[1:4]


def test_a_failure_of_ours_tells_the_id_that_finds_it_in_the_log():
    api = Api(user=someone("root", Role.ADMIN), raise_request_exception=False)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE accounts_ceiling RENAME TO elsewhere")
    with listening() as listener:
        answer = api.get("ceilings")

    assert answer.headers["x-request-id"] in refused(answer, 500, "internal_error")
    assert listener.ids == [answer.headers["x-request-id"]]


def test_a_key_in_the_url_stands_in_no_log_line():
    api, _ = with_key(someone())
    key = api.headers["Authorization"].removeprefix("Bearer ")
    with listening() as listener:
        refused(Api().get(f"me?api_key={key}"), 400, "key_in_url")
        refused(Api().get(f"nothing?api_key={key}"), 404, "unknown_url")

    assert len(listener.ids) == 2 and key[15:] not in listener.told


def test_a_method_that_is_not_served_is_a_405_with_what_is():
    api, _ = with_key(someone())

    answers = [api.delete("me/"), api.client.options("/api/me/", headers=api.headers)]

    for answer in answers:
        refused(answer, 405, "method_not_allowed")
        assert answer.headers["allow"] == "GET, HEAD"


def test_a_form_and_broken_json_are_refused():
    api, _ = with_key(someone())
    form = api.client.post("/api/keys/", {"label": "x"}, headers=api.headers)
    broken = api.client.post("/api/keys/", b"{", content_type="application/json", headers=api.headers)
    nan = api.client.post(
        "/api/keys/", b'{"usd_per_day": NaN}', content_type="application/json", headers=api.headers
    )
    huge = api.client.post(
        "/api/keys/", b'"' + b"x" * 300_000 + b'"', content_type="application/json", headers=api.headers
    )

    refused(form, 415, "unsupported_media_type")
    refused(broken, 400, "invalid_json")
    refused(nan, 400, "invalid_json")
    refused(huge, 413, "body_too_large")


def test_a_host_that_is_not_ours_is_told_in_the_same_shape():
    api, _ = with_key(someone())

    answer = api.client.get("/api/me/", headers={**api.headers, "Host": "evil.example"})

    refused(answer, 400, "invalid_request")
