"""A reader of the log that has stopped reading costs log lines and nothing else."""

import os
import signal
import subprocess
import sys

import pytest

from rainymodel_site import env
from rainymodel_site.log_output import Output
from rainymodel_site.tests.running import eventually, fetch

pytestmark = pytest.mark.fault("I32")


def test_requests_go_on_and_the_stop_is_in_order_while_nobody_reads_the_log():
    settings = {"WEB_WORKERS": "1", "RAINYMODEL_NOTICE_SECONDS": "0", "RAINYMODEL_DRAIN_SECONDS": "2"}
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "rainymodel_site.tests.supervised", "20"],
        cwd=env.PROJECT,
        env=os.environ | settings,
        stdout=subprocess.PIPE,
        stderr=writer,
        text=True,
    )
    try:
        url = process.stdout.readline().strip()
        assert [fetch(f"{url}/shout") for _ in range(50)] == ["shouted"] * 50  # 10 MB; the pipe holds 64 KB
        assert fetch(f"{url}/stalls") == "0"
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        os.close(reader)
        os.close(writer)


def test_what_was_left_out_is_counted_and_told_once_there_is_room():
    reader, writer = os.pipe()
    told: list[int] = []
    output = Output(writer, most_bytes=300_000, tell=told.append)
    for _ in range(400):
        output.put(b"x" * 1023 + b"\n")
    assert output.dropped > 0
    assert not output.flush(within=0.05)

    received = read_all(reader, 400 - output.dropped)
    output.put(b"after\n")
    eventually(lambda: told == [output.dropped])
    assert received == 400 - output.dropped
    os.close(writer)
    os.close(reader)


def read_all(reader: int, lines: int) -> int:
    """Read until so many lines have come."""
    seen = 0
    while seen < lines:
        seen += os.read(reader, 65_536).count(b"\n")
    return seen


def test_a_log_that_nobody_can_read_any_more_stops_nothing():
    reader, writer = os.pipe()
    os.close(reader)
    output = Output(writer)
    output.put(b"to nobody\n")

    assert output.flush(within=5)
    os.close(writer)
