"""Where an entry of a litellm configuration leads: provider, address, model, key and tier, or why nowhere."""

import pytest

from routing.environment import Surroundings, read_surroundings
from routing.importers.errors import NotCarried
from routing.importers.litellm_config import ModelEntry
from routing.importers.litellm_vendors import Upstream, upstream_of

HF = "https://router.huggingface.co/v1"


def upstream(model: str, environ: dict[str, str] | None = None, **fields: str) -> Upstream:
    return upstream_of(ModelEntry(1, "name", model, **fields), Surroundings(), environ or {})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("model", "api_base", "expected"),
    [
        ("openai/gpt-4o", "", ("openai", "openai", "https://api.openai.com/v1", "gpt-4o", "direct")),
        ("gpt-4o", "", ("openai", "openai", "https://api.openai.com/v1", "gpt-4o", "direct")),
        ("o3-mini", "", ("openai", "openai", "https://api.openai.com/v1", "o3-mini", "direct")),
        ("claude-haiku-4-5", "", ("claude", "litellm", "", "claude-haiku-4-5", "direct")),
        ("anthropic/claude-haiku-4-5", "https://api.anthropic.com",
         ("claude", "litellm", "", "claude-haiku-4-5", "direct")),
        ("gemini-2.5-pro", "", ("gemini", "litellm", "", "gemini-2.5-pro", "direct")),
        ("gemini/gemini-2.5-pro", "", ("gemini", "litellm", "", "gemini-2.5-pro", "direct")),
        ("deepseek/deepseek-chat", "",
         ("deepseek", "openai", "https://api.deepseek.com/v1", "deepseek-chat", "direct")),
        ("openai/deepseek-chat", "https://api.deepseek.com",
         ("deepseek", "openai", "https://api.deepseek.com/v1", "deepseek-chat", "direct")),
        ("xai/grok-2", "", ("xai", "openai", "https://api.x.ai/v1", "grok-2", "direct")),
        ("groq/llama-3", "", ("groq", "openai", "https://api.groq.com/openai/v1", "llama-3", "direct")),
        ("openrouter/qwen/q", "",
         ("openrouter", "openai", "https://openrouter.ai/api/v1", "qwen/q", "premium")),
        ("openrouter/auto", "",
         ("openrouter", "openai", "https://openrouter.ai/api/v1", "openrouter/auto", "premium")),
        ("huggingface/Qwen/Q", "", ("hf", "openai", HF, "Qwen/Q", "free")),
        ("huggingface/together/Qwen/Q", "", ("hf", "openai", HF, "Qwen/Q:together", "free")),
        ("Qwen/Q", "https://router.huggingface.co/v1/", ("hf", "openai", HF, "Qwen/Q", "free")),
        ("huggingface/m", "https://x1.endpoints.example",
         ("x1-endpoints", "openai", "https://x1.endpoints.example/v1", "m", "direct")),
        ("openai/q", "https://ollamafreeapi.orcest.ai/v1",
         ("ollamafreeapi", "openai", "https://ollamafreeapi.orcest.ai/v1", "q", "free")),
        ("ollama/q:7b", "http://10.1.2.3:11434",
         ("ollama-10-1-2-3-11434", "openai", "http://10.1.2.3:11434/v1", "q:7b", "internal")),
        ("ollama_chat/q", "http://box:11434/v1",
         ("ollama-box-11434", "openai", "http://box:11434/v1", "q", "internal")),
        ("ollama/q", "", ("ollama-localhost-11434", "openai", "http://localhost:11434/v1", "q", "internal")),
        ("hosted_vllm/q", "https://vllm.house.example/v1",
         ("vllm-house", "openai", "https://vllm.house.example/v1", "q", "direct")),
        ("claude-sonnet-4-6", "http://cliproxy:8317/v1",
         ("cliproxy-8317", "openai", "http://cliproxy:8317/v1", "claude-sonnet-4-6", "direct")),
        ("claude-sonnet-4-6", "https://claude.house.example",
         ("claude-house", "litellm", "https://claude.house.example", "claude-sonnet-4-6", "direct")),
        ("*", "https://api.house.example/v1",
         ("house", "openai", "https://api.house.example/v1", "*", "direct")),
        ("fireworks_ai/m", "", ("fireworks-ai", "litellm", "", "m", "direct")),
    ],
)  # fmt: skip
def test_an_entry_leads_where_litellm_would_send_it(model, api_base, expected):
    found = upstream(model, api_base=api_base)

    assert (found.slug, found.wire, found.address.url, found.model, found.tier) == expected


@pytest.mark.parametrize(
    ("url", "address_class"),
    [
        ("https://api.house.example/v1", "public"),
        ("https://box/v1", "private"),
        ("https://10.0.0.1/v1", "private"),
        ("http://api.house.example/v1", "private"),
        ("http://164.92.147.36:11434/v1", "plaintext"),
    ],
)
def test_the_address_tells_its_class(url, address_class):
    here = read_surroundings({"RAINYMODEL_ENV": "development"})

    assert upstream_of(ModelEntry(1, "a", "openai/m", api_base=url), here, {}).address_class == address_class


@pytest.mark.parametrize(
    ("api_base", "environ", "template", "url"),
    [
        ("${OLLAMA_PRIMARY_URL}", {}, "${OLLAMA_PRIMARY_URL}/v1", "http://164.92.147.36:11434/v1"),
        ("os.environ/OLLAMA_BASE_URL", {}, "${OLLAMA_PRIMARY_URL}/v1", "http://164.92.147.36:11434/v1"),
        ("${OLLAMA_SECONDARY_URL:-http://h:1/v1}", {}, "${OLLAMA_SECONDARY_URL:-http://h:1}/v1", "http://h:1/v1"),
        ("${OLLAMAFREE_API_BASE:-https://f.example}/v1", {}, "${OLLAMAFREE_API_BASE:-https://f.example}/v1", "https://f.example/v1"),
        ("os.environ/HOUSE_API_BASE", {"HOUSE_API_BASE": "https://n.example/v1"}, "https://n.example/v1", "https://n.example/v1"),
        ("${HOUSE_API_BASE:-https://d.example/v1}", {}, "https://d.example/v1", "https://d.example/v1"),
        ("https://${HOST_NAME}/v1/", {"HOST_NAME": "n.example"}, "https://n.example/v1", "https://n.example/v1"),
    ],
)  # fmt: skip
def test_url_variables_stay_variables_and_others_are_read_now(api_base, environ, template, url):
    found = upstream("openai/m", environ, api_base=api_base)

    assert (found.address.template, found.address.url) == (template, url)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"model": "azure/gpt-4o"}, "azure needs more"),
        ({"model": "vertex_ai/gemini-2.5-pro"}, "vertex_ai needs more"),
        ({"model": "mystery-model"}, "names no provider"),
        ({"model": "*"}, "names no provider"),
        ({"model": "m", "provider": "mystery"}, "provider mystery is not known"),
        ({"model": "m", "provider": "bad provider\n"}, "provider bad provider"),
        ({"model": "hosted_vllm/m"}, "needs an api_base"),
        ({"model": "openai/m", "key_name": "shared"}, "credential_list"),
        ({"model": "openai/${NO_SUCH_NAME}"}, "NO_SUCH_NAME is not set"),
        ({"model": "openai/m", "api_base": "os.environ/NO_SUCH_BASE"}, "NO_SUCH_BASE is not set"),
        ({"model": "openai/m", "api_base": "house.example/v1"}, "address cannot be used"),
        ({"model": "openai/m", "api_base": "ftp://house.example"}, "address cannot be used"),
        ({"model": "openai/m", "api_base": "https://u:p@house.example/v1"}, "address cannot be used"),
        ({"model": "openai/m", "api_base": "https://house.example/v1?key=1"}, "address cannot be used"),
        ({"model": "openai/m", "api_base": "https://house.example:0/v1"}, "address cannot be used"),
        ({"model": "openai/m", "api_base": "http://169.254.169.254/v1"}, "link-local or metadata"),
        ({"model": "openai/m", "api_base": "https://house.example/" + "x" * 300}, "longer than"),
        ({"model": "openai/m", "api_base": "https://h.example/${OPENAI_API_KEY}"}, "names a secret"),
        ({"model": "openai/m", "api_base": "https://${DATABASE_URL}.h.example"}, "names a secret"),
        ({"model": "openai/m", "api_base": "https://h.example/${MY_TOKEN}"}, "names a secret"),
        ({"model": "openai/m", "api_key": "${RAINYMODEL_MASTER_KEY}"}, "secret of this installation"),
        ({"model": "openai/m", "api_key": "os.environ/DATABASE_URL"}, "secret of this installation"),
        ({"model": "openai/m", "api_key": "${my_key}"}, "capital letters"),
        ({"model": "openai/m", "api_key": "sk-${PART}"}, "several parts"),
        ({"model": "openai/m", "api_key": "sk-canary\r\nX-Evil: 1"}, "cannot be sent"),
        ({"model": "openai/m", "api_key": "sk-" + "x" * 5_000}, "too long"),
    ],
)
def test_an_entry_that_cannot_be_served_says_why_and_never_quotes_a_key(fields, reason):
    environ = {
        "OPENAI_API_KEY": "sk-canary",
        "DATABASE_URL": "canary",
        "MY_TOKEN": "canary",
        "PART": "canary",
    }

    with pytest.raises(NotCarried) as caught:
        upstream(environ=environ, **fields)
    assert reason in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("api_key", "environ", "variable", "secret"),
    [
        ("os.environ/ARK_API_KEY", {}, "ARK_API_KEY", ""),
        ("${ARK_API_KEY}", {}, "ARK_API_KEY", ""),
        ("${ARK_API_KEY:-}", {}, "ARK_API_KEY", ""),
        ("${ARK_API_KEY:-sk-written}", {}, "ARK_API_KEY", "sk-written"),
        ("${ARK_API_KEY:-sk-written}", {"ARK_API_KEY": "sk-set"}, "ARK_API_KEY", ""),
        ("${OLLAMA_API_KEY:-ollama}", {}, "OLLAMA_API_KEY", ""),
        ("${OLLAMA_API_KEY:-other}", {}, "OLLAMA_API_KEY", "other"),
        ("sk-written", {}, "", "sk-written"),
        ("", {}, "OPENAI_API_KEY", ""),
    ],
)
def test_a_key_is_a_variable_or_a_value(api_key, environ, variable, secret):
    found = upstream("openai/gpt-4o", environ, api_key=api_key)

    assert (found.credential.variable, found.credential.secret) == (variable, secret)


def test_a_vendors_variable_is_not_assumed_for_somebody_elses_address():
    assert not upstream("openai/m", api_base="https://house.example/v1").credential
