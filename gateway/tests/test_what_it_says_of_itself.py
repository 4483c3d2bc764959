"""The small endpoints: service, health, readiness, models, providers, the automatic choice; and CORS on all of them."""

import httpx
import pytest

from gateway.tests.live import LiveGateway


def test_the_root_is_json_for_programs_and_a_page_for_browsers(gateway: LiveGateway):
    info = httpx.get(gateway.url).json()
    page = httpx.get(gateway.url, headers={"Accept": "text/html"})

    assert info["name"] == "RainyModel"
    assert "POST /v1/chat/completions" in info["endpoints"]
    assert page.headers["content-type"].startswith("text/html")
    assert f"{gateway.url}/v1" in page.text
    assert "content-security-policy" in page.headers


def test_health_names_providers_and_whether_they_are_configured(gateway: LiveGateway):
    health = httpx.get(f"{gateway.url}/health").json()

    assert health["status"] == "healthy"
    assert health["service"] == "rainymodel"
    assert health["providers"]["sun"] == "configured"


def test_ready_names_the_revision(gateway: LiveGateway):
    answer = httpx.get(f"{gateway.url}/ready")

    assert answer.status_code == 200
    assert answer.json()["revision"] == 1


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/", "/models", "/models/"])
def test_models_are_served_with_and_without_version_and_slash(gateway: LiveGateway, path: str):
    answer = httpx.get(gateway.url + path, headers=gateway.headers())

    assert answer.status_code == 200
    assert answer.json()["object"] == "list"
    assert "rainymodel/auto" in [model["id"] for model in answer.json()["data"]]


@pytest.mark.parametrize("name", ["rainymodel%2Fauto", "rainymodel/auto", "rainymodel/auto/"])
def test_one_model_is_found_by_its_encoded_name(gateway: LiveGateway, name: str):
    answer = httpx.get(f"{gateway.url}/v1/models/{name}", headers=gateway.headers())

    assert answer.status_code == 200
    assert answer.json()["id"] == "rainymodel/auto"


def test_a_key_sees_only_the_models_it_may_use(gateway: LiveGateway):
    answer = httpx.get(f"{gateway.url}/v1/models", headers=gateway.headers("chosen_aliases"))

    assert answer.json()["data"] == []


def test_providers_show_state_tier_and_the_direct_prefix(gateway: LiveGateway):
    answer = httpx.get(f"{gateway.url}/v1/providers", headers=gateway.headers())

    sun = next(provider for provider in answer.json()["data"] if provider["id"] == "sun")
    assert sun["status"] == "configured"
    assert sun["tiers"] == ["free"]
    assert sun["direct_prefix"] == "rainymodel/sun/"


def test_the_automatic_configuration_has_defaults_and_recommendations(gateway: LiveGateway):
    config = httpx.get(f"{gateway.url}/v1/auto/config", headers=gateway.headers()).json()

    assert config["default_model"] == "rainymodel/auto"
    assert config["default_policy"] == "auto"
    assert "sun" in config["providers_by_tier"]["free"]
    assert "rainymodel/auto" in [model["id"] for model in config["recommended_models"]]


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/x", "/v1/providers", "/v1/auto/config"])
def test_listings_need_a_key(gateway: LiveGateway, path: str):
    assert httpx.get(gateway.url + path).status_code == 401


def test_a_direct_call_names_provider_and_model(gateway: LiveGateway):
    body = {"model": "rainymodel/rain/rainy", "messages": [{"role": "user", "content": "hi"}]}
    answer = httpx.post(f"{gateway.url}/chat/completions/", json=body, headers=gateway.headers())

    assert answer.headers["x-rainymodel-upstream"] == "rain"
    assert answer.json()["model"] == "rainy"


def test_a_preflight_echoes_only_the_headers_on_our_list(gateway: LiveGateway):
    asked = "authorization, content-type, x-rainymodel-policy, x-stainless-os, x-evil"
    answer = httpx.options(
        f"{gateway.url}/v1/chat/completions",
        headers={"Origin": "https://app.example", "Access-Control-Request-Headers": asked},
    )

    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-headers"] == asked.replace(", x-evil", "")
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "access-control-allow-credentials" not in answer.headers


def test_every_answer_names_the_headers_that_browsers_may_read(gateway: LiveGateway):
    answer = httpx.get(f"{gateway.url}/health")

    assert answer.headers["access-control-allow-origin"] == "*"
    assert "x-rainymodel-route" in answer.headers["access-control-expose-headers"]


def test_no_cookie_is_ever_set_by_the_gateway(gateway: LiveGateway):
    for path in ("/", "/health", "/v1/models", "/nothing"):
        assert "set-cookie" not in httpx.get(gateway.url + path).headers


def test_nothing_of_the_upstreams_headers_passes_through(uvicorn_gateway: LiveGateway):
    body = {"model": "fake/loud_headers", "messages": [{"role": "user", "content": "hi"}]}
    answer = httpx.post(
        f"{uvicorn_gateway.url}/v1/chat/completions", json=body, headers=uvicorn_gateway.headers()
    )

    assert answer.headers["x-rainymodel-route"] == "free"
    ours = (
        "x-rainymodel-",
        "x-ratelimit-",
        "access-control-",
        "content-",
        "x-request-id",
        "date",
        "server",
        "x-content-type-options",
    )
    assert all(name.startswith(ours) for name in answer.headers)
    assert answer.headers["x-ratelimit-limit-requests"] == "1000000"


def test_a_model_a_key_may_not_use_is_not_found_for_it(gateway: LiveGateway):
    answer = httpx.get(f"{gateway.url}/v1/models/rainymodel/auto", headers=gateway.headers("chosen_aliases"))

    assert answer.status_code == 404


def test_a_providers_own_headers_and_a_deployments_parameter_policy_reach_the_upstream(
    uvicorn_gateway: LiveGateway,
):
    body = {
        "model": "peculiar",
        "messages": [{"role": "user", "content": "hi"}],
        "max_tokens": 7,
        "temperature": 1,
    }
    answer = httpx.post(
        f"{uvicorn_gateway.url}/v1/chat/completions", json=body, headers=uvicorn_gateway.headers()
    )

    sent = uvicorn_gateway.upstreams["sun"].ledger.of("peculiar-model")[-1]
    row = uvicorn_gateway.row(answer.headers["x-request-id"])
    assert sent.headers["x-title"] == "RainyModel"
    assert sent.body["max_completion_tokens"] == 7
    assert "max_tokens" not in sent.body
    assert "temperature" not in sent.body
    assert row["parameter_edits"] == {"max_tokens": "max_completion_tokens", "temperature": ""}


def test_a_stream_asks_proxies_not_to_hold_it_back(uvicorn_gateway: LiveGateway):
    body = {"model": "fake/ok", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    answer = httpx.post(
        f"{uvicorn_gateway.url}/v1/chat/completions", json=body, headers=uvicorn_gateway.headers()
    )

    assert answer.headers["cache-control"] == "no-cache, no-transform"
    assert answer.headers["x-accel-buffering"] == "no"
