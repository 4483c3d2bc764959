"""A database that does not answer: the gateway says so, and takes nobody for a stranger."""

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from accounts.keys import make_key
from gateway.tests.live import free_port, serving

MASTER = "a-master-key-for-tests-only-0123456789"
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
