"""Upstreams that answer wrongly before any content: who is asked next, what is learnt of them, what a client reads."""

from collections.abc import Iterator

import pytest

from gateway.tests.faulty_gateway import (
    BOTH,
    TOOLS,
    ask,
    attempts,
    chunks_of,
    faulty_gateway,
    is_whole,
    text_of,
)
from gateway.tests.live import LiveGateway

SERVER_ERROR, BROKEN, LOST = "server_error", "bad_response", "connection_error"
# Each counts as unhealthy.
UNHEALTHY = {
    "status:code=500": SERVER_ERROR,
    "html:code=502": SERVER_ERROR,
    "html:code=503": SERVER_ERROR,
    "html:code=504": SERVER_ERROR,
    "status:code=529": SERVER_ERROR,
    "status:code=520": SERVER_ERROR,
    "html:code=522": SERVER_ERROR,
    "status:code=527": SERVER_ERROR,
    "status:code=408": "timeout",
    "status:code=409": SERVER_ERROR,
    "status:code=425": SERVER_ERROR,
    "wrong_length:keep=60": BROKEN,
    "bad_json": BROKEN,
    "empty_body": BROKEN,
    "html": BROKEN,
    "error_in_200:code=500": SERVER_ERROR,
    "error_in_200:code=503": SERVER_ERROR,
    "no_choices": BROKEN,
    "no_choices:how=empty": BROKEN,
    "null_content": BROKEN,
    "gzip:broken=1": BROKEN,
    "packed:cut=1": BROKEN,
    "packed:how=br": BROKEN,
    "packed:how=zstd": BROKEN,
    "gzip_bomb:mb=1000": BROKEN,
    "bad_chunk:stay=1": BROKEN,
    "bad_chunk:size=-5,stay=1": BROKEN,
    "big_body:mb=200": BROKEN,
    "loud_headers:kb=1024": BROKEN,
    "loud_headers:split=1": BROKEN,
    "hangup": LOST,
    "hangup:how=rst": LOST,
    "cut:after=0,how=rst": BROKEN,
    "cut:after=0,how=fin": BROKEN,
    "error_first": SERVER_ERROR,
    "empty_sse": BROKEN,
    "only_done": BROKEN,
}
STREAMS_ONLY = {"not_json_event:after=0": BROKEN, "big_event:mb=20": BROKEN}
# Odd, and good all the same.
GOOD = (
    "gzip",
    "packed",
    "packed:how=bare",
    "wrong_type",
    "wrong_type:type=text/html",
    "loud_headers",
    "trailers",
)
PAGE = "Please sign in"
CONTENT_TYPES = {"json": "application/json", "sse": "text/event-stream"}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    """One provider for each fault."""
    faults = [*UNHEALTHY, *STREAMS_ONLY, *GOOD, "sse_for_json", "sse_for_json:mb=40", "json_for_stream"]
    with faulty_gateway(tmp_path_factory.mktemp("faulty"), faults) as running:
        yield running


@pytest.mark.fault(
    "U12", "U13", "U14", "U22", "U24", "U25", "U26", "U27", "U29", "U30", "U31", "U32", "U33", "U34", "U35", "U37",
    "U38", "U40", "U47",
)  # fmt: skip
@BOTH
@pytest.mark.parametrize("fault", UNHEALTHY)
def test_the_next_upstream_answers_and_the_failing_ones_circuit_opens(
    gateway: LiveGateway, fault: str, shape: str
):
    first = ask(gateway, f"{shape}/{fault}", shape)
    second = ask(gateway, f"{shape}/{fault}", shape)

    assert is_whole(first, shape)
    assert first.headers["x-rainymodel-attempts"] == "2"
    assert first.headers["x-rainymodel-fallback-reason"] == UNHEALTHY[fault]
    assert is_whole(second, shape)
    assert second.headers["x-rainymodel-attempts"] == "1"
    assert second.headers["x-rainymodel-fallback-reason"] == "circuit_open"


@pytest.mark.fault(
    "U12", "U13", "U14", "U22", "U24", "U25", "U26", "U27", "U29", "U30", "U31", "U32", "U33", "U34", "U35", "U37",
    "U38", "U40", "U47",
)  # fmt: skip
@BOTH
@pytest.mark.parametrize("fault", UNHEALTHY)
def test_where_there_is_no_other_upstream_it_is_a_502_in_our_own_words(
    gateway: LiveGateway, fault: str, shape: str
):
    answer = ask(gateway, f"only/{shape}/{fault}", shape)

    assert answer.status_code == 502
    assert answer.json()["error"]["code"] == "all_upstreams_failed"
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-rainymodel-upstream"] == "none"
    assert PAGE not in answer.text
    assert "<html" not in answer.text


@pytest.mark.fault("U43", "U50")
@pytest.mark.parametrize("fault", STREAMS_ONLY)
def test_a_stream_that_breaks_together_with_its_first_content_is_started_anew_elsewhere(
    gateway: LiveGateway, fault: str
):
    first = ask(gateway, f"sse/{fault}", "sse")
    second = ask(gateway, f"sse/{fault}", "sse")

    assert is_whole(first, "sse")
    assert first.headers["x-rainymodel-fallback-reason"] == STREAMS_ONLY[fault]
    assert second.headers["x-rainymodel-fallback-reason"] == "circuit_open"


@pytest.mark.fault("U28", "U31", "U33", "U35")
@BOTH
@pytest.mark.parametrize("fault", GOOD)
def test_what_is_odd_and_can_be_read_is_an_answer_and_nothing_of_its_head_is_copied(
    gateway: LiveGateway, fault: str, shape: str
):
    answer = ask(gateway, f"only/{shape}/{fault}", shape)
    sent = gateway.upstreams["sun"].ledger.of(fault)[-1]

    assert answer.status_code == 200
    assert text_of(answer, shape) == "You said: rain?"
    assert sent.headers["accept-encoding"] == "identity"
    assert answer.headers["content-type"].split(";")[0] == CONTENT_TYPES[shape]
    assert answer.headers["x-rainymodel-route"] == "direct"
    assert ("content_type" in attempts(gateway, answer)[0].get("oddities", [])) is fault.startswith(
        "wrong_type"
    )
    assert not answer.headers.keys() & {"content-encoding", "set-cookie", "x-long"}
    assert answer.headers.get("access-control-allow-origin") != "https://upstream.example"


@pytest.mark.fault("U33")
@BOTH
def test_a_connection_with_nonsense_on_it_is_closed(gateway: LiveGateway, shape: str):
    fault = "bad_chunk:stay=1"
    ask(gateway, f"{shape}/{fault}", shape)

    ledger = gateway.upstreams["sun"].ledger
    assert ledger.wait_until(lambda seen: all(each.client_gone_after is not None for each in seen.of(fault)))


@pytest.mark.fault("U34", "U32")
def test_of_an_answer_without_end_no_more_is_read_than_the_limit(gateway: LiveGateway):
    for shape in ("json", "sse"):
        ask(gateway, f"only/{shape}/big_body:mb=200", shape)
    ledger = gateway.upstreams["sun"].ledger

    seen = ledger.of("big_body:mb=200")
    assert ledger.wait_until(lambda _: all(each.client_gone_after is not None for each in seen))
    assert seen
    assert all(each.bytes_out < 45_000_000 for each in seen)  # the limit, and what the sockets hold


@pytest.mark.fault("U48")
def test_a_json_answer_in_place_of_a_stream_becomes_a_stream(gateway: LiveGateway):
    options = {"include_usage": True}
    answer = ask(gateway, "only/sse/json_for_stream", "sse", stream_options=options)
    events = [choice for chunk in chunks_of(answer) for choice in chunk["choices"]]

    assert [(each["delta"].get("content"), each["finish_reason"]) for each in events] == [
        ("You said: rain?", None),
        (None, "stop"),
    ]
    assert chunks_of(answer)[-1]["usage"]["total_tokens"] > 0
    assert answer.text.endswith("data: [DONE]\n\n")


@pytest.mark.fault("U49")
def test_a_stream_in_place_of_a_json_answer_is_put_together(gateway: LiveGateway):
    answer = ask(gateway, "only/json/sse_for_json")
    row = gateway.row(answer.headers["x-request-id"])

    (choice,) = answer.json()["choices"]
    assert answer.status_code == 200
    assert choice["message"]["content"] == "You said: rain?"
    assert choice["finish_reason"] == "stop"
    assert answer.json()["object"] == "chat.completion"
    assert answer.json()["model"] == "sse_for_json"
    assert row["output_tokens"] > 0
    assert ask(gateway, "only/json/sse_for_json:mb=40").status_code == 502


@pytest.mark.fault("U49")
def test_tool_calls_and_several_choices_are_put_together_too(gateway: LiveGateway):
    called = ask(gateway, "only/json/sse_for_json", tools=TOOLS, tool_choice="required").json()
    several = ask(gateway, "only/json/sse_for_json", n=2).json()

    (call,) = called["choices"][0]["message"]["tool_calls"]
    assert (call["type"], call["function"]) == ("function", {"name": "f", "arguments": "{}"})
    assert "index" not in call
    assert [each["message"]["content"] for each in several["choices"]] == [
        "You said: rain?",
        "You said: rain? (2)",
    ]
