"""Which providers a worker can call: credentials go to the hosts they are paired with, and nowhere else."""

import os
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from rainymodel_site import env
from routing.environment import Surroundings, access_mark, credentials, read_surroundings, readiness

PRODUCTION = {"RAINYMODEL_ENV": "production"}
DEVELOPMENT = {"RAINYMODEL_ENV": "development"}
OLLAMA = "${OLLAMA_PRIMARY_URL:-http://164.92.147.36:11434}/v1"


def provider(**fields: Any) -> dict[str, Any]:
    entry = {
        "slug": "openai",
        "wire": "openai",
        "litellm_prefix": "",
        "base_url": "https://api.openai.com/v1",
        "address_class": "public",
        "credential_variable": "OPENAI_API_KEY",
        "enabled": True,
    }
    return entry | fields


def secret_of(entry: dict[str, Any], here: Surroundings) -> str | None:
    return credentials({"providers": [entry]}, here).get(entry["slug"])


def test_a_credential_that_is_set_makes_its_provider_ready():
    here = read_surroundings(PRODUCTION | {"OPENAI_API_KEY": "sk-real"})

    assert readiness(provider(), here).unready is None
    assert secret_of(provider(), here) == "sk-real"


def test_a_credential_that_is_not_set_is_no_error_but_not_eligible():
    here = read_surroundings(PRODUCTION)

    assert readiness(provider(), here).unready == "no_credential"
    assert readiness(provider(), here).why == "OPENAI_API_KEY is not set"
    assert secret_of(provider(), here) is None


@pytest.mark.parametrize(
    ("variable", "url"),
    [
        ("OPENAI_API_KEY", "https://evil.example/v1"),
        ("OPENAI_API_KEY", "https://api.openai.com.evil.example/v1"),
        ("DATABASE_URL", "https://evil.example/v1"),
        ("RAINYMODEL_MASTER_KEY", "https://api.openai.com/v1"),
        ("HF_TOKEN", "https://api.openai.com/v1"),
    ],
)
def test_no_operator_can_send_a_variable_to_a_host_it_is_not_paired_with(variable, url):
    secrets = dict.fromkeys(("OPENAI_API_KEY", "DATABASE_URL", "RAINYMODEL_MASTER_KEY", "HF_TOKEN"), "x" * 40)
    here = read_surroundings(PRODUCTION | secrets)
    entry = provider(credential_variable=variable, base_url=url)

    assert secret_of(entry, here) is None
    assert readiness(entry, here).unready == "no_credential"
    assert f"RAINYMODEL_CREDENTIALS does not allow {variable} for" in readiness(entry, here).why


def test_the_environment_may_pair_further_variables_with_hosts():
    here = read_surroundings(
        PRODUCTION
        | {
            "RAINYMODEL_CREDENTIALS": "MISTRAL_API_KEY@api.mistral.ai",
            "MISTRAL_API_KEY": "m",
            "OPENAI_API_KEY": "o",
        }
    )

    assert (
        secret_of(provider(credential_variable="MISTRAL_API_KEY", base_url="https://api.mistral.ai/v1"), here)
        == "m"
    )
    assert secret_of(provider(), here) is None  # a list of one's own replaces the starting one


@pytest.mark.parametrize(
    "text", ["OPENAI_API_KEY", "@api.openai.com", "A B@x", "KEY@", "KEY@https://x", "KEY@x:443", "A@b@c"]
)
def test_pairs_that_cannot_be_read_stop_the_start(text):
    with pytest.raises(env.ConfigurationError, match="RAINYMODEL_CREDENTIALS"):
        read_surroundings(PRODUCTION | {"RAINYMODEL_CREDENTIALS": text})


def test_a_start_with_pairs_that_cannot_be_read_ends_in_one_sentence():
    started = subprocess.run(
        [sys.executable, "-c", "import django; django.setup()"],
        env=os.environ | {"RAINYMODEL_CREDENTIALS": "nonsense"},
        cwd=env.PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert started.returncode == 1
    assert started.stderr == "RAINYMODEL_CREDENTIALS must list VARIABLE@host pairs; 'nonsense' is none.\n"


def test_ollama_needs_no_configuration_in_production():
    entry = provider(
        slug="ollama-primary",
        base_url=OLLAMA,
        address_class="plaintext",
        credential_variable="OLLAMA_API_KEY",
    )
    here = read_surroundings(PRODUCTION)

    assert readiness(entry, here).unready is None
    assert secret_of(entry, here) == "ollama"


def test_in_development_a_url_variable_must_be_set():
    entry = provider(slug="ollama-primary", base_url=OLLAMA, credential_variable="OLLAMA_API_KEY")

    assert readiness(entry, read_surroundings(DEVELOPMENT)).unready == "no_credential"
    assert "OLLAMA_PRIMARY_URL" in readiness(entry, read_surroundings(DEVELOPMENT)).why
    for name in ("OLLAMA_PRIMARY_URL", "OLLAMA_BASE_URL"):
        here = read_surroundings(DEVELOPMENT | {name: "http://localhost:11434/v1/"})
        assert readiness(entry, here).unready is None
        assert here.urls == {"OLLAMA_PRIMARY_URL": "http://localhost:11434"}
        assert secret_of(entry, here) == "ollama"  # the pair follows the variable's own host


def test_the_newer_name_of_a_url_variable_wins():
    here = read_surroundings(
        DEVELOPMENT | {"OLLAMA_PRIMARY_URL": "http://a:1", "OLLAMA_BASE_URL": "http://b:2"}
    )

    assert here.urls["OLLAMA_PRIMARY_URL"] == "http://a:1"


@pytest.mark.parametrize("name", ["OLLAMAFREE_API_BASE", "OLLAMA_BASE_URL", "RAINYMODEL_DEMO_URL"])
def test_a_url_variable_that_is_no_url_stops_the_start(name):
    with pytest.raises(env.ConfigurationError, match=name):
        read_surroundings(DEVELOPMENT | {name: "not a url"})


def test_the_demonstration_upstream_exists_in_development_only():
    url = {"RAINYMODEL_DEMO_URL": "http://127.0.0.1:9/v1/"}

    assert read_surroundings(DEVELOPMENT | url).demo_url == "http://127.0.0.1:9/v1"
    assert read_surroundings(PRODUCTION | url).demo_url is None


def test_a_provider_without_any_credential_is_keyless_on_the_openai_wire_only():
    here = read_surroundings(PRODUCTION)

    assert readiness(provider(credential_variable=""), here).unready is None
    nowhere = provider(credential_variable="", wire="litellm", litellm_prefix="x/", base_url="")
    every_wire = Surroundings(wires=frozenset({"openai", "litellm"}))
    assert readiness(nowhere, every_wire).unready == "no_credential"


def test_a_disabled_provider_and_a_missing_wire_are_told_apart():
    here = read_surroundings(PRODUCTION | {"ANTHROPIC_API_KEY": "a"})
    claude = provider(
        slug="claude",
        wire="litellm",
        litellm_prefix="anthropic/",
        base_url="",
        credential_variable="ANTHROPIC_API_KEY",
    )

    assert readiness(claude, here).unready is None
    assert readiness(claude, replace(here, wires=frozenset({"openai"}))).unready == "wire_unavailable"
    assert readiness(claude | {"enabled": False}, here).unready == "disabled"
    assert secret_of(claude, here) == "a"  # paired with Anthropic's own host
    assert secret_of(claude | {"litellm_prefix": "openrouter/"}, here) is None


def test_a_stored_secret_wins_over_the_variable_and_is_bound_to_its_address():
    here = read_surroundings(PRODUCTION | {"OPENAI_API_KEY": "from-env"})
    stored = here.with_secrets({("openai", "https://api.openai.com/v1"): "stored"})

    assert secret_of(provider(), stored) == "stored"
    moved = provider(base_url="https://new.example/v1", credential_variable="")
    assert secret_of(moved, stored) is None
    assert readiness(moved, stored).why == "the stored secret belongs to another address; enter it again"


def test_a_stored_secret_that_does_not_open_asks_to_be_entered_again():
    here = read_surroundings(PRODUCTION).with_secrets({("openai", "https://api.openai.com/v1"): None})

    assert readiness(provider(credential_variable=""), here).unready == "no_credential"
    assert "enter it again" in readiness(provider(credential_variable=""), here).why


def at(url: str, address_class: str = "private", **fields: Any) -> dict[str, Any]:
    return provider(base_url=url, address_class=address_class, credential_variable="", **fields)


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (at("http://10.0.0.5:11434/v1"), "10.0.0.5:11434 is not in RAINYMODEL_PRIVATE_UPSTREAMS"),
        (at("http://models.internal:80/v1"), "models.internal:80 is not in RAINYMODEL_PRIVATE_UPSTREAMS"),
        (
            at("http://203.0.113.9:1/v1", "plaintext"),
            "203.0.113.9:1 is not in RAINYMODEL_PLAINTEXT_UPSTREAMS",
        ),
        (at("http://api.example.com/v1", "public"), "A public address needs https://"),
    ],
    ids=["private", "name", "plaintext", "public"],
)
def test_an_address_that_is_refused_here_is_said_with_the_list_it_lacks(entry, why):
    here = read_surroundings(PRODUCTION | {"RAINYMODEL_PRIVATE_UPSTREAMS": "10.1.0.0/16:11434"})
    found = readiness(entry, here)

    assert found.unready == "address_refused"
    assert found.why.startswith(why)


@pytest.mark.parametrize("url", ["http://10.1.0.5:11434/v1", "http://models.internal:11434/v1"])
def test_what_is_listed_is_ready_and_so_is_a_name_that_may_stand_for_it(url):
    here = read_surroundings(PRODUCTION | {"RAINYMODEL_PRIVATE_UPSTREAMS": "10.1.0.0/16:11434"})

    assert readiness(at(url), here).unready is None


def test_the_mark_of_an_access_changes_with_secret_address_and_headers_and_tells_none():
    entry = provider(extra_headers={"X-Title": "RainyModel"})
    here = read_surroundings(PRODUCTION | {"OPENAI_API_KEY": "canary-value"})
    mark = access_mark(entry, here)
    changed = [
        access_mark(entry, read_surroundings(PRODUCTION | {"OPENAI_API_KEY": "canary-valuf"})),
        access_mark(entry, here.with_secrets({("openai", "https://api.openai.com/v1"): "sealed"})),
        access_mark(entry | {"base_url": "https://api.openai.com/v2"}, here),
        access_mark(entry | {"extra_headers": {}}, here),
        access_mark(entry | {"credential_variable": ""}, here),
    ]

    assert mark == access_mark(
        dict(entry), read_surroundings(PRODUCTION | {"OPENAI_API_KEY": "canary-value"})
    )
    assert len({mark, *changed}) == 6
    assert "canary" not in mark and "openai" not in mark
