"""What was said is found again in every dialect's stream and body, whole, broken or too long."""

from typing import Any

import orjson
import pytest

from gateway.prompts.answers import assemble, said_whole
from gateway.prompts.document import Document, answer_of
from gateway.prompts.reading import reading_of

CALL = {"name": "look_up", "arguments": '{"town":"Oslo"}'}
ITEMS = [
    {"type": "message", "content": [{"type": "output_text", "text": "Rain."}]},
    {"type": "function_call", **CALL},
]
BLOCKS = [
    {"type": "thinking", "thinking": "Hm."},
    {"type": "text", "text": "Rain."},
    {"type": "tool_use", "name": "look_up", "input": {"town": "Oslo"}},
]


def stream(*events: dict[str, Any]) -> bytes:
    return b": ping\n\n" + b"".join(b"data: " + orjson.dumps(event) + b"\n\n" for event in events)


def chunk(delta: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, **more}]}


def said(text: str = "Rain.", reasoning: str = "", calls: bool = True, ended: str = "") -> dict[str, Any]:
    return {"text": text, "reasoning": reasoning, "tool_calls": [CALL] * calls, "ended": ended}


STREAMS = {
    "chat": (
        [
            chunk({"role": "assistant", "reasoning_content": "Hm."}),
            chunk({"content": "Ra"}),
            chunk({"content": "in."}),
            chunk({"tool_calls": [{"index": 0, "function": {"name": "look_up", "arguments": '{"town":'}}]}),
            chunk(
                {"tool_calls": [{"index": 0, "function": {"arguments": '"Oslo"}'}}]},
                finish_reason="tool_calls",
            ),
            {"choices": [], "usage": {}},
        ],
        said(reasoning="Hm.", ended="tool_calls"),
    ),
    "completions": ([{"choices": [{"index": 0, "text": "Rain."}]}], said(calls=False)),
    "messages": (
        [
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "thinking_delta", "thinking": "Hm."},
            },
            {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Rain."}},
            {
                "type": "content_block_start",
                "index": 2,
                "content_block": {"type": "tool_use", "name": "look_up"},
            },
            {"type": "content_block_delta", "index": 2, "delta": {"partial_json": CALL["arguments"]}},
            {"type": "message_delta", "delta": {"stop_reason": "tool_use"}},
        ],
        said(reasoning="Hm.", ended="tool_use"),
    ),
    "responses": (
        [
            {"type": "response.output_text.delta", "delta": "Rain."},
            {"type": "response.completed", "response": {"output": ITEMS, "status": "completed"}},
        ],
        said(ended="completed"),
    ),
    "broken": (
        [chunk({"content": "Ra"}), {"error": {"message": "gone"}, "choices": []}],
        said("Ra", calls=False, ended="error: gone"),
    ),
}


@pytest.mark.parametrize("name", sorted(STREAMS))
def test_a_stream_is_put_together(name: str):
    events, expected = STREAMS[name]
    assert assemble(stream(*events) + b"data: [DONE]\n\n", 1000) == ([expected], False)


def test_of_a_long_stream_the_beginning_is_kept():
    found, is_cut = assemble(stream(*[chunk({"content": "rain "})] * 10), 12)
    assert (found[0]["text"], is_cut) == ("rain rain ra", True)


def test_the_last_word_of_a_stream_is_no_longer_than_its_pieces_may_be():
    whole = {
        "output": [{"type": "message", "content": [{"type": "output_text", "text": "rain " * 10}]}, ITEMS[1]]
    }
    found, is_cut = assemble(stream({"type": "response.completed", "response": whole}), 12)
    assert (found[0]["text"], found[0]["tool_calls"], is_cut) == (
        "rain rain ra",
        [{"name": "", "arguments": ""}],
        True,
    )


def test_a_stream_heard_in_part_is_read_as_far_as_it_goes():
    whole = stream(chunk({"content": "Ra"}), chunk({"content": "in."}))
    assert assemble(whole[:-20], 1000)[0][0]["text"] == "Ra"


@pytest.mark.parametrize(
    "body",
    [
        {"content": BLOCKS, "stop_reason": "tool_use"},
        {"output": ITEMS, "status": "completed"},
        {
            "choices": [
                {"message": {"content": "Rain.", "tool_calls": [{"function": CALL}]}, "finish_reason": "x"}
            ]
        },
    ],
    ids=["messages", "responses", "chat"],
)
def test_a_whole_answer_is_read(body: dict[str, Any]):
    (found,) = said_whole(body)
    assert (found.text, found.tool_calls[0].name) == ("Rain.", "look_up")
    assert orjson.loads(found.tool_calls[0].arguments) == {"town": "Oslo"}


@pytest.mark.parametrize(
    "heard",
    [stream({"choices": ["odd"]}), b'{"choices":["odd"]}', b'{"choices":[{"message":"odd"}]}'],
    ids=["stream", "choice", "message"],
)
def test_an_answer_of_a_shape_nobody_foresaw_is_kept_as_it_was_sent(heard: bytes):
    answer, is_stream, is_cut = answer_of(heard)
    read = reading_of(Document("chat", "{}", answer, is_stream, prompt_cut=False, answer_cut=is_cut))

    assert "odd" in read.answer
    assert not read.said and not is_cut


def test_an_answer_of_another_kind_says_nothing():
    assert said_whole({"data": [{"embedding": [0.1]}]}) == []
