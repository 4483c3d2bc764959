"""Images named by an address: we fetch none, and only upstreams on the public net are given one."""

import httpx
import pytest

from gateway.tests.live import LiveGateway

DATA = "data:image/png;base64,iVBORw0KGgo="
ASKED = {
    "/v1/chat/completions": lambda url: {
        "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]
    },
    "/v1/responses": lambda url: {
        "input": [{"role": "user", "content": [{"type": "input_image", "image_url": url}]}]
    },
}


def ask(gateway: LiveGateway, path: str, url: str, *, stream: bool) -> httpx.Response:
    body = {"model": "fake/ok", "stream": stream, **ASKED[path](url)}
    return httpx.post(gateway.url + path, json=body, headers=gateway.headers(), timeout=30)


@pytest.mark.fault("C32")
@pytest.mark.parametrize("stream", [False, True], ids=["json", "sse"])
@pytest.mark.parametrize("path", ASKED)
@pytest.mark.parametrize(
    "url",
    ["http://169.254.169.254/latest/meta-data", "file:///etc/passwd", "https://example.org/a.png"],
    ids=["metadata", "file", "public"],
)
def test_a_private_upstream_is_given_no_address_to_fetch(
    gateway: LiveGateway, path: str, url: str, stream: bool
):
    before = gateway.upstreams["sun"].ledger.hits()

    refused = ask(gateway, path, url, stream=stream)

    assert refused.status_code == 400
    assert "data: URLs" in refused.json()["error"]["message"]
    assert gateway.upstreams["sun"].ledger.hits() == before
    assert gateway.row(refused.headers["x-request-id"])["state"] == "client_error"


@pytest.mark.fault("C32")
@pytest.mark.parametrize("path", ASKED)
def test_an_image_in_the_request_reaches_it(gateway: LiveGateway, path: str):
    assert ask(gateway, path, DATA, stream=False).status_code == 200
    assert DATA in str(gateway.upstreams["sun"].ledger.entries[-1].body)
