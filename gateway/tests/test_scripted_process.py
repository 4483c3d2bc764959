"""The scripted upstream as a process: it says where it serves, and leaves when it should."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gateway.tests.scripted_client import chat, connected
from gateway.upstream.scripted import scripted_upstream

ROOT = Path(__file__).resolve().parents[2]


def start_process(*arguments: str) -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, "-m", "gateway.upstream.scripted", *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline()


def test_the_process_says_where_it_serves_and_leaves_its_ledger(tmp_path):
    process, ready = start_process("--name", "demo", "--ledger", str(tmp_path / "ledger.json"))
    with process, connected(json.loads(ready)["base_url"]) as connection:
        connection.request("GET", "/v1/models")
        listed = json.loads(connection.getresponse().read())
        connection.request("POST", "/v1/chat/completions", json.dumps(chat("demo")))
        assert "demonstration upstream" in connection.getresponse().read().decode()
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0

    assert [model["id"] for model in listed["data"]] == ["demo"]
    kept = json.loads((tmp_path / "ledger.json").read_text())
    assert [entry["path"] for entry in kept["entries"]] == ["/v1/models", "/v1/chat/completions"]


def test_the_process_resets_connections_as_the_thread_does():
    process, ready = start_process()
    address = urlsplit(json.loads(ready)["base_url"])
    with process:
        body = json.dumps(chat("cut", stream=True)).encode()
        with socket.create_connection((address.hostname, address.port), timeout=5) as client:
            client.sendall(
                b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body
            )
            with pytest.raises(ConnectionResetError):
                while client.recv(65536):
                    pass
        process.send_signal(signal.SIGINT)
        assert process.wait(5) == 0


def test_the_process_ends_with_its_parent():
    script = (
        "import subprocess, sys; "
        "child = subprocess.Popen([sys.executable, '-m', 'gateway.upstream.scripted', '--with-parent'],"
        " stdout=subprocess.PIPE); "
        "child.stdout.readline(); print(child.pid, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 5
    while is_running(child) and time.monotonic() < deadline:
        time.sleep(0.02)

    assert not is_running(child)


def is_running(pid: int) -> bool:
    """A zombie that nobody has collected yet counts as ended."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_the_scenarios_are_listed_with_their_settings():
    command = [sys.executable, "-m", "gateway.upstream.scripted", "--list"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert "slow:first=0.5,chunk=0.02,chunks=50" in listed
    lines = listed.splitlines()
    assert all(len(line.strip()) > 10 for line in lines[1::2])


def test_a_port_that_is_taken_is_one_sentence():
    with scripted_upstream() as upstream:
        command = [sys.executable, "-m", "gateway.upstream.scripted", "--port", str(upstream.port)]
        refused = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert refused.returncode == 1
    assert refused.stderr.startswith("The scripted upstream cannot start: ")
    assert refused.stderr.count("\n") == 1
