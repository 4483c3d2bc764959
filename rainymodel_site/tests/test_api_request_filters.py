"""/api/requests by the filters of the request log's page."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest

from accounts.models import ApiKey
from gateway.models import RequestLog
from gateway.tests.log_database import conninfo
from gateway.uuid7 import new_id
from rainymodel_site.tests.api_client import refused, someone, with_key

pytestmark = pytest.mark.django_db


def asked(key: ApiKey, model: str, **known: Any) -> None:
    row = {"state": "ok", "status": 200, "requested_model": model, "key_id": key.pk, **known}
    RequestLog.objects.create(
        id=UUID(new_id()), started_at=datetime.now(UTC), user_id=str(key.owner_id), **row
    )


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("state=failed", ["broken"]),
        ("status=502&error=upstream_broken", ["broken"]),
        ("fallback=yes", ["fell"]),
        ("reason=timeout&provider=sun", ["fell"]),
        ("slow=900&slow_first=100", ["slow"]),
        ("cost=0.5", ["dear"]),
        ("last=1h&tier=paid", ["dear"]),
        ("model=nothing", []),
    ],
)
def test_only_what_the_filters_let_through_is_told(query: str, expected: list[str]):
    api, key = with_key(someone())
    asked(key, "broken", state="truncated", status=502, error_code="upstream_broken")
    asked(key, "fell", fallback_reason="timeout", provider="sun")
    asked(key, "slow", total_ms=1000, first_content_ms=200)
    asked(key, "dear", cost_usd=Decimal("0.51"), tier="paid")

    told = api.get(f"requests/?{query}").json()

    assert ([row["requested_model"] for row in told["data"]], told["next"]) == (expected, None)


def test_nobody_finds_the_requests_of_others_by_a_filter():
    api, _ = with_key(someone())
    _, others = with_key(someone("bob"))
    asked(others, "secret")

    assert api.get("requests/?model=secret").json()["data"] == []


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("state=odd", "state"),
        ("slow=-1", "slow"),
        ("cost=much", "cost"),
        ("cost=1e-20000", "cost"),
        ("last=2y", "last"),
    ],
)
def test_a_filter_that_cannot_be_read_is_refused(query: str, param: str):
    api, _ = with_key(someone())

    refused(api.get(f"requests/?{query}"), 400, "invalid_value", param)


@pytest.mark.django_db(transaction=True)
def test_what_takes_too_long_is_refused_with_the_way_out():
    api, key = with_key(someone())
    asked(key, "m")

    with psycopg.connect(conninfo()) as holder:
        holder.execute("LOCK TABLE gateway_requestlog IN ACCESS EXCLUSIVE MODE")
        response = api.get("requests/?model=m")

    refused(response, 400, "invalid_value", "last")
    assert "Narrow the time" in response.json()["error"]["message"]
