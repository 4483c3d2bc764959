"""One row for each request: who asked what, what was tried, what it used and cost, and how it ended."""

from decimal import Decimal

import httpx
import pytest

from gateway.tests.live import LiveGateway

CHAT = "/v1/chat/completions"
HELLO = [{"role": "user", "content": "hello"}]


def ask(
    gateway: LiveGateway,
    model: str,
    *,
    key: str = "plain",
    headers: dict[str, str] | None = None,
    **fields: object,
):
    body = {"model": model, "messages": HELLO, **fields}
    answer = httpx.post(
        gateway.url + CHAT, json=body, headers=gateway.headers(key, **(headers or {})), timeout=20
    )
    return answer, gateway.row(answer.headers["x-request-id"])


def test_an_answered_request_is_one_complete_row(gateway: LiveGateway):
    answer, row = ask(
        gateway,
        "paid/ok:prompt=1000,completion=500,cached=200,reasoning=100",
        user="ada",
        max_tokens=600,
        headers={"x-request-id": "my-own.id_1"},
    )

    assert answer.status_code == 200
    assert (row["state"], row["status"], row["error_code"]) == ("ok", 200, "")
    assert (row["requested_model"], row["alias"]) == (
        "paid/ok:prompt=1000,completion=500,cached=200,reasoning=100",
        "paid/*",
    )
    assert (row["policy"], row["revision"], row["stream"]) == ("auto", 1, False)
    assert (row["tier"], row["provider"], row["deployment"]) == ("direct", "rain", "rain/any")
    assert (row["input_tokens"], row["cached_tokens"], row["output_tokens"], row["reasoning_tokens"]) == (
        800,
        200,
        500,
        100,
    )
    assert row["cost_usd"] == Decimal("0.0019")  # 800 × $1 + 200 × $0.5 + 500 × $2, per million
    assert row["usage_raw"]["total_tokens"] == 1500
    assert (row["end_user"], row["max_tokens"], row["client_request_id"]) == ("ada", 600, "my-own.id_1")
    assert row["key_label"] == "plain"
    assert row["key_id"] is not None
    assert 0 < row["first_content_ms"] <= row["total_ms"]
    assert 0 <= row["overhead_ms"] < row["total_ms"]
    assert row["attempt_count"] == 1
    assert row["reservation"] is None  # the key is limited neither in tokens nor in money


def test_a_fallback_is_told_attempt_by_attempt(gateway: LiveGateway):
    _, row = ask(gateway, "after/dead")

    assert [(attempt["upstream"], attempt["word"]) for attempt in row["attempts"]] == [
        ("dead", "connection_error"),
        ("rain", ""),
    ]
    assert (row["attempt_count"], row["fallback_reason"]) == (2, "connection_error")
    assert all(attempt["total_ms"] > 0 for attempt in row["attempts"])


@pytest.mark.parametrize(
    ("model", "fields", "state", "code"),
    [
        ("nothing", {}, "client_error", "model_not_found"),
        ("rainymodel/auto", {"max_tokens": -1}, "client_error", "invalid_value"),
        ("all/dead", {}, "upstream_error", None),
    ],
)
def test_a_request_that_failed_has_a_row_too(
    gateway: LiveGateway, model: str, fields: dict[str, object], state: str, code: str | None
):
    answer, row = ask(gateway, model, **fields)

    assert (row["state"], row["status"]) == (state, answer.status_code)
    assert row["requested_model"] == model or code == "invalid_value"
    assert code is None or row["error_code"] == code
    assert row["cost_usd"] is None or row["cost_usd"] == 0


def test_a_refused_request_is_a_row_in_state_refused(uvicorn_gateway: LiveGateway):
    answers = [
        httpx.post(
            uvicorn_gateway.url + CHAT,
            json={"model": "rainymodel/auto", "messages": HELLO},
            headers=uvicorn_gateway.headers("another_two_a_minute"),
        )
        for _ in range(3)
    ]

    row = uvicorn_gateway.row(answers[-1].headers["x-request-id"])
    assert (row["state"], row["status"], row["error_code"]) == ("refused", 429, "rate_limit_exceeded")


def test_hostile_text_changes_nothing_but_its_own_column(gateway: LiveGateway):
    answer, row = ask(
        gateway,
        "rainymodel/auto",
        user="nul\u0000 and <script>",
        headers={"User-Agent": "=cmd|' /C calc'!A0"},
    )

    assert answer.status_code == 200
    assert row["end_user"] == "nul\ufffd and <script>"
    assert row["user_agent"].startswith("=cmd")


def test_a_bad_key_makes_no_row(gateway: LiveGateway):
    answer = httpx.post(
        gateway.url + CHAT, json={"messages": HELLO}, headers={"Authorization": "Bearer nonsense"}
    )

    assert gateway.rows(answer.headers["x-request-id"], timeout=0.7) == []
