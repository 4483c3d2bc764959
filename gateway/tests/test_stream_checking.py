"""What clients may rely on in every stream, whatever the upstream sent."""

import pytest

from gateway.dialects.dialect import NotAnAnswer
from gateway.upstream.chunks import ChunkCheck, chunks_of, is_completion


def delta(
    content: str | None = None, index: int = 0, finish: str | None = None, **more: object
) -> dict[str, object]:
    fields = {**({"content": content} if content is not None else {}), **more}
    return {"id": "x", "choices": [{"index": index, "delta": fields, "finish_reason": finish}]}


def taken(*chunks: dict[str, object]) -> tuple[ChunkCheck, list[dict[str, object]]]:
    check = ChunkCheck("the-model", 1000)
    return check, [kept for kept in map(check.take, chunks) if kept is not None]


def test_the_role_comes_once_and_first_whether_sent_twice_or_never():
    for chunks in ([delta("a", role="assistant"), delta("b", role="assistant")], [delta("a"), delta("b")]):
        _, seen = taken(*chunks)
        assert [chunk["choices"][0]["delta"].get("role") for chunk in seen] == ["assistant", None]


def test_id_created_model_and_object_are_the_same_throughout():
    _, seen = taken(
        {**delta("a"), "created": 5, "model": "secret-name"}, {**delta("b"), "id": "y", "created": None}
    )

    heads = {(chunk["id"], chunk["created"], chunk["model"], chunk["object"]) for chunk in seen}
    assert heads == {("x", 5, "the-model", "chat.completion.chunk")}


def test_nothing_of_a_choice_passes_after_its_finish_reason():
    check, seen = taken(delta("a"), delta(finish="stop"), delta("late"), delta(finish="length"))

    assert len(seen) == 2
    assert check.complete


def test_a_stream_is_complete_only_when_every_choice_that_began_has_finished():
    check, _ = taken(delta("a", index=0), delta("b", index=1), delta(index=0, finish="stop"))
    assert not check.complete

    check.take(delta(index=1, finish="stop"))
    assert check.complete


def test_nothing_at_all_is_not_complete():
    assert not ChunkCheck("m", 1).complete


def test_usage_is_kept_for_the_end_and_the_last_one_wins():
    check, seen = taken(
        {**delta("a"), "usage": {"total_tokens": 1}},
        delta(finish="stop"),
        {"choices": [], "usage": {"total_tokens": 9}},
    )

    assert all("usage" not in chunk for chunk in seen)
    assert check.closing()[0]["usage"] == {"total_tokens": 9}
    assert check.closing()[0]["choices"] == []


def test_a_tool_calls_id_type_and_name_come_only_in_its_first_delta():
    first = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}
    again = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a"'}}
    _, seen = taken(delta(tool_calls=[first]), delta(tool_calls=[again]))

    calls = [chunk["choices"][0]["delta"]["tool_calls"][0] for chunk in seen]
    assert calls[0] == {**first, "index": 0}
    assert calls[1] == {"index": 0, "function": {"arguments": '{"a"'}}


def tool_delta(arguments: str = "", call_id: str | None = None, index: int | None = 0) -> dict[str, object]:
    start = {"id": call_id, "function": {"name": f"f_{call_id}", "arguments": arguments}}
    call = start if call_id else {"function": {"arguments": arguments}}
    return delta(tool_calls=[call if index is None else {"index": index, **call}])


def calls_seen(seen: list[dict[str, object]]) -> list[tuple[int, str | None, str]]:
    calls = [call for chunk in seen for call in chunk["choices"][0]["delta"]["tool_calls"]]
    return [(call["index"], call.get("id"), call["function"]["arguments"]) for call in calls]


@pytest.mark.parametrize("index", [0, None])
def test_parallel_tool_calls_that_share_an_index_stay_apart_by_their_ids(index: int | None):
    _, seen = taken(
        tool_delta("", "a", index), tool_delta("1", index=index), tool_delta("", "b", index),
        tool_delta("2", index=index), tool_delta("3", "a", index), tool_delta("4", "b", index),
    )  # fmt: skip

    assert calls_seen(seen) == [
        (0, "a", ""), (0, None, "1"), (1, "b", ""), (1, None, "2"), (0, None, "3"), (1, None, "4"),
    ]  # fmt: skip
    assert seen[2]["choices"][0]["delta"]["tool_calls"][0]["function"]["name"] == "f_b"


def test_a_tool_call_moved_aside_takes_no_other_calls_index():
    _, seen = taken(
        tool_delta("", "a"), tool_delta("", "b"), tool_delta("", "c", 1), tool_delta("x", index=1)
    )

    assert calls_seen(seen) == [(0, "a", ""), (1, "b", ""), (2, "c", ""), (2, None, "x")]


def test_what_comes_of_a_tool_call_before_its_name_waits_for_it():
    _, seen = taken(tool_delta("1"), tool_delta("2", "a"), tool_delta("3", "a"), tool_delta("", "b"))
    seen = [chunk for chunk in seen if "tool_calls" in chunk["choices"][0]["delta"]]

    assert calls_seen(seen) == [(0, "a", "12"), (0, None, "3"), (1, "b", "")]
    assert seen[0]["choices"][0]["delta"]["tool_calls"][0]["function"]["name"] == "f_a"


def test_a_tool_call_that_never_gets_a_name_is_told_at_the_end():
    check, seen = taken(delta(tool_calls=[{"id": "a"}]), delta(finish="tool_calls"))

    assert "tool_calls" not in seen[0]["choices"][0]["delta"]
    assert seen[1]["choices"][0]["delta"]["tool_calls"] == [{"id": "a", "index": 0, "type": "function"}]
    assert check.complete


def test_thousands_of_tool_calls_with_one_index_get_each_their_own():
    _, seen = taken(*(tool_delta("", f"c{number}") for number in range(3000)))

    assert [index for index, _, _ in calls_seen(seen)] == list(range(3000))


@pytest.mark.parametrize("field", ["content", "reasoning_content", "refusal"])
def test_first_content_is_text_reasoning_or_a_refusal_but_not_the_role(field: str):
    check, _ = taken(delta(role="assistant"), delta(""))
    assert not check.has_content

    check.take(delta(**{field: "x"}))
    assert check.has_content


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"choices": {}},
        {"choices": ["x"]},
        {"choices": [{"index": "a", "delta": {}}]},
        delta(finish={"a": 1}),
        delta(content={"a": 1}),
        delta(tool_calls="abc"),
        delta(tool_calls=[1]),
        delta(tool_calls=[{"function": "abc"}]),
    ],
    ids=str,
)
def test_what_is_no_chunk_is_refused(event: dict[str, object]):
    with pytest.raises(NotAnAnswer):
        ChunkCheck("m", 1).take(event)


@pytest.mark.parametrize(
    ("body", "good"),
    [
        ({"choices": [{"message": {"content": "x"}}]}, True),
        ({"choices": [{"message": {"content": ""}}]}, True),
        ({"choices": [{"message": {"content": None, "tool_calls": [{}]}}]}, True),
        ({"choices": [{"message": {"content": None, "refusal": "no"}}]}, True),
        ({"choices": [{"message": {"content": None}}]}, False),
        ({"choices": [{"text": "x"}]}, False),
        ({"choices": []}, False),
        ({"choices": None}, False),
        ([], False),
        ("x", False),
        ({"choices": [{"message": {"content": {"a": 1}}}]}, False),
        ({"choices": [{"message": {"content": None, "tool_calls": "abc"}}]}, False),
        ({"choices": [{"message": {"content": "x", "tool_calls": [1]}}]}, False),
        ({"choices": [{"message": {"content": "x"}, "finish_reason": {"a": 1}}]}, False),
        ({"choices": [{"message": {"content": "x"}, "finish_reason": None}]}, True),
    ],
)
def test_a_completion_holds_an_answer_in_every_choice(body: object, good: bool):
    assert is_completion(body) is good


def test_a_whole_completion_becomes_a_stream_with_the_same_content():
    body = {
        "id": "c",
        "created": 5,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
        "usage": {"total_tokens": 3},
    }
    check, seen = taken(*chunks_of(body))

    assert seen[0]["choices"][0]["delta"] == {"role": "assistant", "content": "hi"}
    assert seen[1]["choices"][0]["finish_reason"] == "stop"
    assert check.complete
    assert check.usage == {"total_tokens": 3}


def test_a_null_role_or_index_is_put_right():
    _, seen = taken({"choices": [{"index": None, "delta": {"role": None, "content": "a"}}]})

    assert seen[0]["choices"][0]["index"] == 0
    assert seen[0]["choices"][0]["delta"] == {"role": "assistant", "content": "a"}


def test_text_is_counted_in_bytes_for_the_estimate():
    call = {"index": 0, "function": {"name": "f", "arguments": '{"a"'}}
    check, _ = taken(delta("aé"), delta(reasoning_content="xy"), delta(tool_calls=[call]))

    assert check.text_bytes == 3 + 2 + 4


@pytest.mark.parametrize("index", ["x", True, 1.5, None])
def test_a_whole_answers_odd_index_is_put_right(index: object):
    _, seen = taken(*chunks_of({"choices": [{"index": index, "message": {"content": "hi"}}]}))

    indexes = [chunk["choices"][0]["index"] for chunk in seen]
    assert indexes == [0, 0]
    assert [type(value) for value in indexes] == [int, int]


@pytest.mark.parametrize("index", [[], {}, "0", 1.5, True])
def test_a_tool_call_with_an_index_that_is_no_number_is_refused(index: object):
    with pytest.raises(NotAnAnswer):
        taken(delta(tool_calls=[{"index": index, "function": {}}]))
