"""A real gateway for tests: its own database, its own process, sockets on both sides, scripted upstreams behind it."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from bench.ports import free_port
from gateway.tests.prepare import MIGRATED
from gateway.upstream.scripted import ScriptedUpstream, scripted_upstream

PROJECT = Path(__file__).resolve().parent.parent.parent
START_SECONDS = 90.0
# Failures before content. Some put a provider on hold, so each is played at a provider of its own, once for each shape.
TRIALS = (
    "status:code=500",
    "status:code=503",
    "status:code=401",
    "status:code=402",
    "status:code=404",
    "status:code=429,retry_after=7",
    "insufficient_quota",
    "redirect",
    "html",
    "bad_json",
    "empty_body",
    "error_in_200:code=500",
    "no_choices",
    "null_content",
    "wrong_length",
    "hangup",
    "tools_unsupported",
    "error_first",
    "empty_sse",
    "only_done",
    "not_json_event:after=0",
)

SHAPES = ("json/", "sse/")
# The same, with nobody to fall back on: `lone/SCENARIO`.
LONE = (
    "error_after:pause=0.05",
    "status:code=400,text=your%20key%20sk-verysecretvalue0123%20is%20bad",
    "status:code=429,text=your%20key%20sk-verysecretvalue0123%20is%20bad",
    "unauthorized",
    "status:code=429,retry_after=9",
)


@dataclass(frozen=True, slots=True)
class LiveGateway:
    """Where it is, the keys that open it by name, its upstreams by name, and its database."""

    url: str
    keys: dict[str, str]
    upstreams: dict[str, ScriptedUpstream]
    dsn: str
    process: subprocess.Popen[bytes]
    server: str
    variables: dict[str, str] = field(default_factory=dict, repr=False)

    def headers(self, key: str = "plain", **more: str) -> dict[str, str]:
        """Request headers with a key."""
        return {"Authorization": f"Bearer {self.keys[key]}", **more}

    def rows(self, request_id: str, timeout: float = 5.0) -> list[dict[str, Any]]:
        """The request's log rows, once they are written."""
        return self.rows_where("id = %s", request_id, count=1, timeout=timeout)

    def rows_of(self, model: str, count: int = 1) -> list[dict[str, Any]]:
        """The log rows of a requested model, once there are so many."""
        return self.rows_where("requested_model = %s", model, count=count)

    def count(self, condition: str) -> int:
        """How many log rows fulfil an SQL condition now."""
        with psycopg.connect(self.dsn) as connection:
            found = connection.execute(
                f"SELECT count(*) FROM gateway_requestlog WHERE {condition}"
            ).fetchone()
        return found[0] if found else 0

    def registered_workers(self) -> int:
        """How many workers are on the list."""
        with psycopg.connect(self.dsn) as connection:
            found = connection.execute("SELECT count(*) FROM gateway_worker").fetchone()
        return found[0] if found else 0

    def rows_where(
        self, condition: str, *values: str, count: int, timeout: float = 5.0
    ) -> list[dict[str, Any]]:
        """The log rows that fulfil an SQL condition, once there are so many or the time is over."""
        until = time.monotonic() + timeout
        query = f"SELECT * FROM gateway_requestlog WHERE {condition} ORDER BY id"
        with psycopg.connect(self.dsn, autocommit=True, row_factory=psycopg.rows.dict_row) as connection:
            while True:
                found = connection.execute(query, values).fetchall()
                if len(found) >= count or time.monotonic() > until:
                    return found
                time.sleep(0.05)

    def row(self, request_id: str) -> dict[str, Any]:
        """The request's one log row."""
        (row,) = self.rows(request_id)
        return row


def catalogue(upstreams: dict[str, ScriptedUpstream], dead_port: int) -> dict[str, Any]:
    """Aliases that reach each scenario by the name a client asks for: `fake/SCENARIO`, `pair/SCENARIO`, …"""
    urls = {name: upstream.base_url for name, upstream in upstreams.items()}
    urls["dead"] = f"http://127.0.0.1:{dead_port}/v1"
    quick = {"address_class": "private", "connect_limit": 1, "first_content_limit": 2, "idle_limit": 1}
    resilient = {"open_after": 1000}  # scenarios fail on purpose, again and again
    providers = {
        name: {"upstream": name, "base_url": url, **quick, **resilient} for name, url in urls.items()
    }
    providers["brittle"] = {
        "upstream": "brittle",
        "base_url": urls["dead"],
        **quick,
        "open_after": 3,
        "open_for": 60,
    }
    trials = {
        f"trial-{number}": shape + scenario
        for number, (shape, scenario) in enumerate(product(SHAPES, TRIALS))
    }
    lone = {f"lone-{number}": f"lone/{scenario}" for number, scenario in enumerate(LONE)}
    for slug in (*trials, *lone):
        providers[slug] = {"upstream": "sun", "base_url": urls["sun"], **quick, **resilient}
    providers["narrow"] = {
        "upstream": "sun",
        "base_url": urls["sun"],
        **quick,
        **resilient,
        "first_content_limit": 60,
        "concurrency_limit": 3,
    }
    providers["touchy"] = {
        "upstream": "touchy",
        "base_url": urls["sun"],
        **quick,
        "open_after": 3,
        "open_for": 60,
    }
    providers["peculiar"] = {
        "upstream": "sun", "base_url": urls["sun"], **quick, **resilient, "extra_headers": {"X-Title": "RainyModel"},
    }  # fmt: skip
    providers["polyglot"] = {
        "upstream": "sun", "base_url": urls["sun"], **quick, **resilient, "credential_variable": "POLYGLOT_API_KEY",
    }  # fmt: skip
    everything = ["tools", "vision", "json_schema", "audio", "reasoning"]
    free = {"prices": [{"starts": "2026-01-01", "input": 0, "cached_input": 0, "output": 0}]}
    paid = {"prices": [{"starts": "2026-01-01", "input": "1", "cached_input": "0.5", "output": "2"}]}

    def deployment(provider: str, model: str, tier: str, **more: Any) -> dict[str, Any]:
        return {"provider": provider, "model": model, "tier": tier, "capabilities": everything, **more}

    return {
        "tiers": {
            "free": {"name": "Free", "billing": "free", "rank": 1},
            "direct": {"name": "Direct", "billing": "paid", "rank": 2},
        },
        "policies": {
            "auto": {"synonyms": ["default"], "steps": ["free", "direct"]},
            "free": {"steps": ["free"]},
            "listed": {},
        },
        "providers": providers,
        "deployments": {
            "sun/any": deployment("sun", "*", "free", **free),
            "rain/any": deployment("rain", "*", "direct", **paid),
            "peculiar/any": deployment("peculiar", "peculiar-model", "free", **free)
            | {"parameter_policy": {"max_tokens": "max_completion_tokens", "temperature": None}},
            "patient/ok": deployment("rain", "rainy", "direct", **paid) | {"first_content_limit": 60},
            "narrow/any": deployment("narrow", "*", "free", **free),
            "touchy/any": deployment("touchy", "*", "free", **free),
            "sun/ok": deployment("sun", "sunny", "free", **free),
            "rain/ok": deployment("rain", "rainy", "direct", **paid),
            "dead/ok": deployment("dead", "gone", "free", **free),
            "brittle/ok": deployment("brittle", "gone", "free", **free),
            **{
                slug: deployment(slug, alias.split("/", 1)[1], "free", **free)
                for slug, alias in {**trials, **lone}.items()
            },
            "dialects/any": deployment("polyglot", "*", "free", **free)
            | {"dialects": ["chat", "completions", "responses", "messages", "embeddings"]},
            "sun/embedder": deployment("sun", "embedder", "free", **free) | {"dialects": ["embeddings"]},
            "sun/plain": deployment("sun", "plain-text-only", "free", **free) | {"capabilities": []},
            "sun/small": deployment("sun", "small-window", "free", **free, context_window=100),
        },
        "aliases": {
            "rainymodel/auto": {"description": "General purpose.", "routes": ["sun/ok", "rain/ok"]},
            "rainymodel/paid": {"routes": ["rain/ok"]},
            "fake/*": {"listed": False, "routes": ["sun/any"]},
            "paid/*": {"listed": False, "routes": ["rain/any"]},
            "pair/*": {"listed": False, "routes": ["sun/any", "rain/ok"]},
            "hasty/*": {
                "listed": False, "routes": ["sun/any"], "first_content_deadline": 1, "total_deadline": 3,
            },
            **{trial: {"listed": False, "routes": [slug, "rain/ok"]} for slug, trial in trials.items()},
            **{trial: {"listed": False, "routes": [slug]} for slug, trial in lone.items()},
            "native/*": {"listed": False, "routes": ["dialects/any"]},
            "native-or-rain/*": {"listed": False, "routes": ["dialects/any", "rain/ok"]},
            "embedder": {"routes": ["sun/embedder"]},
            "patient": {"routes": ["patient/ok"]},
            "peculiar": {"routes": ["peculiar/any"]},
            "few/*": {"listed": False, "routes": ["narrow/any", "rain/ok"]},
            "touchy/*": {"listed": False, "routes": ["touchy/any"]},
            "after/dead": {"routes": ["dead/ok", "rain/ok"]},
            "all/dead": {"routes": ["dead/ok", "brittle/ok"]},
            "brittle": {"routes": ["brittle/ok", "rain/ok"]},
            "plain": {"routes": ["sun/plain"]},
            "small": {"routes": ["sun/small"]},
        },
    }  # fmt: skip


def translated(upstreams: dict[str, ScriptedUpstream]) -> dict[str, Any]:
    """Rows beside `catalogue`: Anthropic and Gemini through litellm, as `claude/SCENARIO` and `gemini/SCENARIO`, and
    with a relayed upstream behind them as `claude-or-rain/SCENARIO` and `gemini-or-rain/SCENARIO`.
    """
    root = upstreams["sun"].base_url.removesuffix("/v1")
    common = {"wire": "litellm", "address_class": "private", "credential_variable": "POLYGLOT_API_KEY"}
    limits = {"first_content_limit": 30, "idle_limit": 1, "open_after": 1000}
    bases = {"claude": ("anthropic/", root), "gemini": ("gemini/", f"{root}/v1beta")}
    everything = ["tools", "vision", "json_schema", "audio", "reasoning"]
    return {
        "providers": {
            slug: {"upstream": slug, "litellm_prefix": prefix, "base_url": base, **common, **limits}
            for slug, (prefix, base) in bases.items()
        },
        "deployments": {
            f"{slug}/any": {"provider": slug, "model": "*", "tier": "free", "capabilities": everything}
            for slug in bases
        },
        "aliases": {
            **{f"{slug}/*": {"listed": False, "routes": [f"{slug}/any"]} for slug in bases},
            **{
                f"{slug}-or-rain/*": {"listed": False, "routes": [f"{slug}/any", "rain/ok"]} for slug in bases
            },
        },
    }


def gateway_variables(state: Path, dsn: str, port: int) -> dict[str, str]:
    """The environment of one gateway worker that sends nothing by itself, so that an upstream's ledger is exact."""
    return {
        **os.environ,
        "RAINYMODEL_ENV": "development",
        "RAINYMODEL_STATE_DIR": str(state),
        "DATABASE_URL": dsn,
        "HOST": "127.0.0.1",
        "RAINYMODEL_FREE_PROBES": "false",
        "PORT": str(port),
        "WEB_WORKERS": "1",
    }


@contextlib.contextmanager
def live_gateway(
    server: str,
    state: Path,
    *,
    with_litellm: bool = False,
    more: Mapping[str, Any] = MappingProxyType({}),
    **environment: str,
) -> Iterator[LiveGateway]:
    """A gateway under `uvicorn` (as `manage.py serve` runs it) or `daphne` (as `manage.py runserver` does).

    `more` are rows beside those of `catalogue`.
    """
    port, dead_port = free_port(), free_port()
    with (
        scripted_upstream(name="sun") as sun,
        scripted_upstream(name="rain") as rain,
        fresh_database(migrated=True) as dsn,
    ):
        upstreams = {"sun": sun, "rain": rain}
        variables = {
            **gateway_variables(state, dsn, port),
            "RAINYMODEL_PING_SECONDS": "1",
            "POLYGLOT_API_KEY": "a-credential-of-the-polyglot-upstream",
            "RAINYMODEL_CREDENTIALS": "POLYGLOT_API_KEY@127.0.0.1",
            "RAINYMODEL_MASTER_KEY": "a-master-key-for-tests-only-0123456789",
            **environment,
        }
        rows = catalogue(upstreams, dead_port)
        if with_litellm:
            rows = {section: rows[section] | translated(upstreams).get(section, {}) for section in rows}
        rows = {section: rows[section] | more.get(section, {}) for section in rows}
        keys = prepare(variables, rows)
        keys["master"] = variables["RAINYMODEL_MASTER_KEY"]
        with serving(server, port, variables, state) as process:
            yield LiveGateway(f"http://127.0.0.1:{port}", keys, upstreams, dsn, process, server, variables)


def sign_in_link(gateway: LiveGateway) -> str:
    """The path of a fresh single-use sign-in link, as `manage.py signin_link` prints it."""
    done = subprocess.run(
        [sys.executable, "manage.py", "signin_link"],
        cwd=PROJECT, env=gateway.variables, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return "/signin/" + done.stdout.split("/signin/")[1].split()[0]


def prepare(variables: dict[str, str], data: dict[str, Any]) -> dict[str, str]:
    """Migrate and fill the gateway's database; its keys by name."""
    variables = {**variables, "DJANGO_SETTINGS_MODULE": "rainymodel_site.settings"}
    done = subprocess.run(
        [sys.executable, "-m", "gateway.tests.prepare", json.dumps(data)],
        cwd=PROJECT, env=variables, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@contextlib.contextmanager
def serving(
    server: str, port: int, variables: dict[str, str], state: Path, path: str = "/ready"
) -> Iterator[subprocess.Popen[bytes]]:
    """The server's process, from the moment it is ready until the block ends."""
    daphne = ["runserver", "--noreload", f"127.0.0.1:{port}"]
    command = [sys.executable, "manage.py", *(["serve"] if server == "uvicorn" else daphne)]
    log = state / f"{server}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=PROJECT, env=variables, stdout=output, stderr=output)
    try:
        wait_until_ready(port, process, log, path)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until_ready(port: int, process: subprocess.Popen[bytes], log: Path, path: str = "/ready") -> None:
    """Until GET /ready (or another path) says 200."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as connection:
            connection.settimeout(5)
            connection.sendall(
                f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
            )
            if b" 200 " in connection.recv(4096).split(b"\r\n")[0]:
                return
        time.sleep(0.05)
    raise AssertionError(f"the gateway did not become ready:\n{log.read_text()[-4000:]}")


@contextlib.contextmanager
def fresh_database(*, migrated: bool = False) -> Iterator[str]:
    """An empty database beside the one that pytest uses; dropped at the end. `migrated`: it may have
    its tables already, which spares whoever prepares it a second.
    """
    admin = os.environ["DATABASE_URL"]
    database = f"live_{uuid.uuid4().hex}"
    with psycopg.connect(admin, autocommit=True) as connection:
        known = "SELECT FROM pg_database WHERE datname = %s"
        has_tables = migrated and connection.execute(known, (MIGRATED,)).fetchone() is not None
        connection.execute(f"CREATE DATABASE {database} TEMPLATE {MIGRATED if has_tables else 'template1'}")
    try:
        yield make_conninfo(admin, dbname=database)
    finally:
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
