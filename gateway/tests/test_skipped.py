"""Who is skipped and for how long, what ends it, and how the client, the log and the output say so."""

import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from gateway.attempts import note_skipped
from gateway.record import LogEntry
from gateway.tests.live import PROJECT, LiveGateway, live_gateway
from gateway.upstream.scripted import ScriptedUpstream, scripted_upstream
from routing.engine.verdict import Passed
from routing.tests.catalogue import deployment

KEYED = {"credential_variable": "KEYED_API_KEY", "upstream": "keyed"}
WALLED = {"base_url": "http://10.9.8.7:11434/v1", "address_class": "private", "upstream": "walled"}
SET_SECRET = (
    "from routing.models import Provider; from routing.provider_secrets import set_secret; "
    "set_secret(Provider.objects.get(slug='locked'), 'the-right-secret', 'ada')"
)


def rows(upstream: ScriptedUpstream) -> dict[str, Any]:
    """A provider whose credential is refused, one without a credential, one at an address that is not allowed."""
    near = {"base_url": upstream.base_url, "address_class": "private"}
    providers = {"locked": {"upstream": "locked", **near}, "keyed": {**KEYED, **near}, "walled": WALLED}
    slugs = ["locked", "spent", "keyed", "walled"]
    return {
        "providers": {**providers, "spent": {"upstream": "spent", **near}},
        "deployments": {slug: {"provider": slug, "model": f"at-{slug}", "tier": "free"} for slug in slugs},
        "aliases": {
            **{f"only/{slug}": {"listed": False, "routes": [slug]} for slug in slugs},
            **{f"first/{slug}": {"listed": False, "routes": [slug, "rain/ok"]} for slug in slugs},
        },
    }


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    with scripted_upstream(name="odd") as running:
        running.play("at-locked", "unauthorized")
        running.play("at-spent", "insufficient_quota")
        yield running


@pytest.fixture(scope="module")
def gateway(
    tmp_path_factory: pytest.TempPathFactory, upstream: ScriptedUpstream
) -> Iterator[tuple[LiveGateway, Path]]:
    state = tmp_path_factory.mktemp("passed-by")
    credentials = "POLYGLOT_API_KEY@127.0.0.1,KEYED_API_KEY@127.0.0.1"
    with live_gateway(
        "uvicorn",
        state,
        more=rows(upstream),
        RAINYMODEL_CREDENTIALS=credentials,
        RAINYMODEL_REQUEST_LINES="true",
    ) as running:
        yield running, state / "uvicorn.log"


def chat(gateway: LiveGateway, model: str, **headers: str) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
    return httpx.post(
        f"{gateway.url}/v1/chat/completions", json=body, headers=gateway.headers(**headers), timeout=20
    )


def message(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["message"])


def lines_of(log: Path, answer: httpx.Response, words: str) -> list[str]:
    """The request's lines with these words, once there is one; lines are written a little later."""
    until = time.monotonic() + 5
    while True:
        mine = [line for line in log.read_text().splitlines() if answer.headers["x-request-id"] in line]
        found = [line for line in mine if words in line]
        if found or time.monotonic() > until:
            return found
        time.sleep(0.05)


def test_a_hold_tells_its_reason_and_ends_when_the_secret_changes(gateway, upstream: ScriptedUpstream):
    running, log = gateway
    assert chat(running, "only/locked").status_code == 502
    held = chat(running, "only/locked")
    upstream.play("at-locked", None)  # it would take any credential now
    still = chat(running, "only/locked")

    assert (held.status_code, still.status_code) == (503, 503)
    assert "(locked is on hold for 5 minutes after it refused our credential)" in message(held)
    (decision,) = lines_of(log, held, "ROUTING DECISION")
    assert "nothing can answer (locked is on hold for 5 minutes after it refused our credential)" in decision
    assert "– LOCKED: at-locked skipped, is on hold for 5 minutes" in lines_of(log, held, "–")[0]
    (failed,) = lines_of(log, held, "REQUEST FAILED")
    assert failed.startswith("✗ REQUEST FAILED only/locked: 503 no_healthy_upstream (locked is on hold")
    assert running.row(held.headers["x-request-id"])["attempts"][0]["held_for"] == "credential_refused"

    shell = [sys.executable, "manage.py", "shell", "-c", SET_SECRET]
    subprocess.run(shell, cwd=PROJECT, env=running.variables, check=True, capture_output=True)
    assert answers_in_time(running, "only/locked")
    assert upstream.ledger.of("at-locked")[-1].authorization == "Bearer the-right-secret"


def answers_in_time(gateway: LiveGateway, model: str) -> bool:
    """Whether the model answers before ten seconds are over; a hold lasts minutes."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        if chat(gateway, model).status_code == 200:
            return True
        time.sleep(0.1)
    return False


def test_when_another_answers_the_lines_say_who_was_passed_by(gateway):
    running, log = gateway
    assert chat(running, "first/spent").headers["x-rainymodel-tried"] == "spent"
    answer = chat(running, "first/spent")

    assert answer.status_code == 200
    assert "first/spent → rain rainy (" in lines_of(log, answer, "ROUTING DECISION")[0]
    (passed,) = lines_of(log, answer, "skipped")
    assert "is on hold for 15 minutes after it said its quota is used up" in passed
    assert lines_of(log, answer, "← RAIN: ✓")
    assert "REQUEST FAILED" not in " ".join(lines_of(log, answer, " "))


def test_a_provider_at_an_address_that_is_not_allowed_is_never_tried(gateway):
    running, _ = gateway
    answer, alone = chat(running, "first/walled"), chat(running, "only/walled")
    health = httpx.get(f"{running.url}/health").json()
    listed = httpx.get(f"{running.url}/v1/providers", headers=running.headers()).json()["data"]

    assert (answer.status_code, answer.headers["x-rainymodel-attempts"]) == (200, "1")
    assert (alone.status_code, alone.json()["error"]["code"]) == (503, "no_healthy_upstream")
    assert health["providers"]["walled"] == "not_configured"
    assert [one["reason"] for one in listed if one["id"] == "walled"] == ["address_refused"]


def test_a_provider_that_the_header_names_and_nobody_set_up_is_named_with_what_to_set(gateway):
    running, log = gateway
    answer = chat(running, "first/keyed", **{"X-RainyModel-Provider": "keyed"})

    assert answer.status_code == 503
    assert message(answer).startswith(
        "X-RainyModel-Provider asks for keyed, which cannot answer first/keyed here: KEYED_API_KEY is not set."
    )
    (decision,) = lines_of(log, answer, "ROUTING DECISION")
    assert (
        "nothing can answer (keyed no_credential: KEYED_API_KEY is not set; rain provider_filter)" in decision
    )


def test_an_address_is_not_told_to_the_client(gateway):
    running, _ = gateway
    answer = chat(running, "first/walled", **{"X-RainyModel-Provider": "walled"})

    assert "its address is not allowed on this gateway" in message(answer)
    assert "10.9.8.7" not in answer.text


def test_a_model_that_makes_no_embeddings_says_so_with_nothing_to_leave_out(gateway):
    running, _ = gateway
    body = {"model": "only/locked", "input": "hi"}
    answer = httpx.post(f"{running.url}/v1/embeddings", json=body, headers=running.headers())

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "capability_not_supported")
    assert message(answer) == (
        "Nothing behind only/locked makes embeddings. Choose another model; GET /v1/models lists the names."
    )


def test_who_was_withdrawn_before_the_last_chance_is_noted_too():
    class Lines:
        def skipped(self, request_id: str, passed: Passed) -> None:
            told.append(passed.deployment.slug)

    told: list[str] = []
    entry = LogEntry("0193b3a0-0000-7000-8000-000000000000", datetime.now(UTC))
    exchange: Any = SimpleNamespace(
        entry=entry, call=SimpleNamespace(request_id="r"), services=SimpleNamespace(lines=Lines())
    )
    first, second = Passed(deployment("a"), "circuit_open", 1.0), Passed(deployment("b"), "busy", 1.0)
    noted: list[Passed] = []
    note_skipped(exchange, (first,), noted)
    note_skipped(exchange, (second,), noted)  # the first is asked after all, as the last chance
    note_skipped(exchange, (second,), noted)

    assert told == ["a", "b"]
    assert [line["deployment"] for line in entry.attempts] == ["a", "b"]
