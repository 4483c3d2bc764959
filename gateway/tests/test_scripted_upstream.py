"""The scripted upstream answers as OpenAI does: JSON and streams, tools, schemas, images, usage."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator

import aiohttp
import pytest

from gateway.tests.scripted_client import (
    answer,
    chat,
    connected,
    last_entry,
    spoken,
    stream,
    tool,
)
from gateway.upstream.scripted import ScriptedUpstream, scripted_upstream


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    with scripted_upstream(name="sun", models=("small", "large")) as running:
        yield running


def test_an_ordinary_model_name_is_answered_with_an_echo(upstream):
    document = answer(upstream, chat("qwen2.5:14b", "hello there"))

    assert document["object"] == "chat.completion"
    assert document["id"].startswith("chatcmpl-")
    assert document["model"] == "qwen2.5:14b"
    assert document["system_fingerprint"] == "fp_sun"
    assert document["choices"][0]["message"]["content"] == "You said: hello there"
    assert document["choices"][0]["finish_reason"] == "stop"
    usage = document["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["prompt_tokens_details"] == {"cached_tokens": 0}


def test_the_model_name_carries_the_text_and_the_usage_figures(upstream):
    document = answer(upstream, chat("ok:text=rain%2C%20then%20sun,prompt=100,completion=20,cached=64"))

    assert document["choices"][0]["message"]["content"] == "rain, then sun"
    assert document["usage"]["prompt_tokens"] == 100
    assert document["usage"]["completion_tokens"] == 20
    assert document["usage"]["prompt_tokens_details"]["cached_tokens"] == 64


def test_a_stream_says_what_the_json_answer_says(upstream):
    chunks = stream(upstream, chat(text="grüße, 雨"))

    assert chunks[-1] == "[DONE]"
    assert spoken(chunks) == "You said: grüße, 雨"
    assert [c["choices"][0]["delta"].get("role") for c in chunks[:-1]].count("assistant") == 1
    assert [c["choices"][0]["finish_reason"] for c in chunks[:-1]][-1] == "stop"
    assert len({c["id"] for c in chunks[:-1]}) == 1


def test_a_stream_ends_with_usage_only_when_asked(upstream):
    asked = stream(upstream, chat(stream_options={"include_usage": True}))

    assert asked[-2]["choices"] == []
    assert asked[-2]["usage"]["total_tokens"] > 0
    assert all(chunk["usage"] is None for chunk in asked[:-2])
    assert not any("usage" in chunk for chunk in stream(upstream, chat())[:-1])


def test_n_gives_that_many_choices_in_both_shapes(upstream):
    document = answer(upstream, chat(n=2))
    chunks = stream(upstream, chat(n=2))

    texts = [choice["message"]["content"] for choice in document["choices"]]
    assert texts == ["You said: hello there", "You said: hello there (2)"]
    assert [spoken(chunks, 0), spoken(chunks, 1)] == texts
    indices = [c["choices"][0]["index"] for c in chunks[:-1] if "content" in c["choices"][0]["delta"]]
    assert indices[2:6] == [0, 1, 0, 1]


def test_a_token_limit_cuts_the_answer(upstream):
    choice = answer(upstream, chat(max_completion_tokens=2))["choices"][0]

    assert choice["message"]["content"] == "You said: "
    assert choice["finish_reason"] == "length"


def test_a_tool_that_the_user_names_is_called_with_fitting_arguments(upstream):
    tools = [tool("get_weather"), tool("get_time")]
    choice = answer(upstream, chat(text="use get_weather please", tools=tools))["choices"][0]

    assert choice["finish_reason"] == "tool_calls"
    assert [call["function"]["name"] for call in choice["message"]["tool_calls"]] == ["get_weather"]
    assert json.loads(choice["message"]["tool_calls"][0]["function"]["arguments"]) == {
        "city": "rain",
        "days": 3,
    }


def test_the_answer_after_a_tool_call_is_text(upstream):
    request = chat(text="use get_weather", tools=[tool("get_weather")])
    request["messages"].append({"role": "tool", "tool_call_id": "call_1", "content": "14 degrees"})

    assert answer(upstream, request)["choices"][0]["message"]["content"] == "The tool answered: 14 degrees"


def test_parallel_tool_calls_stream_with_one_id_and_name_each(upstream):
    chunks = stream(upstream, chat("tools:calls=2", tools=[tool("get_weather"), tool("get_time")]))

    deltas = [call for c in chunks[:-1] for call in c["choices"][0]["delta"].get("tool_calls", [])]
    firsts = [delta for delta in deltas if "id" in delta]
    assert [(first["index"], first["function"]["name"]) for first in firsts] == [
        (0, "get_weather"),
        (1, "get_time"),
    ]
    for index in (0, 1):
        arguments = "".join(d["function"]["arguments"] for d in deltas if d["index"] == index)
        assert json.loads(arguments)["days"] == 3


def test_a_json_schema_is_answered_with_json_that_fits(upstream):
    schema = {
        "type": "object",
        "properties": {
            "name": {"type": "string", "minLength": 6},
            "colour": {"enum": ["grey", "blue"]},
            "drops": {"type": "array", "items": {"$ref": "#/$defs/drop"}, "minItems": 2},
        },
        "$defs": {"drop": {"type": "object", "properties": {"size": {"type": "number"}}}},
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "rain", "schema": schema}}
    choices = answer(upstream, chat(response_format=wanted, n=2))["choices"]

    fitting = {"name": "rain--", "colour": "grey", "drops": [{"size": 1}, {"size": 1}]}
    assert [json.loads(choice["message"]["content"]) for choice in choices] == [fitting, fitting]


def test_images_are_counted(upstream):
    request = chat()
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    request["messages"][0]["content"] = [{"type": "text", "text": "what is it?"}, image]

    content = answer(upstream, request)["choices"][0]["message"]["content"]
    assert content == "I received 1 image. You said: what is it?"


def test_the_demo_introduces_itself_and_repeats_the_users_words(upstream):
    text = spoken(stream(upstream, chat("demo:chunk=0", "is anybody there?")))

    assert text.startswith('Hello! You have reached "demo"')
    assert "You wrote: “is anybody there?”" in text
    assert "OPENAI_API_KEY=" in text


def test_models_are_listed_for_openai_and_for_ollama_clients(upstream):
    with connected(upstream.base_url) as connection:
        connection.request("GET", "/v1/models")
        openai = json.loads(connection.getresponse().read())
        connection.request("GET", "/api/tags")
        ollama = json.loads(connection.getresponse().read())

    assert [model["id"] for model in openai["data"]] == ["small", "large"]
    assert [model["name"] for model in ollama["models"]] == ["small", "large"]


def test_one_connection_serves_many_requests(upstream):
    accepted = upstream.ledger.connections.accepted
    with connected(upstream.base_url) as connection:
        for number in range(20):
            connection.request("POST", "/v1/chat/completions", json.dumps(chat(text=f"number {number}")))
            assert f"number {number}" in connection.getresponse().read().decode()

    assert upstream.ledger.connections.accepted == accepted + 1
    assert upstream.ledger.wait_until(lambda ledger: ledger.connections.open == 0)


def test_pipelined_requests_are_answered_in_order(upstream):
    request = b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.create_connection((upstream.host, upstream.port), timeout=5) as client:
        client.sendall(
            request * 2
            + request.replace(b"models", b"nothing").replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        )
        received = b""
        while data := client.recv(65536):
            received += data

    assert [part[:3] for part in received.split(b"HTTP/1.1 ")[1:]] == [b"200", b"200", b"404"]


def test_a_chunked_request_body_is_read(upstream):
    body = json.dumps(chat("chunked-model", "in pieces")).encode()
    with connected(upstream.base_url) as connection:
        pieces = iter([body[:10], body[10:11], body[11:]])
        connection.request("POST", "/v1/chat/completions", pieces, encode_chunked=True)
        assert "in pieces" in connection.getresponse().read().decode()

    assert last_entry(upstream, "chunked-model").bytes_in == len(body)


def test_bytes_that_are_not_http_are_refused(upstream):
    with socket.create_connection((upstream.host, upstream.port), timeout=5) as client:
        client.sendall(b"hello\r\n\r\n")
        received = b""
        while data := client.recv(65536):
            received += data

    assert received.startswith(b"HTTP/1.1 400 ")


def test_a_slow_stream_keeps_its_pace(upstream):
    started = time.monotonic()
    chunks = stream(upstream, chat("slow:first=0.1,chunk=0.01,chunks=40"))
    took = time.monotonic() - started

    assert spoken(chunks).split() == [f"w{number}" for number in range(1, 41)]
    assert 0.1 + 39 * 0.01 <= took < 1.5


def test_an_aiohttp_client_reads_streams_on_the_same_loop():
    async def drive() -> tuple[str, int]:
        upstream = await ScriptedUpstream.start(name="moon")
        address = f"{upstream.base_url}/chat/completions"
        request = chat("slow:first=0,chunk=0.001,chunks=5", stream=True)
        async with aiohttp.ClientSession() as session, session.post(address, json=request) as response:
            text = await response.text()
        await upstream.stop()
        await upstream.stop()
        return text, upstream.ledger.connections.open

    text, still_open = asyncio.run(drive())
    assert text.endswith("data: [DONE]\n\n")
    assert still_open == 0
