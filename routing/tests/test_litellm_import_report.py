"""What `manage.py import_litellm_config` says: what was not carried over, what to do next, and never a secret."""

import pytest
from django.core.management import CommandError, call_command

from routing.catalogue import read_document
from routing.environment import credentials, readiness
from routing.models import ProviderSecret
from routing.provider_secrets import surroundings_here
from routing.tests.litellm_import import ENTRY, PROXY_BASE, entry, imported, published, run, sample, tables

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch):
    monkeypatch.setenv("CLIPROXY_API_BASE", PROXY_BASE)


def test_a_key_in_the_file_is_sealed_for_its_provider_and_never_shown():
    report = sample("tiers")

    secret = ProviderSecret.objects.get()
    assert (secret.provider_slug, secret.base_url) == ("llm-partner", "https://llm.partner.example/v1")
    assert (secret.set_by, secret.last_four) == ("import", "6789")
    here = surroundings_here()
    assert credentials(published(), here)["llm-partner"] == "sk-partner-0123456789"
    assert readiness(entry("providers", "llm-partner"), here).unready is None
    assert "sk-partner" not in report
    assert "sk-partner" not in str(published())


def test_no_secret_of_the_file_or_the_environment_reaches_report_or_rows(tmp_path, monkeypatch):
    for name in ("OPENAI_API_KEY", "HOUSE_TOKEN", "RAINYMODEL_MASTER_KEY"):
        monkeypatch.setenv(name, "canary-canary-canary")
    text = (
        "model_list:\n"
        "- model_name: one\n  litellm_params: {model: openai/m, api_key: canary-1, aws_secret_access_key: canary-2}\n"
        "- model_name: two\n  litellm_params: {model: openai/m, api_base: 'https://x.example/${HOUSE_TOKEN}'}\n"
        "- model_name: three\n  litellm_params: {model: openai/m, api_base: 'https://u:canary-3@x.example'}\n"
        "- model_name: four\n  litellm_params: {model: openai/m, api_key: 'canary 4', extra_headers: {a: canary-5}}\n"
        "- model_name: five\n  litellm_params: {model: openai/m, api_key: '${HOUSE_KEY:-canary-6}'}\n"
        "environment_variables: {X: canary-7}\nrouter_settings: {redis_password: canary-8}\n"
        "general_settings: {master_key: canary-9}\n"
    )

    report = imported(tmp_path, text)

    assert "canary" not in report
    assert "canary" not in str(read_document())
    assert {alias["name"] for alias in published()["aliases"]} == {"one", "five"}


def test_the_master_key_is_not_stored_but_the_report_says_what_to_set():
    assert "Set RAINYMODEL_MASTER_KEY to the file's general_settings.master_key" in sample("tiers")
    assert "Set RAINYMODEL_MASTER_KEY to the value of LITELLM_MASTER_KEY" in sample("fallback_order")


def test_following_the_report_makes_every_provider_ready(monkeypatch):
    for line in sample("fallback_order").splitlines():
        if "RAINYMODEL_CREDENTIALS=" in line or "RAINYMODEL_PRIVATE_UPSTREAMS=" in line:
            name, _, value = line.rpartition(": ")[2].partition("=")
            monkeypatch.setenv(name, value)
        elif line.startswith("  Set ") and ", the key of " in line:
            monkeypatch.setenv(line.split()[1].rstrip(","), "some-key")

    report = sample("fallback_order")

    assert "not yet" not in report
    assert "cliproxy-8317: ready." in report
    assert {readiness(row, surroundings_here()).unready for row in published()["providers"]} == {None}


def test_a_list_that_the_report_gives_keeps_what_was_allowed_before(monkeypatch):
    monkeypatch.setenv("RAINYMODEL_PRIVATE_UPSTREAMS", "10.9.9.9:80")
    monkeypatch.setenv("RAINYMODEL_CREDENTIALS", "HF_TOKEN@router.huggingface.co")

    report = sample("tiers")

    assert "RAINYMODEL_PRIVATE_UPSTREAMS=10.9.9.9:80,10.0.0.5:11434\n" in report
    assert (
        "RAINYMODEL_CREDENTIALS=HF_TOKEN@router.huggingface.co,OPENROUTER_API_KEY@openrouter.ai\n" in report
    )


def test_every_entry_that_is_not_carried_over_is_listed_with_its_line(tmp_path):
    text = "model_list:\n" + "".join(
        f"- {{model_name: {name}, litellm_params: {{model: {model}, api_base: 'https://h.example/v1'}}{rest}}}\n"
        for name, model, rest in (
            ("fine", "openai/m", ""),
            ('"two words"', "openai/m", ""),
            ('"esc\\e[31m"', "openai/m", ""),
            ('"' + "n" * 130 + '"', "openai/m", ""),
            ('"a*b*"', "openai/m", ""),
            ("no-star", '"openai/*"', ""),
            ("embedder", "openai/text-embedding-3-small", ""),
            ("drawer", "openai/m", ", model_info: {mode: image_generation}"),
            ("fine", "openai/m", ""),
        )
    )

    report = imported(tmp_path, text)

    assert {alias["name"] for alias in published()["aliases"]} == {"fine"}
    for line, words in (
        (3, "two words (openai/m): its name cannot be used"),
        (4, "esc\\x1b[31m (openai/m): its name cannot be used"),
        (5, "its name is longer than 120 characters"),
        (6, "a*b* (openai/m): its name cannot be used"),
        (7, "no-star (openai/*): its model has a *, and its name has none"),
        (8, "it is for embedding, and only chat is served"),
        (9, "it is for image_generation, and only chat is served"),
        (10, "fine: h/m is among its routes already"),
    ):
        assert any(row.startswith(f"  line {line}: ") and words in row for row in report.splitlines()), line
    assert "\x1b" not in report


def test_descriptions_are_kept_printable_and_short(tmp_path):
    report = imported(tmp_path, ENTRY + f'  model_info: {{description: "{"x" * 250}\\0\\u202e y"}}\n')

    assert entry("aliases", "house/one")["description"] == "x" * 200
    assert "line 2: model_info.description: cut to 200 characters." in report


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\xff\xfe", "line 1: this is not UTF-8 text"),
        (b"a: [", "this is not YAML"),
        (b"- a", "this is no litellm configuration"),
        (b"a: 1", "it has no model_list"),
        (b"model_list: [7]", "line 1: entry 1 of model_list is not a mapping"),
        (b"#" * 5_000_001, "it is larger than 5 MB"),
    ],
    ids=["bytes", "not YAML", "list", "no model_list", "bad entry", "huge"],
)
def test_a_file_that_cannot_be_used_ends_in_one_sentence_and_changes_nothing(tmp_path, content, sentence):
    file = tmp_path / "config.yaml"
    file.write_bytes(content)
    before = tables()

    with pytest.raises(CommandError) as caught:
        run(file)

    message = str(caught.value)
    assert sentence in message
    assert message.endswith("; nothing was changed.")
    assert "\n" not in message
    assert tables() == before


@pytest.mark.parametrize("name", ["nowhere.yaml", "."])
def test_a_file_that_cannot_be_read_ends_in_one_sentence(tmp_path, name):
    with pytest.raises(CommandError, match=r"cannot be read|not a file"):
        run(tmp_path / name)


def test_a_file_has_to_be_named():
    with pytest.raises(CommandError, match="Name the file"):
        call_command("import_litellm_config")
