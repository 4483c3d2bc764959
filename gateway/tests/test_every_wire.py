"""Every dialect to every kind of upstream: what a client reads is the same, whoever answers and whatever they speak."""

import pytest
from orjson import loads

from gateway.tests.dialect_clients import CLIENTS, Answer, Question, ask
from gateway.tests.live import LiveGateway

# How an alias is answered: relayed as chat, relayed in the client's dialect, or through litellm. → the upstream's name.
WIRES = {"fake": "sun", "native": "sun", "claude": "claude", "gemini": "gemini"}
# The same with an upstream behind it, for when it fails.
WITH_FALLBACK = {
    "fake": "pair", "native": "native-or-rain", "claude": "claude-or-rain", "gemini": "gemini-or-rain",
}  # fmt: skip
NATIVE_PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses", "messages": "/v1/messages"}
# A model that litellm knows, so that it uses what the model can do; the scripted upstream answers it as `ok`.
MODELS = {"fake": "ok", "native": "ok", "claude": "claude-sonnet-4-5", "gemini": "gemini-2.5-flash"}

EVERY_DIALECT = pytest.mark.parametrize("dialect", list(CLIENTS))
EVERY_WIRE = pytest.mark.parametrize("wire", list(WIRES))
BOTH_WAYS = pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])


def is_translated(dialect: str, wire: str) -> bool:
    return dialect != "chat" and wire != "native"


def ask_ok(gateway: LiveGateway, dialect: str, wire: str, stream: bool, question: Question) -> Answer:
    """The answer of an upstream that works, after everything that holds for all of them has been looked at."""
    model = MODELS[wire]
    answer = ask(gateway, CLIENTS[dialect], f"{wire}/{model}", question, stream=stream)

    assert (answer.status, answer.error) == (200, "")
    assert answer.model == model
    assert answer.headers["x-rainymodel-upstream"] == WIRES[wire]
    assert answer.headers["x-rainymodel-model"] == model
    assert answer.headers["x-rainymodel-requested-model"] == f"{wire}/{model}"
    assert answer.headers["x-rainymodel-attempts"] == "1"
    check_row(gateway, answer, dialect, wire, stream)
    check_path(gateway, dialect, wire, model, stream)
    return answer


def check_row(gateway: LiveGateway, answer: Answer, dialect: str, wire: str, stream: bool) -> None:
    """One row that tells the same tokens as the client was told."""
    row = gateway.row(answer.request_id)

    assert (row["endpoint"], row["stream"], row["state"]) == (CLIENTS[dialect].path, stream, "ok")
    assert (row["input_tokens"] + row["cached_tokens"], row["output_tokens"]) == answer.usage
    assert min(answer.usage) > 0
    assert row["estimated"] is False
    (attempt,) = row["attempts"]
    assert attempt["word"] == ""
    assert attempt.get("asked_in") == ("chat" if is_translated(dialect, wire) else None)


def check_path(gateway: LiveGateway, dialect: str, wire: str, model: str, stream: bool) -> None:
    """The upstream was asked where its kind of upstream answers."""
    method = "streamGenerateContent?alt=sse" if stream else "generateContent"
    paths = {
        "fake": "/v1/chat/completions",
        "native": NATIVE_PATHS[dialect],
        "claude": "/v1/messages",
        "gemini": f"/v1beta/models/{model}:{method}",
    }

    assert gateway.upstreams["sun"].ledger.of(model)[-1].path == paths[wire]


@BOTH_WAYS
@EVERY_WIRE
@EVERY_DIALECT
def test_text(litellm_gateway: LiveGateway, dialect: str, wire: str, stream: bool):
    answer = ask_ok(litellm_gateway, dialect, wire, stream, Question("hello there, grüße"))

    assert (answer.text, answer.calls, answer.finish) == ("You said: hello there, grüße", [], "stop")


@BOTH_WAYS
@EVERY_WIRE
@EVERY_DIALECT
def test_one_tool_call(litellm_gateway: LiveGateway, dialect: str, wire: str, stream: bool):
    question = Question("call get_weather", tools=("get_weather", "get_time"))
    answer = ask_ok(litellm_gateway, dialect, wire, stream, question)

    assert (answer.text, answer.finish) == ("", "tool_calls")
    assert answer.calls == [("get_weather", {"city": "Paris"})]


@BOTH_WAYS
@EVERY_WIRE
@EVERY_DIALECT
def test_tool_calls_side_by_side(litellm_gateway: LiveGateway, dialect: str, wire: str, stream: bool):
    question = Question("call get_weather and get_time", tools=("get_weather", "get_time"))
    answer = ask_ok(litellm_gateway, dialect, wire, stream, question)

    assert answer.finish == "tool_calls"
    assert answer.calls == [("get_weather", {"city": "Paris"}), ("get_time", {"city": "Paris"})]


@BOTH_WAYS
@EVERY_WIRE
@EVERY_DIALECT
def test_an_image(litellm_gateway: LiveGateway, dialect: str, wire: str, stream: bool):
    answer = ask_ok(litellm_gateway, dialect, wire, stream, Question("look", image=True))

    assert (answer.text, answer.finish) == ("I received 1 image. You said: look", "stop")


@BOTH_WAYS
@EVERY_WIRE
@EVERY_DIALECT
def test_an_answer_in_the_form_of_a_schema(
    litellm_gateway: LiveGateway, dialect: str, wire: str, stream: bool
):
    answer = ask_ok(litellm_gateway, dialect, wire, stream, Question("where?", schema=True))

    assert loads(answer.text) == {"city": "Paris"}
    assert (answer.calls, answer.finish) == ([], "stop")


@BOTH_WAYS
@EVERY_WIRE
@EVERY_DIALECT
def test_a_request_that_the_upstream_calls_wrong(
    litellm_gateway: LiveGateway, dialect: str, wire: str, stream: bool
):
    model = f"{wire}/status:code=400,text=Too-wet-rain."
    answer = ask(litellm_gateway, CLIENTS[dialect], model, Question("hello"), stream=stream)
    row = litellm_gateway.row(answer.request_id)

    assert answer.status == 400
    assert answer.error == "The upstream refused this request as invalid. It said: Too-wet-rain."
    assert answer.headers["x-rainymodel-upstream"] == "none"
    assert answer.headers["x-should-retry"] == "false"
    assert (row["state"], row["status"]) == ("client_error", 400)
    assert [attempt["word"] for attempt in row["attempts"]] == ["invalid_request"]


@BOTH_WAYS
@EVERY_WIRE
@EVERY_DIALECT
def test_a_failing_upstream_is_replaced_by_the_next(
    litellm_gateway: LiveGateway, dialect: str, wire: str, stream: bool
):
    model = f"{WITH_FALLBACK[wire]}/status:code=500"
    answer = ask(litellm_gateway, CLIENTS[dialect], model, Question("hello"), stream=stream)
    row = litellm_gateway.row(answer.request_id)

    assert (answer.status, answer.text, answer.model) == (200, "You said: hello", "rainy")
    assert answer.headers["x-rainymodel-upstream"] == "rain"
    assert answer.headers["x-rainymodel-attempts"] == "2"
    assert answer.headers["x-rainymodel-tried"] == WIRES[wire]
    assert answer.headers["x-rainymodel-fallback-reason"] == "server_error"
    assert [attempt["word"] for attempt in row["attempts"]] == ["server_error", ""]
    assert row["attempts"][0].get("asked_in") == ("chat" if is_translated(dialect, wire) else None)
    assert (row["input_tokens"], row["output_tokens"]) == answer.usage


@EVERY_WIRE
@EVERY_DIALECT
def test_a_stream_that_fails_after_content_ends_with_an_error(
    litellm_gateway: LiveGateway, dialect: str, wire: str
):
    model = f"{wire}/error_after:after=2,pause=0.05"
    answer = ask(litellm_gateway, CLIENTS[dialect], model, Question("hello"), stream=True)
    row = litellm_gateway.row(answer.request_id)

    assert (answer.status, answer.text.split()) == (200, ["w1", "w2"])
    assert answer.error
    assert answer.headers["x-rainymodel-upstream"] == WIRES[wire]
    assert row["state"] == "truncated"
    assert row["output_tokens"] > 0
    assert [attempt["word"] for attempt in row["attempts"]] == ["server_error"]
