"""POST /v1/messages as Anthropic's clients meet it: their key header, their errors, their events, their headers."""

import socket
from typing import Any

import httpx
import orjson
import pytest

from gateway.tests.dialect_clients import events_in
from gateway.tests.live import LiveGateway

HELLO: dict[str, Any] = {"max_tokens": 500, "messages": [{"role": "user", "content": "hello"}]}
# The alias `native/…` leads to an upstream that serves messages itself, `fake/…` to one that serves chat only.
BOTH = pytest.mark.parametrize("alias", ["native", "fake"])


def post(
    gateway: LiveGateway, model: str, *, headers: dict[str, str] | None = None, path: str = "", **fields: Any
) -> httpx.Response:
    """One request as Anthropic's SDK and Claude Code send it."""
    return httpx.post(
        f"{gateway.url}/v1/messages{path}?beta=true",
        json={"model": model, **HELLO, **fields},
        headers={"x-api-key": gateway.keys["plain"], "anthropic-version": "2023-06-01", **(headers or {})},
        timeout=20,
    )


def assert_error(answer: httpx.Response, status: int, kind: str) -> str:
    """Anthropic's envelope around an error; its message."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    document = answer.json()
    assert set(document) == {"type", "error", "request_id"}
    assert document["type"] == "error"
    assert document["request_id"] == answer.headers["x-request-id"]
    assert set(document["error"]) == {"type", "message"}
    assert document["error"]["type"] == kind
    return str(document["error"]["message"])


@BOTH
def test_a_message_is_answered(gateway: LiveGateway, alias: str):
    answer = post(gateway, f"{alias}/ok")
    message = answer.json()

    assert answer.status_code == 200
    assert message["id"].startswith("msg_")
    assert (message["type"], message["role"], message["model"]) == ("message", "assistant", "ok")
    assert message["content"] == [{"type": "text", "text": "You said: hello"}]
    assert (message["stop_reason"], message["stop_sequence"]) == ("end_turn", None)
    assert message["usage"]["output_tokens"] > 0
    assert gateway.row(answer.headers["x-request-id"])["endpoint"] == "/v1/messages"


@BOTH
def test_a_streams_events_come_in_anthropics_order(gateway: LiveGateway, alias: str):
    answer = post(gateway, f"{alias}/ok", stream=True)
    names = [name for name, _ in events_in(answer.text)]

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert [name for name in names if name != "content_block_delta"] == [
        "message_start",
        "content_block_start",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert names[2:5] == ["content_block_delta"] * 3


@BOTH
def test_thinking_that_was_asked_for_comes_before_the_text(uvicorn_gateway: LiveGateway, alias: str):
    thinking = {"type": "enabled", "budget_tokens": 2000}
    answer = post(uvicorn_gateway, f"{alias}/reasoning", thinking=thinking)

    assert [block["type"] for block in answer.json()["content"]] == ["thinking", "text"]
    assert answer.json()["content"][0]["thinking"] == "w1 w2 w3 w4 w5"


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"{", "JSON"),
        (orjson.dumps({"model": "fake/ok", "messages": HELLO["messages"]}), "`max_tokens`"),
        (orjson.dumps({"model": "fake/ok", "max_tokens": 5}), "`messages`"),
        (orjson.dumps({**HELLO, "model": "fake/ok", "temperature": 1.5}), "`temperature`"),
        (orjson.dumps({**HELLO, "model": "fake/ok", "mcp_servers": [{"url": "x"}]}), "`mcp_servers`"),
    ],
    ids=["no-json", "max_tokens", "messages", "temperature", "mcp_servers"],
)
def test_a_wrong_body_is_a_400_that_names_the_field(gateway: LiveGateway, body: bytes, named: str):
    answer = httpx.post(f"{gateway.url}/v1/messages", content=body, headers=gateway.headers())

    assert named in assert_error(answer, 400, "invalid_request_error")


@BOTH
def test_what_the_upstream_calls_wrong_is_a_400(gateway: LiveGateway, alias: str):
    answer = post(gateway, f"{alias}/status:code=400,text=Too%20wet.")

    assert assert_error(answer, 400, "invalid_request_error").endswith("It said: Too wet.")


@pytest.mark.parametrize("path", ["", "/count_tokens"])
def test_a_wrong_key_is_a_401(gateway: LiveGateway, path: str):
    answer = post(gateway, "fake/ok", headers={"x-api-key": "sk-ant-wrong"}, path=path)

    assert_error(answer, 401, "authentication_error")


@pytest.mark.parametrize("path", ["", "/count_tokens"])
def test_a_model_that_the_key_may_not_use_is_a_403(gateway: LiveGateway, path: str):
    answer = post(
        gateway, "rainymodel/auto", headers={"x-api-key": gateway.keys["chosen_aliases"]}, path=path
    )

    assert_error(answer, 403, "permission_error")


@pytest.mark.parametrize("path", ["", "/count_tokens"])
def test_an_unknown_model_is_a_404(gateway: LiveGateway, path: str):
    answer = post(gateway, "claude-of-my-dreams", path=path)

    assert "claude-of-my-dreams" in assert_error(answer, 404, "not_found_error")


@pytest.mark.parametrize("path", ["", "/count_tokens"])
def test_another_method_is_a_405(gateway: LiveGateway, path: str):
    answer = httpx.get(f"{gateway.url}/v1/messages{path}", headers=gateway.headers())

    assert_error(answer, 405, "invalid_request_error")
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize("path", ["", "/count_tokens"])
def test_a_body_over_the_limit_is_a_413(gateway: LiveGateway, path: str):
    answer = httpx.post(
        f"{gateway.url}/v1/messages{path}", content=b" " * (10 * 1024 * 1024 + 1), headers=gateway.headers()
    )

    assert_error(answer, 413, "request_too_large")


def test_an_upstream_that_limits_our_rate_is_a_429(gateway: LiveGateway):
    answer = post(gateway, "lone/status:code=429,retry_after=9")

    assert_error(answer, 429, "rate_limit_error")
    assert answer.headers["retry-after"] == "9"


def test_a_key_that_has_as_many_requests_running_as_it_may_is_a_429(gateway: LiveGateway):
    headers = {"x-api-key": gateway.keys["one_at_once"]}
    running = {"model": "fake/slow:first=0,chunk=0.05,chunks=11", **HELLO, "stream": True}
    with httpx.stream("POST", f"{gateway.url}/v1/messages", json=running, headers=headers) as first:
        second = post(gateway, "fake/ok", headers=headers)
        first.read()

    assert first.status_code == 200
    assert_error(second, 429, "rate_limit_error")
    assert int(second.headers["retry-after"]) > 0
    assert second.headers["x-should-retry"] == "true"


def test_no_upstream_to_ask_is_anthropics_529(gateway: LiveGateway):
    answer = post(gateway, "rainymodel/paid", headers={"x-rainymodel-policy": "free"})

    assert_error(answer, 529, "overloaded_error")
    assert gateway.row(answer.headers["x-request-id"])["status"] == 529


def test_upstreams_that_failed_are_a_502(gateway: LiveGateway):
    answer = post(gateway, "fake/status:code=500")

    assert_error(answer, 502, "api_error")


@BOTH
def test_a_stream_that_breaks_off_ends_with_an_error_event(gateway: LiveGateway, alias: str):
    answer = post(gateway, f"{alias}/error_after:after=2,pause=0.05", stream=True)
    events = list(events_in(answer.text))
    name, data = events[-1]
    error = orjson.loads(data)

    assert name == "error"
    assert [kind for kind, _ in events].count("error") == 1
    assert "message_stop" not in [kind for kind, _ in events]
    assert error == {"type": "error", "error": {"type": "api_error", "message": error["error"]["message"]}}
    assert gateway.row(answer.headers["x-request-id"])["state"] == "truncated"


def test_tokens_are_counted_without_an_upstream(gateway: LiveGateway):
    counted = httpx.post(
        f"{gateway.url}/v1/messages/count_tokens?beta=true",
        json={"model": "fake/ok", "messages": [{"role": "user", "content": "x" * 400}]},
        headers=gateway.headers(),
    )

    assert (counted.status_code, counted.json()) == (200, {"input_tokens": 100})


def test_a_body_that_cannot_be_counted_is_a_400(gateway: LiveGateway):
    answer = post(gateway, "fake/ok", path="/count_tokens", messages="hello")

    assert "`messages`" in assert_error(answer, 400, "invalid_request_error")


def test_thinking_becomes_an_effort_for_a_model_that_can_reason(uvicorn_gateway: LiveGateway):
    answer = post(uvicorn_gateway, "fake/that-reasons", thinking={"type": "enabled", "budget_tokens": 10_000})
    row = uvicorn_gateway.row(answer.headers["x-request-id"])
    (sent,) = uvicorn_gateway.upstreams["sun"].ledger.of("that-reasons")

    assert answer.status_code == 200
    assert sent.body["reasoning_effort"] == "medium"
    assert "thinking" not in sent.body
    assert row["parameter_edits"] == {}


def test_thinking_is_left_out_for_a_model_that_cannot_reason(uvicorn_gateway: LiveGateway):
    answer = post(uvicorn_gateway, "plain", thinking={"type": "enabled", "budget_tokens": 10_000}, top_k=5)
    row = uvicorn_gateway.row(answer.headers["x-request-id"])
    sent = uvicorn_gateway.upstreams["sun"].ledger.of("plain-text-only")[-1]

    assert answer.status_code == 200
    assert not {"reasoning_effort", "thinking", "top_k"} & set(sent.body)
    assert row["parameter_edits"] == {"reasoning_effort": "", "top_k": ""}


def test_anthropics_headers_go_to_an_upstream_that_knows_them(gateway: LiveGateway):
    model = f"with-beta-{gateway.server}"
    answer = post(gateway, f"native/{model}", headers={"anthropic-beta": "context-1m-2025-08-07"}, top_k=5)
    (sent,) = gateway.upstreams["sun"].ledger.of(model)

    assert answer.status_code == 200
    assert sent.path == "/v1/messages"
    assert sent.headers["anthropic-beta"] == "context-1m-2025-08-07"
    assert sent.headers["anthropic-version"] == "2023-06-01"
    assert sent.body == {"model": model, **HELLO, "top_k": 5}
    assert gateway.keys["plain"].encode() not in sent.raw_head


def test_anthropics_headers_do_not_go_to_an_upstream_that_speaks_chat(uvicorn_gateway: LiveGateway):
    post(uvicorn_gateway, "fake/without-beta", headers={"anthropic-beta": "context-1m-2025-08-07"})
    (sent,) = uvicorn_gateway.upstreams["sun"].ledger.of("without-beta")

    assert sent.path == "/v1/chat/completions"
    assert not [name for name in sent.headers if name.startswith("anthropic-")]


@BOTH
@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_a_client_that_leaves_takes_the_upstreams_request_along(
    gateway: LiveGateway, alias: str, stream: bool
):
    # Names of their own, so that each case finds its own request in the ledger.
    pause = f"0.0{1 + ['native', 'fake'].index(alias)}{1 + ['uvicorn', 'daphne'].index(gateway.server)}"
    model = f"slow:first=0,chunk={pause},chunks=777" if stream else f"silence:head={int(alias == 'fake')}"
    host, port = gateway.url.removeprefix("http://").split(":")
    body = orjson.dumps({"model": f"{alias}/{model}", **HELLO, "stream": stream})
    head = f"POST /v1/messages?beta=true HTTP/1.1\r\nHost: {host}\r\nX-API-Key: {gateway.keys['plain']}\r\n"
    ledger = gateway.upstreams["sun"].ledger
    before = len(ledger.of(model))
    with socket.create_connection((host, int(port)), 5) as connection:
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        assert ledger.wait_until(lambda ledger: len(ledger.of(model)) > before)
        if stream:
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")

    entry = ledger.of(model)[-1]
    assert ledger.wait_until(lambda _: entry.client_gone_after is not None)
    (row,) = gateway.rows_of(f"{alias}/{model}")
    assert (row["state"], row["status"]) == ("cancelled", 499)
