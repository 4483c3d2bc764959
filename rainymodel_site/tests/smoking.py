"""Gateways for smoke tests: a catalogue of their own, scripted upstreams behind it, and the command as a process."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.ports import free_port
from gateway.tests.live import PROJECT, LiveGateway, fresh_database, prepare, serving
from gateway.upstream.scripted import ScriptedUpstream

LITELLM_KEY = "sk-litellm-key-of-the-tests-0123456789"


@contextlib.contextmanager
def gateway_with(
    data: Mapping[str, Any], state: Path, upstreams: dict[str, ScriptedUpstream], **environment: str
) -> Iterator[LiveGateway]:
    """A gateway that serves this catalogue with this environment."""
    port = free_port()
    with fresh_database() as dsn:
        variables = {
            **os.environ,
            "RAINYMODEL_ENV": "development",
            "RAINYMODEL_STATE_DIR": str(state),
            "DATABASE_URL": dsn,
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "WEB_WORKERS": "1",
            "LITELLM_MASTER_KEY": LITELLM_KEY,
            **environment,
        }
        keys = prepare(variables, json.loads(json.dumps(data, default=str)))
        with serving("uvicorn", port, variables, state) as process:
            url = f"http://127.0.0.1:{port}"
            yield LiveGateway(url, keys, upstreams, dsn, process, "uvicorn", variables)


def manage(gateway: LiveGateway, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`manage.py …` in the gateway's environment."""
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=PROJECT, env={**gateway.variables, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def smoke(
    gateway: LiveGateway, *words: str, key: str = LITELLM_KEY, url: str = ""
) -> tuple[int, dict[str, dict[str, Any]]]:
    """The command's exit code and its checks by name."""
    done = manage(gateway, "smoke", "--url", url or gateway.url, "--key", key, "--json", *words)
    assert done.stdout, done.stderr
    assert key not in done.stdout + done.stderr
    return done.returncode, {check["name"]: check for check in json.loads(done.stdout)["checks"]}
