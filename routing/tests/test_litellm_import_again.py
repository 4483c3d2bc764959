"""Importing onto a catalogue that is there, again, at the first start, or only to see what would happen."""

import io

import pytest
from django.core.management import CommandError, call_command

from routing.catalogue import read_document
from routing.environment import credentials
from routing.models import Alias, CatalogueRevision, Deployment, Provider, PublishingSwitch, Tier
from routing.provider_secrets import surroundings_here
from routing.tests.litellm_import import (
    ENTRY,
    PROXY_BASE,
    SAMPLES,
    entry,
    imported,
    published,
    routes,
    sample,
    tables,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch):
    monkeypatch.setenv("CLIPROXY_API_BASE", PROXY_BASE)


@pytest.fixture
def started():
    call_command("load_catalogue", stdout=io.StringIO())


@pytest.mark.usefixtures("started")
def test_aliases_of_the_starting_catalogue_keep_their_routes_and_the_report_says_what_they_lack():
    before = read_document()

    report = sample("aliases")

    assert entry("aliases", "rainymodel/auto") == entry("aliases", "rainymodel/auto", before)
    assert "alias rainymodel/auto: it keeps its routes; --overwrite replaces them by the file's." in report
    assert "line 32: rainymodel/auto: gemini-2.5-flash at gemini is not among the routes" in report
    assert read_document()["providers"] == before["providers"]
    assert routes("house/summary") == ["openai/gpt-4o-mini", "ollama-secondary/qwen2.5:7b"]
    assert read_document()["deployments"] == before["deployments"]


@pytest.mark.usefixtures("started")
def test_overwriting_replaces_routes_and_breaker_and_leaves_what_the_file_does_not_speak_of(tmp_path):
    primary = entry("providers", "ollama-primary")

    sample("aliases", overwrite=True)

    assert routes("rainymodel/auto")[0] == "hf/Qwen/Qwen2.5-72B-Instruct"
    assert routes("rainymodel/agent") == ["claude/claude-haiku-4-5", "openai/gpt-4o"]
    assert entry("aliases", "rainymodel/agent")["policy"] == "premium"
    assert entry("providers", "ollama-primary") == primary
    imported(tmp_path, f"{ENTRY}router_settings: {{allowed_fails: 9}}\n", overwrite=True)
    assert entry("providers", "openai")["open_after"] == 10
    assert entry("providers", "openai")["open_for"] == 60


@pytest.mark.usefixtures("started")
@pytest.mark.parametrize("name", ["aliases", "tiers", "fallback_order"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_importing_again_changes_nothing(name, overwrite):
    sample(name, overwrite=overwrite)
    before = tables()

    report = sample(name, overwrite=overwrite)

    assert tables() == before
    assert "Nothing was changed" in report


def test_importing_again_never_undoes_what_operators_did():
    sample("tiers")
    Provider.objects.filter(slug="llm-partner").update(base_url="https://moved.example/v1")
    Deployment.objects.filter(slug="hf/Qwen/Qwen2.5-72B-Instruct").update(
        tier=Tier.objects.get(slug="direct"), first_content_limit=5
    )
    Alias.objects.get(name="team/agent").delete()
    before = read_document()

    report = sample("tiers")

    assert read_document() == before
    assert "alias team/agent: it was deleted here; --overwrite brings it back." in report
    sample("tiers", overwrite=True)
    assert Alias.objects.filter(name="team/agent").exists()


def test_a_changed_timeout_changes_the_deployment_when_overwriting(tmp_path):
    imported(tmp_path, ENTRY.replace("gpt-4o,", "gpt-4o, timeout: 60,"))

    imported(tmp_path, ENTRY.replace("gpt-4o,", "gpt-4o, timeout: 20,"), overwrite=True)

    assert routes("house/one") == ["openai/gpt-4o"]
    assert entry("deployments", "openai/gpt-4o")["first_content_limit"] == 20


def test_a_provider_with_the_same_address_and_key_is_used_again(tmp_path):
    text = ENTRY.replace("os.environ/OPENAI_API_KEY", "sk-one-0123456789")
    imported(tmp_path, text)

    imported(tmp_path, text.replace("house/one", "house/two"))
    imported(tmp_path, text.replace("house/one", "house/three").replace("sk-one", "sk-two"))
    imported(tmp_path, ENTRY.replace("house/one", "house/four"))

    assert routes("house/two") == routes("house/one") == ["openai/gpt-4o"]
    assert routes("house/three") == ["openai-2/gpt-4o"]
    assert routes("house/four") == ["openai-3/gpt-4o"]
    keys = credentials(published(), surroundings_here())
    assert keys == {"openai": "sk-one-0123456789", "openai-2": "sk-two-0123456789"}
    assert {row["upstream"] for row in read_document()["providers"]} == {"openai"}


@pytest.mark.parametrize("name", ["aliases", "tiers", "fallback_order"])
def test_a_dry_run_reports_everything_and_changes_nothing(name):
    before = tables()

    report = sample(name, dry_run=True)

    assert tables() == before
    assert "Would be published as revision 1. Dry run: nothing was changed." in report
    real = sample(name)
    assert report.rpartition("\n\n")[0] == real.rpartition("\n\n")[0]


def test_what_would_not_validate_is_refused_with_its_findings_and_changes_nothing(tmp_path):
    imported(tmp_path, ENTRY)
    Alias.objects.all().delete()
    Deployment.objects.update(enabled=False)
    Alias.objects.create(name="broken")
    before = tables()
    out = io.StringIO()
    (tmp_path / "config.yaml").write_text(ENTRY.replace("house/one", "house/two"))

    with pytest.raises(CommandError):
        call_command("import_litellm_config", str(tmp_path / "config.yaml"), stdout=out)

    new, old = "alias house/two: None of its routes is enabled.", "alias broken: It has no route."
    assert f"Not imported, the catalogue would have errors:\n  {new}" in out.getvalue()
    assert f"The draft had errors before this import:\n  {old}" in out.getvalue()
    assert tables() == before


def test_errors_that_were_there_before_leave_the_import_a_draft_and_are_listed(tmp_path):
    sample("fallback_order")
    Alias.objects.create(name="broken")
    Alias.objects.create(name="lost")

    would = imported(tmp_path, ENTRY, dry_run=True)
    report = imported(tmp_path, ENTRY)

    assert "Would be a draft, not published. Dry run: nothing was changed." in would
    assert "Imported as a draft, not published.\nThe draft had errors before this import:\n" in report
    assert [line.split(":")[0] for line in report.splitlines() if "It has no route." in line] == [
        "  alias broken",
        "  alias lost",
    ]
    assert routes("house/one") == ["openai/gpt-4o"]
    assert CatalogueRevision.objects.count() == 1


def test_where_nothing_serves_yet_every_error_refuses_the_import(tmp_path):
    Alias.objects.create(name="broken")

    with pytest.raises(CommandError, match="Nothing was changed"):
        imported(tmp_path, ENTRY)
    assert not Provider.objects.exists()


def test_while_publishing_is_held_an_import_is_a_draft(tmp_path):
    sample("fallback_order")
    PublishingSwitch.objects.update_or_create(pk=1, defaults={"held": True})

    report = imported(tmp_path, ENTRY)

    assert "Publishing is held, so this is a draft." in report
    assert CatalogueRevision.objects.count() == 1
    assert Alias.objects.filter(name="house/one").exists()


def test_the_first_start_imports_once_and_is_silent_later(monkeypatch):
    monkeypatch.setenv("LITELLM_CONFIG_PATH", str(SAMPLES / "litellm_fallback_order.yaml"))
    first, second = io.StringIO(), io.StringIO()

    call_command("import_litellm_config", first_start=True, stdout=first)
    Alias.objects.all().delete()
    call_command("import_litellm_config", first_start=True, stdout=second)

    assert "Published as revision 1." in first.getvalue()
    assert second.getvalue() == ""
    assert PublishingSwitch.load().litellm_imported_at is not None
    assert not Alias.objects.exists()


def test_the_first_start_is_silent_without_a_file_and_refuses_one_that_is_named_and_missing(
    monkeypatch, tmp_path
):
    out = io.StringIO()
    call_command("import_litellm_config", first_start=True, stdout=out)
    assert out.getvalue() == ""
    assert PublishingSwitch.load().litellm_imported_at is None

    monkeypatch.setenv("LITELLM_CONFIG_PATH", str(tmp_path / "missing.yaml"))
    with pytest.raises(CommandError, match=r"missing\.yaml"):
        call_command("import_litellm_config", first_start=True)


def test_a_first_start_that_fails_is_tried_again(monkeypatch, tmp_path):
    file = tmp_path / "config.yaml"
    monkeypatch.setenv("LITELLM_CONFIG_PATH", str(file))
    file.write_text("model_list: 7")
    with pytest.raises(CommandError):
        call_command("import_litellm_config", first_start=True)
    file.write_text(ENTRY)

    call_command("import_litellm_config", first_start=True, stdout=io.StringIO())

    assert routes("house/one") == ["openai/gpt-4o"]


@pytest.mark.usefixtures("started")
def test_a_key_that_equals_the_one_in_use_needs_no_provider_of_its_own(tmp_path):
    before = read_document()["providers"]

    imported(
        tmp_path,
        ENTRY.replace("openai/gpt-4o", "ollama/q").replace(
            "os.environ/OPENAI_API_KEY", "ollama, api_base: 'http://164.92.147.36:11434'"
        ),
    )

    assert read_document()["providers"] == before
    assert routes("house/one") == ["ollama-primary/q"]
