"""One error shape on every path and for every cause, with a message that says what to do."""

import socket

import httpx
import orjson
import pytest

from gateway.tests.live import LONE, LiveGateway

HELLO = {"model": "rainymodel/auto", "messages": [{"role": "user", "content": "hello"}]}
CHAT = "/v1/chat/completions"


def assert_error(
    answer: httpx.Response, status: int, kind: str, code: str, *, retry: bool = False
) -> dict[str, str]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-should-retry"] == ("true" if retry else "false")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert len(answer.headers["x-request-id"]) == 36
    assert set(answer.json()) == {"error"}
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["type"], error["code"]) == (kind, code)
    assert error["message"].endswith((".", "'")) or " " in error["message"]
    return error


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "invalid_json"),
        (b"", "invalid_json"),
        (b"[]", "invalid_type"),
        (b"{}", "missing_field"),
        (orjson.dumps({**HELLO, "stream": "yes"}), "invalid_type"),
        (orjson.dumps({**HELLO, "max_tokens": -1}), "invalid_value"),
        (orjson.dumps({**HELLO, "api_base": "http://127.0.0.1"}), "not_allowed"),
    ],
)
def test_a_wrong_body_is_a_400(gateway: LiveGateway, body: bytes, code: str):
    answer = httpx.post(gateway.url + CHAT, content=body, headers=gateway.headers())

    assert_error(answer, 400, "invalid_request_error", code)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"X-RainyModel-Policy": "cheap"}, "invalid_policy"),
        ({"X-RainyModel-Provider": "nobody"}, "invalid_provider"),
        ({"X-RainyModel-Deadline-Ms": "soon"}, "invalid_value"),
        ({"X-RainyModel-Deadline-Ms": "9" * 5000}, "invalid_value"),
    ],
)
def test_a_wrong_routing_header_is_a_400_that_names_what_is_legal(
    gateway: LiveGateway, headers: dict[str, str], code: str
):
    answer = httpx.post(gateway.url + CHAT, json=HELLO, headers=gateway.headers(**headers))

    message = assert_error(answer, 400, "invalid_request_error", code)["message"]
    if code == "invalid_policy":
        assert "auto, default, free, listed" in message


@pytest.mark.parametrize("headers", [[("X-RainyModel-Policy", "auto"), ("X-RainyModel-Policy", "free")]])
def test_two_policies_are_a_400(uvicorn_gateway: LiveGateway, headers: list[tuple[str, str]]):
    answer = httpx.post(
        uvicorn_gateway.url + CHAT, json=HELLO, headers=[*uvicorn_gateway.headers().items(), *headers]
    )

    assert_error(answer, 400, "invalid_request_error", "invalid_policy")


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "missing_api_key"),
        ({"Authorization": "Bearer"}, "missing_api_key"),
        ({"Authorization": "Basic abc"}, "invalid_api_key"),
        ({"Authorization": "Bearer wrong"}, "invalid_api_key"),
        ({"Authorization": "Bearer " + "x" * 8000}, "invalid_api_key"),
        ({"x-api-key": "sk-rm_AAAAAAAA_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}, "invalid_api_key"),
    ],
)
def test_a_request_without_a_good_key_is_a_401(gateway: LiveGateway, headers: dict[str, str], code: str):
    answer = httpx.post(gateway.url + CHAT, json=HELLO, headers=headers)

    assert_error(answer, 401, "authentication_error", code)


def test_a_bad_key_is_refused_before_the_body_is_read(uvicorn_gateway: LiveGateway):
    host, port = uvicorn_gateway.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 5) as connection:
        connection.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n\r\n"
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 401 ")


def test_the_key_may_come_in_either_header_but_not_differ(gateway: LiveGateway):
    key = gateway.keys["plain"]
    alone = httpx.post(gateway.url + CHAT, json=HELLO, headers={"x-api-key": key})
    both = httpx.post(
        gateway.url + CHAT, json=HELLO, headers={"x-api-key": key, "Authorization": "Bearer other"}
    )

    assert alone.status_code == 200
    assert_error(both, 400, "invalid_request_error", "two_api_keys")


def test_a_key_in_the_url_is_refused(gateway: LiveGateway):
    answer = httpx.post(
        f"{gateway.url}{CHAT}?api_key={gateway.keys['plain']}", json=HELLO, headers=gateway.headers()
    )

    assert_error(answer, 400, "invalid_request_error", "key_in_url")


def test_the_master_key_of_the_environment_opens_the_door(gateway: LiveGateway):
    assert httpx.post(gateway.url + CHAT, json=HELLO, headers=gateway.headers("master")).status_code == 200


def test_a_key_with_fewer_rights_gets_a_403(gateway: LiveGateway):
    alias = httpx.post(gateway.url + CHAT, json=HELLO, headers=gateway.headers("chosen_aliases"))
    tier = httpx.post(
        gateway.url + CHAT, json={**HELLO, "model": "rainymodel/paid"}, headers=gateway.headers("free_only")
    )

    assert_error(alias, 403, "permission_error", "model_not_allowed")
    assert_error(tier, 403, "permission_error", "model_not_allowed")


@pytest.mark.parametrize(
    "path", ["/nothing", "/v1/nothing", "/v1//chat/completions", "/v1/chat/completions/x", "/v2/models"]
)
def test_an_unknown_path_is_a_404(gateway: LiveGateway, path: str):
    assert_error(httpx.get(gateway.url + path), 404, "invalid_request_error", "unknown_url")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_a_wrong_method_is_a_405_that_says_which_is_right(gateway: LiveGateway, method: str):
    answer = httpx.request(method, gateway.url + CHAT)

    assert_error(answer, 405, "invalid_request_error", "method_not_allowed")
    assert answer.headers["allow"] == "POST"


def test_a_form_is_a_415(gateway: LiveGateway):
    answer = httpx.post(gateway.url + CHAT, files={"file": b"x"}, headers=gateway.headers())

    assert_error(answer, 415, "invalid_request_error", "unsupported_media_type")


def test_json_is_taken_whatever_its_content_type(gateway: LiveGateway):
    headers = gateway.headers(**{"Content-Type": "application/x-www-form-urlencoded"})

    assert httpx.post(gateway.url + CHAT, content=orjson.dumps(HELLO), headers=headers).status_code == 200


def test_a_body_over_the_limit_is_a_413(gateway: LiveGateway):
    answer = httpx.post(gateway.url + CHAT, content=b" " * (10 * 1024 * 1024 + 1), headers=gateway.headers())

    assert_error(answer, 413, "invalid_request_error", "body_too_large")


def test_a_chunked_body_is_counted_not_believed(uvicorn_gateway: LiveGateway):
    def endless():
        for _ in range(200):
            yield b" " * 65_536

    answer = httpx.post(uvicorn_gateway.url + CHAT, content=endless(), headers=uvicorn_gateway.headers())

    assert_error(answer, 413, "invalid_request_error", "body_too_large")


def test_a_foreign_host_is_refused_but_health_answers_any(gateway: LiveGateway):
    foreign = {"Host": "evil.example"}

    answer = httpx.get(f"{gateway.url}/v1/models", headers=gateway.headers(**foreign))
    assert_error(answer, 400, "invalid_request_error", "unknown_host")
    assert httpx.get(f"{gateway.url}/health", headers=foreign).status_code == 200


def test_what_no_deployment_can_do_is_named(gateway: LiveGateway):
    tools = [{"type": "function", "function": {"name": "f"}}]
    answer = httpx.post(
        gateway.url + CHAT, json={**HELLO, "model": "plain", "tools": tools}, headers=gateway.headers()
    )

    assert (
        "tools" in assert_error(answer, 400, "invalid_request_error", "capability_not_supported")["message"]
    )


def test_a_prompt_too_long_for_every_window_says_the_words_that_clients_look_for(gateway: LiveGateway):
    body = {"model": "small", "messages": [{"role": "user", "content": "x" * 2000}]}
    answer = httpx.post(gateway.url + CHAT, json=body, headers=gateway.headers())

    error = assert_error(answer, 400, "invalid_request_error", "context_length_exceeded")
    assert "maximum context length is 100 tokens" in error["message"]


def test_requests_per_minute_are_a_429_with_the_numbers(gateway: LiveGateway):
    answers = [
        httpx.post(gateway.url + CHAT, json=HELLO, headers=gateway.headers("two_a_minute")) for _ in range(3)
    ]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert_error(answers[2], 429, "rate_limit_error", "rate_limit_exceeded", retry=True)
    assert 1 <= int(answers[2].headers["retry-after"]) <= 61
    assert answers[2].headers["x-ratelimit-limit-requests"] == "2"
    assert answers[2].headers["x-ratelimit-remaining-requests"] == "0"


def test_requests_at_once_are_limited_and_a_slot_is_given_back(gateway: LiveGateway):
    headers = gateway.headers("one_at_once")
    slow = {**HELLO, "model": "fake/slow:chunk=0.02,chunks=500", "stream": True}
    with httpx.stream("POST", gateway.url + CHAT, json=slow, headers=headers) as stream:
        pieces = stream.iter_bytes()  # kept, because letting it go would close the stream
        next(pieces)
        second = httpx.post(gateway.url + CHAT, json=HELLO, headers=headers)
    assert_error(second, 429, "rate_limit_error", "concurrency_limit", retry=True)

    gateway.upstreams["sun"].ledger.wait_until(lambda ledger: ledger.totals.open == 0)
    statuses = [httpx.post(gateway.url + CHAT, json=HELLO, headers=headers).status_code for _ in range(3)]
    assert 200 in statuses


@pytest.mark.parametrize(("number", "status"), [(1, 400), (2, 429), (3, 502)])
def test_an_upstreams_refusal_shows_none_of_its_secrets(
    uvicorn_gateway: LiveGateway, number: int, status: int
):
    body = {**HELLO, "model": f"lone/{LONE[number]}"}
    answer = httpx.post(uvicorn_gateway.url + CHAT, json=body, headers=uvicorn_gateway.headers())

    message = answer.json()["error"]["message"].replace(body["model"], "the model")
    assert answer.status_code == status
    assert "verysecret" not in message
    assert "sun-credential" not in message
