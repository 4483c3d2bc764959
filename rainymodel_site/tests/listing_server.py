"""An upstream that answers fixed bodies at fixed paths, and remembers what it was asked."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, Any]


@dataclass
class ListingServer:
    """`answers` maps a path to status and body: bytes as they are, anything else as JSON."""

    answers: dict[str, Answer]
    url: str = ""
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    def headers_of(self, path: str) -> dict[str, str]:
        """The header fields, in lower case, of the last request for a path."""
        return [headers for _, where, headers in self.asked if where == path][-1]


@contextmanager
def listing_server(answers: dict[str, Answer]) -> Iterator[ListingServer]:
    """The server, from a thread, until the block ends."""
    state = ListingServer(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            state.asked.append((self.command, self.path, headers))
            self.rfile.read(int(headers.get("content-length", 0)))
            status, body = state.answers.get(self.path, (404, {"error": "no such path"}))
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_GET

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
