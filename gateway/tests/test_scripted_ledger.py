"""The scripted upstream's ledger is right: other tests take it as the judge."""

import http.client
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.tests.scripted_client import chat, connected, last_entry, open_socket, post
from gateway.upstream.scripted import Ledger, ScriptedUpstream, scripted_upstream


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    with scripted_upstream(name="sun", models=("small", "large")) as running:
        yield running


def test_an_entry_holds_what_was_asked_and_what_was_sent(upstream):
    request = chat("gpt-4o-ledger", metadata={"team": "rain"})
    _, body = post(upstream, request)

    entry = last_entry(upstream, "gpt-4o-ledger")
    assert (entry.method, entry.path, entry.scenario) == ("POST", "/v1/chat/completions", "ok")
    assert entry.authorization == "Bearer sk-Test"
    assert entry.body == request
    assert entry.bytes_in == len(json.dumps(request))
    assert entry.bytes_out == len(body)
    assert entry.completed
    assert not entry.stream


def test_bytes_and_events_of_a_stream_are_counted_without_framing(upstream):
    _, body = post(upstream, chat("gpt-4o-events", stream=True))

    entry = last_entry(upstream, "gpt-4o-events")
    assert entry.stream
    assert entry.bytes_out == len(body)
    assert entry.events_out == body.count(b"data: {")


def test_a_client_that_leaves_is_noted_with_its_time(upstream):
    model = "slow:first=0,chunk=0.01,chunks=1000"
    client = open_socket(upstream, chat(model, stream=True))
    client.recv(1000)
    client.close()

    assert upstream.ledger.wait_until(lambda ledger: ledger.of(model)[-1].client_gone_after is not None)
    entry = last_entry(upstream, model)
    assert not entry.completed
    assert 0 < entry.client_gone_after < 1
    assert 0 < entry.events_out < 100


def test_a_client_that_stops_reading_is_sent_no_further(upstream):
    client = open_socket(upstream, chat("endless", stream=True))
    entry = last_entry_when_there(upstream, "endless")
    sent = -1
    while sent != entry.bytes_out:
        sent = entry.bytes_out
        time.sleep(0.1)
    client.close()

    assert 0 < sent < 32_000_000
    assert upstream.ledger.wait_until(lambda _: entry.client_gone_after is not None)


def last_entry_when_there(upstream: ScriptedUpstream, model: str) -> Any:
    assert upstream.ledger.wait_until(lambda ledger: bool(ledger.of(model)))
    return last_entry(upstream, model)


def test_totals_add_up_and_are_reset_over_http():
    with scripted_upstream() as upstream, connected(upstream.base_url) as connection:
        sizes = [len(post(upstream, chat())[1]), len(post(upstream, chat(stream=True))[1])]
        with pytest.raises(http.client.RemoteDisconnected):
            post(upstream, chat("hangup"))
        open_socket(upstream, chat("silence")).close()
        assert upstream.ledger.wait_until(lambda ledger: ledger.totals.cancelled == 1)
        connection.request("GET", "/__ledger__")
        before = json.loads(connection.getresponse().read())
        connection.request("DELETE", "/__ledger__")
        after = json.loads(connection.getresponse().read())

    totals = before["totals"]
    assert (totals["requests"], totals["completed"], totals["cut"], totals["cancelled"]) == (4, 2, 1, 1)
    assert totals["bytes_out"] == sum(sizes)
    assert before["hits"] == {"gpt-4o-mini": 2, "hangup": 1, "silence": 1}
    assert after["totals"]["requests"] == after["totals"]["bytes_out"] == 0
    assert upstream.ledger.entries == []


def test_the_ledger_keeps_the_newest_entries_and_all_sums():
    ledger = Ledger(keep=3, keep_bytes=100)
    for number in range(10):
        ledger.close_entry(ledger.open_entry("POST", f"/{number}", b"", b"x" * 10))

    assert [entry.path for entry in ledger.entries] == ["/7", "/8", "/9"]
    assert ledger.totals.bytes_in == 100

    ledger.open_entry("POST", "/large", b"", b"x" * 95)
    assert [entry.path for entry in ledger.entries] == ["/large"]
