"""What clients may rely on in every stream, whatever the upstream sent."""

import pytest

from gateway.upstream.chunks import ChunkCheck, NotAChunk, chunks_of, is_completion


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
    assert check.usage_chunk()["usage"] == {"total_tokens": 9}
    assert check.usage_chunk()["choices"] == []


def test_a_tool_calls_id_type_and_name_come_only_in_its_first_delta():
    first = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}
    again = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a"'}}
    _, seen = taken(delta(tool_calls=[first]), delta(tool_calls=[again]))

    calls = [chunk["choices"][0]["delta"]["tool_calls"][0] for chunk in seen]
    assert calls[0] == {**first, "index": 0}
    assert calls[1] == {"index": 0, "function": {"arguments": '{"a"'}}


@pytest.mark.parametrize("field", ["content", "reasoning_content", "refusal"])
def test_first_content_is_text_reasoning_or_a_refusal_but_not_the_role(field: str):
    check, _ = taken(delta(role="assistant"), delta(""))
    assert not check.has_content

    check.take(delta(**{field: "x"}))
    assert check.has_content


@pytest.mark.parametrize(
    "event", [{}, {"choices": {}}, {"choices": ["x"]}, {"choices": [{"index": "a", "delta": {}}]}]
)
def test_what_is_no_chunk_is_refused(event: dict[str, object]):
    with pytest.raises(NotAChunk):
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


@pytest.mark.parametrize("index", [[], {}, "0", 1.5])
def test_a_tool_call_with_an_index_that_is_no_number_is_refused(index: object):
    with pytest.raises(NotAChunk):
        taken(delta(tool_calls=[{"index": index, "function": {}}]))
