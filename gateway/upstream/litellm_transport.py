"""The only way out for litellm's HTTP: through this gateway's guarded sessions, watched byte by byte.

litellm builds clients of httpx wherever it needs one. All of them get a transport that finds the attempt it works
for in the context, sends exactly one POST below the attempt's own base URL, and judges what comes back itself, so
that an upstream's refusal is read from its status and bytes and not from litellm's reading of them. Without an attempt
nothing is sent at all.
"""

from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar
from urllib.parse import unquote

import aiohttp
import httpx  # noqa: TID251 - the only kind of transport that litellm's clients take
import orjson
from multidict import CIMultiDict
from yarl import URL

from gateway.upstream import classify
from gateway.upstream.bodies import Content, first_piece, give_back, read_capped, read_refusal
from gateway.upstream.encodings import encoding_of
from gateway.upstream.litellm_usage import without_figures
from gateway.upstream.openai_wire import connect_timeout
from gateway.upstream.posting import DISCONNECTED
from gateway.upstream.reaching import not_reached
from gateway.upstream.sessions import Sessions, came_from_pool
from gateway.upstream.stream_end import StreamEnd
from gateway.upstream.wire import UpstreamCall
from routing.engine.outcome import Fault, Outcome

NOT_ALLOWED = Outcome(Fault.CONFIGURATION, "configuration")
# What litellm's client adds of its own, or what depends on the connection.
NOT_PASSED = frozenset(
    {"accept-encoding", "connection", "content-length", "host", "transfer-encoding", "user-agent"}
)


class CallEnded(Exception):
    """The exchange has failed and knows its outcome. No class of httpx's, some of which litellm would send again."""


class Exchange:
    """One attempt's request and what became of it.

    `outcome` is set when it failed, `said` is the fingerprint of a refusal's text. `end` watches the answer.
    `on_first_byte` is called when a JSON answer begins; what it returns is called with the size of each further piece.
    """

    def __init__(self, call: UpstreamCall, sessions: Sessions, base_url: str, stream: bool) -> None:
        self.outcome: Outcome | None = None
        self.end = StreamEnd(call.credential or "")
        self.fell_silent = False
        self.sent = False
        self.said = ""
        self.on_first_byte: Callable[[], Callable[[int], None] | None] = lambda: None
        self._provider, self._limits = call.deployment.provider, call.deployment.limits
        self._credential = call.credential or ""
        self._sessions = sessions
        self._base = URL(base_url, encoded=True) if base_url else None
        self._stream = stream
        self._response: aiohttp.ClientResponse | None = None
        self._content: Content | None = None

    async def send(self, request: httpx.Request) -> httpx.Response:
        """The upstream's answer with status 200. Raises CallEnded for anything else."""
        if not self._allows(request):
            raise self._ended(NOT_ALLOWED)
        self.sent = True
        try:
            response = self._response = await self._post(request)
            if response.status != 200:
                outcome, self.said = await read_refusal(response, self._credential)
                raise self._ended(outcome)
            if encoding_of(response) not in ("", "identity"):
                raise self._ended(classify.bad_response())
            self._content = response.content
            content_type = {"content-type": response.headers.get("Content-Type", "application/json")}
            if self._stream:
                return httpx.Response(200, headers=content_type, stream=WatchedStream(self), request=request)
            body = await self._read_document(response, self._content)
        except TimeoutError:
            raise self._ended(classify.timed_out()) from None
        except (aiohttp.ClientResponseError, aiohttp.ClientPayloadError):
            raise self._ended(classify.bad_response()) from None
        except (aiohttp.ClientError, OSError) as error:
            raise self._ended(not_reached(error)) from None
        return httpx.Response(200, headers=content_type, content=body, request=request)

    def close(self) -> None:
        """Give the connection back when the answer was read to its end, else close it."""
        if self._response is not None:
            give_back(self._response)

    def fall_silent(self) -> None:
        """Close the connection because nothing has come for too long."""
        self.fell_silent = True
        if self._response is not None:
            if (content := self._response.content).exception() is None:
                # aiohttp raises one and the same object for all, which would keep every reader's frames.
                content.set_exception(aiohttp.ClientConnectionError("nothing came for too long"))
            self._response.close()

    async def pieces(self) -> AsyncIterator[bytes]:
        """A stream's bytes as they arrive. Raises CallEnded unless the upstream itself says that it is done."""
        assert self._content is not None
        while True:
            try:
                piece = await self._content.readany()
            except (aiohttp.ClientError, OSError):
                if self.end.finished:
                    return
                lost = classify.timed_out() if self.fell_silent else classify.unreachable()
                raise self._ended(lost) from None
            if not piece:
                if verdict := self.end.at_end():
                    raise self._ended(verdict)
                return
            self.end.feed(piece)
            self.outcome = self.outcome or self.end.problem
            yield piece  # also with a problem in it: what came before the problem is for the client
            if self.outcome is not None:
                raise self._ended(self.outcome)

    def _allows(self, request: httpx.Request) -> bool:
        url = URL(str(request.url), encoded=True)
        if self.sent or request.method != "POST":
            return False
        if has_dot_segments(url.raw_path):
            return False
        return url.scheme == "https" if self._base is None else is_below(url, self._base)

    async def _post(self, request: httpx.Request) -> aiohttp.ClientResponse:
        try:
            return await self._post_once(request)
        except DISCONNECTED as error:
            # The peer had closed a pooled connection before it read anything: one free re-send, and only one.
            if isinstance(error, aiohttp.ClientConnectorError) or not came_from_pool():
                raise
        return await self._post_once(request, fresh=True)

    async def _post_once(self, request: httpx.Request, *, fresh: bool = False) -> aiohttp.ClientResponse:
        headers = CIMultiDict(
            (name, value) for name, value in request.headers.items() if name not in NOT_PASSED
        )
        headers.update(self._provider.extra_headers)
        headers.update({"Accept-Encoding": "identity", "User-Agent": "rainymodel"})
        return await self._sessions.for_class(self._provider.address_class, fresh=fresh).post(
            URL(str(request.url), encoded=True),
            data=request.content,
            headers=headers,
            allow_redirects=False,
            timeout=connect_timeout(self._limits.connect),
        )

    async def _read_document(self, response: aiohttp.ClientResponse, content: Content) -> bytes:
        """A whole JSON answer that holds no error. Raises CallEnded."""
        try:
            first = await first_piece(content)
            heard = self.on_first_byte()
            raw = await read_capped(content, first, heard=None if content.at_eof() else heard)
            document = classify.read_json(raw)
        except orjson.JSONDecodeError:
            raise self._ended(classify.bad_response()) from None
        finally:
            give_back(response)
        if not isinstance(document, dict):
            raise self._ended(classify.bad_response())
        if problem := self.end.take_whole(document):
            raise self._ended(problem)
        return raw if self.end.saw_usage else orjson.dumps(without_figures(document))

    def _ended(self, outcome: Outcome) -> CallEnded:
        self.outcome = outcome
        return CallEnded(outcome.word)


def is_below(url: URL, base: URL) -> bool:
    """Whether a URL is at the base's origin and its path at or below the base's."""
    path = base.raw_path.rstrip("/")
    return url.origin() == base.origin() and (url.raw_path == path or url.raw_path.startswith(path + "/"))


def has_dot_segments(path: str) -> bool:
    """Whether a server that decodes the path might find a way up in it, or another one."""
    decoded = unquote(unquote(path)).replace("\\", "/")
    return any(segment in (".", "..") for segment in decoded.split("/"))


class WatchedStream(httpx.AsyncByteStream):
    """A stream's bytes on their way to litellm."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._exchange.pieces()

    async def aclose(self) -> None:
        """Close the connection, or give it back."""
        self._exchange.close()


current_exchange: ContextVar[Exchange | None] = ContextVar("current_exchange", default=None)


class GuardedTransport(httpx.AsyncBaseTransport):
    """Sends for the attempt of the running context, and for nobody else."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """See Exchange.send."""
        exchange = current_exchange.get()
        if exchange is None:
            raise CallEnded("no attempt")
        return await exchange.send(request)


class ClosedTransport(httpx.BaseTransport):
    """Refuses everything: nothing here sends from a blocking client."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Raises CallEnded."""
        raise CallEnded("blocking clients may not send")
