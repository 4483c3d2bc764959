"""When an upstream fails, the next one answers, and the headers say so."""

import httpx
import pytest

from gateway.tests.live import LiveGateway

HELLO = {"messages": [{"role": "user", "content": "hello"}]}


def chat(
    gateway: LiveGateway, model: str, *, headers: dict[str, str] | None = None, **fields: object
) -> httpx.Response:
    return httpx.post(
        f"{gateway.url}/v1/chat/completions",
        json={"model": model, **HELLO, **fields},
        headers=gateway.headers(**(headers or {})),
        timeout=20,
    )


@pytest.mark.parametrize("stream", [False, True])
def test_the_first_upstream_that_works_answers(gateway: LiveGateway, stream: bool):
    answer = chat(gateway, "rainymodel/auto", stream=stream)

    assert answer.status_code == 200
    assert answer.headers["x-rainymodel-route"] == "free"
    assert answer.headers["x-rainymodel-upstream"] == "sun"
    assert answer.headers["x-rainymodel-model"] == "sunny"
    assert answer.headers["x-rainymodel-policy"] == "auto"
    assert answer.headers["x-rainymodel-requested-model"] == "rainymodel/auto"
    assert answer.headers["x-rainymodel-tier-order"] == "free,direct"
    assert answer.headers["x-rainymodel-attempts"] == "1"
    assert answer.headers["x-rainymodel-revision"] == "1"
    assert float(answer.headers["x-rainymodel-overhead-ms"]) >= 0
    assert "x-rainymodel-tried" not in answer.headers
    assert "x-rainymodel-fallback-reason" not in answer.headers


@pytest.mark.parametrize("stream", [False, True])
def test_a_refused_connection_falls_through_to_the_next(gateway: LiveGateway, stream: bool):
    answer = chat(gateway, "after/dead", stream=stream)

    assert answer.status_code == 200
    assert answer.headers["x-rainymodel-upstream"] == "rain"
    assert answer.headers["x-rainymodel-route"] == "direct"
    assert answer.headers["x-rainymodel-attempts"] == "2"
    assert answer.headers["x-rainymodel-tried"] == "dead"
    assert answer.headers["x-rainymodel-fallback-reason"] == "connection_error"


WORDS = {
    "status:code=500": "server_error",
    "status:code=503": "server_error",
    "status:code=401": "credential_refused",
    "status:code=402": "quota_exhausted",
    "status:code=404": "configuration",
    "status:code=429,retry_after=7": "rate_limited",
    "insufficient_quota": "quota_exhausted",
    "redirect": "configuration",
    "html": "bad_response",
    "bad_json": "bad_response",
    "empty_body": "bad_response",
    "error_in_200:code=500": "server_error",
    "no_choices": "bad_response",
    "null_content": "bad_response",
    "wrong_length": "bad_response",
    "hangup": "connection_error",
    "tools_unsupported": "capability",
}
STREAM_WORDS = {
    **{
        scenario: word
        for scenario, word in WORDS.items()
        if scenario not in ("bad_json", "null_content", "wrong_length")
    },
    "error_first": "server_error",
    "empty_sse": "bad_response",
    "only_done": "bad_response",
    "not_json_event:after=0": "bad_response",
}
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]


@pytest.mark.parametrize("scenario", WORDS)
def test_each_failure_of_a_json_answer_moves_on_with_its_reason(uvicorn_gateway: LiveGateway, scenario: str):
    answer = chat(uvicorn_gateway, f"json/{scenario}", tools=TOOLS)

    assert answer.status_code == 200
    assert answer.headers["x-rainymodel-upstream"] == "rain"
    assert answer.headers["x-rainymodel-tried"] == "sun"
    assert answer.headers["x-rainymodel-fallback-reason"] == WORDS[scenario]


@pytest.mark.parametrize("scenario", STREAM_WORDS)
def test_each_failure_of_a_stream_before_content_moves_on_with_its_reason(
    uvicorn_gateway: LiveGateway, scenario: str
):
    answer = chat(uvicorn_gateway, f"sse/{scenario}", stream=True, tools=TOOLS)

    assert answer.status_code == 200
    assert answer.headers["x-rainymodel-upstream"] == "rain"
    assert answer.headers["x-rainymodel-fallback-reason"] == STREAM_WORDS[scenario]
    assert answer.text.endswith("data: [DONE]\n\n")
    assert "error" not in answer.text


def test_when_all_refuse_the_error_names_the_labels(gateway: LiveGateway):
    answer = chat(gateway, "all/dead")

    error = answer.json()["error"]
    assert answer.status_code in (502, 503)
    assert error["code"] in ("all_upstreams_failed", "no_healthy_upstream")
    assert "dead" in error["message"]
    assert "brittle" in error["message"]
    assert answer.headers["x-rainymodel-route"] == "error"
    assert answer.headers["x-rainymodel-upstream"] == "none"
    assert answer.headers["x-rainymodel-tried"] == "dead,brittle"


def test_a_dead_deployment_is_asked_three_times_and_then_passed_by(uvicorn_gateway: LiveGateway):
    seen = [chat(uvicorn_gateway, "brittle").headers for _ in range(5)]

    assert [headers["x-rainymodel-upstream"] for headers in seen] == ["rain"] * 5
    assert seen[-1]["x-rainymodel-fallback-reason"] == "circuit_open"
    assert seen[-1]["x-rainymodel-attempts"] == "1"
    assert seen[-1]["x-rainymodel-tried"] == "brittle"


def test_a_request_that_is_itself_wrong_is_not_tried_elsewhere(uvicorn_gateway: LiveGateway):
    uvicorn_gateway.upstreams["rain"].ledger.reset()
    answer = chat(uvicorn_gateway, "pair/status:code=400")

    assert answer.status_code == 400
    assert answer.headers["x-should-retry"] == "false"
    assert uvicorn_gateway.upstreams["rain"].ledger.hits() == 0


def test_the_policy_free_never_reaches_a_paid_tier(gateway: LiveGateway):
    answer = chat(gateway, "after/dead", headers={"X-RainyModel-Policy": "free"})

    assert answer.status_code == 502
    assert "rain" not in answer.json()["error"]["message"]


def test_a_provider_filter_keeps_to_one_provider(gateway: LiveGateway):
    answer = chat(gateway, "rainymodel/auto", headers={"X-RainyModel-Provider": "rain"})

    assert answer.headers["x-rainymodel-upstream"] == "rain"
    assert "x-rainymodel-tried" not in answer.headers


def test_the_deadline_ends_the_search(uvicorn_gateway: LiveGateway):
    answer = chat(uvicorn_gateway, "hasty/silence")

    assert answer.status_code == 504
    assert answer.json()["error"]["code"] == "upstream_timeout"
    assert answer.elapsed.total_seconds() < 2


def test_a_client_may_shorten_the_deadline(uvicorn_gateway: LiveGateway):
    answer = chat(uvicorn_gateway, "fake/silence", headers={"x-rainymodel-deadline-ms": "300"})

    row = uvicorn_gateway.row(answer.headers["x-request-id"])
    assert answer.status_code == 504
    assert answer.elapsed.total_seconds() < 1
    assert answer.headers["x-rainymodel-attempts"] == "1"
    assert "sun timed out" in answer.json()["error"]["message"]
    assert row["deadline_ms"] == 300
    assert [attempt["word"] for attempt in row["attempts"]] == ["timeout"]


def test_short_deadlines_of_clients_do_not_open_a_circuit(uvicorn_gateway: LiveGateway):
    for _ in range(4):
        chat(uvicorn_gateway, "touchy/silence", headers={"x-rainymodel-deadline-ms": "100"})

    assert chat(uvicorn_gateway, "touchy/ok").status_code == 200


@pytest.mark.fault("U57")
def test_a_pooled_connection_that_the_peer_had_closed_costs_no_attempt(uvicorn_gateway: LiveGateway):
    ledger = uvicorn_gateway.upstreams["sun"].ledger
    for _ in range(4):
        answer = chat(uvicorn_gateway, "fake/stale")
        assert (answer.status_code, answer.headers["x-rainymodel-attempts"]) == (200, "1")

    assert ledger.hits("stale") > 4
