"""A request body that is compressed: every endpoint that takes one says that it does not, in its own error shape."""

import gzip

import httpx
import orjson
import pytest

from gateway.tests.live import LiveGateway

HELLO = {"model": "fake/ok", "max_tokens": 500, "messages": [{"role": "user", "content": "hello"}]}
OPENAI_PATHS = ("chat/completions", "completions", "embeddings", "responses")


def post(gateway: LiveGateway, path: str, encoding: str, body: bytes) -> httpx.Response:
    headers = {**gateway.headers(), "content-encoding": encoding}
    return httpx.post(f"{gateway.url}/v1/{path}", content=body, headers=headers, timeout=20)


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "br", "identity, gzip"])
@pytest.mark.parametrize("path", OPENAI_PATHS)
def test_a_compressed_body_is_a_415_that_names_the_header(gateway: LiveGateway, path: str, encoding: str):
    answer = post(gateway, path, encoding, gzip.compress(orjson.dumps(HELLO)))

    assert answer.status_code == 415
    error = answer.json()["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", "unsupported_content_encoding")
    assert f"Content-Encoding: {encoding}" in error["message"]


@pytest.mark.parametrize("path", ["messages", "messages/count_tokens"])
def test_anthropics_clients_read_it_in_their_own_shape(gateway: LiveGateway, path: str):
    answer = post(gateway, path, "gzip", gzip.compress(orjson.dumps(HELLO)))

    assert answer.status_code == 415
    document = answer.json()
    assert (document["type"], document["error"]["type"]) == ("error", "invalid_request_error")
    assert "Content-Encoding: gzip" in document["error"]["message"]


@pytest.mark.parametrize("encoding", ["identity", "Identity", ""])
def test_a_header_that_says_that_nothing_is_compressed_is_no_obstacle(gateway: LiveGateway, encoding: str):
    assert post(gateway, "chat/completions", encoding, orjson.dumps(HELLO)).status_code == 200
