"""What an upstream that speaks the Messages API itself may send, and what of it clients see."""

import copy
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.dialect import NotAnAnswer, RefusedInside
from gateway.dialects.messages import Messages
from gateway.dialects.messages.native import MessagesCheck
from gateway.upstream.bodies import check_answer
from gateway.upstream.wire import UpstreamCall
from routing.engine.snapshot import Deployment, Provider, Tier

START: dict[str, Any] = {
    "type": "message_start",
    "message": {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "secret-name",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 12, "cache_read_input_tokens": 100, "output_tokens": 1},
    },
}
STOP = {"type": "message_stop"}


def begin(index: Any = 0, **block: Any) -> dict[str, Any]:
    return {
        "type": "content_block_start",
        "index": index,
        "content_block": {"type": "text", "text": "", **block},
    }


def delta(text: Any = "hé", index: Any = 0) -> dict[str, Any]:
    return {
        "type": "content_block_delta",
        "index": index,
        "delta": {"type": "text_delta", "text": text},
    }


def finish(index: Any = 0) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def end(reason: str | None = "end_turn", **usage: Any) -> dict[str, Any]:
    return {
        "type": "message_delta",
        "delta": {"stop_reason": reason, "stop_sequence": None},
        "usage": {"output_tokens": 30, **usage},
    }


WHOLE = [START, begin(), delta(), finish(), end(), STOP]


def taken(*events: Any) -> tuple[MessagesCheck, list[Any]]:
    check = Messages().check_stream("the-model", 1000)
    return check, [check.take(copy.deepcopy(event)) for event in events]


def test_a_whole_stream_passes_with_the_deployments_model() -> None:
    check, seen = taken(*WHOLE)

    assert seen[0]["message"] == {**START["message"], "model": "the-model"}
    assert seen[1:] == WHOLE[1:]
    assert check.complete and check.ended and check.has_content
    assert check.text_bytes == 3
    assert check.closing() == []


@pytest.mark.parametrize("cut", range(1, len(WHOLE)))
def test_a_stream_that_is_cut_off_is_not_complete(cut: int) -> None:
    check, _ = taken(*WHOLE[:cut])

    assert not check.complete


def test_a_stream_that_never_says_why_it_stopped_is_not_complete() -> None:
    check, _ = taken(START, begin(), delta(), finish(), end(None), STOP)

    assert check.ended
    assert not check.complete


def test_usage_is_merged_and_the_last_word_wins() -> None:
    check, _ = taken(*WHOLE[:-2], end(input_tokens=13, cache_read_input_tokens=None), STOP)

    assert check.usage == {"input_tokens": 13, "cache_read_input_tokens": 100, "output_tokens": 30}


def test_the_place_holder_for_output_at_the_start_is_not_what_a_broken_stream_used() -> None:
    check, _ = taken(*WHOLE[:3])

    assert check.usage == {"input_tokens": 12, "cache_read_input_tokens": 100}
    assert Messages().read_usage(check.usage) is None


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"input_tokens": 12, "output_tokens": 30}, (12, 0, 30, 0)),
        (
            {
                "input_tokens": 12,
                "cache_creation_input_tokens": 50,
                "cache_read_input_tokens": 100,
                "output_tokens": 30,
            },
            (62, 100, 30, 0),
        ),
        (
            {"input_tokens": 1, "output_tokens": 30, "output_tokens_details": {"thinking_tokens": 20}},
            (1, 0, 30, 20),
        ),
        ({"input_tokens": 12, "cache_read_input_tokens": "many", "output_tokens": 3}, (12, 0, 3, 0)),
        ({"input_tokens": 12}, None),
        ({"output_tokens": 12}, None),
        ({"input_tokens": True, "output_tokens": 1.5}, None),
    ],
)
def test_usage_becomes_disjoint_classes(raw: dict[str, Any], expected: tuple[int, ...] | None) -> None:
    usage = Messages().read_usage(raw)

    assert (usage and (usage.input, usage.cached, usage.output, usage.reasoning)) == expected


@pytest.mark.parametrize(
    ("event", "is_content"),
    [
        (begin(), False),
        (begin(text="a"), True),
        (begin(type="thinking", thinking="", signature=""), False),
        (begin(type="tool_use", id="t", name="n", input={}), True),
        (begin(type="redacted_thinking", data="x"), True),
        (end("end_turn"), True),
        (end(None), False),
        ({"type": "ping"}, False),
        ({"type": "novel"}, False),
    ],
)
def test_first_content_is_a_word_a_call_or_an_end(event: dict[str, Any], is_content: bool) -> None:
    check, _ = taken(START, event)

    assert check.has_content == is_content


@pytest.mark.parametrize(
    ("block", "change", "size"),
    [
        ({}, {"type": "text_delta", "text": "é"}, 2),
        ({"type": "thinking", "thinking": ""}, {"type": "thinking_delta", "thinking": "hm"}, 2),
        (
            {"type": "tool_use", "id": "t", "name": "n"},
            {"type": "input_json_delta", "partial_json": "{}"},
            2,
        ),
        ({"type": "thinking", "thinking": ""}, {"type": "signature_delta", "signature": "s"}, 0),
        ({}, {"type": "citations_delta", "citation": {}}, 0),
    ],
    ids=["text", "thinking", "call", "signature", "citation"],
)
def test_every_kind_of_delta_passes_and_its_text_is_measured(
    block: dict[str, Any], change: dict[str, Any], size: int
) -> None:
    event = {**delta(), "delta": change}
    check, seen = taken(START, begin(**block), event)

    assert seen[-1] == event
    assert check.text_bytes == size
    assert check.has_content


def test_an_empty_delta_is_no_content() -> None:
    check, _ = taken(START, begin(), delta(""))

    assert not check.has_content


def test_blocks_are_numbered_without_a_gap() -> None:
    _, seen = taken(START, begin(1), delta(index=1), finish(1), begin(7), delta(index=7), finish(7), end())

    assert [event["index"] for event in seen[1:-1]] == [0, 0, 0, 1, 1, 1]


def test_pings_and_what_follows_the_end_are_dropped_and_unknown_events_pass() -> None:
    novel = {"type": "novel", "x": [1]}
    _, seen = taken({"type": "ping"}, START, {"type": "ping"}, novel, *WHOLE[1:], novel, STOP)

    assert seen[:4] == [None, seen[1], None, novel]
    assert seen[-2:] == [None, None]


def test_what_sdks_read_without_asking_is_there() -> None:
    bare = {"type": "message_start", "message": {"id": "msg_1"}}
    last = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
    _, seen = taken(bare, last)

    assert seen[0]["message"] == {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "the-model",
        "content": [],
        "usage": {"input_tokens": 0, "output_tokens": 0},
    }
    assert seen[1]["usage"] == {"output_tokens": 0}


@pytest.mark.parametrize(
    ("event", "error"),
    [
        ({"type": "error", "error": {"type": "overloaded_error"}}, {"type": "overloaded_error"}),
        ({"type": "error", "error": "broken"}, {"message": "broken"}),
        ({"type": "error"}, {}),
        ({"error": {"code": 429}}, {"code": 429}),
    ],
)
def test_an_error_event_is_a_refusal_at_any_moment(event: dict[str, Any], error: dict[str, Any]) -> None:
    for before in ([], WHOLE[:1], WHOLE[:3]):
        check, _ = taken(*before)
        with pytest.raises(RefusedInside) as caught:
            check.take(copy.deepcopy(event))
        assert caught.value.error == error


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "events",
    [
        [begin()],
        [STOP],
        [{"choices": []}],
        [{"type": 1}],
        [{"type": "a\ndata: b"}],
        [{"type": ""}],
        [START, START],
        [{**START, "message": None}],
        [{**START, "message": {"role": "user"}}],
        [{**START, "message": {"content": "a"}}],
        [START, delta()],
        [START, finish()],
        [START, begin(), begin()],
        [START, begin(), delta(index=1)],
        [START, begin(), delta(index=None)],
        [START, begin(), delta(index=[])],
        [START, begin(), delta(index=False)],
        [START, begin(), delta(None)],
        [START, begin(), finish(), delta()],
        [START, begin(), {**delta(), "delta": "a"}],
        [START, begin(), {**delta(), "delta": {"type": {}}}],
        [START, begin("0")],
        [START, begin(text=None)],
        [START, begin(type="tool_use", id="t")],
        [START, begin(type="tool_use", id="t", name="n", input="{}")],
        [START, begin(type="tool_use", id="t", name="n", input={"a": deep(300)})],
        [START, {**begin(), "content_block": None}],
        [START, begin(), end()],
        [START, begin(), STOP],
        [START, {**end(), "delta": None}],
        [START, {"type": "novel", "x": deep(300)}],
    ],
)
def test_what_no_client_could_read_is_not_an_answer(events: list[dict[str, Any]]) -> None:
    check, _ = taken(*events[:-1])

    with pytest.raises(NotAnAnswer):
        check.take(copy.deepcopy(events[-1]))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["text", "a"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["type", "text", "stop_reason"]), inner, max_size=3)
    ),
    max_leaves=6,
)
FIELDS = ["type", "index", "message", "content_block", "delta", "usage", "error"]


@given(
    st.lists(st.tuples(st.sampled_from(WHOLE), st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=2)))
)
def test_any_event_passes_or_is_refused_and_never_crashes_the_check(events: list[Any]) -> None:
    check, _ = taken(START)
    for event, changes in events:
        try:
            check.take({**copy.deepcopy(event), **changes})
        except (NotAnAnswer, RefusedInside):
            return


MESSAGE: dict[str, Any] = {
    **START["message"],
    "content": [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "text", "text": "hé"},
        {"type": "tool_use", "id": "t", "name": "n", "input": {"a": 1}},
        {"type": "novel"},
    ],
    "stop_reason": "end_turn",
}


def test_a_whole_message_passes_with_the_deployments_model() -> None:
    body, size = Messages().check_answer(copy.deepcopy(MESSAGE), "the-model")

    assert body == {**MESSAGE, "model": "the-model"}
    assert size == 2 + 3 + 7


def test_a_message_without_usage_has_none_that_could_be_booked() -> None:
    provider = Provider("sun", "sun", base_url="http://127.0.0.1:9/v1")
    deployment = Deployment("sun/it", provider, "the-model", Tier("paid", "Paid", "paid", 1))
    call = UpstreamCall(deployment, "messages", {}, False, "a-credential", 1.0)
    told = {name: value for name, value in MESSAGE.items() if name != "usage"}
    body, _, usage = check_answer(orjson.dumps(told), call)

    assert usage is None
    assert body["usage"] == {"input_tokens": 0, "output_tokens": 0}
    assert check_answer(orjson.dumps(MESSAGE), call)[2] == MESSAGE["usage"]


def test_a_message_that_says_nothing_but_why_it_stopped_is_an_answer() -> None:
    body, size = Messages().check_answer({**MESSAGE, "content": [], "usage": None}, "the-model")

    assert size == 0
    assert body["usage"] == {"input_tokens": 0, "output_tokens": 0}


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {**MESSAGE, "type": "completion"},
        {**MESSAGE, "role": "user"},
        {**MESSAGE, "content": "a"},
        {**MESSAGE, "content": [], "stop_reason": None},
        {**MESSAGE, "content": ["a"]},
        {**MESSAGE, "content": [{"type": 1}]},
        {**MESSAGE, "content": [{"type": "text"}]},
        {**MESSAGE, "content": [{"type": "tool_use", "id": "t", "name": "n", "input": []}]},
        {**MESSAGE, "content": [{"type": "tool_use", "id": "t", "name": "n", "input": {"a": deep(300)}}]},
    ],
)
def test_what_is_no_message_is_not_an_answer(body: Any) -> None:
    with pytest.raises(NotAnAnswer):
        Messages().check_answer(copy.deepcopy(body), "the-model")
