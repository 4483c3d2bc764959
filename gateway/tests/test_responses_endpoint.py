"""POST /v1/responses as OpenAI's own client meets it: relayed where the upstream serves it, else asked as a chat."""

from typing import Any

import httpx
import openai
import pytest
from openai.types.responses import Response, ResponseFunctionToolCall
from pydantic import BaseModel

from gateway.tests.live import LiveGateway

# The alias `native/…` leads to an upstream that serves responses itself, `fake/…` to one that serves chat only.
BOTH = pytest.mark.parametrize("alias", ["native", "fake"])
BOTH_WAYS = pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "description": "Tells the weather.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string", "enum": ["Paris"]}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}


class Forecast(BaseModel):
    """What a model is asked to fill in."""

    city: str
    degrees: int


def client(gateway: LiveGateway) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.keys["plain"], max_retries=0)


@BOTH
def test_a_text_is_answered(gateway: LiveGateway, alias: str):
    answer = client(gateway).responses.create(
        model=f"{alias}/ok", input="hello", instructions="Be brief.", store=False
    )

    assert answer.output_text == "You said: hello"
    assert (answer.status, answer.error, answer.incomplete_details) == ("completed", None, None)
    assert answer.model == "ok"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens > 0


@BOTH
def test_a_streams_events_are_numbered_and_end_with_the_whole_response(gateway: LiveGateway, alias: str):
    events = list(client(gateway).responses.create(model=f"{alias}/ok", input="hello", stream=True))
    last = events[-1]

    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[0].type == "response.created"
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == (
        "You said: hello"
    )
    assert last.type == "response.completed"
    assert last.response.output_text == "You said: hello"
    assert last.response.usage is not None and last.response.usage.output_tokens > 0


@BOTH
def test_the_clients_stream_helper_accumulates_the_answer(gateway: LiveGateway, alias: str):
    with client(gateway).responses.stream(model=f"{alias}/ok", input="hello") as stream:
        snapshots = [event.snapshot for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()

    assert snapshots[-1] == "You said: hello"
    assert final.output_text == "You said: hello"


@BOTH
def test_a_function_is_called_and_its_result_goes_back(gateway: LiveGateway, alias: str):
    responses = client(gateway).responses
    asked: Any = [{"role": "user", "content": "call get_weather"}]
    first = responses.create(model=f"{alias}/ok", input=asked, tools=[WEATHER])
    (call,) = first.output
    assert isinstance(call, ResponseFunctionToolCall)
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "rain"}
    second = responses.create(model=f"{alias}/ok", input=[*asked, call, result], tools=[WEATHER])

    assert (call.name, call.arguments) == ("get_weather", '{"city":"Paris"}')
    assert second.output_text == "The tool answered: rain"


def test_a_second_turn_reaches_a_chat_upstream_as_calls_and_results(uvicorn_gateway: LiveGateway):
    client(uvicorn_gateway).responses.create(
        model="fake/second-turn",
        instructions="Be brief.",
        input=[
            {"role": "user", "content": "weather?"},
            {"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "call_1", "output": "rain"},
        ],
        tools=[WEATHER],
    )
    (sent,) = uvicorn_gateway.upstreams["sun"].ledger.of("second-turn")
    roles = [message["role"] for message in sent.body["messages"]]

    assert sent.path == "/v1/chat/completions"
    assert roles == ["system", "user", "assistant", "tool"]
    assert sent.body["messages"][2]["tool_calls"][0]["id"] == "call_1"
    assert sent.body["messages"][3] == {"role": "tool", "tool_call_id": "call_1", "content": "rain"}
    assert sent.body["tools"][0]["function"]["name"] == "get_weather"


@BOTH
def test_an_answer_is_parsed_into_the_form_that_was_asked_for(gateway: LiveGateway, alias: str):
    answer = client(gateway).responses.parse(model=f"{alias}/ok", input="weather?", text_format=Forecast)

    assert answer.output_parsed == Forecast(city="rain", degrees=1)


@BOTH
@BOTH_WAYS
def test_an_answer_cut_short_is_incomplete(gateway: LiveGateway, alias: str, stream: bool):
    given = client(gateway).responses.create(
        model=f"{alias}/ok", input="one two three four", max_output_tokens=4, stream=stream
    )
    answer = given if isinstance(given, Response) else list(given)[-1].response

    assert answer.output_text == "You said: one two "
    assert answer.status == "incomplete"
    assert answer.incomplete_details.reason == "max_output_tokens"


@BOTH
@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"background": True}, "background"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0]"),
    ],
    ids=["previous_response_id", "conversation", "prompt", "background", "item_reference"],
)
def test_what_needs_a_memory_is_refused_by_name(
    uvicorn_gateway: LiveGateway, alias: str, fields: dict[str, Any], param: str
):
    with pytest.raises(openai.BadRequestError) as refused:
        client(uvicorn_gateway).responses.create(**{"model": f"{alias}/ok", "input": "hello", **fields})

    assert (refused.value.code, refused.value.param) == ("not_supported", param)
    assert param in refused.value.message


def test_what_only_an_upstream_of_this_dialect_can_do_is_asked_of_one(uvicorn_gateway: LiveGateway):
    search: Any = {"type": "web_search"}
    responses = client(uvicorn_gateway).responses
    relayed = responses.create(model="native/that-searches", input="hello", tools=[search])
    with pytest.raises(openai.BadRequestError) as refused:
        responses.create(model="fake/ok", input="hello", tools=[search])
    (sent,) = uvicorn_gateway.upstreams["sun"].ledger.of("that-searches")

    assert relayed.output_text == "You said: hello"
    assert (sent.path, sent.body["tools"]) == ("/v1/responses", [search])
    assert (refused.value.code, refused.value.param) == ("not_supported_by_upstream", "tools[0].type")


@BOTH
@BOTH_WAYS
@pytest.mark.parametrize(
    ("scenario", "kind"),
    [
        ("status:code=400", openai.BadRequestError),
        ("status:code=500", openai.InternalServerError),
        ("error_first", openai.InternalServerError),
    ],
    ids=["400", "500", "error_first"],
)
def test_an_error_before_the_answer_is_raised(
    uvicorn_gateway: LiveGateway, alias: str, stream: bool, scenario: str, kind: type[Exception]
):
    with pytest.raises(kind):
        client(uvicorn_gateway).responses.create(model=f"{alias}/{scenario}", input="hello", stream=stream)


@BOTH
@pytest.mark.parametrize("scenario", ["error_after:after=2,pause=0.05", "cut", "no_finish"])
def test_an_error_in_a_stream_is_raised(gateway: LiveGateway, alias: str, scenario: str):
    stream = client(gateway).responses.create(model=f"{alias}/{scenario}", input="hello", stream=True)
    seen: list[str] = []
    with pytest.raises(openai.APIError):
        seen.extend(event.type for event in stream)

    assert "response.output_text.delta" in seen
    assert "response.completed" not in seen


def test_an_unknown_model_and_a_wrong_key_are_raised(gateway: LiveGateway):
    with pytest.raises(openai.NotFoundError) as unknown:
        client(gateway).responses.create(model="gpt-of-my-dreams", input="hello")
    with pytest.raises(openai.AuthenticationError) as locked_out:
        client(gateway).with_options(api_key="sk-wrong").responses.create(model="fake/ok", input="hello")

    assert (unknown.value.code, unknown.value.param) == ("model_not_found", "model")
    assert locked_out.value.code == "invalid_api_key"


def test_the_log_row_names_what_was_left_out(uvicorn_gateway: LiveGateway):
    fields: dict[str, Any] = {
        "include": ["reasoning.encrypted_content"],
        "metadata": {"a": "b"},
        "prompt_cache_key": "key",
        "store": False,
        "text": {"verbosity": "low"},
        "truncation": "auto",
        "user": "me",
    }
    raw = client(uvicorn_gateway).responses.with_raw_response
    translated = raw.create(model="fake/ok", input="hello", **fields)
    relayed = raw.create(model="native/left-nothing-out", input="hello", **fields)
    row = uvicorn_gateway.row(translated.headers["x-request-id"])
    (sent,) = uvicorn_gateway.upstreams["sun"].ledger.of("left-nothing-out")

    assert set(row["parameter_edits"]) == {
        "include",
        "metadata",
        "prompt_cache_key",
        "store",
        "text.verbosity",
        "truncation",
    }
    assert set(row["parameter_edits"].values()) == {""}
    assert (row["endpoint"], row["end_user"], row["attempts"][0]["asked_in"]) == (
        "/v1/responses",
        "me",
        "chat",
    )
    assert uvicorn_gateway.row(relayed.headers["x-request-id"])["parameter_edits"] == {}
    assert sent.body == {"model": "left-nothing-out", "input": "hello", **fields}


def test_an_effort_is_asked_only_of_a_model_that_can_reason(uvicorn_gateway: LiveGateway):
    raw = client(uvicorn_gateway).responses.with_raw_response
    raw.create(model="fake/with-effort", input="hello", reasoning={"effort": "high"})
    plain = raw.create(model="plain", input="hello", reasoning={"effort": "high"})
    ledger = uvicorn_gateway.upstreams["sun"].ledger
    row = uvicorn_gateway.row(plain.headers["x-request-id"])

    assert ledger.of("with-effort")[-1].body["reasoning_effort"] == "high"
    assert "reasoning_effort" not in ledger.of("plain-text-only")[-1].body
    assert row["parameter_edits"] == {"reasoning_effort": ""}


def test_errors_have_openais_shape(gateway: LiveGateway):
    answer = httpx.post(f"{gateway.url}/v1/responses", json={"model": "fake/ok"}, headers=gateway.headers())

    assert answer.status_code == 400
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
    assert (answer.json()["error"]["code"], answer.json()["error"]["param"]) == ("missing_field", "input")
