"""The provider on a loopback socket, served from a thread of its own."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.client import HTTPConnection
from urllib.parse import urlsplit

from accounts.fake_login.endpoints import answer, endpoint_name
from accounts.fake_login.provider import SESSION_COOKIE, TODAY, Provider, Seen
from accounts.fake_login.wire import Listener, Reply, Request, handler_for

HOST = "127.0.0.1"
CLIENT_ID = "rainymodel"
CLIENT_SECRET = "a-client-secret-for-tests"  # noqa: S105 - it opens nothing but this provider
REFUSE, DRIP = "refuse", "drip"
DRIP_SECONDS = 0.5
POLL_SECONDS = 0.01  # how soon a stop is noticed
VISIT_SECONDS = 10.0


class FakeLogin(Provider):
    """A listening provider; `issuer` is its address."""

    def __init__(
        self,
        behaviour: str = TODAY,
        client_id: str = CLIENT_ID,
        client_secret: str = CLIENT_SECRET,
        port: int = 0,
        redirect_uris: tuple[str, ...] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Listen and answer; port 0 takes a free one. Raises OSError when the port is taken."""
        super().__init__(behaviour, client_id, client_secret, redirect_uris, clock)
        self._stopping = threading.Event()
        self._server = Listener((HOST, port), handler_for(self._answer))
        self.port = self._server.server_address[1]
        self.issuer = f"http://{HOST}:{self.port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(POLL_SECONDS,), name="fake-login", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop listening; who is kept waiting is let go. Stopping twice is harmless."""
        self._stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def sent_back(self, authorize_url: str, email: str) -> str:
        """Where a browser ends that is signed in here as this person and opens our address of authorize.

        One request over the socket, no redirect followed; the answer's Location, or nothing for a page.
        """
        parts = urlsplit(authorize_url)
        connection = HTTPConnection(HOST, self.port, timeout=VISIT_SECONDS)
        try:
            cookie = {"Cookie": f"{SESSION_COOKIE}={self.sign_in(email)}"}
            connection.request("GET", f"{parts.path}?{parts.query}", headers=cookie)
            return connection.getresponse().getheader("Location") or ""
        finally:
            connection.close()

    def _answer(self, request: Request) -> Reply | None:
        self.requests.append(Seen(request.method, request.path, request.fields, request.headers))
        fault = self.stop_answering.get(endpoint_name(request.path), 0.0)
        if fault == REFUSE:
            return None
        if fault == DRIP:
            return replace(answer(self, request), pause=DRIP_SECONDS)
        return None if self._stopping.wait(float(fault)) else answer(self, request)


@contextmanager
def fake_login(
    behaviour: str = TODAY,
    client_id: str = CLIENT_ID,
    client_secret: str = CLIENT_SECRET,
    port: int = 0,
    redirect_uris: tuple[str, ...] = (),
    clock: Callable[[], float] = time.time,
) -> Iterator[FakeLogin]:
    """A provider that answers until the block ends; `clock` may be given for its sense of time."""
    provider = FakeLogin(behaviour, client_id, client_secret, port, redirect_uris, clock)
    try:
        yield provider
    finally:
        provider.stop()
