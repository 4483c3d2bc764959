"""The answer to a preflight has no body, and says nothing about one."""

import httpx

from gateway.tests.live import LiveGateway


def test_it_carries_neither_a_body_nor_its_length(gateway: LiveGateway):
    answer = httpx.options(f"{gateway.url}/v1/models", headers={"Origin": "https://app.example"})

    assert (answer.status_code, answer.content) == (204, b"")
    assert "content-length" not in answer.headers
    assert "transfer-encoding" not in answer.headers


def test_its_connection_serves_the_next_request(gateway: LiveGateway):
    with httpx.Client() as client:
        client.options(f"{gateway.url}/v1/models")
        answer = client.get(f"{gateway.url}/health")

    assert answer.status_code == 200
