"""One POST on a connection of aiohttp's pool, without what its general client makes anew for every request.

The connector keeps its part: names, address rules, TLS, time to connect, the pool; its strict parser reads the answer.
The head of the request is written once for each destination. Redirects, cookies and proxies are not followed or known.
"""

import asyncio
import re
from collections.abc import Mapping

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDict
from yarl import URL

from gateway.upstream.sessions import Sessions, came_from_pool, note_use

DISCONNECTED = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, ConnectionResetError, BrokenPipeError)
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
Extra = tuple[tuple[str, str], ...]


class Destination:
    """Where one dialect's requests to a provider go, and their headers; for one event loop.

    Raises ValueError for a header that holds control characters, here or in `head`.
    """

    __slots__ = ("_head", "_headers", "_target", "request")

    def __init__(self, url: URL, headers: Mapping[str, str]) -> None:
        # What the connector asks: which host and port, with or without TLS. It is never sent itself.
        self.request = aiohttp.ClientRequest("POST", url, headers=headers, loop=asyncio.get_running_loop())
        self._target = f"POST {url.raw_path_qs} HTTP/1.1"
        self._headers = self.request.headers.copy()
        self._headers.popall("Content-Length", None)
        self._head = written(self._target, self._headers)

    def head(self, length: int, extra: Extra = (), *, fresh: bool = False) -> bytes:
        """Request line and headers for a body of this length; `extra` headers take the place of the provider's."""
        head = self._head
        if extra or fresh:
            headers = self._headers.copy()
            headers.update(extra)
            if fresh:
                headers.setdefault("Connection", "close")
            head = written(self._target, headers)
        return b"%bContent-Length: %d\r\n\r\n" % (head, length)


class Answer:
    """An upstream's answer: its status and headers, and in `content` a body still to be read."""

    __slots__ = ("_connection", "content", "headers", "status")

    def __init__(
        self,
        connection: aiohttp.connector.Connection,
        status: int,
        headers: Mapping[str, str],
        content: aiohttp.StreamReader,
    ) -> None:
        self._connection: aiohttp.connector.Connection | None = connection
        self.status, self.headers, self.content = status, headers, content

    def release(self) -> None:
        """The body was read to its end: give the connection back, unless the request is still on its way."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        transport = connection.transport
        if transport is None or transport.get_write_buffer_size():
            shut(connection)
        else:
            connection.release()

    def close(self) -> None:
        """Close the connection; who still reads the body is told."""
        if self.content.exception() is None:
            # Made anew each time: one that is raised again and again would keep every reader's frames.
            self.content.set_exception(aiohttp.ClientConnectionError("the connection was closed from here"))
        connection, self._connection = self._connection, None
        if connection is not None:
            shut(connection)


async def post(
    sessions: Sessions,
    address_class: str,
    destination: Destination,
    body: bytes,
    timeout: aiohttp.ClientTimeout,
    extra: Extra = (),
) -> Answer:
    """The answer with its body unread. Raises aiohttp.ClientError, OSError, and TimeoutError for a slow connection."""
    try:
        return await post_once(sessions.connector(address_class), destination, body, timeout, extra)
    except DISCONNECTED as error:
        # The peer had closed a pooled connection before it read anything: one free re-send, and only one, because a
        # peer that reads, works and then dies looks the same. Other pooled connections may be as dead as this one.
        if isinstance(error, aiohttp.ClientConnectorError) or not came_from_pool():
            raise
    fresh = sessions.connector(address_class, fresh=True)
    return await post_once(fresh, destination, body, timeout, extra, fresh=True)


async def post_once(
    connector: aiohttp.BaseConnector,
    destination: Destination,
    body: bytes,
    timeout: aiohttp.ClientTimeout,
    extra: Extra = (),
    *,
    fresh: bool = False,
) -> Answer:
    """The same on one connection; `fresh` tells the peer that it is for this request alone."""
    head = destination.head(len(body), extra, fresh=fresh)
    connection = await connector.connect(destination.request, [], timeout)
    try:
        protocol = connection.protocol
        assert protocol is not None
        note_use(protocol)
        if protocol.should_close:  # something came while it lay in the pool, and is no answer to this
            raise aiohttp.ServerDisconnectedError
        protocol.set_response_params(read_until_eof=True, auto_decompress=False)
        transport = protocol.transport
        if transport is None:
            raise aiohttp.ClientConnectionResetError("the connection was lost")
        transport.write(head + body)
        message, content = await protocol.read()
        while 100 <= message.code < 200 and message.code != 101:  # "I am working on it"
            message, content = await protocol.read()
    except HttpProcessingError as error:
        shut(connection)
        raise aiohttp.ClientPayloadError("the answer is no HTTP") from error
    except BaseException:
        shut(connection)
        raise
    return Answer(connection, message.code, message.headers, content)


def shut(connection: aiohttp.connector.Connection) -> None:
    """Close at once: what was not sent yet is for nobody, and a peer that does not read would never let it end."""
    transport = connection.transport
    if transport is not None and transport.get_write_buffer_size():
        transport.abort()
    connection.close()


def written(target: str, headers: CIMultiDict[str]) -> bytes:
    """The request line and the headers, each with its line end. Raises ValueError, without naming a value."""
    lines = [target, *(f"{name}: {value}" for name, value in headers.items())]
    if any(CONTROL.search(line) for line in lines):
        raise ValueError("A header to the upstream holds control characters. Remove them from it.")
    return "".join(f"{line}\r\n" for line in lines).encode()
