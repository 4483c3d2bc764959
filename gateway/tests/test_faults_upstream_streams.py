"""Streams that go wrong once content has left, and streams that only look as if they did."""

from collections.abc import Iterator

import orjson
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

# The same answer in another spelling, or with something too much or too little.
CLEAN = (
    "no_done", "role_twice", "role_never", "usage_twice", "usage_early", "usage_never", "after_done", "after_finish",
    "id_change", "crlf", "dialect:eol=cr", "dialect:eol=crlf,bom=1,fields=1", "dialect:eol=lf,space=0",
    "dialect:eol=cr,multiline=1,space=0", "split:size=1", "comments", "never_closes", "big_event:mb=2,after=1",
)  # fmt: skip
# Streams that end in an error after content, and the code that a client reads.
BROKEN = {
    "cut:after=2": "upstream_broken",
    "cut:after=2,how=fin": "upstream_broken",
    "no_finish": "upstream_broken",
    "no_finish:done=1": "upstream_broken",
    "not_json_event:pause=0.1": "upstream_broken",
    "error_after:pause=0.1": "upstream_broken",
    "big_event:mb=9,after=1,pause=0.1": "upstream_broken",
    "big_event:mb=20,after=1,pause=0.1": "upstream_broken",
    "endless:kb=64": "upstream_broken",
    "stall": "upstream_timeout",
}
ODD_TOOLS = {
    "odd_tools:odd=arguments": "tool_arguments_not_json",
    "odd_tools:odd=id": "tool_call_id_missing",
    "odd_tools:odd=index": "tool_call_index_jumps",
}
SEVERAL = ("ok", "no_finish:only=1,done=1", "no_finish:only=0,done=1")
SLOW_START = "murmur:after=2,every=0.1,times=12"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    """One provider for each fault."""
    faults = {key: {} for key in [*CLEAN, *BROKEN, *ODD_TOOLS, *SEVERAL, "tools_at_zero", "endless"]}
    with faulty_gateway(
        tmp_path_factory.mktemp("streaming"),
        {**faults, "stall": {"idle_limit": 0.4}, SLOW_START: {"idle_limit": 0.6}},
    ) as running:
        yield running


@pytest.mark.fault("U36", "U43", "U45", "U51", "U52", "U53")
@pytest.mark.parametrize("fault", CLEAN)
def test_however_an_upstream_spells_it_a_client_reads_one_clean_stream(gateway: LiveGateway, fault: str):
    answer = ask(gateway, f"only/sse/{fault}", "sse")
    chunks = chunks_of(answer)
    choices = [choice for chunk in chunks for choice in chunk["choices"]]

    expected = 2_000_002 if fault.startswith("big_event") else "You said: rain?"
    assert (len(text_of(answer, "sse")) if isinstance(expected, int) else text_of(answer, "sse")) == expected
    assert answer.text.endswith("data: [DONE]\n\n")
    assert answer.text.count("[DONE]") == 1
    assert {chunk["model"] for chunk in chunks} == {fault}
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert [choice["delta"].get("role") for choice in choices] == ["assistant"] + [None] * (len(choices) - 1)
    assert [choice["finish_reason"] for choice in choices if choice["finish_reason"]] == ["stop"]
    assert gateway.row(answer.headers["x-request-id"])["state"] == "ok"


@pytest.mark.fault("U45", "U46", "U53")
@pytest.mark.parametrize("fault", ["role_never", "usage_never", "id_change"])
def test_a_json_answer_is_put_right_in_the_same_way(gateway: LiveGateway, fault: str):
    answer = ask(gateway, f"only/json/{fault}")
    row = gateway.row(answer.headers["x-request-id"])

    assert answer.json()["choices"][0]["message"]["role"] == "assistant"
    assert answer.json()["model"] == fault
    assert row["estimated"] is (fault == "usage_never")
    assert row["output_tokens"] > 0


@pytest.mark.fault("U46")
@pytest.mark.parametrize(
    ("fault", "told"),
    [("usage_twice", True), ("usage_early", True), ("usage_never", False), ("no_done", True)],
)
def test_usage_is_the_last_one_told_and_shown_to_those_who_asked(
    gateway: LiveGateway, fault: str, told: bool
):
    asked = ask(gateway, f"only/sse/{fault}", "sse", stream_options={"include_usage": True})
    unasked = ask(gateway, f"only/sse/{fault}", "sse")
    row = gateway.row(asked.headers["x-request-id"])
    shown = [chunk["usage"] for chunk in chunks_of(asked) if chunk.get("usage")]

    assert [usage["completion_tokens"] for usage in shown] == ([3] if told else [])
    assert not [chunk for chunk in chunks_of(unasked) if chunk.get("usage")]
    assert row["estimated"] is not told
    assert row["output_tokens"] > 0


@pytest.mark.fault("U37", "U38", "U41", "U43", "U44", "U50", "U55")
@pytest.mark.parametrize("fault", BROKEN)
def test_what_breaks_behind_content_ends_in_our_error_and_opens_the_circuit(gateway: LiveGateway, fault: str):
    first = ask(gateway, f"sse/{fault}", "sse")
    row = gateway.row(first.headers["x-request-id"])
    second = ask(gateway, f"sse/{fault}", "sse")

    assert first.headers["x-rainymodel-upstream"] == "faulty"
    assert chunks_of(first)[-1]["error"]["code"] == BROKEN[fault]
    assert "overloaded" not in first.text
    assert "[DONE]" not in first.text
    assert (row["state"], row["estimated"], row["upstream"]) == (
        "truncated",
        fault != "no_finish:done=1",
        "faulty",
    )
    assert row["output_tokens"] > 0
    assert row["cost_usd"] > 0
    assert len(row["attempts"]) == 1
    assert is_whole(second, "sse")
    assert second.headers["x-rainymodel-fallback-reason"] == "circuit_open"


@pytest.mark.fault("U44", "U55")
@pytest.mark.parametrize("fault", ["stall", "endless:kb=64"])
def test_the_connection_of_a_stream_that_was_given_up_is_closed(gateway: LiveGateway, fault: str):
    ask(gateway, f"only/sse/{fault}", "sse")

    ledger = gateway.upstreams["sun"].ledger
    assert ledger.wait_until(lambda seen: seen.of(fault)[-1].client_gone_after is not None)


@pytest.mark.fault("U37", "U38", "U44")
@pytest.mark.parametrize("fault", ["cut:after=2", "cut:after=2,how=fin", "stall"])
def test_of_a_json_answer_nothing_has_left_so_another_upstream_answers(gateway: LiveGateway, fault: str):
    first = ask(gateway, f"json/{fault}")
    second = ask(gateway, f"json/{fault}")

    assert is_whole(first, "json")
    assert first.headers["x-rainymodel-fallback-reason"] == (
        "timeout" if fault == "stall" else "bad_response"
    )
    assert second.headers["x-rainymodel-fallback-reason"] == "circuit_open"


@pytest.mark.fault("U42")
def test_comments_inside_an_answer_are_signs_of_life(gateway: LiveGateway):
    answer = ask(gateway, f"only/sse/{SLOW_START}", "sse")

    assert text_of(answer, "sse") == "You said: rain?"
    assert answer.elapsed.total_seconds() > 1.1  # longer than the limit of silence
    assert "PROCESSING" not in answer.text


@pytest.mark.fault("U54")
@BOTH
@pytest.mark.parametrize("fault", ODD_TOOLS)
def test_odd_tool_calls_pass_as_they_are_and_the_log_says_so(gateway: LiveGateway, fault: str, shape: str):
    answer = ask(gateway, f"only/{shape}/{fault}", shape)
    bodies = [answer.json()] if shape == "json" else chunks_of(answer)
    key = "message" if shape == "json" else "delta"
    calls = [
        call for body in bodies for choice in body["choices"] for call in choice[key].get("tool_calls") or ()
    ]
    oddities = attempts(gateway, answer)[0].get("oddities", [])

    arguments = "".join(call["function"]["arguments"] for call in calls)
    assert arguments == ('{city ="Paris"}' if fault.endswith("arguments") else '{"city":"Paris"}')
    if fault.endswith("index") and shape == "json":
        assert oddities == []  # a whole answer's calls have no index
    else:
        assert ODD_TOOLS[fault] in oddities
    if fault.endswith("index") and shape == "sse":
        assert {call["index"] for call in calls} == {0, 7}


@pytest.mark.fault("U54", "U56")
def test_parallel_calls_that_all_have_the_index_0_are_told_apart_by_their_ids(gateway: LiveGateway):
    answer = ask(gateway, "only/sse/tools_at_zero", "sse")
    deltas = [choice["delta"] for chunk in chunks_of(answer) for choice in chunk["choices"]]
    calls = [call for delta in deltas for call in delta.get("tool_calls", ())]
    arguments = dict.fromkeys((0, 1), "")
    for call in calls:
        arguments[call["index"]] += call["function"]["arguments"]

    assert [orjson.loads(text) for text in arguments.values()] == [{"city": "Paris"}] * 2
    assert len({call["id"] for call in calls if "id" in call}) == 2
    assert len(ask(gateway, "only/json/tools_at_zero").json()["choices"][0]["message"]["tool_calls"]) == 2


@pytest.mark.fault("U55")
@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
def test_a_model_that_passes_its_limit_is_cut_off_as_if_it_had_kept_it(gateway: LiveGateway, limit: str):
    answer = ask(gateway, "only/sse/endless", "sse", **{limit: 50})
    choices = [choice for chunk in chunks_of(answer) for choice in chunk["choices"]]

    assert choices[-1]["finish_reason"] == "length"
    assert answer.text.endswith("data: [DONE]\n\n")
    assert len(text_of(answer, "sse").split()) >= 50
    assert gateway.row(answer.headers["x-request-id"])["state"] == "ok"
    ledger = gateway.upstreams["sun"].ledger
    assert ledger.wait_until(lambda seen: seen.of("endless")[-1].client_gone_after is not None)


@pytest.mark.fault("U56")
@BOTH
def test_several_choices_are_kept_apart(gateway: LiveGateway, shape: str):
    answer = ask(gateway, f"only/{shape}/ok", shape, n=3)
    bodies = [answer.json()] if shape == "json" else chunks_of(answer)
    texts = dict.fromkeys(range(3), "")
    finishes = []
    for choice in (choice for body in bodies for choice in body["choices"]):
        part = choice["message"] if shape == "json" else choice["delta"]
        texts[choice["index"]] += part.get("content") or ""
        finishes += [choice["finish_reason"]] if choice["finish_reason"] else []

    assert list(texts.values()) == ["You said: rain?", "You said: rain? (2)", "You said: rain? (3)"]
    assert finishes == ["stop"] * 3


@pytest.mark.fault("U56")
@pytest.mark.parametrize("fault", SEVERAL[1:])
def test_a_stream_of_which_one_choice_never_finishes_is_truncated(gateway: LiveGateway, fault: str):
    answer = ask(gateway, f"only/sse/{fault}", "sse", n=2)

    assert chunks_of(answer)[-1]["error"]["code"] == "upstream_broken"
    assert "[DONE]" not in answer.text
    assert gateway.row(answer.headers["x-request-id"])["state"] == "truncated"


def test_tools_that_are_as_they_should_be_are_not_odd(gateway: LiveGateway):
    answer = ask(gateway, "only/sse/ok", "sse", tools=TOOLS, tool_choice="required")

    assert "oddities" not in attempts(gateway, answer)[0]
