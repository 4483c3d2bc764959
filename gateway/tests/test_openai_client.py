"""openai-python's stock client, unchanged, against a live gateway under both servers."""

import json
from collections.abc import Iterator

import openai
import pytest

from gateway.tests.live import LiveGateway

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
    }
]
HELLO = [{"role": "user", "content": "hello there"}]
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJ"
    "RU5ErkJggg=="
)


@pytest.fixture
def client(gateway: LiveGateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.keys["plain"], max_retries=0) as client:
        yield client


def text_of(stream: openai.Stream) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


def test_a_json_answer_names_the_real_model(client: openai.OpenAI):
    answer = client.chat.completions.create(model="rainymodel/auto", messages=HELLO)

    assert "hello there" in answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == "sunny"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_a_stream_gives_the_same_text(client: openai.OpenAI):
    whole = client.chat.completions.create(model="rainymodel/auto", messages=HELLO).choices[0].message.content

    assert (
        text_of(client.chat.completions.create(model="rainymodel/auto", messages=HELLO, stream=True)) == whole
    )


def test_a_stream_has_one_id_one_role_and_one_finish_reason(client: openai.OpenAI):
    chunks = list(client.chat.completions.create(model="rainymodel/auto", messages=HELLO, stream=True))

    assert len({chunk.id for chunk in chunks}) == 1
    assert [chunk.choices[0].delta.role for chunk in chunks].count("assistant") == 1
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices[0].finish_reason] == ["stop"]


def test_usage_ends_a_stream_only_when_asked_for(client: openai.OpenAI):
    plain = list(client.chat.completions.create(model="fake/ok", messages=HELLO, stream=True))
    asked = list(
        client.chat.completions.create(
            model="fake/ok", messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
    )

    assert all(chunk.usage is None and chunk.choices for chunk in plain)
    assert asked[-1].choices == []
    assert asked[-1].usage.total_tokens > 0


@pytest.mark.parametrize("calls", [1, 2])
def test_tool_calls_one_and_parallel(client: openai.OpenAI, calls: int):
    answer = client.chat.completions.create(model=f"fake/tools:calls={calls}", messages=HELLO, tools=TOOLS)

    called = answer.choices[0].message.tool_calls
    assert [call.function.name for call in called] == ["get_weather"] * calls
    assert all(isinstance(json.loads(call.function.arguments), dict) for call in called)
    assert answer.choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize("calls", [1, 2])
def test_streamed_tool_calls_name_each_call_once(client: openai.OpenAI, calls: int):
    stream = client.chat.completions.create(
        model=f"fake/tools:calls={calls}", messages=HELLO, tools=TOOLS, stream=True
    )
    names: dict[int, str] = {}
    arguments: dict[int, str] = {}
    for chunk in stream:
        for call in chunk.choices[0].delta.tool_calls or ():
            names[call.index] = names.get(call.index, "") + (call.function.name or "")
            arguments[call.index] = arguments.get(call.index, "") + (call.function.arguments or "")

    assert names == dict.fromkeys(range(calls), "get_weather")
    assert all(isinstance(json.loads(text), dict) for text in arguments.values())


def test_an_image_reaches_the_upstream(client: openai.OpenAI):
    parts = [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": PIXEL}}]
    answer = client.chat.completions.create(model="fake/ok", messages=[{"role": "user", "content": parts}])

    assert "1 image" in answer.choices[0].message.content


def test_a_json_schema_is_answered_with_json(client: openai.OpenAI):
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    answer = client.chat.completions.create(
        model="fake/ok",
        messages=HELLO,
        response_format={"type": "json_schema", "json_schema": {"name": "place", "schema": schema}},
    )

    assert isinstance(json.loads(answer.choices[0].message.content)["city"], str)


def test_two_choices_json_and_streamed(client: openai.OpenAI):
    answer = client.chat.completions.create(model="fake/ok", messages=HELLO, n=2)
    stream = client.chat.completions.create(model="fake/ok", messages=HELLO, n=2, stream=True)
    finished = [choice.index for chunk in stream for choice in chunk.choices if choice.finish_reason]

    assert [choice.index for choice in answer.choices] == [0, 1]
    assert sorted(finished) == [0, 1]


def test_a_wrong_key_is_a_401_the_client_knows(gateway: LiveGateway):
    with (
        openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="sk-rm_wrong", max_retries=0) as client,
        pytest.raises(openai.AuthenticationError) as caught,
    ):
        client.chat.completions.create(model="rainymodel/auto", messages=HELLO)

    assert caught.value.code == "invalid_api_key"


def test_an_unknown_model_is_a_404_the_client_knows(client: openai.OpenAI):
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="no-such-model", messages=HELLO)

    assert caught.value.code == "model_not_found"
    assert caught.value.param == "model"


def test_leaving_a_stream_closes_the_upstream(client: openai.OpenAI, gateway: LiveGateway):
    model = "slow:chunk=0.02,chunks=500"
    stream = client.chat.completions.create(model=f"fake/{model}", messages=HELLO, stream=True)
    next(iter(stream))
    stream.close()

    ledger = gateway.upstreams["sun"].ledger
    assert ledger.wait_until(lambda ledger: ledger.of(model)[-1].client_gone_after is not None, timeout=2)


def test_a_broken_stream_raises_in_the_client(client: openai.OpenAI):
    stream = client.chat.completions.create(model="fake/cut:after=3", messages=HELLO, stream=True)

    with pytest.raises(openai.APIError, match="broke off"):
        list(stream)


def test_models_are_listed_and_found_by_their_slashed_name(client: openai.OpenAI):
    names = [model.id for model in client.models.list()]

    assert "rainymodel/auto" in names
    assert "fake/*" not in names
    assert client.models.retrieve("rainymodel/auto").id == "rainymodel/auto"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nothing")
