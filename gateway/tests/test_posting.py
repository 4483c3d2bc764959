"""One POST on a pooled connection: what is written, and when a connection may be used again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from yarl import URL

from gateway.upstream.addresses import AddressRules
from gateway.upstream.posting import Answer, Destination, post
from gateway.upstream.sessions import Sessions
from routing.addresses import AllowedUpstreams

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=5.0)


class Upstream:
    """Answers each request at once with `answer`; remembers the heads, and on which connection each came."""

    def __init__(self, answer: bytes, *, reads_bodies: bool = True) -> None:
        self.answer, self.reads_bodies = answer, reads_bodies
        self.heads: list[tuple[int, str]] = []
        self.connections = 0
        self.open: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.url = URL()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        number = self.connections
        self.open.append((reader, writer))
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                self.heads.append((number, head))
                if self.reads_bodies:
                    await reader.readexactly(length_of(head))
                writer.write(self.answer)
                if not self.reads_bodies:
                    await asyncio.Event().wait()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def unasked(self, answer: bytes) -> None:
        """Send what nobody asked for on the last connection."""
        self.open[-1][1].write(answer)

    async def rest(self) -> None:
        """Read the last connection to the end of what was announced."""
        await self.open[-1][0].readexactly(length_of(self.heads[-1][1]))


def length_of(head: str) -> int:
    """What Content-Length says."""
    return int(next(line for line in head.splitlines() if line.startswith("Content-Length: ")).split()[1])


@asynccontextmanager
async def listening(upstream: Upstream) -> AsyncIterator[Sessions]:
    """Sessions that may reach the upstream while it listens."""
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0)
    upstream.url = URL(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/chat/completions")
    sessions = Sessions(AddressRules(AllowedUpstreams(loopback=True)))
    try:
        yield sessions
    finally:
        await sessions.close()
        server.close()


async def ask(
    sessions: Sessions, upstream: Upstream, body: bytes = b"{}", extra: tuple[tuple[str, str], ...] = ()
) -> Answer:
    """One request; headers as a provider has them."""
    to = Destination(
        upstream.url, {"Authorization": "Bearer s", "X-Region": "north", "User-Agent": "rainymodel"}
    )
    return await post(sessions, "private", to, body, TIMEOUT, extra)


async def read(answer: Answer) -> bytes:
    """The whole body; the connection goes back."""
    body = await answer.content.read()
    answer.release()
    return body


async def test_a_request_says_where_it_goes_and_how_long_it_is():
    upstream = Upstream(OK)
    async with listening(upstream) as sessions:
        assert await read(await ask(sessions, upstream, b'{"a": 1}')) == b"{}"
    lines = upstream.heads[0][1].splitlines()
    assert lines[0] == "POST /v1/chat/completions HTTP/1.1"
    assert lines[1] == f"Host: 127.0.0.1:{upstream.url.port}"
    assert {"Authorization: Bearer s", "X-Region: north", "Content-Length: 8"} < set(lines)
    assert sum(line.startswith("Content-Length") for line in lines) == 1


async def test_headers_of_the_request_take_the_place_of_the_providers():
    upstream = Upstream(OK)
    async with listening(upstream) as sessions:
        await read(await ask(sessions, upstream, extra=(("x-region", "south"), ("anthropic-version", "1"))))
        await read(await ask(sessions, upstream))
    first, second = (head.lower().splitlines() for _, head in upstream.heads)
    assert "x-region: south" in first and "x-region: north" not in first and "anthropic-version: 1" in first
    assert "x-region: north" in second and "anthropic-version: 1" not in second


async def test_an_answer_read_to_its_end_leaves_the_connection_to_the_next_request():
    upstream = Upstream(OK)
    async with listening(upstream) as sessions:
        for _ in range(3):
            await read(await ask(sessions, upstream))
    assert [number for number, _ in upstream.heads] == [1, 1, 1]


async def test_a_closed_answer_takes_its_connection_along():
    upstream = Upstream(OK)
    async with listening(upstream) as sessions:
        (await ask(sessions, upstream)).close()
        await read(await ask(sessions, upstream))
    assert [number for number, _ in upstream.heads] == [1, 2]


async def test_who_waits_for_a_body_is_told_that_it_was_closed():
    upstream = Upstream(b"HTTP/1.1 200 OK\r\ncontent-length: 200\r\n\r\n{")
    async with listening(upstream) as sessions:
        answer = await ask(sessions, upstream)
        assert await answer.content.readany() == b"{"
        waiting = asyncio.ensure_future(answer.content.readany())
        await asyncio.sleep(0)
        answer.close()
        with pytest.raises(aiohttp.ClientConnectionError):
            await waiting


async def test_a_connection_whose_request_is_still_on_its_way_is_not_used_again():
    upstream = Upstream(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n", reads_bodies=False)
    async with listening(upstream) as sessions:
        first = await ask(sessions, upstream, b"x" * 64 * 1024 * 1024)
        assert first.status == 413
        await read(first)
        await read(await ask(sessions, upstream))
    assert [number for number, _ in upstream.heads] == [1, 2]


async def test_what_is_no_http_ends_the_request():
    upstream = Upstream(b"HELLO\r\n\r\n")
    async with listening(upstream) as sessions:
        with pytest.raises(aiohttp.ClientPayloadError):
            await ask(sessions, upstream)


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\x00b"], ids=["line", "feed", "nul"])
async def test_a_header_with_control_characters_is_not_sent(value: str):
    upstream = Upstream(OK)
    async with listening(upstream) as sessions:
        with pytest.raises(ValueError, match="control characters") as raised:
            await ask(sessions, upstream, extra=(("anthropic-beta", value),))
    assert value not in str(raised.value)
    assert not upstream.heads


async def test_what_came_while_a_connection_lay_in_the_pool_is_nobodys_answer():
    upstream = Upstream(OK)
    async with listening(upstream) as sessions:
        await read(await ask(sessions, upstream))
        upstream.unasked(b'HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n"wrong"')
        await asyncio.sleep(0.1)
        assert [await read(await ask(sessions, upstream)) for _ in range(3)] == [b"{}"] * 3
    assert [number for number, _ in upstream.heads][:2] == [1, 2]


async def test_each_that_is_told_of_the_end_is_told_by_an_exception_of_its_own():
    upstream, told = Upstream(b"HTTP/1.1 200 OK\r\ncontent-length: 200\r\n\r\n{"), []
    async with listening(upstream) as sessions:
        for _ in range(2):
            answer = await ask(sessions, upstream)
            answer.close()
            with pytest.raises(aiohttp.ClientConnectionError) as caught:
                await answer.content.read()
            told.append(caught.value)
    assert told[0] is not told[1]


async def test_an_upload_that_is_given_up_leaves_nothing_behind():
    upstream = Upstream(b"", reads_bodies=False)
    async with listening(upstream) as sessions:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await ask(sessions, upstream, b"x" * 64 * 1024 * 1024)
        async with asyncio.timeout(5):
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await upstream.rest()  # far less than was to be sent, then the end
