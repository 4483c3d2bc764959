"""What each provider says when it refuses: how it is read, who is asked next, and how long it is left alone.

The answers are those of `recorded/`, in the shapes that the providers really send.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

import pytest

from gateway.tests.live import LiveGateway
from gateway.tests.recorded_gateway import ask, recorded_gateway
from gateway.upstream.classify import (
    classify_error_object,
    classify_status,
    read_reset,
    read_retry_after,
    seconds_to_probe,
)
from gateway.upstream.scripted.scenarios.recorded import path_of, read_sample
from routing.engine.outcome import Fault, Outcome
from routing.management.commands.load_catalogue import read_seed


class Refusal(NamedTuple):
    """What the log says of the attempt, and for how many seconds the upstream is held; 0 is not at all."""

    word: str
    status: int
    held: float = 0.0


QUARTER, FIVE_MINUTES = 900.0, 300.0
MINUTES_OF_TESTS = 240.0
NEXT_ONE = {
    "huggingface-loading": Refusal("server_error", 503),
    "huggingface-unsupported-model": Refusal("configuration", 400, FIVE_MINUTES),
    "ollama-busy": Refusal("busy", 503, 1.0),
    "ollama-queue-full": Refusal("busy", 503, 1.0),
    "ollama-not-pulled": Refusal("configuration", 404, FIVE_MINUTES),
    "ollama-runner-died": Refusal("server_error", 500),
    "ollama-no-tools": Refusal("capability", 400),
    "deepseek-balance": Refusal("quota_exhausted", 402, QUARTER),
    "deepseek-no-model": Refusal("configuration", 400, FIVE_MINUTES),
    "deepseek-overloaded": Refusal("server_error", 503),
    "openai-quota": Refusal("quota_exhausted", 429, QUARTER),
    "openai-rate-limit": Refusal("rate_limited", 429, 12.4),
    "openai-rate-reset": Refusal("rate_limited", 429, 90.0),
    "openai-max-tokens": Refusal("capability", 400),
    "openai-context": Refusal("context_too_long", 400),
    "openai-bad-key": Refusal("credential_refused", 401, FIVE_MINUTES),
    "openai-country": Refusal("credential_refused", 403, FIVE_MINUTES),
    "openai-no-model": Refusal("configuration", 404, FIVE_MINUTES),
    "xai-bad-key": Refusal("credential_refused", 400, FIVE_MINUTES),
    "xai-argument": Refusal("capability", 400),
    "xai-spent": Refusal("quota_exhausted", 429, QUARTER),
    "xai-spent-403": Refusal("quota_exhausted", 403, QUARTER),
    "xai-limited": Refusal("rate_limited", 429, 1.0),
    "openrouter-limited": Refusal("rate_limited", 429, 45.0),
    "openrouter-credits": Refusal("quota_exhausted", 402, QUARTER),
    "openrouter-timeout": Refusal("timeout", 408),
    "openrouter-provider-down": Refusal("server_error", 502),
    "openrouter-no-tools": Refusal("capability", 404),
    "openrouter-no-model": Refusal("configuration", 400, FIVE_MINUTES),
    "gemini-minute": Refusal("rate_limited", 429, 37.2),
    "gemini-day": Refusal("quota_exhausted", 429, QUARTER),
    "anthropic-no-money": Refusal("quota_exhausted", 400, QUARTER),
}
STOPS = {
    "deepseek-invalid": ("invalid_request", "temperature: expected a number"),
    "xai-guidelines": ("content_filter", "Content violates usage guidelines"),
    "openrouter-flagged": ("content_filter", "Your input was flagged"),
    "openrouter-flagged-in-200": ("content_filter", "requires moderation"),
}
GROK = read_seed("start")["deployments"]["xai/grok-4.7"]
MORE = {"picky": {"model": "picky", "parameter_policy": GROK["parameter_policy"]}}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    """One provider for each sample."""
    samples = [*NEXT_ONE, *STOPS, "huggingface-credits"]
    with recorded_gateway(tmp_path_factory.mktemp("recorded"), samples, MORE) as running:
        yield running


def outcome_of(sample: str) -> Outcome:
    """How the sample is read by the wire."""
    status, fields, body = read_sample(path_of(sample, stream=False))
    return classify_status(status, fields, body)


@pytest.mark.parametrize("sample", NEXT_ONE)
def test_the_next_provider_answers_and_the_log_says_why(gateway: LiveGateway, sample: str):
    stream = sample.startswith("o")  # both shapes are asked for; who refuses does not care
    answer = ask(gateway, sample, stream=stream)
    attempts = gateway.row(answer.headers["x-request-id"])["attempts"]

    assert answer.status_code == 200
    assert answer.headers["x-rainymodel-upstream"] == "rain"
    assert answer.headers["x-rainymodel-fallback-reason"] == NEXT_ONE[sample].word
    assert (attempts[0]["word"], attempts[0]["status"]) == NEXT_ONE[sample][:2]


@pytest.mark.parametrize("sample", [name for name, refusal in NEXT_ONE.items() if refusal.held])
def test_it_is_left_alone_for_as_long_as_it_said_or_the_fault_deserves(gateway: LiveGateway, sample: str):
    refusal = NEXT_ONE[sample]
    ask(gateway, f"only/{sample}")
    again = ask(gateway, f"only/{sample}")

    if refusal.held <= 1.0:  # it may be over already
        assert again.status_code in (429, 503)
        return
    assert (again.status_code, again.json()["error"]["code"]) == (503, "no_healthy_upstream")
    # The hold may have begun with an earlier test.
    assert max(0, refusal.held - MINUTES_OF_TESTS) < int(again.headers["retry-after"]) <= refusal.held + 1


@pytest.mark.parametrize("sample", [name for name, refusal in NEXT_ONE.items() if not refusal.held])
def test_it_is_asked_again_where_the_fault_was_the_moments_or_the_requests(gateway: LiveGateway, sample: str):
    ask(gateway, f"only/{sample}")
    row = gateway.row(ask(gateway, f"only/{sample}").headers["x-request-id"])

    assert [attempt["word"] for attempt in row["attempts"]] == [NEXT_ONE[sample].word]
    assert "skipped" not in row["attempts"][0]


def test_used_up_free_credits_are_asked_for_every_hour_and_when_a_utc_day_begins(gateway: LiveGateway):
    ask(gateway, "only/huggingface-credits")
    expected = seconds_to_probe(datetime.now(UTC), "day")
    again = ask(gateway, "only/huggingface-credits")

    assert (
        "has used up its quota" in ask(gateway, "only/huggingface-credits").text or again.status_code == 503
    )
    assert abs(int(again.headers["retry-after"]) - expected) < 60
    assert seconds_to_probe(datetime(2026, 11, 30, 9, 0, tzinfo=UTC), "day") == 3600.0
    assert seconds_to_probe(datetime(2026, 11, 30, 23, 50, tzinfo=UTC), "day") == 600.0


@pytest.mark.parametrize("sample", STOPS)
def test_what_is_wrong_with_the_request_is_told_and_asked_of_nobody_else(gateway: LiveGateway, sample: str):
    code, said = STOPS[sample]
    for _ in range(2):  # the second finds nothing on hold
        answer = ask(gateway, sample)
        row = gateway.row(answer.headers["x-request-id"])

        assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
        assert said in answer.json()["error"]["message"]
        assert [attempt["word"] for attempt in row["attempts"]] == [code]


def test_nothing_of_a_providers_raw_error_reaches_the_client(gateway: LiveGateway):
    answer = ask(gateway, "only/openrouter-provider-down")

    assert answer.status_code == 502
    assert "DeepInfra" not in answer.text
    assert "sk-rain" not in answer.text


def test_a_full_queue_is_told_as_busy_and_counts_as_no_failure():
    outcome = outcome_of("ollama-busy")

    assert (outcome.fault, outcome.word, outcome.status) == (Fault.THROTTLED, "busy", 503)


def test_a_model_that_is_loading_says_how_long_that_takes():
    assert outcome_of("huggingface-loading").retry_after == 20.0


def test_fields_that_a_deployment_refuses_are_left_out_and_the_log_says_so(gateway: LiveGateway):
    fields = {"max_tokens": 50, "stop": ["x"], "presence_penalty": 0.5, "frequency_penalty": 0.5}
    answer = ask(gateway, "picky", temperature=0.2, **fields)
    sent = gateway.upstreams["sun"].ledger.of("picky")[-1].body

    assert answer.headers["x-rainymodel-upstream"] == "picky"
    assert sent.keys() & {*fields, "temperature", "max_completion_tokens"} == {
        "temperature",
        "max_completion_tokens",
    }
    assert sent["max_completion_tokens"] == 50
    assert gateway.row(answer.headers["x-request-id"])["parameter_edits"] == {
        "frequency_penalty": "",
        "max_tokens": "max_completion_tokens",
        "presence_penalty": "",
        "stop": "",
    }


NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("left", "reset", "seconds"),
    [
        ("0", "1m30s", 90.0),
        ("0", "20ms", 1.0),
        ("0", "6m0s", 300.0),
        ("0", "1h0m0s", 300.0),
        ("0", "45", 45.0),
        ("0", str(int(NOON.timestamp()) + 30), 30.0),
        ("0", str((int(NOON.timestamp()) + 30) * 1000), 30.0),
        ("0", "soon", 5.0),
        ("0", "nan", 5.0),
        ("0", "", None),
        ("3", "1m30s", None),
    ],
)
def test_a_used_up_limit_says_when_it_renews(left: str, reset: str, seconds: float | None):
    headers = {"x-ratelimit-remaining-tokens": left, "x-ratelimit-reset-tokens": reset}

    assert read_reset(headers, NOON) == seconds


@pytest.mark.parametrize(("value", "seconds"), [("12400", 12.4), ("5", 1.0), ("soon", 5.0), ("9e9", 300.0)])
def test_a_wait_in_milliseconds_goes_before_one_in_seconds(value: str, seconds: float):
    assert read_retry_after({"retry-after-ms": value, "Retry-After": "60"}) == seconds


@pytest.mark.parametrize(
    "odd", [None, [1], "x", {"headers": 7}, {"headers": {"Retry-After": [2]}}, {"reasons": []}]
)
def test_odd_metadata_breaks_nothing(odd: object):
    outcome = classify_error_object({"code": 429, "message": "slow", "metadata": odd, "estimated_time": odd})

    assert outcome.fault is Fault.THROTTLED
