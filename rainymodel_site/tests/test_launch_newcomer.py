"""What is done for a newcomer's machine: its Ollama is offered, and the first key keeps working."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from django.core.management import call_command

from accounts.issue import revoke_keys
from accounts.models import ApiKey
from rainymodel_site import newcomer
from rainymodel_site.banner import ProviderState, Welcome, banner
from rainymodel_site.preparation import first_key, key_works, pending_migrations
from routing.models import Alias, Deployment, PublishingSwitch, Route
from routing.publish import newest_revision

TAGS = {
    "models": [
        {"name": "qwen2.5:7b", "details": {"family": "qwen2"}},
        {"name": "llama3.2:latest", "details": None},
        {"name": "nomic-embed-text:latest", "details": {"family": "nomic-bert"}},
        {"name": "odd name", "details": {}},
    ]
}


class Ollama(BaseHTTPRequestHandler):
    """Answers like one."""

    answer = json.dumps(TAGS).encode()

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/api/tags" else 404)
        self.end_headers()
        self.wfile.write(self.answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def ollama() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Ollama)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def catalogue(db: None) -> None:
    call_command("load_catalogue", verbosity=0)


def slugs(alias: str) -> list[str]:
    return list(
        Route.objects.filter(alias__name=alias)
        .order_by("position")
        .values_list("deployment__slug", flat=True)
    )


def test_the_chat_models_of_a_local_ollama_are_found(ollama):
    assert newcomer.local_models(ollama) == ("llama3.2:latest", "qwen2.5:7b")


def test_nothing_is_found_where_nothing_answers():
    assert newcomer.local_models("http://127.0.0.1:1") == ()


@pytest.mark.parametrize(
    "answer", [b"", b"<html>", b"[]", b'{"models": 3}', b'{"models": [{}]}', b'{"models": ["x"]}']
)
def test_something_else_on_that_port_is_left_alone(ollama, monkeypatch, answer):
    monkeypatch.setattr(Ollama, "answer", answer)

    assert newcomer.local_models(ollama) == ()


def test_its_models_are_offered_by_name_and_behind_the_routes_of_the_general_aliases(catalogue):
    before = slugs("rainymodel/auto")
    assert newcomer.offer(["qwen2.5:7b", "llama3.2:latest"], "http://localhost:11434")

    added = ["ollama-local/qwen2.5:7b", "ollama-local/llama3.2:latest"]
    for name in ("rainymodel/auto", "rainymodel/chat", "rainymodel/code", "rainymodel"):
        assert slugs(name)[-2:] == added
    assert slugs("rainymodel/auto") == before + added
    assert slugs("qwen2.5:7b") == ["ollama-local/qwen2.5:7b"]
    deployment = Deployment.objects.get(slug="ollama-local/qwen2.5:7b")
    assert (deployment.tier.slug, deployment.provider.base_url) == ("internal", "http://localhost:11434/v1")
    assert (deployment.provider.address_class, deployment.provider.credential_variable) == ("private", "")
    assert deployment.prices.get().output == 0
    assert "ollama-local" in {entry["slug"] for entry in newest_revision().document["providers"]}


def test_offering_again_changes_nothing_and_brings_no_removed_row_back(catalogue):
    newcomer.offer(["qwen2.5:7b"])
    Route.objects.get(alias__name="rainymodel/auto", deployment__slug="ollama-local/qwen2.5:7b").delete()
    Alias.objects.get(name="qwen2.5:7b").delete()
    revision = newest_revision().number

    assert not newcomer.offer(["qwen2.5:7b"])
    assert "ollama-local/qwen2.5:7b" not in slugs("rainymodel/auto")
    assert not Alias.objects.filter(name="qwen2.5:7b").exists()
    assert newest_revision().number == revision


def test_held_publishing_stays_held(catalogue):
    PublishingSwitch.objects.update_or_create(pk=1, defaults={"held": True})
    revision = newest_revision().number

    assert newcomer.offer(["qwen2.5:7b"])
    assert newest_revision().number == revision


def test_what_cannot_be_published_stays_in_the_draft(catalogue):
    Route.objects.filter(alias__name="rainymodel/code").delete()
    Alias.objects.create(name="pathless")
    revision = newest_revision().number

    assert newcomer.offer(["qwen2.5:7b"])
    assert newest_revision().number == revision
    assert slugs("qwen2.5:7b") == ["ollama-local/qwen2.5:7b"]
    assert not newcomer.offer(["qwen2.5:7b"])


def test_the_first_key_is_made_once(db, tmp_path: Path):
    file = tmp_path / "first-key"
    key = first_key(file)

    assert key_works(key)
    assert first_key(file) == key
    assert ApiKey.objects.count() == 1


def test_a_key_that_stopped_working_is_replaced(db, tmp_path: Path):
    file = tmp_path / "first-key"
    key = first_key(file)
    revoke_keys([ApiKey.objects.get().pk])

    assert first_key(file) != key
    file.write_text("nonsense")
    assert key_works(first_key(file))


def test_a_migrated_database_has_nothing_pending(db):
    assert not pending_migrations()


def test_the_banner_names_ready_providers_and_what_the_others_lack():
    providers = (
        ProviderState("openai", ""),
        ProviderState("hf", "HF_TOKEN is not set"),
        ProviderState("claude", "the litellm wire is not built in"),
    )
    said = banner("http://localhost:8080", Welcome("sk-rm_key", "/signin/token", providers), demo=False)

    assert "  Providers openai\n" in said
    assert "hf               set HF_TOKEN\n" in said
    assert "claude           the litellm wire is not built in\n" in said
    assert "http://localhost:8080/signin/token\n" in said
