"""What a backends.json becomes here: providers, deployments, names, headers and sealed keys."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from routing.management.commands.load_catalogue import read_seed
from routing.models import Alias, Provider, ProviderSecret
from routing.provider_secrets import surroundings_here
from routing.tests.litellm_import import SAMPLES, entry, published, routes, tables

pytestmark = pytest.mark.django_db

LITERAL = "sk-house-literal-0123456789"


def run(file: Path, **options: Any) -> str:
    out = io.StringIO()
    call_command("import_backends", str(file), stdout=out, **options)
    return out.getvalue()


def sample(form: str, **options: Any) -> str:
    return run(SAMPLES / f"backends_{form}.json", **options)


def imported(tmp_path: Path, data: Any, **options: Any) -> str:
    file = tmp_path / "backends.json"
    file.write_text(data if isinstance(data, str) else json.dumps(data, indent=1))
    return run(file, **options)


def one(**fields: Any) -> dict[str, Any]:
    """A file with one provider."""
    return {"providers": {"house": {"base_url": "https://llm.house.example/v1", "models": ["m"], **fields}}}


@pytest.mark.parametrize(
    ("form", "names"),
    [
        (
            "new",
            {"gpt-4o", "gpt-4.1", "gpt-*", "grok-4", "claude-sonnet-4-20250514", "claude-*", "gemini-2.5-pro"}
            | {"gemini-2.5-flash", "house-small", "claude-sonnet-4", "claude-opus-4.1", "gemini-2.5"}
            | {"openai", "gemini"},
        ),
        ("legacy", {"gpt-4o", "o3", "gpt-*", "o*", "small", "best", "better", "default"}),
    ],
)
def test_both_forms_import_whole_into_an_empty_catalogue_and_are_published(form, names):
    report = sample(form)

    assert {alias["name"] for alias in published()["aliases"]} == names
    assert "Published as revision 1." in report


def test_providers_have_the_wire_and_the_address_of_their_kind():
    sample("new")

    found = Provider.objects.values_list("slug", "wire", "litellm_prefix", "base_url", "credential_variable")
    assert set(found) == {
        ("openai", "openai", "", "https://api.openai.com/v1", "OPENAI_API_KEY"),
        ("groq", "openai", "", "https://api.groq.com/openai/v1", "GROQ_API_KEY"),
        ("claude", "litellm", "anthropic/", "", "ANTHROPIC_API_KEY"),
        ("gemini", "litellm", "gemini/", "", "GEMINI_API_KEY"),
        ("llm-house", "openai", "", "https://llm.house.example/v1", ""),
    }


def test_a_key_in_the_file_is_sealed_and_never_shown():
    report = sample("new")

    assert LITERAL not in report
    assert surroundings_here().secrets == {("llm-house", "https://llm.house.example/v1"): LITERAL}
    assert LITERAL.encode() not in bytes(ProviderSecret.objects.get().sealed)
    assert "llm-house: ready." in report


def test_a_model_keeps_its_upstream_name_and_a_provider_its_time_limit():
    sample("new")

    assert routes("house-small") == ["llm-house/qwen3:8b"]
    assert entry("providers", "llm-house")["first_content_limit"] == 90
    assert entry("aliases", "gpt-4.1")["description"] == "Long context"


def test_an_alias_wins_then_the_exact_model_then_the_beginning(tmp_path: Path):
    data = one(models=["m", "shadowed"], model_prefixes=["x-"])
    data["model_aliases"] = {"shadowed": "m", "far": "near", "near": "x-9", "m": "m"}
    imported(tmp_path, data)

    assert routes("shadowed") == ["llm-house/m"]
    assert routes("far") == routes("near") == ["llm-house/x-9"]
    assert routes("m") == ["llm-house/m"]


def test_a_model_of_two_providers_has_both_as_routes_in_the_files_order(tmp_path: Path):
    backends = [
        {"name": name, "base_url": f"https://{name}.example/v1", "models": ["m"]} for name in ("one", "two")
    ]
    imported(tmp_path, {"backends": backends})

    assert routes("m") == ["one/m", "two/m"]


def test_a_default_model_can_be_asked_for_by_its_providers_name():
    report = sample("new")

    assert routes("openai") == ["openai/gpt-4o"]
    assert routes("gemini") == ["gemini/gemini-2.5-pro"]
    remarks = report.split("\nRemarks\n")[1].split("\n\n")[0]
    assert "line 43: The model openai is the file's default model, gpt-4o." in remarks


def test_headers_become_the_key_or_are_sent_along_or_are_refused_with_a_word():
    report = sample("new")

    assert entry("providers", "llm-house")["extra_headers"] == {"X-Title": "House"}
    assert entry("providers", "claude")["extra_headers"] == {"anthropic-version": "2023-06-01"}
    assert entry("providers", "gemini")["extra_headers"] == {}
    for line in (
        "line 6: openai.headers.Content-Type: the gateway sets it itself.",
        "line 31: house.headers.X-Session-Token: it looks like a secret, and only the key may hold one.",
        "line 31: house.headers.Connection: the gateway sets it itself.",
    ):
        assert line in report


@pytest.mark.parametrize(
    ("value", "variable", "sealed"),
    [
        ("Bearer {HOUSE_KEY}", "HOUSE_KEY", None),
        ("Bearer ${HOUSE_KEY}", "HOUSE_KEY", None),
        ("Bearer os.environ/HOUSE_KEY", "HOUSE_KEY", None),
        ("Bearer house-key-0123456789", "", "house-key-0123456789"),
    ],
)
def test_a_key_that_stands_in_the_header_itself_becomes_the_key(tmp_path: Path, value, variable, sealed):
    report = imported(tmp_path, one(headers={"Authorization": value}))

    assert entry("providers", "llm-house")["credential_variable"] == variable
    assert list(surroundings_here().secrets.values()) == ([sealed] if sealed else [])
    assert "house-key-0123456789" not in report


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"api-key": "{api_key}"}, "the key is sent as Authorization: Bearer"),
        ({"Authorization": "Token {api_key} v2"}, "the key is sent whole, with nothing around it"),
        ({"X-Trace": "{request_id}"}, "it holds a variable"),
        ({"X-Note": "sk-0123456789abcdef"}, "it looks like a secret"),
        ({"Transfer-Encoding": "chunked"}, "the gateway sets it itself"),
        ({"Bad Name": "x"}, "is not a header name"),
    ],
)
def test_a_header_that_cannot_be_carried_is_named_with_the_reason(tmp_path: Path, headers, reason):
    report = imported(tmp_path, one(api_key_env="HOUSE_KEY", headers=headers))

    assert f"house.headers.{next(iter(headers))}" in report
    assert reason in report
    assert "0123456789abcdef" not in report
    assert entry("providers", "llm-house")["extra_headers"] == {}


def test_everything_else_of_the_file_is_named_with_its_line():
    report = sample("new")

    assert "line 41: alias ghost: the file has no model and no prefix for nobody-has-this." in report
    assert "line 44: logging: there is no such setting here." in report
    assert "line 21: claude.max_tokens: there is no such setting here." in report
    assert "old: it is switched off." in sample("legacy")


def test_an_installations_own_secret_is_nobodys_key(tmp_path: Path):
    report = imported(tmp_path, one(models=["m"], api_key_env="DATABASE_URL") | {"backends": None})

    assert "DATABASE_URL is a secret of this installation and never a provider's key" in report
    assert not Provider.objects.exists()


def test_importing_again_changes_nothing_and_keeps_what_operators_edited():
    sample("new")
    Alias.objects.filter(name="grok-4").update(description="Ours")
    before = tables()

    report = sample("new")
    assert tables() == before
    assert "Nothing was changed" in report


def test_a_dry_run_says_what_would_come_over_and_changes_nothing():
    before = tables()

    report = sample("new", dry_run=True)
    assert tables() == before
    assert "Dry run: nothing was changed." in report


def test_overwriting_lets_the_file_win():
    call_command("load_catalogue", "openllm")
    Alias.objects.filter(name="grok-4").update(listed=False)
    before = routes("claude-*")

    sample("new", overwrite=True)
    assert routes("claude-*") == before
    assert routes("gpt-4o") == ["openai/gpt-4o"]
    assert routes("gemini") == ["gemini/gemini-2.5-pro"]


def test_beside_the_ready_catalogue_its_providers_and_deployments_are_used():
    call_command("load_catalogue", "openllm")
    providers = set(read_seed("openllm")["providers"])

    sample("new")
    assert set(Provider.objects.values_list("slug", flat=True)) == providers | {"llm-house"}
    assert routes("openai") == ["openai/gpt-4o"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "line 1: this is not JSON"),
        ("[]", "it does not hold an object"),
        ("{}", "it has neither providers nor backends"),
        ('{"providers": {"a": {"base_url": "https://a.example"}}}', "none of its providers has models"),
        ('{"providers": {"a": 1}}', "each of the providers must be an object with a name"),
        ('{"backends": [{"models": ["m"]}]}', "each of the backends must be an object with a name"),
        ('{"providers": {"a": {"models": 3}}}', "line 1: models must be a list"),
        ('{"providers": {"a": {"models": [3]}}}', "each of a's models must be a name or an object"),
        ('{"providers": {"a": {"models": ["m"],\n "timeout": "soon"}}}', "line 2: timeout must be a number"),
        ('{"providers": {"a": {"models": ["m"], "api_key": 7}}}', "api_key must be text"),
        ('{"providers": {"a": {"models": ["m"]}}, "providers": {}}', "the key providers is given twice"),
        ("[" * 100_000, "this is not JSON that can be read"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_one_sentence(tmp_path: Path, text, problem):
    with pytest.raises(CommandError) as refusal:
        imported(tmp_path, text)

    assert problem in str(refusal.value)
    assert str(refusal.value).endswith("nothing was changed.")
    assert not Provider.objects.exists()


def test_a_provider_without_an_address_that_nobody_knows_is_not_carried_over(tmp_path: Path):
    data = {"backends": [{"name": "nobody", "models": ["m"]}, {"name": "openai", "models": ["gpt-4o"]}]}

    report = imported(tmp_path, data)
    assert "m (m): the provider nobody is not known here." in report
    assert routes("gpt-4o") == ["openai/gpt-4o"]
