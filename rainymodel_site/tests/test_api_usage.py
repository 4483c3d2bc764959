"""Usage and requests through the API: one's own, and for operators everybody's."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from accounts.models import ApiKey, Role, User
from gateway.models import RequestLog
from gateway.uuid7 import id_floor
from rainymodel_site.tests.api_client import MASTER, Api, refused, someone, with_key

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator() -> Api:
    return Api(user=someone("root", Role.ADMIN))


def asked(key: ApiKey, days_ago: float = 0, number: int = 1, **fields: Any) -> UUID:
    """A request of this key, so long ago; `number` tells requests of one moment apart."""
    return logged(key.pk, str(key.owner_id), days_ago, number, key_label=key.label, **fields)


def logged(key_id: UUID, user_id: str, days_ago: float, number: int, **fields: Any) -> UUID:
    moment = datetime.now(UTC) - timedelta(days=days_ago)
    id = UUID(int=id_floor(moment).int + number)
    values = {"state": "ok", "status": 200, "input_tokens": 10, "cached_tokens": 1, "output_tokens": 5}
    RequestLog.objects.create(
        id=id,
        started_at=moment,
        key_id=key_id,
        user_id=user_id,
        **{**values, "cost_usd": Decimal("0.001"), **fields},
    )
    return id


def test_usage_is_summed_over_today_a_week_thirty_days_and_the_month():
    api, row = with_key(someone())
    for number, days_ago in enumerate([0, 3, 20, 40]):
        asked(row, days_ago, number, state="ok" if days_ago else "upstream_error")

    told = api.get("usage/").json()

    assert told["user"] == "ada"
    assert told["today"] == {"requests": 1, "errors": 1, "tokens": 16, "cost_usd": "0.001", "unpriced": 0}
    assert told["last_7_days"]["requests"] == 2
    assert (told["last_30_days"]["requests"], told["last_30_days"]["cost_usd"]) == (3, "0.003")
    this_month = sum(1 for ago in (0, 3, 20) if same_month(ago))
    assert told["this_month"]["requests"] == this_month


def same_month(days_ago: int) -> bool:
    now = datetime.now(UTC)
    return (now - timedelta(days=days_ago)).month == now.month


def test_every_day_is_told_also_one_without_requests():
    api, row = with_key(someone())
    asked(row, 1)

    days = api.get("usage/daily/?days=3").json()["data"]

    assert [day["requests"] for day in days] == [0, 1, 0]
    assert days[-1]["day"] == datetime.now(UTC).date().isoformat()
    assert days[0]["cost_usd"] == "0"


@pytest.mark.parametrize(
    ("query", "param"), [("days=0", "days"), ("days=367", "days"), ("days=x", "days"), ("weeks=2", "weeks")]
)
def test_a_wrong_number_of_days_is_refused(query: str, param: str):
    answer = Api(user=someone()).get(f"usage/daily?{query}")

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


def test_one_sees_what_ones_own_keys_did_and_nothing_else():
    api, row = with_key(someone())
    _, second = with_key(someone(), "second")
    _, other = with_key(someone("bob"))
    asked(row, number=1)
    asked(second, number=2)
    asked(other, number=3)

    assert api.get("usage").json()["today"]["requests"] == 2
    assert api.get(f"usage?key={second.pk}").json()["today"]["requests"] == 1
    refused(api.get(f"usage?key={other.pk}"), 404, "not_found")
    refused(api.get(f"requests?key={other.pk}"), 404, "not_found")
    refused(api.get("usage?user=bob"), 403, "operators_only")
    refused(api.get("usage/daily?user=bob"), 403, "operators_only")
    assert api.get("usage?user=ada").status_code == 200


def test_a_name_that_differs_in_case_is_somebody_else():
    _, row = with_key(someone("ada"))
    asked(row)
    other = someone("ADA", email="shared@example.com")

    refused(Api(user=other).get("usage?user=ada"), 403, "operators_only")
    assert Api(user=other).get("usage?user=SHARED@example.com").json()["today"]["requests"] == 0


def test_operators_see_everybodys(operator: Api):
    _, row = with_key(someone("ada", email="ada@example.com"))
    asked(row)

    assert operator.get("usage?user=ada@example.com").json()["today"]["requests"] == 1
    by_key = operator.get(f"usage?key={row.pk}").json()
    assert (by_key["user"], by_key["key"], by_key["today"]["requests"]) == ("ada", str(row.pk), 1)
    assert operator.get("usage").json()["today"]["requests"] == 0
    refused(operator.get("usage?user=nobody"), 400, "user_not_found", "user")


def test_requests_are_read_page_by_page_newest_first():
    api, row = with_key(someone())
    ids = [str(asked(row, 0.001 * number, number)) for number in range(5)]

    first = api.get("requests/?limit=2").json()
    second = api.get(f"requests/?limit=2&before={first['next']}").json()
    third = api.get(f"requests/?limit=2&before={second['next']}").json()

    assert [[found["id"] for found in page["data"]] for page in (first, second, third)] == [
        ids[0:2],
        ids[2:4],
        ids[4:5],
    ]
    assert third["next"] is None
    assert api.get("requests/?limit=5").json()["next"] is None
    assert api.get(f"requests/?limit=3&before={first['next']}").json()["next"] is None


def test_a_request_tells_what_became_of_it_and_an_unknown_cost_is_null():
    api, row = with_key(someone())
    asked(row, requested_model="rainymodel/auto", upstream="groq", cost_usd=None, attempt_count=1)

    (found,) = api.get("requests").json()["data"]

    assert (found["requested_model"], found["upstream"], found["tokens"]) == ("rainymodel/auto", "groq", 16)
    assert (found["cost_usd"], found["key_label"]) == (None, "laptop")
    assert api.get("usage").json()["today"]["unpriced"] == 1


def test_operators_read_the_requests_of_one_user_and_nobody_else_does(operator: Api):
    api, row = with_key(someone("ada", email="ada@example.com"))
    _, other = with_key(someone("bob"))
    mine, theirs = asked(row, number=1), asked(other, number=2)

    for name in ("ada", "ADA@example.com"):
        assert ids_in(operator.get(f"requests?user={name}")) == [mine]
    assert ids_in(operator.get(f"requests?key={other.pk}")) == [theirs]
    assert ids_in(operator.get("requests")) == []
    assert ids_in(api.get("requests?user=ada")) == [mine]
    refused(api.get("requests?user=bob"), 403, "operators_only")
    refused(operator.get(f"requests?user=ada&key={other.pk}"), 404, "not_found")


def test_the_requests_for_one_end_user_come_page_by_page_from_all_keys(operator: Api):
    api, row = with_key(someone())
    _, second = with_key(someone(), "second")
    _, other = with_key(someone("bob"))
    for_zoe = [asked(key, 0.001 * n, n, end_user="zoe") for n, key in enumerate([row, second, row])]
    asked(row, 0, 9, end_user="yan")
    theirs = asked(other, 0, 10, end_user="zoe")

    first = api.get("requests?end_user=zoe&limit=2")
    rest = api.get(f"requests?end_user=zoe&limit=2&before={first.json()['next']}")

    assert (ids_in(first), ids_in(rest)) == (for_zoe[:2], for_zoe[2:])
    assert first.json()["data"][0]["tokens"] == 16
    assert ids_in(api.get(f"requests?end_user=zoe&key={second.pk}")) == [for_zoe[1]]
    assert ids_in(operator.get("requests?end_user=zoe&user=bob")) == [theirs]
    assert ids_in(api.get("requests?end_user=Zoe")) == []


def ids_in(answer: Any) -> list[UUID]:
    assert answer.status_code == 200, answer.content
    return [UUID(row["id"]) for row in answer.json()["data"]]


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("before=first", "before"),
        ("end_user=", "end_user"),
        ("end_user=%00", "end_user"),
        ("user=", "user"),
        ("user=nobody", "user"),
        (f"user={'x' * 300}", "user"),
        ("owner=ada", "owner"),
    ],
    ids=lambda text: text[:12],
)
def test_a_wrong_question_about_requests_is_refused(operator: Api, query: str, param: str):
    answer = operator.get(f"requests?{query}")

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


def test_a_key_of_the_environment_sees_its_own_use(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RAINYMODEL_MASTER_KEY", MASTER)
    monkeypatch.setenv("RAINYMODEL_API_KEYS", "a-service-key-for-tests-0123456789")
    service = Api("a-service-key-for-tests-0123456789")
    assert service.get("usage").json()["today"]["requests"] == 0
    _, row = with_key(someone())
    asked(row)

    assert Api(MASTER).get(f"usage?key={row.pk}").json()["today"]["requests"] == 1
    refused(service.get(f"usage?key={row.pk}"), 404, "not_found")
    assert service.get("requests").json() == {"data": [], "next": None}
    assert Api(MASTER).get(f"usage?key={uuid4()}").json()["today"]["requests"] == 0


def test_limits_of_the_account_are_told():
    User.objects.filter(pk=someone().pk).update(requests_per_minute=9, usd_per_day=Decimal("1.5"))

    told = Api(user=someone()).get("me").json()

    assert told["account_limits"] == {
        "requests_per_minute": 9,
        "tokens_per_minute": None,
        "concurrent_requests": None,
        "usd_per_day": "1.500000",
        "usd_per_month": None,
    }
    assert told["key"] is None
