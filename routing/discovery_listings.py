"""The bodies of model listings, as providers send them → listed models. What makes no sense in one is left out."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from routing.discovery import ListedModel
from routing.price_file import dollars, per_million, tokens

MOST_MODELS = 5000
LONGEST_NAME = 300
WINDOW = ("context_length", "context_window", "max_context_length", "max_model_len", "max_input_tokens")
OUTPUT = ("max_output_tokens", "max_completion_tokens")
CONTEXT_PARAMETER = re.compile(r"^num_ctx\s+(\d{1,10})\s*$", re.M)
# Word of a supported_parameters or capabilities list → ours.
WORDS = {
    "tools": "tools",
    "tool_use": "tools",
    "function_calling": "tools",
    "structured_outputs": "json_schema",
    "reasoning": "reasoning",
    "thinking": "reasoning",
    "vision": "vision",
    "audio": "audio",
}
MODALITIES = {"image": "vision", "audio": "audio"}
LM_STUDIO_MODES = {"llm": "chat", "vlm": "chat", "embeddings": "embedding"}


class NotAListing(ValueError):
    """The body is no list of models; the message says what it is instead."""


def read_json(body: bytes) -> Any:
    """The body's JSON, decimals kept exact. Raises NotAListing."""
    try:
        return json.loads(body, parse_float=Decimal)
    except (ValueError, RecursionError):
        raise NotAListing("it is not JSON") from None


def openai_listing(body: bytes) -> tuple[ListedModel, ...]:
    """`GET /models` of OpenAI's shape, with what OpenRouter, Hugging Face and vLLM say beyond it."""
    return _listed(body, "data", "id", _openai_model)


def ollama_tags(body: bytes) -> tuple[ListedModel, ...]:
    """`GET /api/tags` of Ollama."""
    return _listed(body, "models", "name", lambda name, _: ListedModel(name))


def ollama_details(name: str, body: bytes) -> ListedModel:
    """`POST /api/show` of Ollama: one model's window and capabilities."""
    entry = read_json(body)
    if not isinstance(entry, dict):
        raise NotAListing("it is no object")
    info = entry.get("model_info")
    windows = [
        size
        for key, value in (info.items() if isinstance(info, dict) else ())
        if str(key).endswith(".context_length") and (size := tokens(value))
    ]
    chosen = CONTEXT_PARAMETER.search(str(entry.get("parameters") or ""))
    words = _words(entry.get("capabilities"))
    return ListedModel(
        name,
        mode="embedding" if "embedding" in words and "completion" not in words else "chat" if words else "",
        context_window=tokens(int(chosen.group(1))) if chosen else next(iter(windows), None),
        capabilities=_capabilities(words),
    )


def lm_studio_listing(body: bytes) -> tuple[ListedModel, ...]:
    """`GET /api/v0/models` of LM Studio."""
    return _listed(body, "data", "id", _lm_studio_model)


def anthropic_listing(body: bytes) -> tuple[ListedModel, ...]:
    """`GET /v1/models` of Anthropic."""
    return _listed(body, "data", "id", _anthropic_model)


def gemini_listing(body: bytes) -> tuple[ListedModel, ...]:
    """`GET /v1beta/models` of Gemini."""
    return _listed(body, "models", "name", _gemini_model)


def _listed(
    body: bytes, section: str, key: str, read: Callable[[str, Mapping[str, Any]], ListedModel]
) -> tuple[ListedModel, ...]:
    document = read_json(body)
    # Together answers with the bare list.
    entries = document if isinstance(document, list) else None
    if isinstance(document, dict):
        entries = document.get(section)
    if not isinstance(entries, list):
        raise NotAListing(f"it has no list named {section}")
    return tuple(read(name, entry) for name, entry in _named(entries[:MOST_MODELS], key))


def _named(entries: list[Any], key: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for entry in entries:
        name = entry.get(key) if isinstance(entry, dict) else None
        if isinstance(name, str) and 0 < len(name) <= LONGEST_NAME:
            yield name, entry


def _openai_model(name: str, entry: Mapping[str, Any]) -> ListedModel:
    inner = [one for one in _list(entry.get("providers")) if isinstance(one, dict)]
    if inner:
        return _routed_model(name, entry, inner)
    pricing = _object(entry.get("pricing"))
    top = _object(entry.get("top_provider"))
    words = _words(entry.get("supported_parameters")) | _words(entry.get("capabilities"))
    return ListedModel(
        name,
        mode=_mode(entry),
        context_window=_first(entry, WINDOW) or _first(top, WINDOW),
        output_limit=_first(top, OUTPUT) or _first(entry, OUTPUT),
        capabilities=_capabilities(words, _input_modalities(entry)),
        input=_per_token(pricing.get("prompt")),
        cached_input=_per_token(pricing.get("input_cache_read")),
        output=_per_token(pricing.get("completion")),
    )


def _routed_model(name: str, entry: Mapping[str, Any], inner: Sequence[Mapping[str, Any]]) -> ListedModel:
    """A model of Hugging Face's router: any of several services may answer, so what holds for all of them holds."""
    live = [one for one in inner if one.get("status") in (None, "live")] or inner
    windows = [size for one in live if (size := _first(one, WINDOW))]
    words = {"tools"} if all(one.get("supports_tools") is True for one in live) else set()
    if all(one.get("supports_structured_output") is True for one in live):
        words.add("structured_outputs")
    return ListedModel(
        name,
        mode=_mode(entry),
        context_window=min(windows, default=None),
        capabilities=_capabilities(words, _input_modalities(entry)),
        input=_dearest(live, "input"),
        output=_dearest(live, "output"),
        note=f"the dearest price of {len(live)} services" if len(live) > 1 else "",
    )


def _dearest(services: Sequence[Mapping[str, Any]], name: str) -> str | None:
    """USD per million tokens at the dearest service; None unless each tells its price."""
    prices = [_decimal(_object(one.get("pricing")).get(name)) for one in services]
    known = [price for price in prices if price is not None]
    return dollars(max(known)) if known and len(known) == len(prices) else None


def _lm_studio_model(name: str, entry: Mapping[str, Any]) -> ListedModel:
    kind = str(entry.get("type") or "")
    words = _words(entry.get("capabilities")) | ({"vision"} if kind == "vlm" else set())
    return ListedModel(
        name,
        mode=LM_STUDIO_MODES.get(kind, ""),
        context_window=_first(entry, ("loaded_context_length", *WINDOW)),
        capabilities=_capabilities(words),
        note="loaded" if entry.get("state") == "loaded" else "",
    )


def _anthropic_model(name: str, entry: Mapping[str, Any]) -> ListedModel:
    return ListedModel(
        name,
        mode="chat",
        context_window=_first(entry, WINDOW),
        output_limit=_first(entry, ("max_tokens", *OUTPUT)),
    )


def _gemini_model(name: str, entry: Mapping[str, Any]) -> ListedModel:
    methods = _words(entry.get("supportedGenerationMethods"))
    mode = (
        "chat" if "generateContent" in methods else "embedding" if "embedContent" in methods else "other uses"
    )
    return ListedModel(
        name.removeprefix("models/"),
        mode=mode,
        context_window=tokens(entry.get("inputTokenLimit")),
        output_limit=tokens(entry.get("outputTokenLimit")),
        capabilities=("reasoning",) if entry.get("thinking") is True else (),
    )


def _mode(entry: Mapping[str, Any]) -> str:
    """What it does, as far as its modalities tell: something that gives no text is not served here."""
    given = _words(_object(entry.get("architecture")).get("output_modalities"))
    if "embeddings" in given or entry.get("type") == "embedding":
        return "embedding"
    return f"{sorted(given)[0]}_generation" if given and "text" not in given else "chat" if given else ""


def _input_modalities(entry: Mapping[str, Any]) -> set[str]:
    return {
        MODALITIES[word]
        for word in _words(_object(entry.get("architecture")).get("input_modalities"))
        if word in MODALITIES
    }


def _capabilities(words: set[str], more: set[str] = frozenset()) -> tuple[str, ...]:  # type: ignore[assignment]
    return tuple(sorted({WORDS[word] for word in words if word in WORDS} | more))


def _first(entry: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    return next((size for name in names if (size := tokens(entry.get(name)))), None)


def _per_token(value: Any) -> str | None:
    """OpenRouter writes its prices as text, -1 where they vary."""
    return per_million(_decimal(value))


def _decimal(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        return None
    try:
        return Decimal(value)
    except InvalidOperation:
        return None


def _words(value: Any) -> set[str]:
    return {word for word in _list(value) if isinstance(word, str)}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
