"""Listings beyond OpenAI's own: what routers, LM Studio and Ollama say of their models."""

from typing import Any

import orjson

from gateway.upstream.scripted.script import Script, error_reply, json_reply

WINDOW = 32_768


def router_models(models: tuple[str, ...], created: int) -> dict[str, Any]:
    """As OpenRouter lists them: window, prices in dollars per token as text, what they take and support."""
    facts = {
        "created": created,
        "context_length": WINDOW,
        "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"]},
        "pricing": {"prompt": "0.00000015", "completion": "0.0000006", "input_cache_read": "0.000000075"},
        "top_provider": {"context_length": WINDOW, "max_completion_tokens": 4096},
        "supported_parameters": ["max_tokens", "structured_outputs", "temperature", "tools"],
    }
    return {"data": [{"id": model, "name": model, **facts} for model in models]}


def lm_studio_models(models: tuple[str, ...]) -> dict[str, Any]:
    """As LM Studio lists them: the first one is loaded."""
    facts = {"object": "model", "type": "llm", "max_context_length": WINDOW}
    data = [
        {"id": model, **facts, "state": "not-loaded" if place else "loaded"}
        for place, model in enumerate(models)
    ]
    return {"object": "list", "data": data}


def ollama_show(models: tuple[str, ...], body: bytes) -> Script:
    """One model as Ollama shows it: its window under the name of its architecture, and its capabilities."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    name = (document.get("model") or document.get("name")) if isinstance(document, dict) else None
    if name not in models:
        return error_reply(404, f"model '{name}' not found")
    info = {"general.architecture": "scripted", "scripted.context_length": WINDOW}
    return json_reply({"model_info": info, "capabilities": ["completion", "tools"]})
