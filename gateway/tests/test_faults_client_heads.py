"""Heads that no honest client sends: refused in the gateway's words, or answered without believing them."""

import re

import pytest

from gateway.tests.live import LiveGateway
from gateway.tests.raw_client import CHAT, ask, connected, head, read_answer, request

HELLO = {"model": "fake/ok"}


def rows_and_hits(gateway: LiveGateway) -> tuple[int, int]:
    return gateway.count("TRUE"), gateway.upstreams["sun"].ledger.hits()


def still_serves(gateway: LiveGateway) -> bool:
    return ask(gateway, request(gateway.keys["plain"], **HELLO)).status == 200


@pytest.mark.fault("C13")
@pytest.mark.parametrize(
    "line",
    [b"X-Note: a\rb", b"X-Note: a\nINFO fake", b"X-Note: a\x0bb", b"X-Note: a\x00b", b"X-No\x00te: a"],
    ids=["cr", "lf", "vt", "nul", "nul-in-the-name"],
)
def test_a_header_with_a_control_character_is_a_400(uvicorn_gateway: LiveGateway, line: bytes):
    before = rows_and_hits(uvicorn_gateway)
    sent = request(uvicorn_gateway.keys["plain"], **HELLO).replace(b"\r\n", b"\r\n" + line + b"\r\n", 1)
    answer = ask(uvicorn_gateway, sent)

    assert (answer.status, answer.error["code"], answer.closed) == (400, "invalid_http", True)
    assert rows_and_hits(uvicorn_gateway) == before
    assert still_serves(uvicorn_gateway)


@pytest.mark.fault("C14")
@pytest.mark.parametrize(
    "lines",
    [[f"X-Number-{number}: 1" for number in range(501)], ["X-Long: " + "a" * 17_000]],
    ids=["501-lines", "17-kB"],
)
def test_a_head_of_too_many_lines_or_bytes_is_a_431(uvicorn_gateway: LiveGateway, lines: list[str]):
    before = rows_and_hits(uvicorn_gateway)
    answer = ask(uvicorn_gateway, request(uvicorn_gateway.keys["plain"], *lines, **HELLO))

    assert (answer.status, answer.error["code"], answer.closed) == (431, "headers_too_large", True)
    assert rows_and_hits(uvicorn_gateway) == before
    assert still_serves(uvicorn_gateway)


@pytest.mark.fault("C15")
@pytest.mark.parametrize(
    "lines",
    [["Host: a/b?c#d"], ["Host:"], ["Host: localhost", "Host: localhost"], ["Host: localhost", "Host: evil"],
     ["Host: evil.example"], []],
    ids=["not-a-name", "empty", "the-same-twice", "two", "foreign", "none"],
)  # fmt: skip
def test_a_host_that_is_not_one_of_ours_is_a_400(gateway: LiveGateway, lines: list[str]):
    before = rows_and_hits(gateway)
    sent = request(gateway.keys["plain"], **HELLO)
    hosts = "".join(line + "\r\n" for line in lines).encode()
    answer = ask(gateway, sent.replace(b"Host: localhost\r\n", hosts, 1))

    assert answer.status == 400
    assert answer.error["code"] in ("unknown_host", "duplicate_header")
    assert rows_and_hits(gateway) == before


@pytest.mark.fault("C16")
@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        b"Content-Length: +2\r\n\r\n{}",
        b"Transfer-Encoding: xchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked, identity\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    ],
    ids=["both", "two-lengths", "the-same-length-twice", "signed", "xchunked", "chunked-not-last"],
)
def test_a_body_framed_in_two_ways_is_a_400_and_ends_the_connection(
    uvicorn_gateway: LiveGateway, framing: bytes
):
    before = rows_and_hits(uvicorn_gateway)
    smuggled = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"
    sent = head(uvicorn_gateway.keys["plain"], None).removesuffix(b"\r\n") + framing
    answer = ask(uvicorn_gateway, sent + smuggled)

    assert (answer.status, answer.error["code"], answer.closed) == (400, "invalid_http", True)
    assert rows_and_hits(uvicorn_gateway) == before


@pytest.mark.fault("C18")
@pytest.mark.parametrize("stream", [False, True], ids=["json", "sse"])
@pytest.mark.parametrize("policies", [["cheap"], ["auto", "free"]], ids=["unknown", "two"])
def test_a_policy_that_is_none_is_a_400_with_the_legal_ones(
    gateway: LiveGateway, policies: list[str], stream: bool
):
    lines = [f"X-RainyModel-Policy: {name}" for name in policies]
    answer = ask(gateway, request(gateway.keys["one_at_once"], *lines, stream=stream, **HELLO))

    assert (answer.status, answer.error["code"]) == (400, "invalid_policy")
    assert "auto, default, free, listed" in answer.error["message"]
    (row,) = gateway.rows(answer.header("x-request-id"))
    assert (row["state"], row["status"], row["attempts"]) == ("client_error", 400, [])


@pytest.mark.fault("C25")
def test_without_a_key_the_401_comes_before_the_body(uvicorn_gateway: LiveGateway):
    before = rows_and_hits(uvicorn_gateway)
    sent = head("", 100_000_000, "Expect: 100-continue").replace(b"Authorization: Bearer \r\n", b"")
    answer = ask(uvicorn_gateway, sent, wait=5)

    assert (answer.status, answer.error["code"], answer.before) == (401, "missing_api_key", b"")
    assert (answer.header("connection"), answer.closed) == ("close", True)
    assert rows_and_hits(uvicorn_gateway) == before


@pytest.mark.fault("C35")
def test_who_asks_whether_to_go_on_with_100_mb_is_told_no(uvicorn_gateway: LiveGateway):
    key = uvicorn_gateway.keys["plain"]
    answer = ask(uvicorn_gateway, head(key, 100_000_000, "Expect: 100-continue"), wait=5)

    assert (answer.status, answer.error["code"], answer.before) == (413, "body_too_large", b"")
    assert (answer.header("connection"), answer.closed) == ("close", True)
    (row,) = uvicorn_gateway.rows(answer.header("x-request-id"))
    assert (row["state"], row["status"]) == ("client_error", 413)


def test_who_asks_with_a_small_body_is_told_to_go_on_and_keeps_the_connection(uvicorn_gateway: LiveGateway):
    whole = request(uvicorn_gateway.keys["plain"], "Expect: 100-continue", **HELLO)
    start, body = whole.split(b"\r\n\r\n")
    with connected(uvicorn_gateway) as connection:
        connection.sendall(start + b"\r\n\r\n")
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        answer = read_answer(connection, wait=0.3)

    assert (answer.status, answer.closed) == (200, False)


@pytest.mark.fault("C36")
@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", CHAT, 405, "method_not_allowed"),
        ("TRACE", CHAT, 405, "method_not_allowed"),
        ("TRACE", "/v1/models", 405, "method_not_allowed"),
        ("TRACE", "/nothing", 405, "method_not_allowed"),
        ("OPTIONS", CHAT, 204, ""),
        ("POST", "/v1//chat/completions", 404, "unknown_url"),
        ("POST", "//v1/chat/completions", 404, "unknown_url"),
        ("POST", "/v1/models/..%2fchat/completions", 405, "method_not_allowed"),
        ("POST", "/v1/..%2fv1/chat/completions", 404, "unknown_url"),
        ("POST", "/v1/./chat/completions", 404, "unknown_url"),
        ("POST", "/V1/CHAT/COMPLETIONS", 404, "unknown_url"),
    ],
)
def test_other_methods_and_twisted_paths_reach_no_model(
    gateway: LiveGateway, method: str, path: str, status: int, code: str
):
    before = rows_and_hits(gateway)
    body = b'{"messages":[{"role":"user","content":"hi"}]}' if method == "POST" else b""
    answer = ask(gateway, head(gateway.keys["plain"], len(body), path=path, method=method) + body)

    assert answer.status == status
    assert (answer.error["code"] if code else answer.body) == (code or b"")
    assert rows_and_hits(gateway) == before


@pytest.mark.fault("C36")
def test_a_head_of_a_post_path_is_a_405_without_a_body(gateway: LiveGateway):
    sent = head(gateway.keys["plain"], 0, "Connection: close", method="HEAD")
    with connected(gateway) as connection:
        connection.sendall(sent)
        answer = read_answer(connection)

    assert (answer.status, answer.body, answer.header("allow")) == (405, b"", "POST")


@pytest.mark.fault("C37")
@pytest.mark.parametrize(
    ("given", "kept"),
    [("my-id_1.2", "my-id_1.2"), ("a\tINFO fake", ""), ("x" * 65, ""), ("x" * 64, "x" * 64), ("é", ""), ("<b>", "")],
)  # fmt: skip
def test_the_request_id_is_ours_and_a_harmless_one_of_the_client_is_kept_beside_it(
    gateway: LiveGateway, given: str, kept: str
):
    sent = request(gateway.keys["plain"], f"X-Request-Id: {given}", **HELLO)
    answer = ask(gateway, sent)
    ours = answer.header("x-request-id")

    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", ours)
    assert gateway.row(ours)["client_request_id"] == kept


@pytest.mark.fault("C37")
def test_a_request_id_with_a_line_break_in_it_is_no_request(uvicorn_gateway: LiveGateway):
    sent = request(uvicorn_gateway.keys["plain"], "X-Request-Id: a\nINFO fake", **HELLO)

    assert ask(uvicorn_gateway, sent).status == 400


@pytest.mark.fault("C38")
@pytest.mark.parametrize("path", [CHAT, "/v1/models", "/v1/realtime", "/", "/admin/"])
def test_a_websocket_is_refused_whatever_its_path(gateway: LiveGateway, path: str):
    before = rows_and_hits(gateway)
    lines = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
    lines += ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Origin: http://localhost")
    answer = ask(gateway, head(gateway.keys["plain"], None, *lines, path=path, method="GET"), wait=5)

    assert (answer.status, answer.closed) == (403, True)
    assert rows_and_hits(gateway) == before
