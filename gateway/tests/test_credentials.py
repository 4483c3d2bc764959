"""Which of a request's headers carries its key."""

import httpx
import pytest

from gateway.tests.live import LiveGateway

MODELS = "/v1/models"


@pytest.mark.parametrize("authorization", ["Basic dXNlcjpwYXNz", "Digest a=b", "Bearer", "bearer", ""])
def test_an_authorization_that_holds_no_key_leaves_x_api_key_in_charge(
    gateway: LiveGateway, authorization: str
):
    headers = {"x-api-key": gateway.keys["plain"], "Authorization": authorization}
    answer = httpx.get(gateway.url + MODELS, headers=headers)

    assert answer.status_code == 200


def test_an_empty_x_api_key_leaves_the_bearer_in_charge(uvicorn_gateway: LiveGateway):
    answer = httpx.get(uvicorn_gateway.url + MODELS, headers=uvicorn_gateway.headers(**{"x-api-key": ""}))

    assert answer.status_code == 200


def test_the_same_key_in_both_headers_is_one_key(uvicorn_gateway: LiveGateway):
    key = uvicorn_gateway.keys["plain"]
    headers = {"x-api-key": key, "Authorization": f"BEARER  {key}"}
    answer = httpx.get(uvicorn_gateway.url + MODELS, headers=headers)

    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        ("Basic dXNlcjpwYXNz", "invalid_api_key"),
        ("sk-rm_", "invalid_api_key"),
        ("Bearer", "missing_api_key"),
    ],
)
def test_without_x_api_key_it_is_a_401_that_says_what_is_wrong(
    uvicorn_gateway: LiveGateway, authorization: str, code: str
):
    answer = httpx.get(uvicorn_gateway.url + MODELS, headers={"Authorization": authorization})

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, code)
