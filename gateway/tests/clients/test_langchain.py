"""LangChain's ChatOpenAI and OpenAIEmbeddings."""

import pytest

from gateway.tests.clients.environments import Client, run
from gateway.tests.clients.said import (
    AFTER_THE_TOOL,
    BROKE_OFF,
    CALL_AS_OBJECT,
    ECHO,
    PICTURE,
    UNKNOWN_MODEL,
    Told,
)
from gateway.tests.live import LiveGateway

CLIENT = Client("langchain-openai", {"langchain-openai": "1.7.0", "langchain-core": "1.7.2"})
USAGE = {"input_tokens": 6, "output_tokens": 4, "total_tokens": 10}


@pytest.fixture(scope="module")
def told(uvicorn_gateway: LiveGateway) -> Told:
    return run(CLIENT, "langchain_client.py", uvicorn_gateway)


def test_a_json_answer_has_text_finish_reason_and_usage(told: Told):
    answer = told["json_answer"]

    assert (answer["text"], answer["finish"]) == (ECHO, "stop")
    assert answer["usage"].items() >= USAGE.items()


def test_a_stream_has_the_same_text_finishes_once_and_counts_usage_once(told: Told):
    stream = told["stream"]

    assert (stream["text"], stream["finish"]) == (ECHO, ["stop"])
    assert stream["usage"].items() >= USAGE.items()


@pytest.mark.parametrize("case", ["tools", "responses_tools"])
def test_a_tool_is_called_and_its_result_answered(told: Told, case: str):
    assert told[case] == {**CALL_AS_OBJECT, "text": AFTER_THE_TOOL}


def test_structured_output_fits_its_schema(told: Told):
    assert told["structured"] == {"city": "rain"}


def test_an_image_arrives(told: Told):
    assert told["image"] == {"text": PICTURE}


def test_documents_are_embedded(told: Told):
    assert told["embeddings"] == {"lengths": [8, 8]}


def test_the_responses_api_answers_whole_and_streamed(told: Told):
    assert told["responses_json"] == told["responses_stream"] == {"text": ECHO}


def test_an_unknown_model_raises_not_found(told: Told):
    assert "NotFoundError" in told["unknown_model"]["raised"]
    assert UNKNOWN_MODEL in told["unknown_model"]["message"]


def test_a_stream_that_breaks_off_raises(told: Told):
    assert "APIError" in told["broken_stream"]["raised"]
    assert BROKE_OFF in told["broken_stream"]["message"]
