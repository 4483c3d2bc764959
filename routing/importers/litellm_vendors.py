"""Where an entry of a litellm configuration leads: its provider's wire, address and key, the model, the usual tier.

litellm names a provider by the model's prefix (`groq/…`) or by `custom_llm_provider`. A model without either is
told by well-known names, and one with an address of its own is taken as OpenAI-shaped.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from routing import price_file
from routing.addresses import PORTS, AllowedUpstreams, address_problem, host_of, split_url, variables_in
from routing.engine import snapshot as values
from routing.engine.validate import errors_of
from routing.engine.validate_rows import provider_findings
from routing.environment import LITELLM_HOSTS, Surroundings
from routing.importers.errors import NotCarried, shown
from routing.importers.litellm_config import ModelEntry
from routing.importers.litellm_values import Address, Credential, read_address, read_credential, read_text


@dataclass(frozen=True, slots=True)
class Vendor:
    """A provider that litellm knows by name: our slug, its address, and the variable litellm reads its key from."""

    slug: str
    base_url: str = ""
    variable: str = ""
    wire: str = "openai"


VENDORS = {
    "openai": Vendor("openai", "https://api.openai.com/v1", "OPENAI_API_KEY"),
    "deepseek": Vendor("deepseek", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    "xai": Vendor("xai", "https://api.x.ai/v1", "XAI_API_KEY"),
    "openrouter": Vendor("openrouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    "groq": Vendor("groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    "huggingface": Vendor("hf", "https://router.huggingface.co/v1", "HF_TOKEN"),
    "mistral": Vendor("mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    "together_ai": Vendor("together", "https://api.together.ai/v1", "TOGETHER_API_KEY"),
    "cerebras": Vendor("cerebras", "https://api.cerebras.ai/v1", "CEREBRAS_API_KEY"),
    "moonshot": Vendor("moonshot", "https://api.moonshot.ai/v1", "MOONSHOT_API_KEY"),
    "volcengine": Vendor("volcengine", "https://ark.cn-beijing.volces.com/api/v3", "VOLCENGINE_API_KEY"),
    "ollama": Vendor("ollama", "http://localhost:11434/v1"),
    "ollama_chat": Vendor("ollama", "http://localhost:11434/v1"),
    "gemini": Vendor("gemini", "", "GEMINI_API_KEY", "litellm"),
    "anthropic": Vendor("claude", "", "ANTHROPIC_API_KEY", "litellm"),
}
OLLAMA = frozenset({"ollama", "ollama_chat"})
OLLAMA_VARIABLES = frozenset({"OLLAMA_PRIMARY_URL", "OLLAMA_SECONDARY_URL"})
OLLAMA_PORT = 11434
# OpenAI's wire at an address that the entry itself has to give.
OPENAI_SHAPED = frozenset(
    {"custom_openai", "openai_like", "hosted_vllm", "lm_studio", "litellm_proxy", "llamafile"}
)
# They take more than one key, or no key at all but a sign-in.
NEED_MORE = frozenset(
    {
        "azure",
        "azure_ai",
        "bedrock",
        "bedrock_converse",
        "chatgpt",
        "cloudflare",
        "databricks",
        "github_copilot",
    }
    | {"oci", "sagemaker", "snowflake", "vertex_ai", "vertex_ai_beta", "watsonx"}
)
ALL_KNOWN = OPENAI_SHAPED | NEED_MORE | set(VENDORS)
WELL_KNOWN = (
    (re.compile(r"gpt-|chatgpt-|o[1-9](-|$)"), "openai"),
    (re.compile(r"claude-"), "anthropic"),
    (re.compile(r"gemini-"), "gemini"),
    (re.compile(r"deepseek-"), "deepseek"),
)
HOME_URLS = {
    host_of(vendor.base_url): vendor.base_url for vendor in VENDORS.values() if "." in vendor.base_url
}
KNOWN_HOSTS = {host_of(vendor.base_url): vendor.slug for vendor in VENDORS.values() if "." in vendor.base_url}
KNOWN_HOSTS["ollamafreeapi.orcest.ai"] = "ollamafreeapi"
PREFIX = re.compile(r"[a-z0-9_-]+")
LONGEST_SLUG = 34  # leaves room for a number that makes it unique


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where an entry leads. `prefix` is litellm's name of the provider; `tier` is the usual one of its kind.

    `slug` and `label` are what a new provider row would be called. `home` is litellm's name of the vendor whose
    own address this is, empty for all other addresses: their prices are not the vendor's.
    """

    prefix: str
    model: str
    wire: str
    litellm_prefix: str
    address: Address
    address_class: str
    credential: Credential
    slug: str
    label: str
    tier: str
    home: str

    @property
    def place(self) -> tuple[str, str, str]:
        """What tells one upstream service from another, its key apart."""
        return self.wire, self.litellm_prefix, comparable(self.address.url)


def upstream_of(entry: ModelEntry, surroundings: Surroundings, environ: Mapping[str, str]) -> Upstream:
    """Resolve the entry here and now; raises NotCarried with the reason when it cannot be served."""
    if entry.key_name:
        raise NotCarried("its key is in credential_list; give the entry its own api_key")
    prefix, model = provider_and_model(entry, environ)
    vendor = _vendor(prefix, entry)
    address = _address(entry, prefix, vendor, surroundings, environ)
    home = HOMES.get(comparable(address.url), "") if address.url else prefix
    credential = read_credential(entry.api_key, environ)
    if not credential and home:
        credential = Credential(variable=VENDORS.get(home, vendor).variable)
    slug = slug_for(address, prefix) if address.url else vendor.slug
    return Upstream(
        prefix=prefix,
        model=model,
        wire=vendor.wire,
        litellm_prefix=f"{prefix}/" if vendor.wire == "litellm" else "",
        address=address,
        address_class=class_of(address.url, surroundings.allowed),
        credential=credential,
        slug=slug,
        label="ollama" if slug.startswith("ollama-") else slug,
        tier=usual_tier(prefix, address),
        home=home,
    )


def provider_and_model(entry: ModelEntry, environ: Mapping[str, str]) -> tuple[str, str]:
    """litellm's name of the provider, and the model as that provider knows it."""
    model, own = read_text(entry.model, environ), read_text(entry.provider, environ)
    head, slash, rest = model.partition("/")
    if own:
        return own, _model_at(own, model.removeprefix(f"{own}/"))
    if slash and rest and (head in ALL_KNOWN or head in price_file.providers()):
        return head, _model_at(head, rest)
    known = next((prefix for pattern, prefix in WELL_KNOWN if pattern.match(model)), "")
    # Whoever gives Claude an address that ends in /v1 means a server that speaks OpenAI's wire.
    if entry.api_base and (not known or read_text(entry.api_base, environ).rstrip("/").endswith("/v1")):
        return "openai", model
    if known:
        return known, model
    raise NotCarried("it names no provider that is known here; give it an api_base or custom_llm_provider")


def _model_at(prefix: str, model: str) -> str:
    if prefix == "huggingface" and model.count("/") > 1:
        provider, _, name = model.partition("/")
        return f"{name}:{provider}"  # how the router is told which of its providers to use
    if prefix == "openrouter" and "/" not in model:
        return f"openrouter/{model}"  # its own models, such as openrouter/auto
    return model


def _vendor(prefix: str, entry: ModelEntry) -> Vendor:
    if prefix in NEED_MORE:
        raise NotCarried(f"{prefix} needs more than a key and an address")
    if prefix in OPENAI_SHAPED:
        if not entry.api_base:
            raise NotCarried(f"{prefix} needs an api_base")
        return Vendor("")
    if prefix in VENDORS:
        return VENDORS[prefix]
    if not PREFIX.fullmatch(prefix) or prefix not in price_file.providers():
        raise NotCarried(f"the provider {shown(prefix)} is not known here")
    slug = prefix.replace("_", "-").strip("-")[:LONGEST_SLUG]
    return Vendor(slug, "", f"{slug.upper().replace('-', '_')}_API_KEY", "litellm")


def _address(
    entry: ModelEntry, prefix: str, vendor: Vendor, surroundings: Surroundings, environ: Mapping[str, str]
) -> Address:
    """The entry's address as its vendor's wire needs it, else the vendor's own."""
    if not entry.api_base:
        return Address(vendor.base_url, vendor.base_url)
    address = read_address(entry.api_base, environ, surroundings.urls)
    host = host_of(address.url)
    if vendor.wire == "litellm" and host == LITELLM_HOSTS.get(f"{prefix}/"):
        return Address()
    if host in HOME_URLS and not split_url(address.url).path:
        return replace(address, template=HOME_URLS[host], url=HOME_URLS[host])
    if prefix in OLLAMA or prefix == "huggingface":
        address = _with_version(address)
    _check(address, vendor.wire, prefix)
    return address


def _with_version(address: Address) -> Address:
    if address.url.endswith("/v1"):
        return address
    return replace(address, template=f"{address.template}/v1", url=f"{address.url}/v1")


def _check(address: Address, wire: str, prefix: str) -> None:
    """The same questions that publishing asks, and whether any environment could allow the address."""
    row = values.Provider("imported", "imported", wire, f"{prefix}/", address.url, address_class="private")
    for finding in errors_of(provider_findings(row)):
        raise NotCarried(f"its address cannot be used: {finding.message}")
    if never := address_problem(address.url, "private", AllowedUpstreams(private=(place_of(address.url),))):
        raise NotCarried(f"its address cannot be used: {never}")


def class_of(url: str, allowed: AllowedUpstreams) -> str:
    """Public where an address may be, plaintext where the environment lists it, else private."""
    elsewhere = replace(allowed, loopback=False)
    for address_class in ("public", "plaintext"):
        if not url or not address_problem(url, address_class, elsewhere):
            return address_class
    return "private"


def place_of(url: str) -> str:
    """The address as the environment's lists name it: host:port."""
    parts = split_url(url)
    host = (parts.hostname or "").lower()
    return f"{f'[{host}]' if ':' in host else host}:{parts.port or PORTS[parts.scheme]}"


def comparable(url: str) -> str:
    """Equal for URLs that lead to the same place."""
    if not url:
        return ""
    parts = split_url(url)
    return f"{parts.scheme}://{place_of(url)}{parts.path.rstrip('/')}"


HOMES = {comparable(vendor.base_url): prefix for prefix, vendor in VENDORS.items() if "." in vendor.base_url}


def usual_tier(prefix: str, address: Address) -> str:
    """Free: Hugging Face's router and OllamaFreeAPI. Internal: other Ollamas. Premium: OpenRouter. Direct: the rest."""
    host, variables = host_of(address.url), set(variables_in(address.template))
    if "OLLAMAFREE_API_BASE" in variables or "ollamafree" in host or host.endswith("router.huggingface.co"):
        return "free"
    port = split_url(address.url).port if address.url else None
    if prefix in OLLAMA or variables & OLLAMA_VARIABLES or port == OLLAMA_PORT:
        return "internal"
    return "premium" if prefix == "openrouter" or host == "openrouter.ai" else "direct"


def slug_for(address: Address, prefix: str) -> str:
    """A provider's name after its host: `ark.cn-beijing.volces.com` → `ark-cn-beijing-volces`."""
    host = host_of(address.url)
    if host in KNOWN_HOSTS:
        return KNOWN_HOSTS[host]
    if "OLLAMAFREE_API_BASE" in variables_in(address.template):
        return "ollamafreeapi"
    labels = [label for label in re.split(r"[^a-z0-9]+", host) if label]
    if "." in host and not labels[-1].isdigit():
        labels = labels[labels[0] in {"api", "www"} : -1] or labels
    else:
        labels.append(place_of(address.url).rpartition(":")[2])
    kind = ["ollama"] if prefix in OLLAMA and labels[0] != "ollama" else []
    return "-".join([*kind, *labels])[:LONGEST_SLUG].strip("-")
