"""Log lines: JSON in production, readable in development, more of ours with RAINYMODEL_DEBUG, no local variables."""

import json
import os
import subprocess
import sys

import pytest

from rainymodel_site import env

SPEAK = """
import logging, structlog
from rainymodel_site import logs
logs.start()
ours = structlog.get_logger("gateway.relay")
ours.info("answered", attempts=2)
ours.debug("in detail")
logging.getLogger("routing.store").info("loaded %d", 7)
logging.getLogger("django.request").error("broke", extra={"status_code": 500})
for name in ("django.db.backends", "httpx", "urllib3"):
    logging.getLogger(name).debug("chatter")
    logging.getLogger(name).info("chatter")
logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
def fail(api_key):
    raise ValueError("no luck")
try:
    fail("sk-secret")
except ValueError:
    ours.exception("failed")
"""


def spoken(mode: str, level: str) -> list[str]:
    environment = os.environ | {"RAINYMODEL_ENV": mode, "RAINYMODEL_DEBUG": str(level == "debug")}
    done = subprocess.run(
        [sys.executable, "-c", SPEAK],
        cwd=env.PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == ""
    assert "sk-secret" not in done.stderr.replace('fail("sk-secret")', "")
    return done.stderr.splitlines()


def test_production_writes_one_json_object_per_line_whoever_speaks():
    lines = [json.loads(line) for line in spoken("production", "info")]

    assert [(line["level"], line["logger"], line["event"]) for line in lines] == [
        ("info", "gateway.relay", "answered"),
        ("info", "routing.store", "loaded 7"),
        ("error", "django.request", "broke"),
        ("error", "gateway.relay", "failed"),
    ]
    assert (lines[0]["attempts"], lines[2]["status_code"]) == (2, 500)
    assert lines[3]["exception"][0]["exc_value"] == "no luck"
    assert all(line["timestamp"].endswith("Z") for line in lines)


@pytest.mark.parametrize("mode", ["production", "development"])
def test_debug_adds_lines_of_ours_and_of_nobody_else(mode):
    added = [line for line in spoken(mode, "debug") if "in detail" in line or "chatter" in line]

    assert len(added) == 1
    assert "in detail" in added[0]


def test_development_is_readable():
    lines = spoken("development", "info")

    assert lines[0].endswith("[info     ] answered [gateway.relay] attempts=2")
    assert "Traceback (most recent call last):" in lines
