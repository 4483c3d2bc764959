"""What rules of each kind find in real tables: figures in their scope, states of upstreams, budgets."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import connection

from accounts.issue import issue_key
from accounts.ledger.rules import NANO, period_of
from accounts.models import Role, User
from gateway.log_writer import INSERT, array
from gateway.models import Worker
from gateway.state_models import UpstreamState
from gateway.tests.traffic_rows import attempt, no_traffic, row
from rainymodel_site.alert_models import AlertRule
from rainymodel_site.alerts.troubles import find

NOW = datetime.now(UTC)


def write(*rows: bytes) -> None:
    """Rows into the log, as the gateway writes them."""
    with connection.cursor() as cursor:
        cursor.execute(INSERT, (array(rows),))


def found(**fields: object) -> list[str]:
    """What a rule that is not stored finds."""
    usual = {"minutes": 15, "least_requests": 2, "threshold": Decimal(50)}
    rule = AlertRule(**{**usual, **fields})
    return [f"{one.subject}: {one.sentence}" for one in find(rule, datetime.now(UTC)).values()]


@pytest.mark.django_db
def test_figures_come_from_the_traffic_of_their_scope():
    no_traffic()
    failed = {"state": "upstream_error", "status": 502, "alias": "bad", "cost_usd": Decimal(2)}
    fell = {"alias": "fell", "fallback_reason": "timeout", "cost_usd": Decimal(1)}
    fell["attempts"] = [attempt("moon", "timeout"), attempt("hf")]
    write(row(**failed), row(**failed), row(**fell), row(**fell), row(), row())

    assert found(kind="errors") == []
    assert found(kind="errors", threshold=Decimal(30)) == [
        "All requests: 33.3 % of 6 requests failed in the last 15 minutes; the rule fires from 30 % on"
    ]
    assert found(kind="errors", scope="alias", scope_name="bad")[0].startswith("bad: 100.0 % of 2 requests")
    assert found(kind="errors", scope="provider", scope_name="moon")[0].startswith("moon: 100.0 % of 2 att")
    assert found(kind="errors", scope="provider", scope_name="sun") == []
    assert found(kind="fallbacks", scope="alias", scope_name="fell")[0].startswith("fell: 100.0 % of 2 req")
    assert found(kind="spend", threshold=Decimal(6))[0].startswith("All requests: $6.00 spent today")
    assert found(kind="spend", threshold=Decimal(7)) == []


@pytest.mark.django_db
def test_states_of_upstreams_are_told_apart():
    worker = Worker.objects.create(hostname="h", pid=1, started_at=NOW, heartbeat_at=datetime.now(UTC))
    for slug, state, hold in (
        ("sun/open", "open", ""),
        ("sun/half", "half_open", ""),
        ("moon/quota", "held", "quota_exhausted"),
        ("moon/order", "held", "operator"),
        ("moon/fine", "closed", ""),
    ):
        UpstreamState.objects.create(
            worker=worker, deployment=slug, provider=slug[:-5].rstrip("/"), state=state, hold=hold
        )

    assert [one.split(":")[0] for one in found(kind="circuit")] == ["sun/half", "sun/open"]
    assert [one.split(":")[0] for one in found(kind="held")] == ["moon/quota"]
    assert found(kind="circuit", scope="provider", scope_name="moon") == []


@pytest.mark.django_db
def test_a_key_near_its_budgets_is_found_for_each_from_the_threshold_on():
    limits = {"usd_per_day": Decimal(10), "usd_per_month": Decimal(9)}
    key, _ = issue_key(User.objects.create(username="ada", role=Role.ADMIN), "near", **limits)
    for kind in ("day", "month"):
        period = period_of(kind, datetime.now(UTC).timestamp())
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO accounts_use VALUES (%s, %s, gen_random_uuid(), %s)",
                [f"key:{key.pk}:{kind}", period, 6 * NANO],
            )

    month = "near: has spent $6.00 of $9.00 this month"
    assert found(kind="budget", threshold=Decimal(60)) == [month, "near: has spent $6.00 of $10.00 today"]
    assert found(kind="budget", threshold=Decimal(61)) == [month]
