"""What every event stream promises on the wire, byte by byte."""

import re
import time

import httpx
import orjson
import pytest

from gateway.tests.live import LiveGateway

CHAT = "/v1/chat/completions"


def stream(gateway: LiveGateway, model: str, **fields: object) -> httpx.Response:
    body = {
        "model": model,
        "messages": [{"role": "user", "content": "one two three"}],
        "stream": True,
        **fields,
    }
    return httpx.post(gateway.url + CHAT, json=body, headers=gateway.headers(), timeout=20)


def events(answer: httpx.Response) -> list[dict[str, object]]:
    """The JSON of every frame; the text must consist of whole frames and pings only."""
    frames = answer.content.split(b"\n\n")
    assert frames.pop() == b""
    data = [frame for frame in frames if frame != b": ping"]
    assert all(frame.startswith(b"data: ") for frame in data), answer.text
    return [orjson.loads(frame[6:]) for frame in data if frame != b"data: [DONE]"]


def text(answer: httpx.Response) -> str:
    return "".join(
        choice["delta"].get("content") or "" for event in events(answer) for choice in event["choices"]
    )


def test_frames_are_exactly_data_space_json_and_end_in_done(gateway: LiveGateway):
    answer = stream(gateway, "fake/ok")

    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert re.fullmatch(rb"(data: \{[^\n]*\}\n\n)+data: \[DONE\]\n\n", answer.content)
    assert text(answer) == "You said: one two three"


@pytest.mark.parametrize(
    "scenario",
    ["split:size=1", "split:size=7", "crlf", "dialect:eol=cr,bom=1,fields=1", "comments", "role_twice", "role_never",
     "no_done", "after_done", "after_finish", "id_change", "usage_twice", "usage_early", "json_for_stream",
     "wrong_type"],
)  # fmt: skip
def test_however_the_upstream_spells_it_clients_see_one_clean_stream(
    uvicorn_gateway: LiveGateway, scenario: str
):
    answer = stream(uvicorn_gateway, f"fake/{scenario}")

    seen = events(answer)
    assert text(answer) == "You said: one two three"
    assert answer.content.endswith(b"data: [DONE]\n\n")
    assert len({event["id"] for event in seen}) == 1
    assert all(isinstance(event["created"], int) for event in seen)
    assert {event["model"] for event in seen} == {scenario}
    assert [event["choices"][0]["delta"].get("role") for event in seen].count("assistant") == 1
    assert sum(bool(event["choices"][0]["finish_reason"]) for event in seen) == 1


@pytest.mark.parametrize(
    "scenario",
    ["cut:after=2", "cut:after=2,how=fin", "no_finish", "no_finish:done=1", "not_json_event:pause=0.05"],
)
def test_a_stream_that_breaks_after_content_ends_in_an_error_frame_without_done(
    gateway: LiveGateway, scenario: str
):
    answer = stream(gateway, f"pair/{scenario}")

    first, last = events(answer)[-2:]
    assert first == {"error": last["error"]}
    assert answer.status_code == 200
    assert answer.headers["x-rainymodel-upstream"] == "sun"
    assert b"[DONE]" not in answer.content
    assert last["choices"] == [{"index": 0, "delta": {}, "finish_reason": "error"}]
    assert set(last["error"]) == {"message", "type", "param", "code"}
    assert last["error"]["code"] == "upstream_broken"
    assert row_state(gateway, answer) == "truncated"


def test_an_error_event_after_content_becomes_our_error_frame(gateway: LiveGateway):
    answer = stream(gateway, "lone/error_after:pause=0.05")

    assert events(answer)[-1]["error"]["code"] == "upstream_broken"
    assert row_state(gateway, answer) == "truncated"


def row_state(gateway: LiveGateway, answer: httpx.Response) -> str:
    return gateway.row(answer.headers["x-request-id"])["state"]


def test_silence_inside_an_answer_ends_it_with_an_error_frame(uvicorn_gateway: LiveGateway):
    answer = stream(uvicorn_gateway, "fake/stall:after=2")

    assert events(answer)[-1]["error"]["code"] == "upstream_timeout"
    assert answer.elapsed.total_seconds() < 3


@pytest.mark.fault("U42")
def test_a_silent_model_is_kept_alive_by_comments_and_still_answers(uvicorn_gateway: LiveGateway):
    answer = stream(uvicorn_gateway, "fake/slow:first=1.7,chunk=0,chunks=3")

    assert answer.content.startswith(b": ping\n\n")
    assert answer.content.endswith(b"data: [DONE]\n\n")
    assert answer.headers["x-rainymodel-policy"] == "auto"
    assert "x-rainymodel-route" not in answer.headers  # the headers left before anybody had answered


def test_a_failure_after_the_first_comment_is_an_error_frame(uvicorn_gateway: LiveGateway):
    answer = stream(uvicorn_gateway, "paid/silence")

    last = events(answer)[-1]
    assert answer.status_code == 200
    assert answer.content.startswith(b": ping\n\n")
    assert last["error"]["code"] == "all_upstreams_failed"
    assert b"[DONE]" not in answer.content
    assert row_state(uvicorn_gateway, answer) == "upstream_error"


def test_first_content_leaves_at_once(uvicorn_gateway: LiveGateway):
    body = {"model": "fake/slow:first=0,chunk=0.1,chunks=10", "messages": [{"role": "user", "content": "x"}]}
    started = time.monotonic()
    with httpx.stream(
        "POST", uvicorn_gateway.url + CHAT, json={**body, "stream": True}, headers=uvicorn_gateway.headers()
    ) as answer:
        pieces = answer.iter_bytes()
        next(pieces)
        assert time.monotonic() - started < 0.5


def test_the_upstream_is_always_asked_for_usage_and_the_row_has_it(uvicorn_gateway: LiveGateway):
    answer = stream(uvicorn_gateway, "fake/ok:prompt=100,completion=20,cached=40")

    sent = uvicorn_gateway.upstreams["sun"].ledger.of("ok:prompt=100,completion=20,cached=40")[-1].body
    row = uvicorn_gateway.row(answer.headers["x-request-id"])
    assert sent["stream_options"] == {"include_usage": True}
    assert (row["input_tokens"], row["cached_tokens"], row["output_tokens"]) == (60, 40, 20)
    assert row["estimated"] is False


def test_an_upstream_without_usage_is_estimated_and_marked(uvicorn_gateway: LiveGateway):
    row = uvicorn_gateway.row(stream(uvicorn_gateway, "fake/usage_never").headers["x-request-id"])

    assert row["estimated"] is True
    assert row["output_tokens"] > 0


@pytest.mark.fault("U55")
def test_an_endless_answer_ends_at_the_total_deadline_with_an_error_frame(uvicorn_gateway: LiveGateway):
    answer = stream(uvicorn_gateway, "hasty/slow:first=0,chunk=0.05,chunks=500")

    assert events(answer)[-1]["error"]["code"] == "upstream_timeout"
    assert b"[DONE]" not in answer.content
    assert 2.5 < answer.elapsed.total_seconds() < 4.5
    assert row_state(uvicorn_gateway, answer) == "truncated"
