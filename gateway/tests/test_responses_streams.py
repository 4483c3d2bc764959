"""Chat chunks as the events of a response, as OpenAI's own client reads and accumulates them."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, cast

import httpx
import openai
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai._models import construct_type_unchecked
from openai._streaming import SSEDecoder
from openai._types import omit
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from gateway.dialects.dialect import StreamEncoder
from gateway.dialects.responses import Responses
from gateway.errors import UpstreamsFailed
from gateway.upstream.chunks import ChunkCheck

DIALECT = Responses()
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
BROKEN = UpstreamsFailed("The upstream broke off.", code="upstream_broken")
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def encoder(**asked: Any) -> StreamEncoder:
    request = DIALECT.parse(orjson.dumps({"model": "m", "input": "hi", "stream": True, **asked}))
    return DIALECT.encoder(request, "upstream-model", translated=True)


def chunks(*deltas: dict[str, Any], finish: str = "stop", usage: Any = USAGE) -> list[dict[str, Any]]:
    """The deltas as checked chunks, then the finish reason, then the usage."""
    check = ChunkCheck("upstream-model", 1000)
    choices = [{"index": 0, "delta": {**delta}} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": finish})
    taken = [check.take({"id": "x", "choices": [choice]}) for choice in choices]
    closing = [] if usage is None else [{"id": "x", "choices": [], "usage": usage}]
    return [chunk for chunk in taken if chunk is not None] + closing


def call(index: int, arguments: str, name: str = "", call_id: str = "") -> dict[str, Any]:
    head = {"id": call_id, "type": "function"} if call_id else {}
    function = {"name": name, "arguments": arguments} if name else {"arguments": arguments}
    return {"tool_calls": [{"index": index, **head, "function": function}]}


def read(stream: bytes) -> list[dict[str, Any]]:
    """The events, each named as its data says and numbered without a gap."""
    frames = list(SSEDecoder().iter_bytes(iter([stream])))
    events = [frame.json() for frame in frames]
    assert [frame.event for frame in frames] == [event["type"] for event in events]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    return events


def told(
    *deltas: dict[str, Any], finish: str = "stop", usage: Any = USAGE, **asked: Any
) -> list[dict[str, Any]]:
    """The events of a whole stream, each of one of OpenAI's types."""
    writer = encoder(**asked)
    events = read(writer.events(chunks(*deltas, finish=finish, usage=usage)) + writer.end())
    for event in events:
        EVENT.validate_python(event)
    return events


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events]


def accumulated(events: list[dict[str, Any]]) -> tuple[str, list[str], Response]:
    """Text and arguments as OpenAI's accumulator joins the deltas, and the final response."""
    state: ResponseStreamState[Any] = ResponseStreamState(input_tools=omit, text_format=omit)
    kind = cast("type[Any]", ResponseStreamEvent)
    for event in events:
        state.handle_event(construct_type_unchecked(type_=kind, value=event))
    snapshot = vars(state)["_ResponseStreamState__current_snapshot"]
    text = "".join(part.text for item in snapshot.output if item.type == "message" for part in item.content)
    arguments = [item.arguments for item in snapshot.output if item.type == "function_call"]
    return text, arguments, Response.model_validate(events[-1]["response"])


def test_text_is_told_in_openais_order():
    events = told({"content": "It "}, {"content": "rains."})

    assert kinds(events) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert [event["delta"] for event in events if "delta" in event] == ["It ", "rains."]
    assert events[6]["text"] == "It rains."
    final = Response.model_validate(events[-1]["response"])
    assert final.output_text == "It rains."
    assert final.model == "upstream-model"
    assert final.id == events[0]["response"]["id"]
    assert final.usage is not None
    assert (final.usage.input_tokens, final.usage.output_tokens) == (3, 2)


def test_thoughts_are_an_item_of_their_own_that_ends_before_the_text_begins():
    events = told({"reasoning_content": "Hm"}, {"reasoning_content": "m."}, {"content": "Rain."})

    assert kinds(events)[2:11] == [
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
    ]
    assert events[8]["item"]["summary"] == [{"type": "summary_text", "text": "Hmm."}]
    assert [event["output_index"] for event in events[2:11]] == [0, 0, 0, 0, 0, 0, 0, 1, 1]


def test_parallel_calls_may_come_interleaved():
    events = told(
        call(0, '{"a"', "f", "call_1"),
        call(1, '{"b"', "g", "call_2"),
        call(0, ":1}"),
        call(1, ":2}"),
        finish="tool_calls",
    )

    _, arguments, final = accumulated(events)
    assert arguments == ['{"a":1}', '{"b":2}']
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    said = [(item["call_id"], item["name"], item["arguments"]) for item in done]
    assert said == [("call_1", "f", '{"a":1}'), ("call_2", "g", '{"b":2}')]
    assert [item.to_dict() for item in final.output] == done


def test_a_custom_tools_text_is_told_when_it_is_whole():
    asked = {"tools": [{"type": "custom", "name": "run"}]}
    events = told(
        call(0, '{"inp', "run", "call_1"), call(0, 'ut":"ls \\"x\\""}'), finish="tool_calls", **asked
    )

    assert kinds(events)[2:6] == [
        "output_item.added",
        "custom_tool_call_input.delta",
        "custom_tool_call_input.done",
        "output_item.done",
    ]
    assert (events[3]["delta"], events[4]["input"], events[5]["item"]["input"]) == ('ls "x"',) * 3


def test_a_refusal_has_events_of_its_own():
    events = told({"refusal": "I will "}, {"refusal": "not."})

    assert kinds(events)[3:8] == [
        "content_part.added",
        "refusal.delta",
        "refusal.delta",
        "refusal.done",
        "content_part.done",
    ]
    assert events[-1]["response"]["output"][0]["content"] == [{"type": "refusal", "refusal": "I will not."}]


@pytest.mark.parametrize(
    ("finish", "reason"), [("length", "max_output_tokens"), ("content_filter", "content_filter")]
)
def test_an_answer_cut_short_ends_as_incomplete(finish: str, reason: str):
    events = told({"content": "It ra"}, finish=finish)

    assert kinds(events)[-2:] == ["output_item.done", "incomplete"]
    assert events[-1]["response"]["incomplete_details"] == {"reason": reason}
    assert events[-1]["response"]["output"][0]["status"] == "incomplete"


def test_without_usage_the_answer_still_ends():
    assert told({"content": "x"}, usage=None)[-1]["response"]["usage"] is None


def test_the_items_end_with_the_finish_reason_and_the_response_with_the_stream():
    writer = encoder()
    begun = writer.events(chunks({"content": "x"}))

    assert b"output_item.done" in begun
    assert b"response.completed" not in begun
    assert b"response.completed" in writer.end()


def raised_by_openai(stream: bytes) -> tuple[list[str], openai.APIError]:
    """What a plain `for` over the stream sees, and what it raises."""
    answer = httpx.Response(200, headers={"content-type": "text/event-stream"}, content=stream)
    transport = httpx.MockTransport(lambda _: answer)
    seen: list[str] = []

    def read_all() -> None:
        with openai.OpenAI(api_key="x", http_client=httpx.Client(transport=transport)) as client:
            for event in client.responses.create(model="m", input="hi", stream=True):
                seen.append(event.type)  # noqa: PERF401  # what was seen before the error counts

    with pytest.raises(openai.APIError) as caught:
        read_all()
    return seen, caught.value


def test_openais_client_raises_when_a_stream_breaks():
    writer = encoder()
    seen, error = raised_by_openai(writer.events(chunks({"content": "x"})[:1]) + writer.error(BROKEN))

    assert seen[-1] == "response.output_text.delta"
    assert (error.message, error.code) == ("The upstream broke off.", "upstream_broken")


def test_openais_client_raises_when_nothing_was_written():
    seen, error = raised_by_openai(encoder().error(BROKEN))

    assert seen == []
    assert error.message == "The upstream broke off."


def test_a_broken_stream_ends_with_a_failed_response_that_holds_what_was_written():
    writer = encoder()
    events = read(
        writer.events(chunks({"reasoning_content": "Hm"}, {"content": "x"})[:2]) + writer.error(BROKEN)
    )

    assert kinds(events)[-2:] == ["error", "failed"]
    assert EVENT.validate_python(events[-1]).response.output_text == "x"
    failed = events[-1]["response"]
    assert (failed["status"], failed["id"]) == ("failed", events[0]["response"]["id"])
    assert failed["error"] == {"code": "server_error", "message": "The upstream broke off."}
    assert [(item["type"], item["status"]) for item in failed["output"]] == [
        ("reasoning", "completed"),
        ("message", "incomplete"),
    ]


DELTAS = st.lists(
    st.one_of(
        st.builds(lambda text: {"content": text}, st.text(max_size=5)),
        st.builds(lambda text: {"reasoning_content": text}, st.text(max_size=5)),
        st.builds(lambda index, text: (index, text), st.integers(0, 3), st.text(max_size=5)),
    ),
    max_size=25,
).filter(
    # A stream that ends well without a word, a thought or a call is no answer, and comes here from no upstream.
    lambda drawn: any(
        isinstance(piece, tuple) or "content" in piece or piece["reasoning_content"] for piece in drawn
    )
)


def as_deltas(drawn: list[Any]) -> Iterator[dict[str, Any]]:
    """Drawn pieces as deltas; the first piece of a call names it."""
    begun: set[int] = set()
    for piece in drawn:
        if isinstance(piece, dict):
            yield piece
        elif piece[0] in begun:
            yield call(piece[0], piece[1])
        else:
            begun.add(piece[0])
            yield call(piece[0], piece[1], f"tool{piece[0]}", f"call_{piece[0]}")


@given(DELTAS, st.sets(st.integers(0, 27)), st.sampled_from(["stop", "length", "tool_calls"]))
def test_any_stream_split_anywhere_accumulates_to_the_same(drawn: list[Any], cuts: set[int], finish: str):
    writer, given_chunks = encoder(), chunks(*as_deltas(drawn), finish=finish)
    edges = [0, *sorted(cut for cut in cuts if cut < len(given_chunks)), len(given_chunks)]
    written = b"".join(writer.events(given_chunks[start:end]) for start, end in pairwise(edges))
    events = read(written + writer.end())

    text, arguments, final = accumulated(events)
    order = list(dict.fromkeys(piece[0] for piece in drawn if isinstance(piece, tuple)))
    pieces = [piece for piece in drawn if isinstance(piece, tuple)]
    calls = ["".join(text for index, text in pieces if index == wanted) for wanted in order]
    said = "".join(piece.get("content", "") for piece in drawn if isinstance(piece, dict))
    assert text == final.output_text == said
    assert arguments == calls
    assert [item.arguments for item in final.output if item.type == "function_call"] == calls
    added = [event["output_index"] for event in events if event["type"] == "response.output_item.added"]
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert added == list(range(len(added)))
    assert sorted(item["id"] for item in done) == sorted(item.id or "" for item in final.output)
