"""A real llama.cpp server behind the gateway, asked as chat and in the dialects that it speaks itself."""

import socket
from collections.abc import Iterator

import httpx
import openai
import orjson
import pytest

from gateway.tests.dialect_clients import CLIENTS, Question, ask
from gateway.tests.live import LiveGateway, live_gateway
from gateway.tests.llama import Llama, llama_server

BOTH_WAYS = pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
HELLO = Question("hello")


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Llama]:
    with llama_server(tmp_path_factory.mktemp("llama")) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(llama: Llama, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    state = tmp_path_factory.mktemp("gateway")
    with live_gateway("uvicorn", state, more=llama.catalogue()) as running:
        yield running


@BOTH_WAYS
@pytest.mark.parametrize(
    ("dialect", "alias", "asked_in"),
    [
        ("chat", "llama", None),
        ("responses", "llama", "chat"),
        ("messages", "llama", "chat"),
        ("messages", "llama-native", None),
    ],
)
def test_it_answers_and_its_tokens_are_counted(
    gateway: LiveGateway, dialect: str, alias: str, asked_in: str | None, stream: bool
):
    limit = {"max_output_tokens" if dialect == "responses" else "max_tokens": 12}
    answer = ask(gateway, CLIENTS[dialect], alias, HELLO, stream=stream, **limit)
    row = gateway.row(answer.request_id)

    assert (answer.status, answer.text, answer.finish) == (200, "rain rain ra", "length")
    assert (answer.model, answer.headers["x-rainymodel-upstream"]) == ("tiny", "llama")
    assert answer.usage[1] == 12
    assert (row["input_tokens"] + row["cached_tokens"], row["output_tokens"]) == answer.usage
    assert (row["state"], row["estimated"]) == ("ok", False)
    assert row["attempts"][0].get("asked_in") == asked_in


@BOTH_WAYS
@pytest.mark.parametrize(
    ("dialect", "alias"), [("chat", "llama"), ("messages", "llama"), ("messages", "llama-native")]
)
def test_it_ends_where_the_client_says_stop(gateway: LiveGateway, dialect: str, alias: str, stream: bool):
    stop = {"stop_sequences" if dialect == "messages" else "stop": ["n r"]}
    answer = ask(gateway, CLIENTS[dialect], alias, HELLO, stream=stream, **stop)

    assert answer.text == "rai"


@pytest.mark.parametrize(
    ("alias", "text"),
    [("llama-native", "in rain"), ("llama", "rain ra")],  # as a chat, the prompt is followed by a blank
)
def test_a_text_is_completed(gateway: LiveGateway, alias: str, text: str):
    client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.keys["plain"], max_retries=0)
    answer = client.completions.create(model=alias, prompt="It will ra", max_tokens=7)

    assert answer.choices[0].text == text


def test_it_embeds(gateway: LiveGateway):
    client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.keys["plain"], max_retries=0)
    answer = client.embeddings.create(model="llama-native", input=["rain", "sun"])

    assert [len(one.embedding) for one in answer.data] == [64, 64]
    assert answer.data[0].embedding != answer.data[1].embedding
    assert answer.usage.prompt_tokens > 0


@pytest.mark.parametrize(
    ("path", "alias"),
    [("/v1/chat/completions", "llama"), ("/v1/messages", "llama"), ("/v1/messages", "llama-native")],
)
def test_it_stops_working_when_the_client_leaves(gateway: LiveGateway, llama: Llama, path: str, alias: str):
    request = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 10_000_000, "stream": True}
    host, port = gateway.url.removeprefix("http://").split(":")
    body = orjson.dumps({"model": alias, **request})
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nX-API-Key: {gateway.keys['plain']}\r\n"
    before = gateway.count("state = 'cancelled'")
    with socket.create_connection((host, int(port)), 5) as connection:
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        assert llama.becomes(busy=True)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")

    assert llama.becomes(busy=False)  # by itself it never would: the answer has no end
    rows = gateway.rows_where("state = %s", "cancelled", count=before + 1)
    assert len(rows) == before + 1
    assert rows[-1]["upstream"] == "llama"
    assert rows[-1]["output_tokens"] > 0


def test_what_it_refuses_is_said_again(gateway: LiveGateway):
    answer = httpx.post(
        f"{gateway.url}/v1/chat/completions",
        json={
            "model": "llama",
            "messages": [{"role": "user", "content": "hi"}],
            "response_format": {"type": "rhyme"},
        },
        headers=gateway.headers(),
    )

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_request"
    assert "rhyme" in answer.json()["error"]["message"]
