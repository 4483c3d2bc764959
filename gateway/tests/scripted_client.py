"""A plain client for tests of the scripted upstream: blocking, on real sockets, nothing in between."""

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from gateway.upstream.scripted import ScriptedUpstream

WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 3}},
    "required": ["city"],
}


def chat(model: str = "gpt-4o-mini", text: str = "hello there", **fields: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **fields}


def tool(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": WEATHER}}


@contextmanager
def connected(base_url: str) -> Iterator[http.client.HTTPConnection]:
    address = urlsplit(base_url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=5)
    try:
        yield connection
    finally:
        connection.close()


def post(upstream: ScriptedUpstream, document: dict[str, Any]) -> tuple[http.client.HTTPResponse, bytes]:
    with connected(upstream.base_url) as connection:
        headers = {"Authorization": "Bearer sk-Test", "Content-Type": "application/json"}
        connection.request("POST", "/v1/chat/completions", json.dumps(document), headers)
        response = connection.getresponse()
        return response, response.read()


def answer(upstream: ScriptedUpstream, document: dict[str, Any]) -> dict[str, Any]:
    """The JSON answer to a request that succeeds."""
    response, body = post(upstream, document)
    assert response.status == 200, body
    parsed: dict[str, Any] = json.loads(body)
    return parsed


def stream(upstream: ScriptedUpstream, document: dict[str, Any]) -> list[Any]:
    """The parsed data of each event; `[DONE]` stays text."""
    response, body = post(upstream, document | {"stream": True})
    assert response.headers["content-type"].startswith("text/event-stream")
    return read_events(body)


def read_events(body: bytes) -> list[Any]:
    """The data of each event, read as the specification of server-sent events has it."""
    text = body.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    events = []
    for block in text.split("\n\n"):
        lines = [line.removeprefix("data:") for line in block.split("\n") if line.startswith("data:")]
        if lines:
            data = "\n".join(line.removeprefix(" ") for line in lines)
            events.append(data if data == "[DONE]" else json.loads(data))
    return events


def spoken(chunks: list[Any], index: int = 0) -> str:
    """The text that one choice's deltas add up to."""
    choices = [choice for chunk in chunks if chunk != "[DONE]" for choice in chunk.get("choices", [])]
    return "".join(c["delta"].get("content") or "" for c in choices if c["index"] == index)


def open_socket(upstream: ScriptedUpstream, document: dict[str, Any]) -> socket.socket:
    """A connection on which this request was sent and nothing was read yet."""
    body = json.dumps(document).encode()
    client = socket.create_connection((upstream.host, upstream.port), timeout=5)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    client.sendall(head.encode() + body)
    return client


def last_entry(upstream: ScriptedUpstream, model: str) -> Any:
    return upstream.ledger.of(model)[-1]
