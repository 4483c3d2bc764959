"""The starting catalogue, built in Python: the aliases, providers and tiers that operators know."""

from typing import Any

from routing.engine.snapshot import Deployment, Provider, Snapshot, Tier
from routing.tests.catalogue import DIRECT, FREE, INTERNAL, PREMIUM, alias, deployment, provider, snapshot

PROVIDERS: dict[str, tuple[Provider, Tier]] = {
    "hf": (provider("hf"), FREE),
    "ollamafreeapi": (provider("ollamafreeapi"), FREE),
    "ollama-primary": (provider("ollama-primary", upstream="ollama", concurrency_limit=2), INTERNAL),
    "ollama-secondary": (provider("ollama-secondary", upstream="ollama", concurrency_limit=2), INTERNAL),
    "deepseek": (provider("deepseek"), DIRECT),
    "openai": (provider("openai"), DIRECT),
    "xai": (provider("xai"), DIRECT),
    "gemini": (provider("gemini", wire="litellm", litellm_prefix="gemini/", base_url=""), DIRECT),
    "claude": (provider("claude", wire="litellm", litellm_prefix="anthropic/", base_url=""), DIRECT),
    "openrouter": (provider("openrouter"), PREMIUM),
}
TEXT = frozenset({"tools", "json_schema"})
IMAGES = TEXT | {"vision"}


def at(slug: str, model: str, context: int, **fields: Any) -> Deployment:
    """One model at one of the providers above, in that provider's tier."""
    owner, tier = PROVIDERS[slug]
    return deployment(f"{slug} {model}", at=owner, tier=tier, model=model, context_window=context, **fields)


def starting_catalogue() -> Snapshot:
    """The five names of the start. USD per million tokens; `quality` is higher for the better."""
    hf = at("hf", "Qwen/Qwen2.5-72B-Instruct", 32_768, quality=60, capabilities=TEXT)
    free = at("ollamafreeapi", "qwen2.5:latest", 32_768, quality=30)
    primary = at("ollama-primary", "qwen2.5:14b", 32_768, quality=40, capabilities=TEXT)
    secondary = at("ollama-secondary", "qwen2.5:7b", 32_768, quality=30, capabilities=TEXT)
    deepseek = at("deepseek", "deepseek-chat", 131_072, price=("0.28", "0.42"), quality=78, capabilities=TEXT)
    flash = at(
        "gemini", "gemini-2.0-flash", 1_048_576, price=("0.10", "0.40"), quality=70, capabilities=IMAGES
    )
    mini = at("openai", "gpt-4o-mini", 128_000, price=("0.15", "0.60"), quality=68, capabilities=IMAGES)
    grok = at("xai", "grok-2", 131_072, price=("2", "10"), quality=80, capabilities=TEXT)
    haiku = at("claude", "claude-haiku-4-5", 200_000, price=("1", "5"), quality=82, capabilities=IMAGES)
    router = at("openrouter", "qwen/qwen-2.5-72b-instruct", 32_768, price=("0.12", "0.39"), quality=60)
    general = (hf, free, primary, secondary, deepseek, flash, mini, grok, haiku, router)
    code = (
        at("hf", "Qwen/Qwen2.5-Coder-32B-Instruct", 32_768, quality=58, capabilities=TEXT),
        at("ollamafreeapi", "qwen2.5-coder:latest", 32_768, quality=30),
        at("ollama-primary", "qwen2.5-coder:7b", 32_768, quality=35),
        at("ollama-secondary", "qwen2.5-coder:7b", 32_768, quality=35),
        deepseek,
        mini,
        haiku,
        at("openrouter", "qwen/qwen-2.5-coder-32b-instruct", 32_768, price=("0.06", "0.15"), quality=58),
    )
    agent = (
        at("claude", "claude-sonnet-4", 200_000, price=("3", "15"), quality=95, capabilities=IMAGES),
        at("openai", "gpt-4o", 128_000, price=("2.50", "10"), quality=88, capabilities=IMAGES),
        at("gemini", "gemini-2.5-pro", 1_048_576, price=("1.25", "10"), quality=92, capabilities=IMAGES),
        grok,
        hf,
        free,
        primary,
        secondary,
        at("openrouter", "anthropic/claude-sonnet-4", 200_000, price=("3", "15"), capabilities=IMAGES),
    )
    document = (flash, *(one for one in general if one is not flash))
    return snapshot(
        alias("rainymodel/auto", *general),
        alias("rainymodel/chat", *general),
        alias("rainymodel/code", *code),
        alias("rainymodel/agent", *agent, policy="premium"),
        alias("rainymodel/document", *document),
        alias("rainymodel", *general),
    )
