"""POST /v1/completions, as editors ask: relayed where the upstream serves it, else asked as a chat."""

import openai
import pytest

from gateway.dialects.dialect import RefusedInside
from gateway.dialects.registry import DIALECTS
from gateway.tests.live import LiveGateway

# The alias `native/…` leads to an upstream that serves text completions itself, `fake/…` to one that serves chat only.
BOTH = pytest.mark.parametrize("alias", ["native", "fake"])


def client(gateway: LiveGateway) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.keys["plain"], max_retries=0)


@BOTH
def test_a_prompt_is_completed(gateway: LiveGateway, alias: str):
    answer = client(gateway).completions.create(model=f"{alias}/ok", prompt="def add(a, b):", max_tokens=50)

    assert answer.object == "text_completion"
    assert answer.choices[0].text == "You said: def add(a, b):"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None and answer.usage.completion_tokens > 0
    assert answer.model == "ok"


@BOTH
def test_a_stream_brings_the_same_text_one_finish_and_usage_when_asked(gateway: LiveGateway, alias: str):
    chunks = list(
        client(gateway).completions.create(
            model=f"{alias}/ok", prompt="one two", stream=True, stream_options={"include_usage": True}
        )
    )
    choices = [choice for chunk in chunks for choice in chunk.choices]

    assert "".join(choice.text for choice in choices) == "You said: one two"
    assert [choice.finish_reason for choice in choices if choice.finish_reason] == ["stop"]
    assert len({chunk.id for chunk in chunks}) == 1
    assert {chunk.object for chunk in chunks} == {"text_completion"}
    assert chunks[-1].usage is not None and chunks[-1].choices == []


def test_the_upstream_is_asked_in_its_own_words_where_it_has_them(gateway: LiveGateway):
    client(gateway).completions.create(model="native/asked-itself", prompt="a", suffix="b")
    client(gateway).completions.create(model="fake/asked-in-chat", prompt="a")
    ledger = gateway.upstreams["sun"].ledger

    assert ledger.of("asked-itself")[-1].path == "/v1/completions"
    assert ledger.of("asked-itself")[-1].body["suffix"] == "b"
    assert ledger.of("asked-in-chat")[-1].path == "/v1/chat/completions"


def test_filling_a_gap_needs_an_upstream_that_can(gateway: LiveGateway):
    filled = client(gateway).completions.create(model="native/ok", prompt="def add", suffix="return c")
    with pytest.raises(openai.BadRequestError) as refused:
        client(gateway).completions.create(model="fake/ok", prompt="def add", suffix="return c")

    assert filled.choices[0].text == "You said: def add […] return c"
    assert refused.value.code == "not_supported_by_upstream"
    assert refused.value.param == "suffix"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": ["a", "b"]}, "prompt"),
        ({"prompt": [1, 2, 3]}, "prompt"),
        ({"prompt": "a", "echo": True}, "echo"),
        ({"prompt": "a", "best_of": 3}, "best_of"),
        ({"prompt": "a", "logprobs": 2}, "logprobs"),
    ],
    ids=["two prompts", "tokens", "echo", "best_of", "logprobs"],
)
def test_what_a_chat_cannot_say_is_named(uvicorn_gateway: LiveGateway, fields: dict, param: str):
    with pytest.raises(openai.BadRequestError) as refused:
        client(uvicorn_gateway).completions.create(model="fake/ok", **fields)

    assert refused.value.param == param


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({}, "missing_field", "prompt"),
        ({"prompt": {}}, "invalid_type", "prompt"),
        ({"prompt": []}, "invalid_value", "prompt"),
        ({"prompt": "a", "suffix": 1}, "invalid_type", "suffix"),
        ({"prompt": "a", "stream": "yes"}, "invalid_type", "stream"),
        ({"prompt": "a", "max_tokens": -1}, "invalid_value", "max_tokens"),
        ({"prompt": "a", "api_base": "http://x"}, "not_allowed", "api_base"),
    ],
    ids=["none", "object", "empty", "suffix", "stream", "max_tokens", "api_base"],
)
def test_a_wrong_field_is_named(uvicorn_gateway: LiveGateway, fields: dict, code: str, param: str):
    with pytest.raises(openai.BadRequestError) as refused:
        client(uvicorn_gateway).post("/completions", cast_to=object, body={"model": "native/ok", **fields})

    assert (refused.value.code, refused.value.param) == (code, param)


@BOTH
@pytest.mark.parametrize("scenario", ["cut", "no_finish"])
def test_a_stream_that_breaks_off_ends_with_an_error(uvicorn_gateway: LiveGateway, alias: str, scenario: str):
    with pytest.raises(openai.APIError):
        list(client(uvicorn_gateway).completions.create(model=f"{alias}/{scenario}", prompt="a", stream=True))


@pytest.mark.parametrize("finish", ["error", "insufficient_system_resource"])
def test_a_finish_reason_that_means_failure_is_no_end(finish: str):
    dialect = DIALECTS["completions"]
    choice = {"index": 0, "text": "a", "finish_reason": finish}
    with pytest.raises(RefusedInside):
        dialect.check_answer({"choices": [{**choice}]}, "m")
    with pytest.raises(RefusedInside):
        dialect.check_stream("m", 1).take({"choices": [choice]})


def test_the_log_row_says_how_it_was_asked(uvicorn_gateway: LiveGateway):
    raw = client(uvicorn_gateway).completions.with_raw_response
    translated = raw.create(model="fake/ok", prompt="a", user="me")
    row = uvicorn_gateway.row(translated.headers["x-request-id"])

    assert row["endpoint"] == "/v1/completions"
    assert row["attempts"][0]["asked_in"] == "chat"
    assert row["end_user"] == "me"
    assert row["output_tokens"] > 0
