"""A chat stream as the events that Anthropic's clients read."""

from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.dialect import ModelRequest
from gateway.dialects.messages import Messages
from gateway.errors import DeadlinePassed, Unavailable, UpstreamsFailed
from gateway.sse import EventSplitter

USAGE = {"choices": [], "usage": {"prompt_tokens": 12, "completion_tokens": 3}}


def request(**fields: Any) -> ModelRequest:
    body = {"max_tokens": 9, "stream": True, "messages": [{"role": "user", "content": "hi"}], **fields}
    return Messages().parse(orjson.dumps(body))


THINKER = request(thinking={"type": "adaptive"}, stop_sequences=["END"])


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def call(index: int, arguments: Any, id: str | None = None, name: str = "read") -> dict[str, Any]:
    head = {"id": id, "type": "function"} if id else {}
    function = {"arguments": arguments, **({"name": name} if id else {})}
    return {"index": index, **head, "function": function}


def frames(data: bytes) -> list[dict[str, Any]]:
    """The events in some bytes, each with the same type on both of its lines."""
    events = []
    for block in data.split(b"\n\n")[:-1]:
        name, body = block.split(b"\n")
        event = orjson.loads(body.removeprefix(b"data: "))
        assert name == f"event: {event['type']}".encode()
        events.append(event)
    return events


def encoded(*chunks: dict[str, Any], asked: ModelRequest = THINKER) -> list[dict[str, Any]]:
    encoder = Messages().encoder(asked, "the-model", translated=True)
    return frames(encoder.events(list(chunks)) + encoder.end())


def accepted(events: list[dict[str, Any]]) -> dict[str, Any]:
    """The message that a strict client makes of a stream; fails where the order of events is wrong."""
    assert events[0]["type"] == "message_start"
    assert [event["type"] for event in events[-2:]] == ["message_delta", "message_stop"]
    message = events[0]["message"]
    assert message["content"] == [] and message["stop_reason"] is None
    is_open, inputs = False, {}
    for event in events[1:-2]:
        if event["type"] == "content_block_start":
            assert not is_open and event["index"] == len(message["content"])
            is_open = True
            message["content"].append(event["content_block"])
            continue
        assert is_open and event["index"] == len(message["content"]) - 1
        block = message["content"][-1]
        if event["type"] == "content_block_stop":
            is_open = False
            if block["type"] == "tool_use":
                block["input"] = orjson.loads(inputs.get(event["index"]) or "{}")
            continue
        assert event["type"] == "content_block_delta"
        delta = event["delta"]
        match delta["type"], block["type"]:
            case "text_delta", "text":
                block["text"] += delta["text"]
            case "thinking_delta", "thinking":
                block["thinking"] += delta["thinking"]
            case "signature_delta", "thinking":
                block["signature"] = delta["signature"]
            case "input_json_delta", "tool_use":
                inputs[event["index"]] = inputs.get(event["index"], "") + delta["partial_json"]
            case kinds:
                raise AssertionError(kinds)
    assert not is_open
    return {**message, **events[-2]["delta"], "usage": events[-2]["usage"]}


def test_a_text_is_said_in_exactly_these_events() -> None:
    events = encoded(
        chunk(role="assistant", content=""), chunk(content="a"), chunk(content="b"), chunk("stop"), USAGE
    )

    start = events.pop(0)["message"]
    assert start.pop("id").startswith("msg_")
    assert start.pop("usage") == {
        "input_tokens": THINKER.input_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": 0,
    }
    assert start == {
        "type": "message",
        "role": "assistant",
        "model": "the-model",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }
    usage = {
        "input_tokens": 12,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": 3,
    }
    assert events == [
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "b"}},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": usage,
        },
        {"type": "message_stop"},
    ]


def test_thinking_ends_with_a_signature_before_the_text_begins() -> None:
    chunks = (
        chunk(reasoning_content="h"),
        chunk(reasoning_content="m", reasoning="m"),
        chunk(content="a"),
        chunk("stop"),
    )
    kinds = [event["delta"]["type"] for event in encoded(*chunks) if event["type"] == "content_block_delta"]

    assert kinds == ["thinking_delta", "thinking_delta", "signature_delta", "text_delta"]
    assert accepted(encoded(*chunks))["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": ""},
        {"type": "text", "text": "a"},
    ]
    assert accepted(encoded(*chunks, asked=request()))["content"] == [{"type": "text", "text": "a"}]


def test_the_first_call_is_written_as_it_comes() -> None:
    encoder = Messages().encoder(THINKER, "m", translated=True)
    begun = frames(encoder.events([chunk(tool_calls=[call(0, "", "call_1")])]))
    more = frames(encoder.events([chunk(tool_calls=[call(0, '{"a"')])]))

    assert begun[-1]["content_block"] == {"type": "tool_use", "id": "call_1", "name": "read", "input": {}}
    assert [event["delta"]["partial_json"] for event in more] == ['{"a"']


@pytest.mark.parametrize(
    "pieces",
    [
        ['{"a": 1}'],
        ['{"a": {"b', '": 2}}'],
        ['{"a": "}', "{\\", '"}', '{"}'],
        ['{"a": "\\\\', '"}'],
        ["{", "}"],
    ],
    ids=str,
)
def test_a_call_is_closed_when_its_json_is_whole_and_the_next_begins(pieces: list[str]) -> None:
    encoder = Messages().encoder(THINKER, "m", translated=True)
    encoder.events([chunk(tool_calls=[call(0, pieces[0], "call_1")])])
    encoder.events([chunk(tool_calls=[call(0, piece)]) for piece in pieces[1:]])
    next_one = frames(encoder.events([chunk(tool_calls=[call(1, '{"b"', "call_2")])]))

    assert [event["type"] for event in next_one] == [
        "content_block_stop",
        "content_block_start",
        "content_block_delta",
    ]


def test_interleaved_calls_come_out_one_after_the_other() -> None:
    said = accepted(
        encoded(
            chunk(content="I look."),
            chunk(tool_calls=[call(0, '{"a"', "call_1"), call(1, '{"b"', "call_2")]),
            chunk(tool_calls=[call(1, ": 2}")]),
            chunk(content="meanwhile"),
            chunk(tool_calls=[call(0, ": 1}")]),
            chunk("tool_calls"),
        )
    )

    assert said["content"] == [
        {"type": "text", "text": "I look."},
        {"type": "tool_use", "id": "call_1", "name": "read", "input": {"a": 1}},
        {"type": "tool_use", "id": "call_2", "name": "read", "input": {"b": 2}},
        {"type": "text", "text": "meanwhile"},
    ]
    assert said["stop_reason"] == "tool_use"


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([""], {}),
        (["nu", "ll"], {}),
        ([" ", "{", "}"], {}),
        (["[1", "]"], {"_raw": "[1]"}),
        (["rm", " -rf"], {"_raw": "rm -rf"}),
        ([{"a": 1}], {"a": 1}),
    ],
    ids=["none", "null", "object", "list", "words", "not said as text"],
)
def test_arguments_are_an_object_or_are_shown_as_they_came(
    pieces: list[Any], expected: dict[str, Any]
) -> None:
    first, *others = pieces
    chunks = [chunk(tool_calls=[call(0, piece)]) for piece in others]

    said = accepted(
        encoded(chunk(tool_calls=[call(0, first, "call_1")]), *chunks, chunk("tool_calls"), USAGE)
    )

    assert said["content"][0]["input"] == expected


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        (chunk("stop"), "end_turn"),
        (chunk("length"), "max_tokens"),
        (chunk("content_filter"), "refusal"),
        (chunk("stop", refusal="no"), "refusal"),
        (chunk("tool_calls"), "end_turn"),
        (chunk("stop", tool_calls=[call(0, "{}", "call_1")]), "tool_use"),
        (chunk("length", tool_calls=[call(0, "{}", "call_1")]), "max_tokens"),
    ],
)
def test_the_reason_to_stop_fits_what_was_said(last: dict[str, Any], reason: str) -> None:
    assert accepted(encoded(chunk(content="a"), last))["stop_reason"] == reason


def test_a_stop_sequence_is_told_where_the_upstream_tells_it() -> None:
    last = chunk("stop")
    last["choices"][0]["stop_reason"] = "END"

    said = accepted(encoded(chunk(content="a"), last))

    assert (said["stop_reason"], said["stop_sequence"]) == ("stop_sequence", "END")


def test_an_answer_without_a_word_has_no_block() -> None:
    said = accepted(encoded(chunk(role="assistant", content=""), chunk("stop"), USAGE))

    assert said["content"] == []


def test_the_end_waits_for_the_usage_and_estimates_it_when_none_comes() -> None:
    encoder = Messages().encoder(THINKER, "m", translated=True)
    before = frames(encoder.events([chunk(content="a" * 40), chunk("stop")]))
    end = frames(encoder.end())

    assert before[-1]["type"] == "content_block_stop"
    assert [event["type"] for event in end] == ["message_delta", "message_stop"]
    assert end[0]["usage"]["output_tokens"] == 10
    assert end[0]["usage"]["input_tokens"] == THINKER.input_tokens


def test_the_end_is_said_once() -> None:
    encoder = Messages().encoder(THINKER, "m", translated=True)
    encoder.events([chunk(content="a"), chunk("stop"), USAGE])

    assert encoder.end() == b""
    assert encoder.error(UpstreamsFailed("too late")) == b""


@pytest.mark.parametrize("translated", [True, False])
@pytest.mark.parametrize("count", range(4))
def test_an_error_at_any_moment_is_an_event_that_clients_raise_on(translated: bool, count: int) -> None:
    chunks = [chunk(content="a"), chunk(tool_calls=[call(0, '{"a', "call_1")]), chunk("length")]
    encoder = Messages().encoder(THINKER, "m", translated=translated)
    if translated:
        encoder.events(chunks[:count])

    for error, kind in (
        (UpstreamsFailed("It broke."), "api_error"),
        (DeadlinePassed("It broke."), "timeout_error"),
        (Unavailable("It broke."), "overloaded_error"),
    ):
        assert frames(encoder.error(error)) == [
            {"type": "error", "error": {"type": kind, "message": "It broke."}}
        ]


def test_anthropics_own_events_pass_as_they_are() -> None:
    encoder = Messages().encoder(THINKER, "m", translated=False)
    events = [{"type": "message_start", "message": {}}, {"type": "novel", "x": 1}, {"type": "message_stop"}]

    assert frames(encoder.events(events) + encoder.end()) == events
    assert len(EventSplitter().feed(encoder.events(events))) == 3


# Arguments of calls as an upstream may send them: any JSON object, cut anywhere.
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
ARGUMENTS = st.lists(st.dictionaries(st.text(max_size=4), VALUES, max_size=3), max_size=3)
CUTS = st.lists(st.integers(0, 50), max_size=4)
SAID = st.tuples(st.sampled_from(["content", "reasoning_content"]), st.text(max_size=4))


@st.composite
def chat_streams(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Chunks of text, thoughts and interleaved calls in any order, and the arguments of those calls."""
    arguments = draw(ARGUMENTS)
    waiting = [cut_up(orjson.dumps(value).decode(), draw(CUTS)) for value in arguments]
    steps: list[Any] = draw(st.lists(SAID, max_size=6))
    steps += [place for place, pieces in enumerate(waiting) for _ in pieces]
    order: list[int] = []  # of the calls, as they begin: their indices
    chunks = []
    for step in draw(st.permutations(steps)):
        if isinstance(step, tuple):
            chunks.append(chunk(**{step[0]: step[1]}))
            continue
        is_new = step not in order
        order += [step] if is_new else []
        index = order.index(step)
        piece = call(index, waiting[step].pop(0), f"call_{index}" if is_new else None)
        chunks.append(chunk(tool_calls=[piece]))
    return [*chunks, chunk("stop")], [arguments[place] for place in order]


def cut_up(text: str, cuts: list[int]) -> list[str]:
    """A text in pieces, some of them empty."""
    places = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    return [text[start:end] for start, end in pairwise(places)]


@given(chat_streams(), st.lists(st.integers(1, 4), min_size=1), st.booleans())
def test_any_chat_stream_is_a_strict_stream_that_says_the_same(
    stream: tuple[list[dict[str, Any]], list[dict[str, Any]]], sizes: list[int], told: bool
) -> None:
    chunks, arguments = stream
    sent = [*chunks, *([USAGE] if told else [])]
    encoder = Messages().encoder(THINKER, "m", translated=True)
    data = b""
    position = turn = 0
    while position < len(sent):
        size = sizes[turn % len(sizes)]
        data += encoder.events(sent[position : position + size])
        position, turn = position + size, turn + 1

    said = accepted(frames(data + encoder.end()))

    deltas = [sent["choices"][0]["delta"] for sent in chunks]
    for kind, field in (("text", "content"), ("thinking", "reasoning_content")):
        blocks = [block[kind] for block in said["content"] if block["type"] == kind]
        assert "".join(blocks) == "".join(delta.get(field, "") for delta in deltas)
        assert all(blocks)
    calls = [block for block in said["content"] if block["type"] == "tool_use"]
    assert [block["input"] for block in calls] == arguments
    assert [block["id"] for block in calls] == [f"call_{index}" for index in range(len(arguments))]
    assert said["stop_reason"] == ("tool_use" if arguments else "end_turn")
