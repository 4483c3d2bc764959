"""Upstreams that refuse: who is asked next, how long the one that refused is left alone, and what a client is told."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.tests.faulty_gateway import (
    BOTH,
    CREDENTIAL,
    SHAPES,
    TOOLS,
    ask,
    attempts,
    chunks_of,
    deployment,
    faulty_gateway,
    is_whole,
    provider,
    text_of,
)
from gateway.tests.live import LiveGateway
from gateway.upstream.scripted.scenarios.bodies import INJECTION

# Each holds the upstream back: the word, and for how many seconds.
HELD = {
    "insufficient_quota": ("quota_exhausted", 900),
    "status:code=404": ("configuration", 300),
    "redirect:code=301": ("configuration", 300),
    "redirect:code=302": ("configuration", 300),
    "redirect:code=307": ("configuration", 300),
}
# What the upstream says of waiting, and the seconds that it is left alone.
WAITS = {
    "status:code=429,retry_after=7": 7,
    "status:code=429,retry_after=date%2B7": 7,
    "status:code=429,retry_after=99999": 300,
    "status:code=429,retry_after=-1": 5,
    "status:code=429,retry_after=abc": 5,
    "status:code=429,retry_after=date-60": 1,
    "status:code=429,retry_after=7|9": 7,
    "status:code=429": 1,
    "error_in_200:code=429": 1,
}
LONG_TEXT = "status:code=400,text=no%20,times=90"
THROTTLE = "status:code=429,text=slow"
REQUESTS_OWN = {
    "status:code=400": "invalid_request",
    LONG_TEXT: "invalid_request",
    "key_in_error": "invalid_request",
    "content_filter": "content_filter",
}
FILTERED = ("content_filter:how=finish", "content_filter:how=empty")
HOSTILE = ("hostile_error", "hostile_error:code=200", "hostile_error:code=429", "unauthorized")
SMALL = "context_length:limit=100"


def windows(base_url: str) -> dict[str, Any]:
    """Aliases whose upstreams differ in what they can do: window sizes, tools."""
    names = ("small", "smaller", "wider", "large", "dumb", "dumber", "clever")
    return {
        "providers": {name: provider(name, base_url) for name in names},
        "deployments": {
            "small": deployment("small", SMALL, context_window=1000),
            "smaller": deployment("smaller", "ok", context_window=900),
            "wider": deployment("wider", SMALL, context_window=2000),
            "large": deployment("large", "ok", context_window=5000),
            "dumb": deployment("dumb", "tools_unsupported"),
            "dumber": deployment("dumber", "ok") | {"capabilities": []},
            "clever": deployment("clever", "ok"),
        },
        "aliases": {
            "windows": {"listed": False, "routes": ["small", "smaller", "large"]},
            "two-refusals": {"listed": False, "routes": ["small", "wider", "large"]},
            "one-window": {"listed": False, "routes": ["small", "smaller"]},
            "skills": {"listed": False, "routes": ["dumb", "dumber", "clever"]},
        },
    }


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    """One provider for each fault."""
    faults = [*HELD, *WAITS, THROTTLE, *REQUESTS_OWN, *FILTERED, *HOSTILE, "hostile_error:after=2"]
    with faulty_gateway(tmp_path_factory.mktemp("refusing"), faults, windows) as running:
        yield running


@pytest.mark.fault("U08", "U09", "U11", "U19", "U23", "U29")
@BOTH
@pytest.mark.parametrize("fault", [*HELD, *WAITS])
def test_the_next_upstream_answers_without_a_wait_and_the_refusing_one_is_held(
    gateway: LiveGateway, fault: str, shape: str
):
    word = HELD[fault][0] if fault in HELD else "rate_limited"
    first = ask(gateway, f"{shape}/{fault}", shape)
    second = ask(gateway, f"{shape}/{fault}", shape)

    assert is_whole(first, shape)
    assert first.headers["x-rainymodel-fallback-reason"] == word
    assert is_whole(second, shape)
    if WAITS.get(fault) != 1:  # a second may be over already
        assert second.headers["x-rainymodel-fallback-reason"] == "held"
        assert second.headers["x-rainymodel-attempts"] == "1"


@pytest.mark.fault("U08", "U09", "U10")
@BOTH
@pytest.mark.parametrize("fault", WAITS)
def test_who_is_limited_everywhere_is_told_when_to_come_back(gateway: LiveGateway, fault: str, shape: str):
    answer = ask(gateway, f"only/{shape}/{fault}", shape)

    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "upstream_rate_limited")
    assert WAITS[fault] - 1 <= int(answer.headers["retry-after"]) <= WAITS[fault] + 1


@pytest.mark.fault("U10")
@BOTH
def test_without_a_hint_each_throttle_in_a_row_doubles_the_wait(gateway: LiveGateway, shape: str):
    alias = f"only/{shape}/{THROTTLE}"
    waits = []
    for pause in (1.1, 2.1, 0):
        throttled, held = ask(gateway, alias, shape), ask(gateway, alias, shape)
        waits.append(int(held.headers["retry-after"]))
        time.sleep(pause)
        assert (throttled.status_code, held.status_code) == (429, 503)

    assert waits == [1, 2, 4]


@pytest.mark.fault("U11", "U19", "U23")
@BOTH
@pytest.mark.parametrize("fault", HELD)
def test_what_an_operator_has_to_put_right_is_a_502_then_a_503_and_told_in_the_log(
    gateway: LiveGateway, fault: str, shape: str
):
    word, seconds = HELD[fault]
    first = ask(gateway, f"only/{shape}/{fault}", shape)
    second = ask(gateway, f"only/{shape}/{fault}", shape)

    assert (first.status_code, first.json()["error"]["code"]) == (502, "all_upstreams_failed")
    assert (second.status_code, second.json()["error"]["code"]) == (503, "no_healthy_upstream")
    assert seconds - 60 < int(second.headers["retry-after"]) <= seconds + 1
    assert any("upstream needs an operator" in line and word in line for line in log_of(gateway))


@pytest.mark.fault("U17", "U21")
@BOTH
@pytest.mark.parametrize("fault", REQUESTS_OWN)
def test_a_request_that_is_wrong_is_told_so_and_asked_of_nobody_else(
    gateway: LiveGateway, fault: str, shape: str
):
    for _ in range(2):  # the second finds nothing on hold
        answer = ask(gateway, f"{shape}/{fault}", shape)

        assert (answer.status_code, answer.json()["error"]["code"]) == (400, REQUESTS_OWN[fault])
        assert answer.headers["x-should-retry"] == "false"
        assert [each["word"] for each in attempts(gateway, answer)] == [REQUESTS_OWN[fault]]
        assert len(answer.json()["error"]["message"]) < 300
        assert CREDENTIAL not in answer.text


@pytest.mark.fault("U21")
@BOTH
@pytest.mark.parametrize("fault", FILTERED)
def test_an_answer_that_a_filter_ended_keeps_its_finish_reason_and_its_provider(
    gateway: LiveGateway, fault: str, shape: str
):
    answer = ask(gateway, f"{shape}/{fault}", shape)
    bodies = [answer.json()] if shape == "json" else chunks_of(answer)
    finishes = [choice["finish_reason"] for body in bodies for choice in body["choices"]]

    assert answer.headers["x-rainymodel-upstream"] == "faulty"
    assert [reason for reason in finishes if reason] == ["content_filter"]


@pytest.mark.fault("U20")
@BOTH
def test_a_prompt_too_long_is_asked_of_larger_windows_only(gateway: LiveGateway, shape: str):
    answer = ask(gateway, "windows", shape)

    assert text_of(answer, shape) == "You said: rain?"
    assert answer.headers["x-rainymodel-upstream"] == "large"
    assert [each["deployment"] for each in attempts(gateway, answer) if "skipped" not in each] == [
        "small",
        "large",
    ]


@pytest.mark.fault("U20")
@BOTH
def test_a_prompt_too_long_for_a_larger_window_too_is_asked_of_nobody_else(gateway: LiveGateway, shape: str):
    answer = ask(gateway, "two-refusals", shape)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "context_length_exceeded")
    tried = [each for each in attempts(gateway, answer) if "skipped" not in each]
    assert [each["deployment"] for each in tried] == ["small", "wider"]


@pytest.mark.fault("U20")
@BOTH
def test_a_prompt_too_long_for_all_windows_is_a_400_with_the_words_that_clients_know(
    gateway: LiveGateway, shape: str
):
    error = ask(gateway, "one-window", shape).json()["error"]

    assert error["code"] == "context_length_exceeded"
    assert "maximum context length is 1000 tokens" in error["message"]


@pytest.mark.fault("U18")
@BOTH
def test_a_missing_skill_moves_on_to_the_next_that_has_it_and_holds_nobody(gateway: LiveGateway, shape: str):
    for _ in range(2):
        answer = ask(gateway, "skills", shape, tools=TOOLS)
        tried = [each for each in attempts(gateway, answer) if "skipped" not in each]

        assert answer.headers["x-rainymodel-upstream"] == "clever"
        assert [(each["deployment"], each["word"]) for each in tried] == [
            ("dumb", "capability"),
            ("clever", ""),
        ]


@pytest.mark.fault("U23")
def test_a_redirect_is_not_followed(gateway: LiveGateway):
    sun = gateway.upstreams["sun"]
    elsewhere = f"redirect:code=307,to=http%3A//127.0.0.1%3A{sun.port}/v1/elsewhere"
    sun.play("status:code=404", elsewhere)
    try:
        for shape in SHAPES:
            ask(gateway, f"{shape}/status:code=404", shape)
    finally:
        sun.play("status:code=404", None)

    assert not [entry for entry in sun.ledger.entries if entry.path == "/v1/elsewhere"]


@pytest.mark.fault("U63")
@BOTH
@pytest.mark.parametrize("fault", HOSTILE)
def test_an_upstreams_error_leaves_a_fingerprint_and_none_of_its_words(
    gateway: LiveGateway, fault: str, shape: str
):
    answer = ask(gateway, f"only/{shape}/{fault}", shape)
    row = gateway.row(answer.headers["x-request-id"])

    assert CREDENTIAL in sent_by(gateway, fault)
    assert answer.status_code in (429, 502)
    for written in (answer.text, str(row), *log_of(gateway)):
        assert CREDENTIAL not in written
        assert INJECTION not in written
    assert len(row["attempts"][0]["said"]) == 16
    assert row["attempts"][0]["word"] != ""


@pytest.mark.fault("U63")
def test_an_error_behind_content_leaves_none_of_its_words_either(gateway: LiveGateway):
    answer = ask(gateway, "only/sse/hostile_error:after=2", "sse")
    row = gateway.row(answer.headers["x-request-id"])

    assert "rain" not in text_of(answer, "sse")
    assert chunks_of(answer)[-1]["error"]["code"] == "upstream_broken"
    for written in (answer.text, str(row), *log_of(gateway)):
        assert CREDENTIAL not in written
        assert INJECTION not in written
    assert len(row["attempts"][0]["said"]) == 16


def log_of(gateway: LiveGateway) -> list[str]:
    """The lines that the gateway's process has written."""
    state = gateway.variables["RAINYMODEL_STATE_DIR"]
    return open(f"{state}/{gateway.server}.log", encoding="utf-8").read().splitlines()


def sent_by(gateway: LiveGateway, fault: str) -> str:
    """The credential that the last request for a fault carried, which the upstream repeats."""
    return gateway.upstreams["sun"].ledger.of(fault)[-1].authorization
