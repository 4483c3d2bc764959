"""Prices, windows and capabilities of models, from the price file in litellm's package, without importing litellm."""

import importlib.metadata
import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

from routing.engine.snapshot import CAPABILITIES

PACKAGE = "litellm"
FILE = "model_prices_and_context_window_backup.json"
MILLION = Decimal(1_000_000)
PLACES = Decimal("0.000001")  # what the price columns keep
DEAREST = Decimal(1_000_000)
LARGEST = 2_000_000_000
# Capability → the file's word for it.
FLAGS = {
    "tools": "supports_function_calling",
    "vision": "supports_vision",
    "json_schema": "supports_response_schema",
    "audio": "supports_audio_input",
    "reasoning": "supports_reasoning",
}


@dataclass(frozen=True, slots=True)
class PriceFacts:
    """What the file says of one model: USD per million tokens as decimal text, sizes in tokens, None: unknown.

    `mode` is the file's word for what the model does, e.g. chat or embedding; `source` names file and entry.
    """

    input: str | None
    cached_input: str | None
    output: str | None
    context_window: int | None
    output_limit: int | None
    capabilities: tuple[str, ...]
    mode: str
    source: str


def lookup(provider_prefix: str, model: str) -> PriceFacts | None:
    """The facts of `model` at the provider litellm calls `provider_prefix`; None when the file has none."""
    prefix = provider_prefix.rstrip("/")
    facts = _models()
    key = f"{prefix}/{model}"
    entry = facts.get(key)
    if entry is None:
        key, entry = model, facts.get(model)
        if entry is None or entry.get("litellm_provider") != prefix:
            return None
    return _facts(key, entry)


def models_of(provider_prefix: str) -> tuple[str, ...]:
    """The names of all models the file has of a provider, without the provider's prefix, sorted."""
    prefix = provider_prefix.rstrip("/")
    found = (key for key, entry in _models().items() if entry.get("litellm_provider") == prefix)
    return tuple(sorted({key.removeprefix(f"{prefix}/") for key in found}))


@lru_cache(maxsize=1)
def providers() -> frozenset[str]:
    """The names by which the file calls providers."""
    return frozenset(
        name for entry in _models().values() if isinstance(name := entry.get("litellm_provider"), str)
    )


@lru_cache(maxsize=1)
def version() -> str:
    """The installed version of the package, empty when it is not installed."""
    try:
        return importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return ""


@lru_cache(maxsize=1)
def _models() -> Mapping[str, Mapping[str, Any]]:
    """Every entry of the file; none when the package or the file is not there."""
    spec = importlib.util.find_spec(PACKAGE)
    places = [Path(place) / FILE for place in (spec.submodule_search_locations or ())] if spec else []
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        return {}
    data = json.loads(found.read_text(encoding="utf-8"), parse_float=Decimal)
    return {key: entry for key, entry in data.items() if isinstance(entry, dict) and key != "sample_spec"}


def _facts(key: str, entry: Mapping[str, Any]) -> PriceFacts:
    return PriceFacts(
        input=per_million(entry.get("input_cost_per_token")),
        cached_input=per_million(entry.get("cache_read_input_token_cost")),
        output=per_million(entry.get("output_cost_per_token")),
        context_window=tokens(entry.get("max_input_tokens")),
        output_limit=tokens(entry.get("max_output_tokens")),
        capabilities=tuple(word for word in CAPABILITIES if entry.get(FLAGS[word]) is True),
        mode=str(entry.get("mode") or ""),
        source=f"{PACKAGE} {version()} {FILE}, {key}",
    )


def per_million(per_token: Any) -> str | None:
    """USD per token as USD per million tokens; None for what is no price."""
    if isinstance(per_token, bool) or not isinstance(per_token, int | Decimal):
        return None
    return dollars(Decimal(per_token) * MILLION)


def dollars(price: Decimal) -> str | None:
    """An amount as the price columns hold it, in decimal text; None for what is no price."""
    if not price.is_finite() or not 0 <= price <= DEAREST:
        return None
    return format(price.quantize(PLACES).normalize(), "f")


def tokens(size: Any) -> int | None:
    """A size in tokens; None for what is none."""
    return size if isinstance(size, int) and not isinstance(size, bool) and 0 < size <= LARGEST else None
