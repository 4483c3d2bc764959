"""Every scenario of the scripted upstream, taken from its steps: no socket, no clock."""

import gzip
import json
import zlib
from itertools import islice
from typing import Any

import pytest

from gateway.tests.scripted_client import chat, read_events, spoken
from gateway.upstream.scripted.scenarios import UnknownSetting, cast, scenario_names
from gateway.upstream.scripted.script import Call, Cut, Hang, Head, Part, Raw, Step, Wait


def played(model: str, *, stream: bool = False, **fields: Any) -> list[Step]:
    """The first thousand steps of a scenario's script."""
    request = chat(model, stream=stream, **fields)
    call = Call("sun", model, request, id="chatcmpl-0123456789abcdef1", created=1, hit=1, turn=1)
    return list(islice(cast(model).play(call), 1000))


def body(steps: list[Step]) -> bytes:
    return b"".join(step.data for step in steps if isinstance(step, Part))


def deltas(chunks: list[Any]) -> list[dict[str, Any]]:
    return [chunk["choices"][0]["delta"] for chunk in chunks if chunk != "[DONE]" and chunk["choices"]]


@pytest.mark.parametrize("stream", [False, True], ids=["json", "sse"])
@pytest.mark.parametrize("name", scenario_names())
def test_every_scenario_begins_with_a_head_or_says_nothing(name, stream):
    steps = played(name, stream=stream)
    spoken_first = next(step for step in steps if not isinstance(step, Wait))

    assert isinstance(spoken_first, Head | Raw | Cut | Hang)
    assert steps.index(spoken_first) < 2


@pytest.mark.parametrize("stream", [False, True], ids=["json", "sse"])
@pytest.mark.parametrize("name", scenario_names())
def test_a_declared_length_is_the_length_sent(name, stream):
    steps = played(name, stream=stream)
    lengths = [step.length for step in steps if isinstance(step, Head) and step.length is not None]
    ends_early = any(isinstance(step, Cut | Hang) for step in steps)

    if lengths and not ends_early:
        assert lengths == [len(body(steps))]


def test_ordinary_model_names_are_no_scenarios():
    assert [cast(name).name for name in ("qwen2.5:14b", "tools:7b", "openai/gpt-4o", "")] == ["ok"] * 4
    assert cast("slow:first=0.25,chunks=3").settings == {"first": 0.25, "chunks": 3}


@pytest.mark.parametrize("model", ["slow:chnk=1", "slow:first=soon", "ok:=1"])
def test_a_scenario_refuses_settings_it_cannot_read(model):
    with pytest.raises(UnknownSetting):
        cast(model)


def test_reasoning_comes_before_content():
    chunks = read_events(body(played("reasoning:pieces=2", stream=True)))

    assert [d["reasoning_content"] for d in deltas(chunks) if "reasoning_content" in d] == ["w1 ", "w2"]
    assert spoken(chunks) == "You said: hello there"


def test_usage_may_come_early_twice_or_never():
    def usages(model: str) -> list[int]:
        asked = {"stream_options": {"include_usage": True}}
        chunks = read_events(body(played(model, stream=True, **asked)))
        return [chunks.index(chunk) for chunk in chunks if chunk != "[DONE]" and chunk["usage"]]

    assert usages("usage_never") == []
    assert usages("usage_early") == [1]
    assert usages("usage_twice") == [6, 7]


def test_something_may_follow_the_end():
    assert read_events(body(played("after_done", stream=True)))[-2] == "[DONE]"
    late = read_events(body(played("after_finish", stream=True)))
    assert late[-2]["choices"][0]["delta"] == {"content": "late"}
    assert late[-3]["choices"][0]["finish_reason"] == "stop"


def test_an_event_in_the_middle_may_not_be_json():
    data = body(played("not_json_event:after=2", stream=True)).split(b"\n\n")

    assert [b"{not json" in event for event in data].index(True) == 3
    assert data[-2] == b"data: [DONE]"


def test_ids_and_models_may_change_within_a_stream():
    chunks = read_events(body(played("id_change", stream=True)))[:-1]

    assert len({chunk["id"] for chunk in chunks}) == len({chunk["model"] for chunk in chunks}) == len(chunks)


@pytest.mark.parametrize(
    ("odd", "sign"),
    [("arguments", b"{city ="), ("id", b'"was":"call_'), ("index", b'"index":7')],
)
def test_a_tool_call_may_be_odd(odd, sign):
    plain, edited = body(played("tools", stream=True)), body(played(f"odd_tools:odd={odd}", stream=True))

    assert sign in edited
    assert sign not in plain


@pytest.mark.parametrize("stream", [False, True], ids=["json", "sse"])
def test_compressed_answers_unpack_to_the_plain_ones(stream):
    assert gzip.decompress(body(played("gzip", stream=stream))) == body(played("ok", stream=stream)).replace(
        b'"model":"ok"', b'"model":"gzip"'
    )
    with pytest.raises((OSError, zlib.error, EOFError)):
        gzip.decompress(body(played("gzip:broken=1", stream=stream)))


def test_a_gzip_bomb_is_small_and_unpacks_large():
    packed = body(played("gzip_bomb:mb=50"))

    assert len(packed) < 100_000
    assert len(zlib.decompressobj(31).decompress(packed)) == 50_000_000


def test_a_big_body_is_json_of_that_size():
    document = json.loads(body(played("big_body:mb=1")))

    assert len(document["choices"][0]["padding"]) == 1_000_000


def test_headers_may_carry_what_must_not_reach_a_client():
    for stream in (False, True):
        fields = dict(played("loud_headers:kb=2", stream=stream)[0].fields)
        assert fields["x-rainymodel-route"] == "premium"
        assert len(fields["x-long"]) == 2048


def test_heads_and_bodies_may_drip():
    head = [step for step in played("drip_headers:gap=0.5,lines=3") if isinstance(step, Wait)]
    steps = played("drip_body:gap=1,size=100")

    assert [wait.seconds for wait in head] == [0.5] * 4
    assert max(len(step.data) for step in steps if isinstance(step, Part)) == 100
    assert sum(step.seconds for step in steps if isinstance(step, Wait)) >= 4


def test_a_redirect_names_its_target():
    head = played("redirect:code=307,to=http://127.0.0.1:9/x")[0]

    assert (head.status, dict(head.fields)["location"]) == (307, "http://127.0.0.1:9/x")
