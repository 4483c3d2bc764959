"""What each request leaves in the process's output."""

import asyncio
import json
from pathlib import Path

import httpx
import pytest

from gateway.request_lines import MOST_WAITING, RequestLines
from gateway.tests.live import LiveGateway, live_gateway
from routing.engine.outcome import Fault, Outcome
from routing.engine.snapshot import Deployment, Provider, Tier

CLAUDE = Deployment(
    "claude/sonnet",
    Provider("claude", "claude", base_url="https://api.anthropic.com/v1"),
    "claude-sonnet-4",
    Tier("direct", "Direct", "paid", 1),
)


def written(*, as_json: bool, told) -> list[str]:
    """The lines that `told` leaves."""
    output: list[bytes] = []
    lines = RequestLines(output.append, as_json=as_json)
    told(lines)
    asyncio.run(lines.flush())
    return b"".join(output).decode().splitlines()


def test_a_request_out_and_an_answer_back_are_sentences_for_a_person():
    def told(lines: RequestLines) -> None:
        lines.sent("id-1", CLAUDE, "messages", stream=True)
        lines.answered("id-1", CLAUDE, Outcome(Fault.NONE), 1.234)
        lines.answered("id-2", CLAUDE, Outcome(Fault.UNHEALTHY, "server_error", 529), 0.01)
        lines.answered("id-3", CLAUDE, Outcome(Fault.UNHEALTHY, "timeout"), 3)

    assert written(as_json=False, told=told) == [
        "→ CLAUDE: claude-sonnet-4 (streaming) -> https://api.anthropic.com/v1/messages id-1",
        "← CLAUDE: ✓ 200 in 1234ms for claude-sonnet-4 id-1",
        "← CLAUDE: ✗ 529 server_error in 10ms for claude-sonnet-4 id-2",
        "← CLAUDE: ✗ timeout in 3000ms for claude-sonnet-4 id-3",
    ]


def test_in_production_each_line_is_one_json_object():
    (line,) = written(
        as_json=True, told=lambda lines: lines.answered("id-1", CLAUDE, Outcome(Fault.NONE), 1.5)
    )
    found = json.loads(line)

    assert (found["event"], found["level"], found["request_id"]) == ("upstream answer", "info", "id-1")
    assert (found["upstream"], found["model"], found["ok"], found["status"], found["ms"]) == (
        "claude", "claude-sonnet-4", True, 200, 1500,
    )  # fmt: skip
    assert found["timestamp"].endswith("Z")


def test_a_reader_who_falls_behind_is_told_how_much_is_missing():
    def told(lines: RequestLines) -> None:
        for _ in range(MOST_WAITING + 7):
            lines.sent("id", CLAUDE, "chat", stream=False)

    lines = written(as_json=False, told=told)

    assert len(lines) == MOST_WAITING + 1
    assert lines[-1] == "7 request lines were left out"


def test_a_model_name_cannot_forge_a_line():
    evil = Deployment("x", CLAUDE.provider, "a\n← CLAUDE: ✓\x1b[2J", CLAUDE.tier)
    lines = written(as_json=False, told=lambda lines: lines.sent("id", evil, "chat", stream=False))

    assert len(lines) == 1 and "\x1b" not in lines[0]


@pytest.mark.parametrize("switch", ["true", "false"])
def test_the_decision_of_a_real_request_can_be_found_by_its_words(tmp_path: Path, switch: str):
    with live_gateway("uvicorn", tmp_path, RAINYMODEL_REQUEST_LINES=switch) as gateway:
        ask(gateway)
    log = (tmp_path / "uvicorn.log").read_text()

    decisions = [line for line in log.splitlines() if "ROUTING DECISION" in line]
    if switch == "false":
        assert decisions == [] and "→" not in log
        return
    assert len(decisions) == 1
    assert "rainymodel/auto → sun sunny, rain rainy (manual, policy auto)" in decisions[0]
    assert "← SUN: ✓ 200 in " in log


def ask(gateway: LiveGateway) -> None:
    body = {"model": "rainymodel/auto", "messages": [{"role": "user", "content": "hi"}]}
    answer = httpx.post(f"{gateway.url}/v1/chat/completions", json=body, headers=gateway.headers())
    assert answer.status_code == 200
    row = gateway.row(answer.headers["x-request-id"])
    assert (row["routing_mode"], row["selected_model"]) == ("manual", "rainymodel/auto")
