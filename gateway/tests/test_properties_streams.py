"""A stream reads the same however its bytes were split, whatever line ends and fields its events are written with."""

import asyncio
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from gateway.errors import StreamBroken
from gateway.sse import EventSplitter
from gateway.upstream.openai_stream import OpenAIStream
from gateway.upstream.wire import UpstreamCall
from routing.engine.snapshot import Deployment, Provider, Tier

CALL = UpstreamCall(
    Deployment("sun/ok", Provider("sun", "sun"), "sunny", Tier("free", "Free", "free", 1)),
    "chat", {"n": 1}, stream=True, credential=None, first_content_limit=5.0,
)  # fmt: skip
FIRST = {"id": "c-1", "created": 7, "choices": [{"index": 0, "delta": {"content": "a"}}]}
COMPLETE = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}

texts = st.text(min_size=1, max_size=12)
deltas = st.one_of(
    texts.map(lambda text: {"content": text}),
    texts.map(lambda text: {"reasoning_content": text}),
    texts.map(lambda text: {"tool_calls": [{"index": 0, "function": {"arguments": text}}]}),
    st.just({"role": "assistant", "content": ""}),
)
chunks = deltas.map(
    lambda delta: {
        "id": "c-1",
        "created": 7,
        "choices": [{"index": 0, "delta": delta, "finish_reason": None}],
    }
)
usages = st.sampled_from([None, {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}])
line_ends = st.sampled_from([b"\n", b"\r\n", b"\r"])
between = st.sampled_from([b"", b": ping", b"event: delta", b"id: 7", b"retry: 10", b": \xd8\xb3", b"data"])


class Pieces:
    """The body of a response that arrives in exactly these pieces."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = [piece for piece in pieces if piece]

    async def readany(self) -> bytes:
        """The next piece; empty at the end."""
        return self._pieces.pop(0) if self._pieces else b""

    async def read(self, most: int) -> bytes:
        """The same, whatever is asked for."""
        return await self.readany()

    def at_eof(self) -> bool:
        """True when nothing is left."""
        return not self._pieces

    def exception(self) -> None:
        """No connection of this kind breaks."""


class Response:
    """As much of an aiohttp response as reading a stream touches."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.content, self.headers = Pieces(pieces), CIMultiDict[str]()

    def release(self) -> None:
        """There is no pool."""

    close = release


@st.composite
def written(draw: Any) -> tuple[list[dict[str, Any]], bytes]:
    """The chunks of a whole answer, and one way to write them as an event stream."""
    answer = [
        FIRST,
        *draw(st.lists(chunks, max_size=6)),
    ]
    answer.append(COMPLETE)
    if usage := draw(usages):
        answer.append({"choices": [], "usage": usage})
    stream = draw(st.sampled_from([b"", b"\xef\xbb\xbf"]))
    for chunk in answer:
        end, over_lines = draw(line_ends), draw(st.booleans())
        lines = orjson.dumps(chunk, option=orjson.OPT_INDENT_2 if over_lines else None).split(b"\n")
        space = draw(st.sampled_from([b"", b" "]))
        stream += draw(between) + end * 2
        stream += b"".join(b"data:" + space + line + end for line in lines) + end
    return answer, stream + draw(st.sampled_from([b"data: [DONE]\n\n", b"data:[DONE]\r\n\r\n", b""]))


def split(stream: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    return [stream[start:end] for start, end in pairwise(edges)]


async def read(pieces: list[bytes]) -> tuple[list[dict[str, Any]], dict[str, Any] | None, int]:
    """The events, the usage and the bytes of text that the gateway's reader makes of the pieces."""
    stream: Any = OpenAIStream(Response(pieces), CALL, {})  # type: ignore[arg-type]
    await stream.read_to_first_content()
    events = [event async for some in stream.events() for event in some]
    await stream.close()
    return events, stream.usage, stream.output_bytes


def data_of(pieces: list[bytes]) -> list[bytes]:
    splitter = EventSplitter()
    return [event for piece in pieces for event in splitter.feed(piece)]


@pytest.mark.fault("U39", "U51")
@settings(max_examples=200, deadline=None)
@given(written(), st.lists(st.integers(0, 10_000), max_size=20))
def test_any_split_of_any_stream_gives_the_same_answer(
    made: tuple[list[dict[str, Any]], bytes], cuts: list[int]
):
    answer, stream = made
    whole = asyncio.run(read([stream]))

    assert asyncio.run(read(split(stream, cuts))) == whole
    assert [orjson.loads(data) for data in data_of(split(stream, cuts)) if data != b"[DONE]"] == answer


@settings(max_examples=60, deadline=None)
@given(written())
def test_one_byte_at_a_time_gives_the_same_answer(made: tuple[list[dict[str, Any]], bytes]):
    _, stream = made

    assert asyncio.run(read(split(stream, list(range(len(stream)))))) == asyncio.run(read([stream]))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=20))
def test_even_rubbish_splits_into_the_same_events(rubbish: bytes, cuts: list[int]):
    assert data_of(split(rubbish, cuts)) == data_of([rubbish])


@settings(max_examples=200, deadline=None)
@given(written(), st.lists(st.integers(0, 10_000), max_size=20), st.integers(1, 60), st.binary(max_size=20))
def test_a_stream_that_breaks_off_gives_a_beginning_of_the_whole_and_says_so(
    made: tuple[list[dict[str, Any]], bytes], cuts: list[int], at: int, rubbish: bytes
):
    _, stream = made
    broken = stream[: at * len(stream) // 61] + rubbish

    words = []

    async def events() -> list[dict[str, Any]]:
        reader: Any = OpenAIStream(Response(split(broken, cuts)), CALL, {})  # type: ignore[arg-type]
        seen: list[dict[str, Any]] = []
        try:
            await reader.read_to_first_content()
            async for some in reader.events():
                seen += some
        except StreamBroken as error:
            words.append(error.outcome.word)
        return seen

    whole, _, _ = asyncio.run(read([stream]))
    seen = asyncio.run(events())

    assert seen == whole[: len(seen)]
    assert words in ([], ["bad_response"])
    assert words or {choice["finish_reason"] for event in seen for choice in event["choices"]} >= {"stop"}
