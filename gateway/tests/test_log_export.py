"""The request log as a file: complete, harmless in a spreadsheet, honest where it is cut, and in the audit."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import async_to_sync
from django.db.models import Func, Q, TextField, Value
from django.db.models.functions import Cast
from django.db.models.lookups import Exact
from django.test import Client
from django.urls import reverse

from accounts.actor import Actor
from accounts.models import AuditEntry, Role, User
from gateway.log_export import FORMS, Export
from gateway.log_filter import LogFilter, read_filter
from gateway.models import RequestLog
from gateway.uuid7 import IdMaker

pytestmark = pytest.mark.django_db
EXPORT = reverse("admin:gateway_requestlog_export")
NOW = datetime.now(UTC)


def log(ago: int = 0, **known: Any) -> RequestLog:
    moment = NOW - timedelta(seconds=ago)
    row = {"state": "ok", "status": 200, **known}
    return RequestLog.objects.create(id=UUID(IdMaker(moment.timestamp).new_id()), started_at=moment, **row)


def file_of(form: str, wanted: dict[str, str], **known: Any) -> str:
    export = Export(FORMS[form], read_filter(wanted), Actor("ada", "192.0.2.7"), **known)

    async def read() -> str:
        return "".join([piece async for piece in export.text()])

    return async_to_sync(read)()


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def deeds() -> list[tuple[str, Any]]:
    return list(AuditEntry.objects.order_by("id").values_list("action", "changes"))


def test_a_table_has_the_filtered_rows_the_newest_first_over_many_batches() -> None:
    for number in range(20):
        log(number, requested_model=f"model {number}")
    log(3, requested_model="other", state="lost")

    rows = rows_of(file_of("csv", {"state": "ok"}, batch_rows=7))

    assert [row["requested_model"] for row in rows] == [f"model {number}" for number in range(20)]
    assert "attempts" not in rows[0]


def test_json_lines_hold_whole_rows_with_exact_money(admin_row: RequestLog) -> None:
    (line,) = file_of("jsonl", {}).splitlines()

    row = json.loads(line)
    assert (row["id"], row["cost_usd"]) == (str(admin_row.id), "0.000000001")
    assert row["attempts"] == [{"word": "timeout"}]
    assert row["started_at"].endswith("Z")


@pytest.fixture
def admin_row() -> RequestLog:
    return log(attempts=[{"word": "timeout"}], cost_usd=Decimal("0.000000001"), attempt_count=1)


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1"],
    ids=["equals", "plus", "minus", "at", "tab", "return", "line feed", "wide equals"],
)
def test_no_cell_is_a_formula(text: str) -> None:
    log(end_user=text, requested_model="a-b=c")

    (row,) = rows_of(file_of("csv", {}))

    assert row["end_user"] == f"'{text}"
    assert row["requested_model"] == "a-b=c"


@pytest.mark.parametrize(("count", "cut"), [(3, False), (4, True)], ids=["just full", "one too many"])
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_file_that_is_cut_says_so_in_its_last_line_and_a_full_one_does_not(
    form: str, count: int, cut: bool
) -> None:
    for number in range(count):
        log(number)

    lines = file_of(form, {}, most=3).splitlines()

    assert len(lines) == 3 + (form == "csv") + cut
    assert ("Cut here: a file holds 3 rows at most" in lines[-1]) is cut


def test_who_took_what_is_in_the_audit_before_the_first_row_leaves_and_at_the_end() -> None:
    log(tier="free")
    log(tier="free")
    log(tier="paid")

    file_of("csv", {"tier": "free"})

    began, ended = deeds()
    assert began == ("export began", {"form": [None, "csv"], "tier": [None, "free"]})
    assert ended == ("export", {"form": [None, "csv"], "tier": [None, "free"], "rows": [None, 2]})


def test_a_file_nobody_read_to_its_end_is_in_the_audit_with_what_was_sent() -> None:
    log()

    async def leave() -> None:
        text = Export(FORMS["csv"], read_filter({}), Actor("ada")).text()
        await anext(text)
        await text.aclose()

    async_to_sync(leave)()

    assert deeds()[-1] == ("export", {"form": [None, "csv"], "rows": [None, 0]})


@pytest.mark.parametrize(
    ("role", "status"),
    [(Role.ADMIN, 200), (Role.DEVELOPER, 200), (Role.RESEARCHER, 302), (Role.VIEWER, 302)],
)
def test_who_may_take_the_log_away(role: Role, status: int) -> None:
    client = Client()
    staff = role in (Role.ADMIN, Role.DEVELOPER)
    client.force_login(User.objects.create(username=f"one {role}", role=role, is_staff=staff))

    assert client.get(EXPORT).status_code == status


def test_a_filter_that_cannot_be_read_gives_no_file() -> None:
    client = Client()
    client.force_login(User.objects.create(username="ada", role=Role.ADMIN, is_staff=True))

    answer = client.get(f"{EXPORT}?slow=much")

    assert (answer.status_code, answer.content) == (
        400,
        b"slow: much is no whole number. Give one such as 500.",
    )


def test_where_even_the_narrowest_span_takes_too_long_the_file_says_so_and_ends() -> None:
    log()
    slow = Cast(Func(Value(5.0), function="pg_sleep", output_field=TextField()), TextField())
    export = Export(
        FORMS["csv"], LogFilter(condition=Q(Exact(slow, Value("x")))), Actor("ada", "192.0.2.7"), patience=0
    )

    async def read() -> str:
        return "".join([piece async for piece in export.text()])

    assert "Broken off here" in async_to_sync(read)().splitlines()[-1]
