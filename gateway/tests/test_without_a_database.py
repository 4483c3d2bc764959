"""A database that does not answer: the gateway says so, and takes nobody for a stranger."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from accounts.keys import make_key
from bench.ports import free_port
from gateway.tests.live import fresh_database, prepare, serving

MASTER = "a-master-key-for-tests-only-0123456789"
SMALL = {
    "tiers": {"free": {"name": "Free", "billing": "free", "rank": 1}},
    "policies": {"auto": {"steps": ["free"]}},
    "providers": {"sun": {"upstream": "sun", "base_url": "https://sun.example/v1"}},
    "deployments": {"sun/ok": {"provider": "sun", "model": "ok", "tier": "free"}},
    "aliases": {"rainymodel/auto": {"routes": ["sun/ok"]}},
}
HELLO = {"messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port, state = free_port(), tmp_path_factory.mktemp("state")
    variables = {
        **os.environ,
        "DATABASE_URL": f"postgresql://nobody@127.0.0.1:{free_port()}/nothing",
        "RAINYMODEL_ENV": "development",
        "RAINYMODEL_STATE_DIR": str(state),
        "RAINYMODEL_MASTER_KEY": MASTER,
        "HOST": "127.0.0.1",
        "PORT": str(port),
    }
    with serving("uvicorn", port, variables, Path(state), path="/health"):
        yield f"http://127.0.0.1:{port}"


@pytest.mark.fault("I01")
def test_it_lives_but_is_not_ready(url: str):
    ready = httpx.get(f"{url}/ready")

    assert httpx.get(f"{url}/health").status_code == 200
    assert (ready.status_code, ready.json()["error"]["code"]) == (503, "starting")


def test_a_key_it_cannot_check_is_told_to_come_back_not_that_it_is_wrong(url: str):
    headers = {"Authorization": f"Bearer {make_key().text}"}
    answer = httpx.post(f"{url}/v1/chat/completions", json=HELLO, headers=headers, timeout=20)

    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "limits_unavailable")
    assert answer.headers["x-should-retry"] == "true"
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize("path", ["/v1/models", "/v1/providers", "/v1/auto/config"])
def test_without_a_catalogue_no_listing_pretends_to_be_empty(url: str, path: str):
    answer = httpx.get(url + path, headers={"Authorization": f"Bearer {MASTER}"})

    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "starting")


def test_without_a_catalogue_no_model_is_called_unknown(url: str):
    headers = {"Authorization": f"Bearer {MASTER}"}
    answer = httpx.post(f"{url}/v1/chat/completions", json=HELLO, headers=headers)

    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "starting")


def forward(port: int, path: str) -> socket.socket:
    """A listening TCP port in front of the database's socket; closed with the returned socket."""
    listener = socket.create_server(("127.0.0.1", port))

    def pump(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                database = socket.socket(socket.AF_UNIX)
                database.connect(path)
                for pair in ((client, database), (database, client)):
                    threading.Thread(target=pump, args=pair, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener


@pytest.mark.fault("I01")
def test_a_database_that_comes_later_is_found(tmp_path: Path):
    with fresh_database() as dsn:
        parts, database_port, port = conninfo_to_dict(dsn), free_port(), free_port()
        late = make_conninfo(dsn, host="127.0.0.1", port=database_port, sslmode="disable")
        variables = {
            **os.environ,
            "RAINYMODEL_ENV": "development",
            "RAINYMODEL_STATE_DIR": str(tmp_path),
            "RAINYMODEL_MASTER_KEY": MASTER,
            "HOST": "127.0.0.1",
            "PORT": str(port),
        }
        prepare({**variables, "DATABASE_URL": dsn}, SMALL)
        with serving("uvicorn", port, {**variables, "DATABASE_URL": late}, tmp_path, path="/health"):
            assert httpx.get(f"http://127.0.0.1:{port}/ready").status_code == 503
            gate = forward(database_port, f"{parts['host']}/.s.PGSQL.{parts['port']}")
            until = time.monotonic() + 20
            while httpx.get(f"http://127.0.0.1:{port}/ready").status_code != 200:
                assert time.monotonic() < until, "the gateway did not find its database again"
                time.sleep(0.2)
        gate.close()
