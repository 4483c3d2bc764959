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
from routing.models import Tier

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
    return {line.model for line in client.get(f"{LIST}?{query}").context["page"].lines}


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

    assert html.count("<span>unknown</span>") == 1
    assert html.count("<span>$0</span>") == 1


def test_the_list_counts_nothing_and_leaves_the_large_columns_alone(admin: Client) -> None:
    log(attempts=[{"word": "timeout"}])

    with CaptureQueriesContext(connection) as queries:
        admin.get(f"{LIST}?state=ok")

    statements = [query["sql"] for query in queries if "gateway_requestlog" in query["sql"]]
    assert statements
    assert not [sql for sql in statements if "COUNT(" in sql or "OFFSET" in sql or '"attempts"' in sql]


KEY = "5f0c2c1e-0000-4000-8000-000000000001"
FILTERS = {
    "state=truncated": {"truncated"},
    "state=failed": {"truncated"},
    "status=502": {"truncated"},
    "error=upstream_broken": {"truncated"},
    "tier=internal": {"internal"},
    "deployment=ollama/qwen": {"internal"},
    "provider=openai": {"openai"},
    "provider=nobody": set(),
    "stream=yes": {"streamed"},
    "endpoint=responses": {"streamed"},
    "fallback=yes": {"fell back"},
    "fallback=yes&tier=internal": set(),
    "reason=timeout": {"fell back"},
    "alias=fake/*": {"fell back"},
    "policy=free": {"fell back"},
    "revision=7": {"fell back"},
    "slow=1000": {"slow"},
    "slow_first=400": {"slow"},
    "slow=1000&slow_first=500": set(),
    "cost=0.05": {"dear"},
    "end_user=mia": {"dear"},
    "model=dear": {"dear"},
    f"key={KEY}": {"dear"},
    "user=nora": {"lamino"},
    "user=NORA@example.org": {"lamino"},
    "key=lamino+pro": {"lamino"},
    "q=lamino+pro": {"lamino"},
    "q=production": set(),
    "q=%25": set(),
    "fallback=no&stream=no&slow_first=1": {"slow"},
    "last=1h&state=ok&stream=no&fallback=no": {"internal", "openai", "slow", "dear", "lamino"},
}


@pytest.mark.parametrize("query", FILTERS)
def test_filters_and_search_find_what_they_say(admin: Client, query: str) -> None:
    nora = User.objects.create(username="nora", email="nora@example.org", role=Role.RESEARCHER)
    log(requested_model="truncated", state="truncated", status=502, error_code="upstream_broken")
    log(requested_model="internal", tier="internal", deployment="ollama/qwen")
    log(requested_model="openai", provider="openai")
    log(requested_model="streamed", stream=True, endpoint="/v1/responses/")
    log(requested_model="fell back", fallback_reason="timeout", alias="fake/*", policy="free", revision=7)
    log(requested_model="slow", total_ms=2000, first_content_ms=450)
    log(requested_model="dear", cost_usd=Decimal("0.051"), end_user="mia", key_id=KEY)
    log(requested_model="lamino", key_label="Lamino production", user_id=str(nora.pk))
    log(timedelta(hours=2), requested_model="old", state="cancelled")

    assert found(admin, query) == FILTERS[query]


def test_every_filter_in_the_address_is_a_chip_that_takes_only_itself_away(admin: Client) -> None:
    page = admin.get(f"{LIST}?provider=openai&slow=2000&from=2026-11-20T10:00").context["page"]

    assert [(chip.title, chip.shown, chip.without) for chip in page.chips] == [
        ("From", "20 Nov 2026 10:00:00 UTC", "provider=openai&slow=2000"),
        ("Provider", "openai", "from=2026-11-20T10%3A00%3A00Z&slow=2000"),
        ("Whole request", "over 2.0 s", "from=2026-11-20T10%3A00%3A00Z&provider=openai"),
    ]


@pytest.mark.parametrize(
    "query",
    ["state=odd", "status=5e2", "status=99999999999", "slow=-1", "cost=NaN", "cost=much", "stream=perhaps",
     "last=2y", "from=yesterday", "to=2026-13-01", "revision=1.5"],
)  # fmt: skip
def test_what_cannot_be_read_is_said_and_filters_nothing(admin: Client, query: str) -> None:
    log(requested_model="here")

    answer = admin.get(f"{LIST}?{query}")

    assert [line.model for line in answer.context["page"].lines] == ["here"]
    assert f"{query.split('=')[0]}: {query.split('=')[1]} is" in answer.content.decode()


def test_the_choices_of_filters_come_from_the_catalogue_and_the_log_is_not_asked_for_them(
    admin: Client,
) -> None:
    Tier.objects.create(slug="of-the-catalogue", name="Tier", billing="free", rank=900)
    log(tier="of-the-log")

    html = admin.get(f"{LIST}?provider=gone-by-now").content.decode()

    assert '<option value="of-the-catalogue">' in html
    assert '<option value="gone-by-now" selected>' in html
    assert "of-the-log" not in html


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

    assert found(admin, f"from={day}&to={day + timedelta(days=1)}") == {"yesterday"}
    assert found(admin, "to=0001-01-02") == set()
    assert found(admin, "from=9999-12-31T23:59:59") == set()


def test_pages_follow_each_other_older_and_newer_without_a_gap_or_a_repetition(admin: Client) -> None:
    for number in range(120):
        log(timedelta(seconds=number), requested_model=f"model {number}")
    log(timedelta(seconds=3), requested_model="left out", tier="internal")

    pages = [admin.get(f"{LIST}?tier=&key=").context["page"]]
    while pages[-1].older:
        pages.append(admin.get(f"{LIST}?{pages[-1].older}").context["page"])
    back = admin.get(f"{LIST}?{pages[-1].newer}").context["page"]

    shown = [line.model for page in pages for line in page.lines if line.model != "left out"]
    assert shown == [f"model {number}" for number in range(120)]
    assert back.lines == pages[-2].lines
    assert admin.get(f"{LIST}?{back.newer}").context["page"].lines == pages[-3].lines


def test_from_a_request_one_goes_to_the_next_of_the_same_filter_and_at_the_end_to_the_list(
    admin: Client,
) -> None:
    old, _, new = (log(timedelta(seconds=ago), tier=tier) for ago, tier in ((9, "a"), (5, "b"), (1, "a")))

    def way(row: RequestLog, to: str) -> str:
        return admin.get(reverse(f"admin:gateway_requestlog_{to}", args=[row.pk]), {"tier": "a"})["Location"]

    assert way(old, "newer") == f"{reverse('admin:gateway_requestlog_change', args=[new.pk])}?tier=a"
    assert way(new, "older") == f"{reverse('admin:gateway_requestlog_change', args=[old.pk])}?tier=a"
    assert way(old, "older") == f"{LIST}?tier=a&before={old.pk}"
    assert "The log ends here" in admin.get(way(old, "older")).content.decode()


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
        "asked rainymodel/auto under policy auto; hf timed out after 60.0 s; openai was skipped: circuit open;"
        " ollama (qwen2.5:14b) answered in 2.1 s; 412 tokens; $0"
    ) in html
    assert "skipped: circuit open" in html
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
    assert "No request matches" in admin.get(f"{LIST}?end_user=nobody").content.decode()
    assert "The log ends here" in admin.get(f"{LIST}?before={UUID(int=1)}").content.decode()


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
