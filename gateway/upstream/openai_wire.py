"""The OpenAI wire: the client's request is relayed with the upstream's model name, the answer checked and passed on."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson
from multidict import CIMultiDict
from yarl import URL

from gateway.errors import AttemptFailed, StreamBroken, UpstreamsFailed
from gateway.sse import EventSplitter, EventTooLarge
from gateway.upstream import classify
from gateway.upstream.chunks import Chunk, ChunkCheck, NotAChunk, chunks_of, is_completion
from gateway.upstream.idle import IdleWatch
from gateway.upstream.sessions import Sessions, came_from_pool
from gateway.upstream.wire import Completion, UpstreamCall
from routing.engine.outcome import Outcome
from routing.engine.snapshot import Deployment, Provider

MAX_BODY = 32 * 1024 * 1024
MAX_ERROR_BODY = 64 * 1024
DISCONNECTED = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, ConnectionResetError, BrokenPipeError)


class OpenAIWire:
    """Chat completions at any upstream that speaks OpenAI's HTTP API."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._prepared: dict[str, tuple[Provider, str | None, URL, CIMultiDict[str]]] = {}

    async def complete(self, call: UpstreamCall) -> Completion:
        """One whole answer. Raises AttemptFailed."""
        started = time.monotonic()
        try:
            # One timer for the attempt: first for the first byte of the body, then for the rest of it.
            async with asyncio.timeout(call.first_content_limit) as limit:
                response, edits = await self._send(call)
                try:
                    first = await response.content.readany()
                    first_content = time.monotonic() - started
                    if not response.content.at_eof():
                        rest = call.deployment.limits.total - first_content
                        limit.reschedule(asyncio.get_running_loop().time() + rest)
                    raw = await read_capped(response, first)
                finally:
                    give_back(response)
        except TimeoutError:
            raise AttemptFailed(classify.timed_out()) from None
        except (aiohttp.ClientError, ConnectionError):
            raise AttemptFailed(classify.bad_response(200)) from None
        body = check_completion(raw, call.deployment)
        usage = body.get("usage")
        return Completion(body, first_content, usage if isinstance(usage, dict) else None, edits)

    async def open_stream(self, call: UpstreamCall) -> "OpenAIStream":
        """A stream that has its first content. Raises AttemptFailed."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(call.first_content_limit):
                response, edits = await self._send(call)
                stream = OpenAIStream(response, call.deployment, edits)
                try:
                    await stream.read_to_first_content()
                except BaseException:
                    response.close()
                    raise
        except TimeoutError:
            raise AttemptFailed(classify.timed_out()) from None
        except StreamBroken as error:
            raise AttemptFailed(error.outcome) from None
        stream.first_content = time.monotonic() - started
        return stream

    async def close(self) -> None:
        """Close every connection."""
        await self._sessions.close()

    async def _send(self, call: UpstreamCall) -> tuple[aiohttp.ClientResponse, dict[str, str]]:
        """The response with status 200, its body still unread. Raises AttemptFailed for anything else."""
        body, edits = upstream_body(call)
        try:
            response = await self._post(call, body)
            if response.status == 200:
                return response, edits
            outcome = await read_refusal(response, call.credential or "")
        except TimeoutError:
            outcome = classify.timed_out()
        except (aiohttp.ClientResponseError, aiohttp.ClientPayloadError):
            outcome = classify.bad_response(None)
        except (aiohttp.ClientError, OSError):
            outcome = classify.unreachable()
        raise AttemptFailed(outcome)

    async def _post(self, call: UpstreamCall, body: bytes) -> aiohttp.ClientResponse:
        try:
            return await self._post_once(call, body)
        except DISCONNECTED as error:
            # The peer had closed a pooled connection before it read anything: one free re-send, and only one, because a
            # peer that reads, works and then dies looks the same.
            if isinstance(error, aiohttp.ClientConnectorError) or not came_from_pool():
                raise
        return await self._post_once(call, body)

    async def _post_once(self, call: UpstreamCall, body: bytes) -> aiohttp.ClientResponse:
        url, headers = self._prepare(call.deployment.provider, call.credential)
        return await self._sessions.for_class(call.deployment.provider.address_class).post(
            url,
            data=body,
            headers=headers,
            allow_redirects=False,
            timeout=connect_timeout(call.deployment.limits.connect),
        )

    def _prepare(self, provider: Provider, credential: str | None) -> tuple[URL, CIMultiDict[str]]:
        known = self._prepared.get(provider.slug)
        if known is not None and known[0] is provider and known[1] == credential:
            return known[2], known[3]
        url = URL(provider.base_url.rstrip("/") + "/chat/completions", encoded=True)
        headers = CIMultiDict(provider.extra_headers)
        headers.update(
            {
                "Content-Type": "application/json",
                "Accept": "application/json, text/event-stream",
                "Accept-Encoding": "identity",
                "User-Agent": "rainymodel",
            }
        )
        if credential:
            headers["Authorization"] = f"Bearer {credential}"
        self._prepared[provider.slug] = (provider, credential, url, headers)
        return url, headers


class OpenAIStream:
    """An event stream from an upstream, checked as it is read."""

    def __init__(
        self, response: aiohttp.ClientResponse, deployment: Deployment, edits: dict[str, str]
    ) -> None:
        self.first_content = 0.0
        self.parameter_edits = edits
        self._response = response
        self._idle_limit = deployment.limits.idle
        self._check = ChunkCheck(deployment.model, int(time.time()))
        self._splitter = EventSplitter()
        self._held: list[Chunk] = []
        self._ended = False
        self._break: StreamBroken | None = None
        self._watch: IdleWatch | None = None

    @property
    def usage(self) -> dict[str, Any] | None:
        """The upstream's own usage; None when it gave none."""
        return self._check.usage

    @property
    def output_bytes(self) -> int:
        """Bytes of text read so far."""
        return self._check.text_bytes

    async def read_to_first_content(self) -> None:
        """Read until something worth sending has come. Raises StreamBroken when nothing does."""
        first = await self._read()
        if first.lstrip()[:1] in (b"{", b"["):
            await self._take_whole_completion(first)
            return
        if first.lstrip()[:1] == b"<":
            raise broken(classify.bad_response())
        self._held = self._chunks_in(first)
        while not self._check.has_content and self._break is None:
            if self._ended:
                raise broken(classify.bad_response())
            self._held += self._chunks_in(await self._read())
        if self._break is not None:  # it came together with the first content, and nothing has left yet
            raise self._break

    async def chunks(self) -> AsyncIterator[list[Chunk]]:
        """Checked chunks as they arrive; the usage chunk last. Raises StreamBroken."""
        if self._held:
            yield self._held
        self._watch = IdleWatch(self._idle_limit, self._response.close)
        while not self._ended:
            chunks = self._chunks_in(await self._read_on(self._watch))
            if chunks:
                yield chunks
            if self._break is not None:
                raise self._break
        if not self._check.complete:
            raise broken(classify.bad_response())
        if self._check.usage is not None:
            yield [self._check.usage_chunk()]

    async def _read_on(self, watch: IdleWatch) -> bytes:
        """The next piece. When every choice has finished, a connection that breaks or falls silent has ended well."""
        watch.wait_begins()
        try:
            return await self._read()
        except StreamBroken:
            if not self._check.complete:
                raise
            self._ended = True
            return b""
        finally:
            watch.wait_ends()

    async def close(self) -> None:
        """Give the connection back when the answer was read to its end, else close it."""
        if self._watch is not None:
            self._watch.stop()
        give_back(self._response)

    async def _read(self) -> bytes:
        try:
            piece = await self._response.content.readany()
        except (aiohttp.ClientError, OSError):
            timed_out = self._watch is not None and self._watch.fired
            raise broken(classify.timed_out() if timed_out else classify.unreachable()) from None
        self._ended = not piece
        return piece

    def _chunks_in(self, piece: bytes) -> list[Chunk]:
        """The good chunks in a piece; what breaks the stream behind them is kept for when they have left."""
        chunks = []
        try:
            for data in self._splitter.feed(piece):
                if data.startswith(b"[DONE]"):
                    self._ended = True
                    break
                chunk = self._check.take(self._event(data))
                if chunk is not None:
                    chunks.append(chunk)
        except (EventTooLarge, NotAChunk, orjson.JSONDecodeError):
            self._break = broken(classify.bad_response())
        except StreamBroken as error:
            self._break = error
        return chunks

    def _event(self, data: bytes) -> Chunk:
        event = orjson.loads(data)
        if not isinstance(event, dict):
            raise NotAChunk
        error = event.get("error")
        if error:
            raise broken(
                classify.classify_error_object(error if isinstance(error, dict) else {"message": str(error)})
            )
        return event

    async def _take_whole_completion(self, first: bytes) -> None:
        """A JSON body although a stream was asked for: an error, or a completion to be cut into chunks."""
        try:
            raw = await read_capped(self._response, first)
            body = orjson.loads(raw)
        except (aiohttp.ClientError, OSError, orjson.JSONDecodeError):
            raise broken(classify.bad_response()) from None
        if isinstance(body, dict) and body.get("error"):
            raise broken(classify.classify_error_object(classify.error_object(raw)))
        if not is_completion(body):
            raise broken(classify.bad_response())
        taken = [self._check.take(chunk) for chunk in chunks_of(body)]
        self._held = [chunk for chunk in taken if chunk is not None]
        self._ended = True


def upstream_body(call: UpstreamCall) -> tuple[bytes, dict[str, str]]:
    """The client's JSON with the upstream's model name and the deployment's parameter policy; what was edited."""
    payload = {**call.request.payload, "model": call.deployment.model}
    if call.request.stream:
        payload["stream_options"] = {**payload.get("stream_options", {}), "include_usage": True}
    edits = {}
    for name, replacement in call.deployment.parameter_policy:
        if name in payload:
            value = payload.pop(name)
            edits[name] = replacement or ""
            if replacement:
                payload.setdefault(replacement, value)
    return orjson.dumps(payload), edits


def check_completion(raw: bytes, deployment: Deployment) -> dict[str, Any]:
    """A JSON answer as clients may see it. Raises AttemptFailed when it is none."""
    try:
        body: dict[str, Any] = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise AttemptFailed(classify.bad_response()) from None
    if isinstance(body, dict) and body.get("error"):
        raise AttemptFailed(classify.classify_error_object(classify.error_object(raw)))
    if not is_completion(body):
        raise AttemptFailed(classify.bad_response())
    body["model"] = deployment.model
    body["object"] = "chat.completion"
    if not isinstance(body.get("id"), str):
        body["id"] = f"chatcmpl-{time.time_ns():x}"
    if type(body.get("created")) is not int:
        body["created"] = int(time.time())
    for place, choice in enumerate(body["choices"]):
        choice.setdefault("index", place)
        choice["message"].setdefault("role", "assistant")
        choice.setdefault("finish_reason", "stop")
    return body


async def read_capped(response: aiohttp.ClientResponse, first: bytes = b"", cap: int = MAX_BODY) -> bytes:
    """The rest of a body after `first`; over `cap` bytes it counts as a broken payload."""
    pieces, size = [first], len(first)
    while piece := await response.content.readany():
        pieces.append(piece)
        size += len(piece)
        if size > cap:
            raise aiohttp.ClientPayloadError("body over the limit")
    return b"".join(pieces) if len(pieces) > 1 else first


def give_back(response: aiohttp.ClientResponse) -> None:
    """The connection goes back to the pool when the answer was read to its end; otherwise it is closed."""
    if response.content.at_eof() and response.content.exception() is None:
        response.release()
    else:
        response.close()


async def read_refusal(response: aiohttp.ClientResponse, credential: str) -> Outcome:
    """The outcome of a status other than 200; the body is read as far as classifying needs it."""
    try:
        body = await read_capped(response, cap=MAX_ERROR_BODY)
    except (aiohttp.ClientError, OSError):
        body = b""
    finally:
        give_back(response)
    return classify.classify_status(response.status, response.headers, body, credential)


def broken(outcome: Outcome) -> StreamBroken:
    """A stream that cannot go on, with the sentence for a client that already has content."""
    if outcome.word == "timeout":
        return StreamBroken(
            outcome,
            UpstreamsFailed("The upstream fell silent in the middle of the answer.", code="upstream_timeout"),
        )
    return StreamBroken(
        outcome,
        UpstreamsFailed("The upstream broke off in the middle of the answer.", code="upstream_broken"),
    )


_timeouts: dict[float, aiohttp.ClientTimeout] = {}


def connect_timeout(seconds: float) -> aiohttp.ClientTimeout:
    """aiohttp's timeout value for a connect limit; few distinct ones exist, so they are kept."""
    timeout = _timeouts.get(seconds)
    if timeout is None:
        timeout = _timeouts[seconds] = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=seconds)
    return timeout
