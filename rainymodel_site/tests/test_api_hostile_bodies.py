"""Whatever is sent, the answer is a refusal in the one shape, never a failure of ours."""

import json
from typing import Any

import pytest

from accounts.models import Role
from rainymodel_site.tests.api_client import Api, someone, with_key

pytestmark = pytest.mark.django_db

VALUES: list[Any] = [
    None,
    True,
    -1,
    0,
    10**40,
    1.5,
    1e308,
    "",
    "\x00",
    "\ud800",
    "‮",
    "x" * 5000,
    "9999-12-31T23:59:59-23:00",
    "0001-01-01T00:00:00+23:00",
    [],
    [None],
    [[]],
    ["\x00"],
    {},
    {"a": {}},
    [{"a": 1}],
]
BODIES = [b"null", b"[]", b'"x"', b"1", b"[" * 100_000, b"{" * 10, b"\xff\xfe", b'{"a":1e999}', b"9" * 5000]
FIELDS = {
    "keys/": (
        "label",
        "owner",
        "id",
        "aliases",
        "requests_per_minute",
        "usd_per_day",
        "networks",
        "expires_at",
    ),
    "keys/revoke/": ("ids",),
    "ceilings/": ("scope", "name", "usd_per_day"),
}


@pytest.mark.parametrize("path", FIELDS)
def test_no_value_of_any_field_breaks_anything(path: str):
    api = Api(user=someone("root", Role.ADMIN))
    good = {"label": "x"} if path == "keys/" else {"scope": "paid"} if path == "ceilings/" else {}
    for name in FIELDS[path]:
        for value in VALUES:
            answer = api.post(path, json.dumps({**good, name: value}).encode())
            assert answer.status_code in (200, 201, 400, 409), (name, value)
            assert len(answer.content) < 3000
            assert answer.status_code < 400 or set(answer.json()) == {"error"}


@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body[:12]))
def test_no_body_breaks_anything(body: bytes):
    root = Api(user=someone("root", Role.ADMIN))
    _, row = with_key(someone())
    for path in ("keys/", f"keys/{row.pk}/roll/", "keys/revoke/", "ceilings/"):
        answer = root.post(path, body)
        assert answer.status_code == 400, (path, answer.content)
    for path in (f"keys/{row.pk}", f"users/{row.owner_id}"):
        assert root.client.patch(f"/api/{path}", body, content_type="application/json").status_code == 400, (
            path
        )


@pytest.mark.parametrize(
    "query",
    [
        "limit=%00", "limit=9999999999999999999999", "before=%00", "before=%ff", "owner=%00", "user=%00",
        "unused_for=99999999999999999999", "state=%F0%9F%8E%82", "days=1e9", "limit=1&limit=0",
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["keys", "users", "ceilings", "requests", "usage", "usage/daily"])
def test_no_query_breaks_anything(path: str, query: str):
    answer = Api(user=someone("root", Role.ADMIN)).get(f"{path}?{query}")

    assert answer.status_code == 400
    assert set(answer.json()) == {"error"}


@pytest.mark.parametrize(
    "path",
    [
        "keys/------------------------------------",
        "keys/00000000-0000-0000-0000-00000000000g",
        "users/999999999999999999",
        "ceilings/0",
        "keys/%00",
        "..%2fadmin",
        "//keys",
    ],
)
def test_no_path_breaks_anything(path: str):
    assert Api(user=someone("root", Role.ADMIN)).get(path).status_code == 404
