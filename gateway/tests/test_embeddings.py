"""POST /v1/embeddings: relayed to an upstream that serves them, refused clearly where there is none."""

import openai
import pytest

from gateway.tests.live import LiveGateway


def client(gateway: LiveGateway) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.keys["plain"], max_retries=0)


@pytest.mark.parametrize(("encoding", "length"), [("float", 8), ("base64", 44)])
def test_each_input_gets_its_vector(gateway: LiveGateway, encoding: str, length: int):
    answer = client(gateway).embeddings.create(
        model="embedder", input=["one", "two", "one"], encoding_format=encoding
    )
    one, two, again = (item.embedding for item in answer.data)

    assert one == again and one != two and len(one) == length
    assert answer.model == "embedder"
    assert answer.usage.prompt_tokens == 3


def test_the_row_tells_tokens_and_cost(uvicorn_gateway: LiveGateway):
    raw = client(uvicorn_gateway).embeddings.with_raw_response.create(model="embedder", input="some words")
    row = uvicorn_gateway.row(raw.headers["x-request-id"])

    assert (row["endpoint"], row["state"], row["output_tokens"]) == ("/v1/embeddings", "ok", 0)
    assert row["input_tokens"] == 3 and not row["estimated"]
    assert row["cost_usd"] == 0


@pytest.mark.parametrize("endpoint", ["embeddings", "chat/completions"])
def test_a_model_is_not_asked_for_what_it_cannot_do(gateway: LiveGateway, endpoint: str):
    chats = {"model": "embedder", "messages": [{"role": "user", "content": "hi"}]}
    embeds = {"model": "fake/ok", "input": "hi"}
    with pytest.raises(openai.BadRequestError) as refused:
        client(gateway).post(
            f"/{endpoint}", cast_to=object, body=embeds if endpoint == "embeddings" else chats
        )

    assert refused.value.code == "capability_not_supported"
    assert endpoint.split("/")[0] in str(refused.value)


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({}, "missing_field", "input"),
        ({"input": ""}, "invalid_value", "input"),
        ({"input": {}}, "invalid_type", "input"),
        ({"input": "a", "stream": True}, "invalid_value", "stream"),
        ({"input": "a", "encoding_format": "hex"}, "invalid_value", "encoding_format"),
        ({"input": "a", "dimensions": 0}, "invalid_value", "dimensions"),
    ],
    ids=["none", "empty", "object", "stream", "format", "dimensions"],
)
def test_a_wrong_field_is_named(uvicorn_gateway: LiveGateway, fields: dict, code: str, param: str):
    with pytest.raises(openai.BadRequestError) as refused:
        client(uvicorn_gateway).post("/embeddings", cast_to=object, body={"model": "embedder", **fields})

    assert (refused.value.code, refused.value.param) == (code, param)


def test_an_upstream_that_fails_is_an_upstream_error(uvicorn_gateway: LiveGateway):
    with pytest.raises(openai.APIStatusError) as failed:
        client(uvicorn_gateway).embeddings.create(model="native/status:code=500", input="a")

    assert failed.value.status_code == 502
