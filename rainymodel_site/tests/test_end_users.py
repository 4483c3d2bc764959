"""For whom a key was used: the page and the same as JSON."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import Client

from accounts.models import ApiKey, Role
from accounts.tests.people import key_of, person, signed_in
from gateway.models import RequestLog
from gateway.uuid7 import IdMaker
from rainymodel_site.keys.end_users import environment_labels
from rainymodel_site.tests.api_client import MASTER, Api, refused, someone, with_key

pytestmark = pytest.mark.django_db


@pytest.fixture
def lamino() -> ApiKey:
    """A program's key."""
    return key_of(person("services", Role.SERVICE), "Lamino")[0]


@pytest.fixture
def operator() -> Client:
    return signed_in(person("root", Role.ADMIN))


@pytest.fixture
def master(monkeypatch: pytest.MonkeyPatch) -> Api:
    monkeypatch.setenv("RAINYMODEL_MASTER_KEY", MASTER)
    return Api(MASTER)


def log(key_id: UUID, end_user: str = "", **known: Any) -> None:
    facts = {
        "state": "ok",
        "status": 200,
        "attempt_count": 1,
        "cost_usd": Decimal(0),
        "key_label": "old name",
    }
    RequestLog.objects.create(
        id=UUID(IdMaker().new_id()),
        started_at=datetime.now(UTC),
        key_id=key_id,
        end_user=end_user,
        **{**facts, **known},
    )


def page(browser: Client, key_id: UUID, query: str = "") -> str:
    answer = browser.get(f"/keys/{key_id}/end-users/{query}")
    assert answer.status_code == 200
    return answer.text


def cells(text: str) -> list[list[str]]:
    """The table's rows, each cell's text."""
    body = text.split("<tbody", 1)[1].split("</tbody>")[0]
    return [[plain(cell) for cell in row.split("<t")[1:]] for row in body.split("<tr")[1:]]


def plain(cell: str) -> str:
    text = cell.split(">", 1)[1]
    while "<" in text:
        before, _, rest = text.partition("<")
        text = f"{before} {rest.partition('>')[2]}"
    return " ".join(text.split())


def test_end_users_are_told_with_what_they_cost_and_an_unknown_cost_is_no_zero(
    operator: Client, lamino: ApiKey
):
    log(
        lamino.pk,
        "ada@orcest.ai",
        cost_usd=Decimal("1.5"),
        input_tokens=1200,
        cached_tokens=30,
        output_tokens=4,
    )
    log(lamino.pk, "dan", cost_usd=None, state="upstream_error")
    log(lamino.pk)

    text = page(operator, lamino.pk)

    assert cells(text) == [
        ["ada@orcest.ai", "1", "1,200", "30", "4", "$1.50"],
        ["dan", "1 1 failed", "0", "0", "0", "unknown"],
        ["nobody named", "1", "0", "0", "0", "$0"],
    ]
    assert "2 end users" in text and "$1.50 + unknown" in text
    assert "How an application names" not in text


def test_a_search_finds_those_who_are_not_among_the_dearest(operator: Client, lamino: ApiKey):
    for number in range(101):
        log(lamino.pk, f"user-{number:03}", cost_usd=Decimal(number))

    text, found = page(operator, lamino.pk), page(operator, lamino.pk, "?search=USER-000")

    assert "The 100 that cost most, of 101" in text and "user-000" not in text
    assert [row[0] for row in cells(found)] == ["user-000"]
    assert "No end user is called like “nemo”" in page(operator, lamino.pk, "?search=nemo")


def test_without_end_users_the_page_says_how_to_name_them(operator: Client, lamino: ApiKey):
    empty = page(operator, lamino.pk)
    log(lamino.pk)
    unnamed = page(operator, lamino.pk)

    assert "Nothing was asked with this key" in empty
    for text in (empty, unnamed):
        assert "X-RainyModel-User" in text and "USER_INFO_" in text


def test_a_month_the_log_has_dropped_is_not_shown_as_unused(operator: Client, lamino: ApiKey):
    assert "nothing of January 2020 is left" in page(operator, lamino.pk, "?month=2020-01")


def test_names_are_shown_as_text(operator: Client, lamino: ApiKey):
    log(lamino.pk, "<script>alert(1)</script>\u202e")
    text = page(operator, lamino.pk)

    assert "<script>alert" not in text and "&lt;script&gt;alert" in text and "\u202e" not in text


def test_people_see_the_end_users_of_their_own_keys_alone(lamino: ApiKey):
    rosa = person("rosa")
    hers, _ = key_of(rosa)
    log(lamino.pk, "ada"), log(hers.pk, "eve")
    browser = signed_in(rosa)

    assert "eve" in page(browser, hers.pk)
    for key_id in (lamino.pk, uuid4()):
        assert browser.get(f"/keys/{key_id}/end-users/").status_code == 404


def test_an_operator_finds_keys_of_the_environment(operator: Client, master: Api):
    key_id = next(id for id, label in environment_labels().items() if label == "RAINYMODEL_MASTER_KEY")
    log(key_id, "ada")

    assert "End users of RAINYMODEL_MASTER_KEY" in page(operator, key_id)
    assert master.get(f"keys/{key_id}/end-users").json()["end_users"] == 1
    assert operator.get(f"/keys/{uuid4()}/end-users/").status_code == 404


def test_the_same_as_json(master: Api, lamino: ApiKey):
    log(lamino.pk, "ada", cost_usd=Decimal("1.50"), input_tokens=12, cached_tokens=3, output_tokens=4)
    log(lamino.pk, "dan", cost_usd=None, state="upstream_error")
    month = f"{datetime.now(UTC):%Y-%m}"

    told = master.get(f"keys/{lamino.pk}/end-users/?month={month}&limit=1").json()

    ada = {
        "requests": 1,
        "errors": 0,
        "input_tokens": 12,
        "cached_tokens": 3,
        "output_tokens": 4,
        "cost_usd": "1.5",
        "unpriced": 0,
        "estimated": 0,
    }
    assert told["data"] == [{**ada, "end_user": "ada"}]
    assert told["total"] == {**ada, "requests": 2, "errors": 1, "unpriced": 1}
    assert (told["key"], told["label"], told["month"]) == (str(lamino.pk), "Lamino", month)
    assert (told["end_users"], told["matching"]) == (2, 2)
    dan = master.get(f"keys/{lamino.pk}/end-users?search=DAN").json()["data"]
    assert [(row["end_user"], row["cost_usd"], row["unpriced"]) for row in dan] == [("dan", None, 1)]


def test_who_may_ask_for_the_json(lamino: ApiKey):
    api, row = with_key(someone("ada"))
    _, other = with_key(someone("bob"))
    own = Api(issued(lamino))

    assert api.get(f"keys/{row.pk}/end-users").status_code == 200
    refused(api.get(f"keys/{other.pk}/end-users"), 404, "not_found")
    refused(api.get(f"keys/{lamino.pk}/end-users"), 404, "not_found")
    refused(own.get(f"keys/{lamino.pk}/end-users"), 403, "operators_only")
    assert Api(user=someone("boss", Role.ADMIN)).get(f"keys/{lamino.pk}/end-users").status_code == 200


def issued(row: ApiKey) -> str:
    """The text of another key of the same owner."""
    return key_of(row.owner, "Maestrist")[1]


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("month=2026-13", "month"),
        ("month=now", "month"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("q=a", "q"),
    ],
)
def test_what_cannot_be_read_is_refused(master: Api, lamino: ApiKey, query: str, param: str):
    answer = master.get(f"keys/{lamino.pk}/end-users/?{query}")

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
