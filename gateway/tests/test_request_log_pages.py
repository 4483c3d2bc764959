"""The log's pages: what an operator finds, what stays closed, and what a hostile text can do to them (nothing)."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Role, User
from gateway.models import DeadLetter, RequestLog, Worker
from gateway.uuid7 import IdMaker

pytestmark = pytest.mark.django_db
LIST = reverse("admin:gateway_requestlog_changelist")
WORKERS = reverse("admin:gateway_worker_changelist")
HOSTILE = "<script>alert(1)</script>\u202egpj.exe\u202c\x07{{ 7*7 }}"


def signed_in(role: Role) -> Client:
    client = Client()
    client.force_login(User.objects.create(username=f"one {role}", role=role, is_staff=True))
    return client


@pytest.fixture
def admin() -> Client:
    return signed_in(Role.ADMIN)


def log(ago: timedelta = timedelta(0), **known: Any) -> RequestLog:
    moment = datetime.now(UTC) - ago
    row = {"requested_model": "rainymodel/auto", "state": "ok", "status": 200, **known}
    return RequestLog.objects.create(id=UUID(IdMaker(moment.timestamp).new_id()), started_at=moment, **row)


def page_of(client: Client, row: RequestLog) -> str:
    return client.get(reverse("admin:gateway_requestlog_change", args=[row.pk])).content.decode()


def found(client: Client, query: str) -> set[str]:
    rows = client.get(f"{LIST}?{query}").context["cl"].result_list
    return {row.requested_model for row in rows}


def test_the_list_tells_the_newest_first_who_asked_what_and_what_came_of_it(admin: Client) -> None:
    log(timedelta(minutes=5), requested_model="model-one")
    log(
        requested_model="model-two",
        key_label="Lamino",
        upstream="ollama",
        tier="internal",
        fallback_reason="circuit_open",
        input_tokens=1000,
        output_tokens=234,
        cost_usd=Decimal("0.0012"),
        total_ms=2100,
    )

    html = admin.get(LIST).content.decode()

    assert html.index("model-two") < html.index("model-one")
    for text in ("Lamino", "ollama · internal", "circuit open", "1,234", "$0.0012", "2.1 s"):
        assert text in html


def test_a_cost_nobody_knows_is_not_shown_as_zero(admin: Client) -> None:
    log(attempt_count=1, input_tokens=5, cost_usd=None)
    log(attempt_count=1, input_tokens=5, cost_usd=Decimal(0), requested_model="free")

    html = admin.get(LIST).content.decode()

    assert html.count("unknown") == 1
    assert html.count("$0") == 1


def test_the_list_counts_nothing_and_leaves_the_large_columns_alone(admin: Client) -> None:
    log(attempts=[{"word": "timeout"}])

    with CaptureQueriesContext(
        connection,
    ) as queries:
        admin.get(f"{LIST}?state__exact=ok&_facets=True")

    statements = [query["sql"] for query in queries if "gateway_requestlog" in query["sql"]]
    assert statements
    assert not [sql for sql in statements if "COUNT(" in sql or '"attempts"' in sql]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("state__exact=truncated", {"truncated"}),
        ("tier=internal", {"internal"}),
        ("provider=openai", {"openai"}),
        ("provider=nobody", set()),
        ("stream=yes", {"streamed"}),
        ("fallback=yes", {"fell back"}),
        ("last=1h", {"truncated", "internal", "openai", "streamed", "fell back", "lamino"}),
        ("q=lamino+pro", {"lamino"}),
        ("q=production", set()),
        ("q=%25", set()),
    ],
)
def test_filters_and_search_find_what_they_say(admin: Client, query: str, expected: set[str]) -> None:
    log(requested_model="truncated", state="truncated")
    log(requested_model="internal", tier="internal")
    log(requested_model="openai", provider="openai")
    log(requested_model="streamed", stream=True)
    log(requested_model="fell back", fallback_reason="timeout")
    log(requested_model="lamino", key_label="Lamino production")
    log(timedelta(hours=2), requested_model="old")

    assert found(admin, query) == expected


def test_the_id_of_a_request_or_of_a_key_finds_it(admin: Client) -> None:
    key = uuid4()
    row = log(requested_model="this", key_id=key)
    log(requested_model="other")

    assert found(admin, f"q={row.pk}") == {"this"}
    assert found(admin, f"q=+{key}") == {"this"}


def test_a_span_of_time_reads_only_its_own_days(admin: Client) -> None:
    log(requested_model="today")
    log(timedelta(days=1), requested_model="yesterday")
    day = (datetime.now(UTC) - timedelta(days=1)).date()
    span = f"started_at_from_0={day}&started_at_to_0={day + timedelta(days=1)}&started_at_to_1=00:00:00"

    assert found(admin, span) == {"yesterday"}
    assert found(admin, "started_at_from_0=nonsense&started_at_to_0=0001-01-02") == set()
    assert found(admin, "started_at_from_0=nonsense") == {"today", "yesterday"}


def test_the_page_of_a_request_tells_its_story_and_every_attempt(admin: Client) -> None:
    row = log(
        policy="auto",
        total_ms=62_100,
        attempts=[
            {"upstream": "hf", "word": "timeout", "total_ms": 60_000, "model": "Qwen"},
            {"upstream": "openai", "word": "circuit_open", "skipped": True},
            {
                "upstream": "ollama",
                "word": "",
                "total_ms": 2100,
                "first_content_ms": 300,
                "model": "qwen2.5:14b",
            },
        ],
        attempt_count=2,
        input_tokens=112,
        output_tokens=300,
        cost_usd=Decimal(0),
        price={"starts": 0, "input": "0", "cached_input": None, "output": "0"},
        usage_raw={"prompt_tokens": 112},
    )

    html = page_of(admin, row)

    assert (
        "asked rainymodel/auto under policy auto; hf timed out after 60.0 s; openai was passed by: circuit open;"
        " ollama (qwen2.5:14b) answered in 2.1 s; 412 tokens; $0"
    ) in html
    assert "passed by: circuit open" in html
    assert html.count('<rect class="waiting"') == 2
    assert "&quot;prompt_tokens&quot;: 112" in html


@pytest.mark.parametrize(
    "state", ["ok", "client_error", "upstream_error", "truncated", "cancelled", "refused", "lost"]
)
def test_every_state_has_a_page_even_with_a_row_that_is_nearly_empty(admin: Client, state: str) -> None:
    row = log(
        state=state, status=0, attempts=[{}, {"skipped": True}, {"word": 5, "total_ms": "?", "status": []}]
    )

    assert "asked rainymodel/auto" in page_of(admin, row)


def test_hostile_texts_are_shown_for_what_they_are(admin: Client) -> None:
    texts = (
        "requested_model",
        "policy",
        "key_label",
        "end_user",
        "user_agent",
        "upstream",
        "upstream_model",
    )
    row = log(
        **dict.fromkeys(texts, HOSTILE),
        attempts=[
            {"upstream": HOSTILE, "model": HOSTILE, "word": HOSTILE, "tier": HOSTILE, "status": HOSTILE}
        ],
        usage_raw={HOSTILE: HOSTILE},
        needs=[HOSTILE],
        error_code=HOSTILE,
    )

    for html in (admin.get(LIST).content.decode(), page_of(admin, row)):
        assert "<script>alert" not in html
        assert not {"\u202e", "\u202c", "\x07"} & set(html)
        assert "&lt;script&gt;alert(1)&lt;/script&gt;⟨U+202E⟩gpj.exe⟨U+202C⟩⟨U+0007⟩{{ 7*7 }}" in html


def test_an_empty_log_says_how_to_fill_it_and_an_empty_search_how_to_widen_it(admin: Client) -> None:
    assert "curl " in admin.get(LIST).content.decode()

    log()

    assert "No request matches" in admin.get(f"{LIST}?q=nobody").content.decode()
    assert "The log ends before this page" in admin.get(f"{LIST}?p=2").content.decode()


@pytest.mark.parametrize(
    ("role", "may"),
    [(Role.ADMIN, True), (Role.DEVELOPER, True), (Role.RESEARCHER, False), (Role.VIEWER, False)],
)
def test_who_may_read_the_log(role: Role, may: bool) -> None:
    client, row = signed_in(role), log()

    for url in (LIST, WORKERS, reverse("admin:gateway_requestlog_change", args=[row.pk])):
        assert (client.get(url).status_code == 200) is may


def test_nobody_changes_the_log(admin: Client) -> None:
    row = log()
    change = reverse("admin:gateway_requestlog_change", args=[row.pk])

    assert admin.post(change, {"state": "lost"}).status_code == 403
    assert admin.get(reverse("admin:gateway_requestlog_add")).status_code == 403
    assert (
        admin.post(reverse("admin:gateway_requestlog_delete", args=[row.pk]), {"post": "yes"}).status_code
        == 403
    )
    assert RequestLog.objects.get() == row


def test_a_worker_that_stopped_reporting_is_marked(admin: Client) -> None:
    now = datetime.now(UTC)
    for number, (silence, ready) in enumerate([(1, True), (2, False), (60, True)]):
        Worker.objects.create(
            hostname="web",
            pid=number,
            number=number,
            started_at=now - timedelta(hours=3),
            heartbeat_at=now - timedelta(seconds=silence),
            revision=42,
            revision_since=now - timedelta(minutes=31),
            ready=ready,
        )

    html = admin.get(WORKERS).content.decode()

    places = [html.index(text) for text in ("web · worker 0", "web · worker 1", "web · worker 2")]
    first, second, third = html[places[0] : places[1]], html[places[1] : places[2]], html[places[2] :]
    assert "not ready" not in first
    assert "ready" in first
    assert "31 min ago" in first
    assert "not ready" in second
    assert "silent" in third


def test_pages_without_rows_say_what_that_means(admin: Client) -> None:
    assert "No worker has reported" in admin.get(WORKERS).content.decode()
    assert (
        "No log row was refused" in admin.get(reverse("admin:gateway_deadletter_changelist")).content.decode()
    )


def test_a_refused_row_is_shown_with_its_reason(admin: Client) -> None:
    letter = DeadLetter.objects.create(
        id=uuid4(), row='{"a": "<b>\\u202e</b>"}', reason="DataError: too much\x07"
    )

    for url in (
        reverse("admin:gateway_deadletter_changelist"),
        reverse("admin:gateway_deadletter_change", args=[letter.pk]),
    ):
        html = admin.get(url).content.decode()
        assert "DataError: too much⟨U+0007⟩" in html
        assert "<b>" not in html
