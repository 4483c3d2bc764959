"""Upstreams that speak the Responses API themselves: what of them a client may see, and what counts as failed.

The upstream is the scripted one, read over real sockets by OpenAI's own client, and event by event.
"""

import http.client
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import openai
import orjson
import pytest
from openai.types.responses import Response

from gateway.dialects.dialect import NotAnAnswer, RefusedInside
from gateway.dialects.responses import Responses
from gateway.dialects.responses.native import EventCheck
from gateway.errors import UpstreamsFailed
from gateway.sse import EventSplitter
from gateway.upstream.scripted import ScriptedUpstream, scripted_upstream

DIALECT = Responses()
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
CREATED = {"type": "response.created", "sequence_number": 0, "response": {"id": "resp_1", "model": "theirs"}}


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    with scripted_upstream() as running:
        yield running


@pytest.fixture(scope="module")
def client(upstream: ScriptedUpstream) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=upstream.base_url, api_key="sk-Test", max_retries=0) as client:
        yield client


def post(upstream: ScriptedUpstream, **fields: Any) -> tuple[int, bytes]:
    address = urlsplit(upstream.base_url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=5)
    connection.request("POST", "/v1/responses", orjson.dumps({"model": "ok", "input": "hi there", **fields}))
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def events_of(upstream: ScriptedUpstream, **fields: Any) -> list[dict[str, Any]]:
    status, body = post(upstream, stream=True, **fields)
    assert status == 200
    return [orjson.loads(data) for data in EventSplitter().feed(body)]


def checked(events: list[dict[str, Any]]) -> tuple[EventCheck, list[dict[str, Any]]]:
    check = DIALECT.check_stream("ours", 1000)
    return check, [kept for kept in map(check.take, events) if kept is not None]


def test_the_scripted_face_answers_openais_client(client: openai.OpenAI):
    answer = client.responses.create(model="ok", input="hi there", instructions="Be brief.")

    assert answer.output_text == "You said: hi there"
    assert answer.status == "completed"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens


def test_the_scripted_face_streams_to_openais_client(client: openai.OpenAI):
    with client.responses.stream(model="ok", input=[{"role": "user", "content": "hi there"}]) as stream:
        said = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        final = stream.get_final_response()

    assert said == final.output_text == "You said: hi there"


def test_the_scripted_face_calls_tools_and_reads_their_output(client: openai.OpenAI):
    asked: Any = [{"role": "user", "content": "get_weather please"}]
    tools: Any = [WEATHER]
    with client.responses.stream(model="ok", input=asked, tools=tools) as stream:
        called = stream.get_final_response().output[0]
    assert called.type == "function_call"
    assert orjson.loads(called.arguments) == {"city": "rain"}

    said = {"type": "function_call", "call_id": called.call_id, "name": called.name, "arguments": "{}"}
    asked += [said, {"type": "function_call_output", "call_id": called.call_id, "output": "sun"}]
    assert (
        client.responses.create(model="ok", input=asked, tools=tools).output_text == "The tool answered: sun"
    )


def test_the_scripted_face_thinks_formats_and_stops_at_the_limit(upstream: ScriptedUpstream):
    thought = orjson.loads(post(upstream, model="reasoning")[1])
    schema = {"type": "json_schema", "name": "a", "schema": {"properties": {"x": {"const": 1}}}}
    formatted = orjson.loads(post(upstream, text={"format": schema})[1])
    short = orjson.loads(post(upstream, max_output_tokens=2)[1])

    assert [item["type"] for item in thought["output"]] == ["reasoning", "message"]
    assert Response.model_validate(formatted).output_text == '{"x":1}'
    assert (short["status"], short["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})


def test_the_scripted_face_plays_refusals_and_breaks_as_they_are(upstream: ScriptedUpstream):
    status, body = post(upstream, model="status:code=429")
    broken = events_of(upstream, model="no_finish:done=1")

    assert (status, "error" in orjson.loads(body)) == (429, True)
    assert broken[-1]["type"] == "response.output_text.delta"


def test_a_whole_stream_passes_under_the_deployments_model_with_its_numbers(upstream: ScriptedUpstream):
    sent = events_of(upstream, model="reasoning")
    check, seen = checked(orjson.loads(orjson.dumps(sent)))

    assert check.complete
    assert check.ended
    assert check.has_content
    assert check.closing() == []
    assert [event["sequence_number"] for event in seen] == list(range(len(sent)))
    models = {event["response"]["model"] for event in seen if "response" in event}
    assert models == {"ours"}
    assert check.text_bytes == len("You said: hi therew1 w2 w3 w4 w5")
    assert check.usage == sent[-1]["response"]["usage"]
    read = DIALECT.read_usage(check.usage or {})
    assert read is not None
    assert read.reasoning == 5


def test_the_relayed_frames_are_the_events_by_name(upstream: ScriptedUpstream):
    _, seen = checked(events_of(upstream))
    request = DIALECT.parse(b'{"input": "hi"}')
    writer = DIALECT.encoder(request, "ours", translated=False)
    written = writer.events(seen[:3]) + writer.events(seen[3:]) + writer.end()

    assert [orjson.loads(data) for data in EventSplitter().feed(written)] == seen
    names = [line[7:].decode() for line in written.split(b"\n") if line.startswith(b"event: ")]
    assert names == [event["type"] for event in seen]


def test_a_broken_relay_ends_with_numbers_that_go_on(upstream: ScriptedUpstream):
    _, seen = checked(events_of(upstream)[:5])
    writer = DIALECT.encoder(DIALECT.parse(b'{"input": "hi"}'), "ours", translated=False)
    written = writer.events(seen) + writer.error(UpstreamsFailed("It broke off.", code="upstream_broken"))

    error, failed = [orjson.loads(data) for data in EventSplitter().feed(written)][5:]
    assert (error["type"], error["sequence_number"]) == ("error", 5)
    assert (error["message"], error["code"], error["error"]["code"]) == (
        "It broke off.",
        "upstream_broken",
        "upstream_broken",
    )
    assert (failed["type"], failed["sequence_number"]) == ("response.failed", 6)
    assert (failed["response"]["id"], failed["response"]["status"]) == (seen[0]["response"]["id"], "failed")


def test_a_number_that_no_client_can_count_on_from_is_not_counted_on():
    writer = DIALECT.encoder(DIALECT.parse(b'{"input": "hi"}'), "ours", translated=False)
    written = writer.events([{**CREATED, "sequence_number": 2**64 - 1}])
    written += writer.error(UpstreamsFailed("It broke off.", code="upstream_broken"))

    assert [orjson.loads(data)["sequence_number"] for data in EventSplitter().feed(written)][1:] == [1, 2]


def test_a_stream_that_stops_before_its_final_event_is_not_complete(upstream: ScriptedUpstream):
    check, _ = checked(events_of(upstream)[:-1])
    assert (check.complete, check.ended, check.has_content) == (False, False, True)


def test_the_beginning_is_no_content_and_a_call_is():
    call = {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": ""}
    check, _ = checked([CREATED, {"type": "response.output_item.added", "item": {"type": "message"}}])
    assert not check.has_content

    check.take({"type": "response.output_item.added", "item": call})
    assert check.has_content


def test_events_it_does_not_know_pass_and_nothing_follows_the_end():
    unknown = {"type": "response.something.new", "sequence_number": 1, "x": 1}
    final = {"type": "response.incomplete", "response": {"status": "incomplete"}}
    check, seen = checked([{"type": "keepalive"}, {**CREATED}, unknown, final, unknown])

    assert [event["type"] for event in seen][1:] == [CREATED["type"], unknown["type"], final["type"]]
    assert check.ended


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "code": "rate_limit_exceeded", "message": "Slow down.", "param": None},
        {"type": "error", "error": {"code": "rate_limit_exceeded", "message": "Slow down."}},
        {
            "type": "response.failed",
            "response": {"error": {"code": "rate_limit_exceeded", "message": "Slow down."}},
        },
        {
            "type": "response.completed",
            "response": {
                "status": "failed",
                "error": {"code": "rate_limit_exceeded", "message": "Slow down."},
            },
        },
    ],
    ids=["flat", "nested", "failed", "completed and yet failed"],
)
def test_an_error_inside_is_a_refusal(event: dict[str, Any]):
    with pytest.raises(RefusedInside) as caught:
        checked([{**CREATED}, event])
    assert (caught.value.error["code"], caught.value.error["message"]) == (
        "rate_limit_exceeded",
        "Slow down.",
    )


def test_an_error_as_the_scripted_face_plays_it_is_a_refusal(upstream: ScriptedUpstream):
    with pytest.raises(RefusedInside) as caught:
        checked(events_of(upstream, model="error_after"))
    assert caught.value.error["code"] == "overloaded"


@pytest.mark.parametrize(
    "events",
    [
        [{"choices": []}],
        [{"type": 5}],
        [{"type": ""}],
        [{"type": "response.created\ndata: x"}],
        [{"type": "response.output_text.delta", "delta": "x"}],
        [{"type": "response.created"}],
        [{**CREATED}, {"type": "response.completed", "response": []}],
    ],
    ids=str,
)
def test_what_is_no_response_stream_is_no_answer(events: list[dict[str, Any]]):
    with pytest.raises(NotAnAnswer):
        checked(events)


def test_a_whole_response_passes_under_the_deployments_model(upstream: ScriptedUpstream):
    sent = orjson.loads(post(upstream, model="reasoning")[1])
    body, written = DIALECT.check_answer(sent, "ours")

    assert body["model"] == "ours"
    assert written == len("You said: hi therew1 w2 w3 w4 w5")


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"object": "chat.completion", "choices": []},
        {"object": "response", "status": "in_progress", "output": []},
        {"object": "response", "status": "completed"},
        {"object": "response", "status": "completed", "output": ["x"]},
    ],
    ids=str,
)
def test_what_is_no_whole_response_is_no_answer(body: Any):
    with pytest.raises(NotAnAnswer):
        DIALECT.check_answer(body, "ours")


@pytest.mark.parametrize("error", [None, {"code": "server_error", "message": "It failed."}], ids=str)
def test_a_failed_response_is_a_refusal(error: Any):
    with pytest.raises(RefusedInside) as caught:
        DIALECT.check_answer({"object": "response", "status": "failed", "error": error, "output": []}, "ours")
    assert caught.value.error["code"] == "server_error"
