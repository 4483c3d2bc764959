"""People and ceilings through the API, for operators alone."""

from typing import Any

import pytest

from accounts.models import AuditEntry, Ceiling, Role, User
from rainymodel_site.tests.api_client import MASTER, Api, refused, someone, with_key

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator() -> Api:
    return Api(user=someone("root", Role.ADMIN))


@pytest.mark.parametrize("path", ["users/", "users/1", "ceilings/", "ceilings/1"])
@pytest.mark.parametrize("role", [Role.DEVELOPER, Role.RESEARCHER])
def test_others_see_nothing_of_it(role: str, path: str):
    refused(Api(user=someone("ada", role)).get(path), 403, "operators_only")
    refused(with_key(someone("root", Role.ADMIN))[0].get(path), 403, "operators_only")
    refused(Api().get(path), 401, "missing_api_key")


def test_the_list_of_people_tells_who_they_are_and_their_limits(operator: Api):
    someone("ada", email="ada@example.com", requests_per_minute=7, usd_per_month="12.5")

    (row,) = operator.get("users/?role=researcher").json()["data"]

    assert (row["username"], row["email"], row["role"]) == ("ada", "ada@example.com", "researcher")
    assert (row["requests_per_minute"], row["usd_per_month"]) == (7, "12.500000")
    assert not {"password", "subject", "is_superuser"} & set(row)


def test_people_are_found_by_whether_they_are_active(operator: Api):
    someone("gone", is_active=False)

    assert [row["username"] for row in operator.get("users?is_active=false").json()["data"]] == ["gone"]
    assert [row["username"] for row in operator.get("users?is_active=true").json()["data"]] == ["root"]


def test_a_changed_role_counts_at_once_and_is_audited(operator: Api):
    ada = someone()
    api, _ = with_key(ada)

    changed = operator.patch(f"users/{ada.pk}/", {"role": "viewer", "concurrent_requests": 3}).json()

    assert (changed["role"], changed["concurrent_requests"]) == ("viewer", 3)
    refused(api.get("me"), 401, "api_key_revoked")
    entry = AuditEntry.objects.filter(subject_type__iendswith="user", action="changed").get()
    assert (entry.actor, entry.changes["role"]) == ("root", ["researcher", "viewer"])


def test_a_new_admin_may_enter_the_admin_and_a_former_one_may_not(operator: Api):
    ada = someone()

    operator.patch(f"users/{ada.pk}/", {"role": "admin"})
    assert User.objects.get(pk=ada.pk).is_staff
    operator.patch(f"users/{ada.pk}/", {"role": "researcher"})
    assert not User.objects.get(pk=ada.pk).is_staff


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("role", "emperor"),
        ("role", None),
        ("is_active", "perhaps"),
        ("requests_per_minute", 0),
        ("tokens_per_minute", -1),
        ("concurrent_requests", 10**9),
        ("usd_per_day", "0"),
        ("usd_per_month", "1e9"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_name(operator: Api, field: str, value: Any):
    answer = operator.patch(f"users/{someone().pk}/", {field: value})

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, field)


@pytest.mark.parametrize("field", ["username", "is_staff", "is_superuser", "subject", "password"])
def test_what_the_sign_in_says_cannot_be_set(operator: Api, field: str):
    refused(operator.patch(f"users/{someone().pk}/", {field: "x"}), 400, "unknown_field", field)


@pytest.mark.parametrize("change", [{"role": "developer"}, {"is_active": False}], ids=["role", "is_active"])
def test_nobody_takes_their_own_access_away(operator: Api, change: dict[str, Any]):
    root = someone("root")

    refused(operator.patch(f"users/{root.pk}/", change), 400, "not_allowed", next(iter(change)))
    assert operator.patch(f"users/{root.pk}/", {"requests_per_minute": 5}).status_code == 200


def test_the_master_key_may_change_anybody(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RAINYMODEL_MASTER_KEY", MASTER)
    root = someone("root", Role.ADMIN)

    assert Api(MASTER).patch(f"users/{root.pk}/", {"is_active": False}).json()["is_active"] is False


def test_a_ceiling_is_made_changed_and_taken_away(operator: Api):
    made = operator.post("ceilings/", {"scope": "tier", "name": "direct", "usd_per_day": "10"})
    path = made.headers["location"].removeprefix("/api/")

    assert (made.status_code, made.json()["usd_per_day"]) == (201, "10.000000")
    assert operator.patch(path, {"usd_per_month": "99.5"}).json()["usd_per_month"] == "99.500000"
    assert [row["name"] for row in operator.get("ceilings").json()["data"]] == ["direct"]
    assert operator.delete(path).status_code == 204
    refused(operator.get(path), 404, "not_found")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"scope": "tier", "usd_per_day": "1"}, "name"),
        ({"scope": "paid", "name": "x", "usd_per_day": "1"}, "name"),
        ({"scope": "world", "usd_per_day": "1"}, "scope"),
        ({"scope": "paid", "usd_per_day": "0"}, "usd_per_day"),
        ({"scope": "paid", "usd_per_month": "-3"}, "usd_per_month"),
        ({"scope": "paid", "usd_per_month": "1e40"}, "usd_per_month"),
        ({"scope": "tier", "name": "two words", "usd_per_day": "1"}, "name"),
        ({"scope": "paid"}, None),
    ],
)
def test_a_ceiling_that_makes_no_sense_is_refused(operator: Api, fields: dict[str, Any], param: str | None):
    refused(operator.post("ceilings/", fields), 400, "invalid_value", param)
    assert Ceiling.objects.count() == 0


def test_there_is_one_ceiling_over_each_thing(operator: Api):
    body = {"scope": "paid", "usd_per_day": "10"}

    assert operator.post("ceilings/", body).status_code == 201
    refused(operator.post("ceilings/", body), 409, "ceiling_exists", "name")


def test_the_whole_api_is_described_to_staff(operator: Api):
    schema = operator.get("schema/").json()

    assert schema["openapi"].startswith("3.")
    assert {"/api/keys/", "/api/keys/{id}/roll/", "/api/usage/daily/", "/api/users/{id}/"} <= set(
        schema["paths"]
    )
    assert "put" not in schema["paths"]["/api/keys/{id}/"]


def test_the_reference_page_loads_nothing_from_elsewhere(operator: Api):
    page = operator.get("docs/")

    policy = page.headers["content-security-policy"]
    assert page.status_code == 200
    assert "swagger-ui" in page.content.decode()
    assert "http" not in page.content.decode().replace("http-equiv", "")
    assert "script-src 'self';" in f"{policy};"
    assert "unsafe-eval" not in policy
    script = operator.get("docs/?script=")
    assert script.headers["content-type"] == "application/javascript"
    assert "/api/schema" in script.content.decode()


def test_the_files_of_the_reference_page_are_our_own(operator: Api):
    found = operator.client.get("/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js")

    assert found.status_code == 200


@pytest.mark.parametrize("path", ["schema/", "docs/"])
def test_the_description_is_for_staff_in_the_browser_only(path: str):
    developer = someone("dev", Role.DEVELOPER)

    assert Api(user=developer).get(path).status_code == 200
    refused(Api(user=someone()).get(path), 403, "staff_only")
    refused(with_key(developer)[0].get(path), 403, "staff_only")


def test_a_stranger_is_sent_to_the_sign_in_from_the_reference_page():
    answer = Api().get("docs/")

    assert (answer.status_code, answer.headers["location"]) == (302, "/signin/?next=/api/docs/")
    refused(Api().get("schema/"), 401, "missing_api_key")
