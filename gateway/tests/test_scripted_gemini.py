"""The scripted upstream's Gemini face, as a plain client sees it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.tests.scripted_client import connected
from gateway.upstream.scripted import ScriptedUpstream, scripted_upstream

SCHEMA = {"type": "OBJECT", "properties": {"city": {"type": "STRING"}, "days": {"type": "INTEGER"}}}


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    with scripted_upstream() as upstream:
        yield upstream


def ask(
    upstream: ScriptedUpstream, model: str, key: str = "k", stream: bool = False, **fields: Any
) -> tuple[int, str]:
    method = "streamGenerateContent?alt=sse" if stream else "generateContent"
    body = {"contents": [{"role": "user", "parts": [{"text": "hello"}]}], **fields}
    headers = {"x-goog-api-key": key, "content-type": "application/json"}
    with connected(upstream.base_url) as connection:
        connection.request("POST", f"/v1beta/models/{model}:{method}", json.dumps(body), headers)
        response = connection.getresponse()
        return response.status, response.read().decode()


def events(text: str) -> list[dict[str, Any]]:
    return [json.loads(frame.removeprefix("data: ")) for frame in text.strip().split("\r\n\r\n")]


def parts(document: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = document["candidates"][0]["content"]["parts"]
    return found


def test_an_answer_has_parts_a_finish_reason_and_usage(upstream: ScriptedUpstream):
    status, text = ask(upstream, "ok:prompt=100,completion=20,cached=30,reasoning=5")

    document = json.loads(text)
    assert (status, parts(document)) == (200, [{"text": "You said: hello"}])
    assert document["candidates"][0]["finishReason"] == "STOP"
    assert document["usageMetadata"] == {
        "promptTokenCount": 100,
        "candidatesTokenCount": 15,
        "totalTokenCount": 120,
        "thoughtsTokenCount": 5,
        "cachedContentTokenCount": 30,
    }


def test_a_stream_ends_with_its_finish_reason_and_usage(upstream: ScriptedUpstream):
    found = events(ask(upstream, "reasoning:pieces=1", stream=True)[1])

    texts = [part for document in found for part in parts(document)]
    assert texts[0] == {"text": "w1", "thought": True}
    assert "".join(part["text"] for part in texts[1:]) == "You said: hello"
    assert found[-1]["candidates"][0]["finishReason"] == "STOP"
    assert found[-1]["usageMetadata"]["thoughtsTokenCount"] == 1


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_two_functions_are_two_parts(upstream: ScriptedUpstream, stream: bool):
    declared = [{"name": name, "parameters": SCHEMA} for name in ("get_weather", "get_time")]
    contents = [{"role": "user", "parts": [{"text": "get_weather and get_time"}]}]

    text = ask(upstream, "ok", stream=stream, tools=[{"functionDeclarations": declared}], contents=contents)[
        1
    ]

    first = parts(events(text)[0] if stream else json.loads(text))
    assert [part["functionCall"]["name"] for part in first] == ["get_weather", "get_time"]
    assert first[0]["functionCall"]["args"] == {"city": "rain", "days": 1}


def test_a_response_schema_is_honoured(upstream: ScriptedUpstream):
    config = {"responseMimeType": "application/json", "responseSchema": SCHEMA}

    text = ask(upstream, "ok", generationConfig=config)[1]

    assert json.loads(parts(json.loads(text))[0]["text"]) == {"city": "rain", "days": 1}


def test_images_are_counted_and_function_responses_read(upstream: ScriptedUpstream):
    image = {"inlineData": {"mimeType": "image/png", "data": "AA=="}}
    result = {"functionResponse": {"name": "get_weather", "response": {"content": "rain"}}}

    seen = ask(upstream, "ok", contents=[{"role": "user", "parts": [image, {"text": "see"}]}])
    told = ask(upstream, "ok", contents=[{"role": "user", "parts": [result]}])

    assert "I received 1 image. You said: see" in seen[1]
    assert "The tool answered: " in told[1] and "rain" in told[1]


@pytest.mark.parametrize(
    ("code", "status"),
    [(400, "INVALID_ARGUMENT"), (404, "NOT_FOUND"), (429, "RESOURCE_EXHAUSTED"), (503, "UNAVAILABLE")],
)
def test_refusals_have_googles_shape(upstream: ScriptedUpstream, code: int, status: str):
    found, text = ask(upstream, f"status:code={code}")

    error = json.loads(text)["error"]
    assert (found, error["code"], error["status"]) == (code, code, status)


def test_an_error_in_the_middle_is_an_event(upstream: ScriptedUpstream):
    assert events(ask(upstream, "error_after", stream=True)[1])[-1]["error"]["status"] == "UNAVAILABLE"


def test_a_stream_without_a_finish_just_ends(upstream: ScriptedUpstream):
    found = events(ask(upstream, "no_finish", stream=True)[1])

    assert not any("finishReason" in document["candidates"][0] for document in found)


def test_a_key_is_required(upstream: ScriptedUpstream):
    assert ask(upstream, "ok", key="")[0] == 403
