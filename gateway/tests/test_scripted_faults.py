"""Each fault of the scripted upstream is the fault that its name promises."""

import http.client
import json
from collections.abc import Iterator

import pytest

from gateway.tests.scripted_client import (
    answer,
    chat,
    connected,
    last_entry,
    open_socket,
    post,
    read_events,
    spoken,
    stream,
    tool,
)
from gateway.upstream.scripted import ScriptedUpstream, scripted_upstream


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    with scripted_upstream(name="sun", models=("small", "large")) as running:
        yield running


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        ("status:code=500", 500, None),
        ("status:code=404", 404, "model_not_found"),
        ("insufficient_quota", 429, "insufficient_quota"),
        ("context_length", 400, "context_length_exceeded"),
        ("content_filter", 400, "content_filter"),
        ("unauthorized", 401, "invalid_api_key"),
    ],
)
def test_a_refusal_has_openais_error_shape(upstream, model, status, code):
    for asked_for_stream in (False, True):
        response, body = post(upstream, chat(model, stream=asked_for_stream))

        assert response.status == status
        error = json.loads(body)["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert error["code"] == code


def test_retry_after_is_sent_as_asked(upstream):
    def sent(spoken: str) -> list[str] | None:
        response, _ = post(upstream, chat(f"status:code=429,retry_after={spoken}"))
        return response.headers.get_all("retry-after")

    assert sent("7") == ["7"]
    assert sent("soon") == ["soon"]
    assert sent("7|9") == ["7", "9"]
    assert sent("date+60")[0].endswith("GMT")
    assert sent("") is None


def test_tools_are_refused_only_when_they_are_offered(upstream):
    refused, body = post(upstream, chat("tools_unsupported", tools=[tool("get_weather")]))

    assert refused.status == 400
    assert b"does not support tools" in body
    assert post(upstream, chat("tools_unsupported"))[0].status == 200


def test_a_cut_stream_delivers_its_pieces_and_then_resets(upstream):
    client = open_socket(upstream, chat("cut:after=3,how=rst", stream=True))
    received = b""
    with pytest.raises(ConnectionResetError):
        while data := client.recv(65536):
            received += data
    client.close()

    assert received.count(b'"content":"w') == 3
    entry = last_entry(upstream, "cut:after=3,how=rst")
    assert not entry.completed
    assert entry.client_gone_after is None


def test_a_cut_can_be_a_polite_close_in_the_middle_of_json(upstream):
    with pytest.raises(http.client.IncompleteRead):
        post(upstream, chat("cut:how=fin"))


@pytest.mark.parametrize("model", ["stall:after=2", "silence", "silence:head=1"])
def test_a_silent_upstream_says_nothing_more(upstream, model):
    client = open_socket(upstream, chat(model, stream=True))
    client.settimeout(0.15)
    received = b""
    with pytest.raises(TimeoutError):
        while data := client.recv(65536):
            received += data
    client.close()

    assert received.count(b'"content":"w') == (2 if model.startswith("stall") else 0)
    assert bool(received) == (model != "silence")
    assert upstream.ledger.wait_until(lambda ledger: ledger.of(model)[-1].client_gone_after is not None)


def test_a_stale_connection_answers_once_and_is_then_closed(upstream):
    with connected(upstream.base_url) as connection:
        connection.request("POST", "/v1/chat/completions", json.dumps(chat("stale")))
        assert connection.getresponse().read()
        connection.request("POST", "/v1/chat/completions", json.dumps(chat("stale")))
        with pytest.raises(http.client.RemoteDisconnected):
            connection.getresponse()


def test_an_error_event_comes_first_or_after_content(upstream):
    assert "error" in stream(upstream, chat("error_first"))[0]

    chunks = stream(upstream, chat("error_after:after=2"))
    assert spoken(chunks) == "w1 w2"
    assert "error" in chunks[-2]


def test_streams_leave_out_what_the_scenario_says(upstream):
    def finishes(model: str) -> list[str]:
        chunks = stream(upstream, chat(model))
        return [
            c["choices"][0]["finish_reason"]
            for c in chunks
            if c != "[DONE]" and c["choices"][0]["finish_reason"]
        ]

    def roles(model: str) -> int:
        return sum("role" in c["choices"][0]["delta"] for c in stream(upstream, chat(model))[:-1])

    assert finishes("no_finish") == []
    assert finishes("no_done") == ["stop"]
    assert "[DONE]" not in stream(upstream, chat("no_done"))
    assert stream(upstream, chat("empty_sse")) == []
    assert stream(upstream, chat("only_done")) == ["[DONE]"]
    assert [roles("role_never"), roles("ok"), roles("role_twice")] == [0, 1, 2]


def test_one_choice_of_two_may_lack_its_finish_reason(upstream):
    chunks = stream(upstream, chat("no_finish:only=1", n=2))

    choices = [choice for chunk in chunks[:-1] for choice in chunk["choices"]]
    assert [c["index"] for c in choices if c["finish_reason"]] == [0]


def test_bodies_are_broken_as_the_scenario_says(upstream):
    assert post(upstream, chat("empty_body"))[1] == b""
    assert post(upstream, chat("html"))[1].startswith(b"<!doctype html>")
    assert "error" in answer(upstream, chat("error_in_200"))
    assert "choices" not in answer(upstream, chat("no_choices"))
    assert post(upstream, chat("sse_for_json"))[1].startswith(b"data: {")
    assert json.loads(post(upstream, chat("json_for_stream", stream=True))[1])["object"] == "chat.completion"
    with pytest.raises(json.JSONDecodeError):
        answer(upstream, chat("bad_json"))
    with pytest.raises(http.client.IncompleteRead):
        post(upstream, chat("wrong_length"))


@pytest.mark.parametrize(
    ("model", "sign"),
    [
        ("comments", b": PROCESSING\n\n"),
        ("crlf", b"}\r\n\r\ndata: "),
        ("dialect:eol=cr", b"}\r\rdata: "),
        ("dialect:eol=lf,space=0,bom=1", b"\xef\xbb\xbfdata:{"),
        ("dialect:multiline=1,fields=1", b'\r\ndata: ,"choices"'),
        ("split:size=7", b"data: {"),
    ],
)
def test_another_spelling_carries_the_same_events(upstream, model, sign):
    _, body = post(upstream, chat(model, stream=True))

    assert sign in body
    assert spoken(read_events(body)) == "You said: hello there"
    assert last_entry(upstream, model).events_out == len(read_events(body)) - 1


def test_a_split_stream_leaves_in_pieces_of_the_asked_size(upstream):
    client = open_socket(upstream, chat("split:size=3", stream=True))
    received = b""
    while not received.endswith(b"\r\n0\r\n\r\n"):
        received += client.recv(65536)
    client.close()

    assert received.partition(b"\r\n\r\n")[2].startswith(b"3\r\ndat\r\n3\r\na: \r\n3\r\n")


def test_scenarios_of_turns_count_requests_per_model(upstream):
    def statuses(model: str, requests: int) -> list[int]:
        return [post(upstream, chat(model))[0].status for _ in range(requests)]

    assert statuses("flaky:every=2", 4) == [200, 500, 200, 500]
    assert statuses("fails:count=2,code=503", 4) == [503, 503, 200, 200]
    assert statuses("sequence:of=status%3Acode=429|html|ok", 4) == [429, 200, 200, 200]
    assert upstream.ledger.hits("flaky:every=2") == 4


def test_a_model_name_can_be_given_another_scenario_while_serving(upstream):
    upstream.play("gpt-4.1", "status:code=503")
    assert post(upstream, chat("gpt-4.1"))[0].status == 503

    upstream.play("gpt-4.1", None)
    assert post(upstream, chat("gpt-4.1"))[0].status == 200


def test_a_setting_that_does_not_exist_is_said_aloud(upstream):
    response, body = post(upstream, chat("slow:chnk=1"))

    assert response.status == 400
    assert "no setting 'chnk'" in json.loads(body)["error"]["message"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"messages": []}', b'{"model": 7}'])
def test_a_body_that_is_no_chat_request_is_a_400(upstream, body):
    with connected(upstream.base_url) as connection:
        connection.request("POST", "/v1/chat/completions", body)
        response = connection.getresponse()

        assert response.status == 400
        assert json.loads(response.read())["error"]["type"] == "invalid_request_error"
