"""Requests and replies as values, and the HTTP handler that turns bytes into one and the other into bytes."""

import base64
import binascii
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlsplit

FORM = "application/x-www-form-urlencoded"
IDLE_SECONDS = 30  # a browser opens connections ahead of need
MAX_FORM_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """One request: `fields` holds the query and the form, the form's where both have one; header names are in
    lower case; `target` is path and query as sent."""

    method: str
    path: str
    fields: dict[str, str]
    headers: dict[str, str]
    target: str = ""

    @property
    def bearer(self) -> str:
        """The bearer token, or nothing."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""

    @property
    def basic(self) -> tuple[str, str] | None:
        """User and password of basic authentication, both unquoted as OAuth 2 wants it, or None."""
        scheme, _, given = self.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            user, _, password = base64.b64decode(given.strip(), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return unquote_plus(user), unquote_plus(password)

    def cookie(self, name: str) -> str:
        """A cookie's value, or nothing."""
        cookies = SimpleCookie(self.headers.get("cookie", ""))
        return cookies[name].value if name in cookies else ""


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer; the length is added when it is sent. With a `pause` the body goes byte by byte, so many
    seconds apart."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    pause: float = 0.0


def json_reply(document: Any, status: int = 200) -> Reply:
    """A document that nobody keeps."""
    return Reply(status, json.dumps(document).encode(), headers=(("Cache-Control", "no-store"),))


def html_reply(text: str, status: int = 200) -> Reply:
    """A page."""
    return Reply(status, text.encode(), "text/html; charset=utf-8", (("Cache-Control", "no-store"),))


def redirect(location: str, *headers: tuple[str, str]) -> Reply:
    """Go there."""
    return Reply(302, headers=(("Location", location), *headers))


class Listener(ThreadingHTTPServer):
    """A server whose clients may leave whenever they have seen enough."""

    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that left is no error; anything else is told on stderr."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def handler_for(answer: Callable[[Request], Reply | None]) -> type[BaseHTTPRequestHandler]:
    """A handler that asks `answer`; where that has none, the connection is closed without a byte."""

    class Handler(BaseHTTPRequestHandler):
        timeout = IDLE_SECONDS

        def do_GET(self) -> None:
            """Also for every other method: the endpoints judge the method themselves."""
            reply = answer(self.read())
            if reply is not None:
                self.send(reply)

        do_POST = do_PUT = do_DELETE = do_GET

        def read(self) -> Request:
            parts = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(min(int(headers.get("content-length", 0)), MAX_FORM_BYTES))
            form = body.decode("utf-8", "replace") if headers.get("content-type", "").startswith(FORM) else ""
            fields = dict(parse_qsl(f"{parts.query}&{form}", keep_blank_values=True))
            return Request(self.command, parts.path, fields, headers, self.path)

        def send(self, reply: Reply) -> None:
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.content_type)
            self.send_header("Content-Length", str(len(reply.body)))
            for name, value in reply.headers:
                self.send_header(name, value)
            self.end_headers()
            if not reply.pause:
                self.wfile.write(reply.body)
                return
            for byte in reply.body:
                self.wfile.write(bytes((byte,)))
                time.sleep(reply.pause)

        def log_message(self, *_: Any) -> None:
            """Say nothing; `requests` of the provider tells."""

    return Handler
