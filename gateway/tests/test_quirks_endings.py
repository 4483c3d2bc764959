"""Answers that seem to end well and have failed, and upstreams that send nothing but empty lines for a while."""

import pytest

from gateway.tests.live import LiveGateway
from gateway.tests.recorded_gateway import ask
from gateway.tests.test_quirks_answers import chunks_in, path
from gateway.tests.test_upstream_endings import call, failure
from gateway.upstream.addresses import AddressRules
from gateway.upstream.openai_wire import OpenAIWire
from gateway.upstream.scripted import scripted_upstream
from gateway.upstream.sessions import Sessions
from routing.addresses import AllowedUpstreams
from routing.engine.snapshot import TimeLimits

BOTH = pytest.mark.parametrize("stream", [False, True], ids=["json", "sse"])


@BOTH
def test_an_upstream_that_ran_out_of_machines_before_content_is_replaced(
    uvicorn_gateway: LiveGateway, stream: bool
):
    answer = ask(uvicorn_gateway, path("deepseek-no-resource", "pair"), stream=stream)

    assert answer.headers["x-rainymodel-upstream"] == "rain"
    assert answer.headers["x-rainymodel-fallback-reason"] == "server_error"
    assert "insufficient_system_resource" not in answer.text


def test_a_json_answer_whose_choice_is_an_error_is_replaced(uvicorn_gateway: LiveGateway):
    answer = ask(uvicorn_gateway, path("openrouter-choice-error", "pair"))
    row = uvicorn_gateway.row(answer.headers["x-request-id"])

    assert answer.headers["x-rainymodel-upstream"] == "rain"
    assert [attempt["status"] for attempt in row["attempts"]] == [502, None]


@pytest.mark.parametrize("sample", ["deepseek-cut-short", "openrouter-choice-error"])
def test_a_stream_that_failed_behind_content_never_ends_as_if_it_were_whole(
    uvicorn_gateway: LiveGateway, sample: str
):
    answer = ask(uvicorn_gateway, path(sample, pause=",pause=0.03"), stream=True)
    row = uvicorn_gateway.row(answer.headers["x-request-id"])

    assert chunks_in(answer)[0]["choices"][0]["delta"]["role"] == "assistant"
    assert chunks_in(answer)[-1]["error"]["code"] == "upstream_broken"
    assert "[DONE]" not in answer.text
    assert row["state"] == "truncated"


def test_an_error_behind_empty_lines_is_read_where_a_stream_was_asked_for(uvicorn_gateway: LiveGateway):
    answer = ask(uvicorn_gateway, path("deepseek-json-for-stream", "pair", ",pause=0.03"), stream=True)

    assert answer.headers["x-rainymodel-upstream"] == "rain"
    assert answer.headers["x-rainymodel-fallback-reason"] == "server_error"


async def test_empty_lines_are_no_first_content():
    wire = OpenAIWire(Sessions(AddressRules(AllowedUpstreams(loopback=True))))
    limits = TimeLimits(first_content=0.3, idle=90.0, total=90.0)
    with scripted_upstream(name="sun") as upstream:
        attempt = call(upstream, "recorded:name=deepseek-answer,pause=1", stream=False, limits=limits)
        failed = await failure(wire, attempt)
        await wire.close()

    assert failed.outcome.word == "timeout"
