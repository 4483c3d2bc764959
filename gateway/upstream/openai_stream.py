"""An event stream from an upstream in any dialect: read, split, checked, and told apart from one that broke."""

import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson

from gateway.dialects.dialect import Event, NotAnAnswer, RefusedInside
from gateway.dialects.registry import DIALECTS
from gateway.errors import StreamBroken, UpstreamsFailed
from gateway.sse import EventSplitter, EventTooLarge
from gateway.upstream import classify
from gateway.upstream.bodies import (
    Content,
    fingerprint,
    first_piece,
    give_back,
    odd_type,
    read_capped,
    read_to_end,
)
from gateway.upstream.caps import MAX_LEADING, MAX_TEXT, Caps
from gateway.upstream.chunks import ChunkCheck, chunks_of, is_completion
from gateway.upstream.encodings import PIECE, body_of
from gateway.upstream.idle import IdleWatch
from gateway.upstream.wire import Response, UpstreamCall
from routing.engine.outcome import Outcome

AFTER_FINISH = 2.0  # seconds for usage and the end, once every choice has finished


class OpenAIStream:
    """An event stream from an upstream, checked as it is read."""

    def __init__(self, response: Response, call: UpstreamCall, edits: dict[str, str]) -> None:
        self.first_content = 0.0
        self.parameter_edits = edits
        self._response = response
        self._content: Content = response.content
        self._limits = call.deployment.limits
        self._credential = call.credential or ""
        self._choices = call.payload.get("n") or 1
        self._check = DIALECTS[call.dialect].check_stream(call.deployment.model, int(time.time()))
        self._chat = self._check if isinstance(self._check, ChunkCheck) else None
        self._caps = Caps(call.payload, self._choices)
        self._splitter = EventSplitter()
        self._held: list[Event] = []
        self._ended = False
        self._relayed = False
        self._surplus = False  # something came behind [DONE]
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

    @property
    def oddities(self) -> tuple[str, ...]:
        """What the log says of the answer's tool calls."""
        in_calls = self._chat.oddities if self._chat is not None else ()
        return (*odd_type(self._response, "text/event-stream"), *in_calls)

    async def read_to_first_content(self) -> None:
        """Read until something worth sending has come. Raises StreamBroken when nothing does."""
        first = await self._read_first()
        if first.lstrip()[:1] in (b"{", b"["):
            await self._take_whole_answer(first)
            return
        if first.lstrip()[:1] == b"<":
            raise broken(classify.bad_response())
        self._held = self._events_in(first)
        size = len(first)
        while not self._check.has_content and self._break is None:
            if self._ended or size > MAX_LEADING:
                raise broken(classify.bad_response())
            piece = await self._read()
            size += len(piece)
            self._held += self._events_in(piece)
        if self._break is not None:  # it came together with the first content, and nothing has left yet
            raise self._break

    async def events(self) -> AsyncIterator[list[Event]]:
        """Checked events as they arrive; a chat's usage chunk last. Raises StreamBroken."""
        if self._held:
            yield self._held
        self._watch = self._start_watch()
        finishing, told = False, len(self._held)
        while not self._ended:
            if not finishing and self._check.has_finished(self._choices):
                finishing = True
                self._watch.end_within(AFTER_FINISH)
            events = self._events_in(await self._read_on(self._watch))
            if events:
                yield events
            if self._break is not None:
                raise self._break
            told += len(events)
            if self._check.text_bytes > MAX_TEXT:
                raise endless()
            if self._chat is not None and self._caps.passed(told, self._chat.text_bytes):
                yield self._chat.cut_short()
                return
        if not self._check.complete:
            raise broken(classify.bad_response())
        if closing := self._check.closing():
            yield closing
        self._relayed = True

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
        if self._surplus or (self._chat is not None and self._chat.late):
            self._response.close()
            return
        if self._relayed and not self._response.content.at_eof():
            await read_to_end(self._response)
        give_back(self._response)

    def _start_watch(self) -> IdleWatch:
        left = max(0.0, self._limits.total - self.first_content)
        return IdleWatch(self._limits.idle, self._response.close, left)

    async def _read_first(self) -> bytes:
        """The first bytes that are more than empty lines."""
        try:
            self._content = body_of(self._response)
            first = await first_piece(self._content)
        except (aiohttp.ClientError, OSError):
            raise broken(classify.bad_response()) from None
        self._ended = not first
        return first

    async def _read(self) -> bytes:
        try:
            piece = await self._content.read(PIECE)
        except (aiohttp.ClientError, OSError):
            raise broken(self._lost()) from None
        self._ended = not piece
        return piece

    def _lost(self) -> Outcome:
        """What it means that reading on failed: an answer that never became one, silence, or a lost connection."""
        if self._watch is None:
            return classify.bad_response()
        return classify.timed_out() if self._watch.fired else classify.unreachable()

    def _events_in(self, piece: bytes) -> list[Event]:
        """The good events in a piece; what breaks the stream behind them is kept for when they have left."""
        events = []
        try:
            found = self._splitter.feed(piece)
            for data in found:
                if data.startswith(b"[DONE]"):
                    self._ended = True
                    self._surplus = data is not found[-1]
                    break
                event = self._check.take(self._event(data))
                if event is not None:
                    events.append(event)
                if self._check.ended:
                    self._ended = True
                    break
        except RefusedInside as refused:
            self._break = self._refused(refused.error)
        except (EventTooLarge, NotAnAnswer, orjson.JSONDecodeError):
            self._break = broken(classify.bad_response())
        except StreamBroken as error:
            self._break = error
        return events

    def _event(self, data: bytes) -> Event:
        event = classify.read_json(data)
        if not isinstance(event, dict):
            raise NotAnAnswer
        error = event.get("error")
        if error:
            raise self._refused(error if isinstance(error, dict) else {"message": str(error)})
        return event

    def _refused(self, error: dict[str, Any]) -> StreamBroken:
        """An error object where an answer should be."""
        outcome = classify.classify_error_object(error, self._credential)
        return broken(outcome, fingerprint(orjson.dumps(error)))

    async def _take_whole_answer(self, first: bytes) -> None:
        """A JSON body although a stream was asked for: an error, or a chat completion to be cut into chunks."""
        try:
            raw = await read_capped(self._content, first)
            body = classify.read_json(raw)
        except (aiohttp.ClientError, OSError, orjson.JSONDecodeError):
            raise broken(classify.bad_response()) from None
        if isinstance(body, dict) and body.get("error"):
            raise self._refused(classify.error_object(raw))
        if self._chat is None or not is_completion(body):
            raise broken(classify.bad_response())
        try:
            taken = [self._check.take(chunk) for chunk in chunks_of(body)]
        except RefusedInside as refused:
            raise self._refused(refused.error) from None
        except NotAnAnswer:
            raise broken(classify.bad_response()) from None
        self._held = [chunk for chunk in taken if chunk is not None]
        self._ended = True


def broken(outcome: Outcome, said: str = "") -> StreamBroken:
    """A stream that cannot go on, with the sentence for a client that already has content."""
    if outcome.word == "timeout":
        return StreamBroken(
            outcome,
            UpstreamsFailed("The upstream fell silent in the middle of the answer.", code="upstream_timeout"),
            said,
        )
    return StreamBroken(
        outcome,
        UpstreamsFailed("The upstream broke off in the middle of the answer.", code="upstream_broken"),
        said,
    )


def endless() -> StreamBroken:
    """A stream that holds more than any answer does."""
    said = f"The upstream's answer did not end within {MAX_TEXT} bytes of text."
    return StreamBroken(classify.bad_response(), UpstreamsFailed(said, code="upstream_broken"))
