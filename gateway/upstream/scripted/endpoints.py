"""Which request gets which script: the faces of the upstream, its listings, and the ledger's own address.

A face answers one dialect's path; what it plays is chosen by the model's name, as everywhere.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any

import orjson

from gateway.upstream.scripted.anthropic import messages_script
from gateway.upstream.scripted.gemini import generate_script
from gateway.upstream.scripted.ledger import Entry, Ledger
from gateway.upstream.scripted.listings import lm_studio_models, ollama_show, router_models
from gateway.upstream.scripted.responses import as_chat, retold
from gateway.upstream.scripted.scenarios import UnknownSetting, cast
from gateway.upstream.scripted.script import Call, Script, error_reply, json_reply
from gateway.upstream.scripted.text import completions_script, embeddings_script
from gateway.upstream.scripted.wire import Request

LEDGER_PATH = "/__ledger__"


@dataclass(slots=True)
class Stage:
    """What all connections of one upstream share. `plays` makes a model name play another scenario."""

    name: str
    models: tuple[str, ...]
    ledger: Ledger = field(default_factory=Ledger)
    plays: dict[str, str] = field(default_factory=dict)
    clock: Callable[[], float] = time.time
    id_prefix: str = field(default_factory=lambda: f"chatcmpl-{token_hex(8)}")


def respond(stage: Stage, request: Request, turn: int) -> tuple[Entry | None, Script]:
    """The script for one request, and its ledger entry (none for questions about the ledger itself)."""
    path = request.path.partition("?")[0]
    if path == LEDGER_PATH:
        return None, _ledger_script(stage, request.method)
    entry = stage.ledger.open_entry(request.method, request.path, request.head, request.body)
    if request.method == "POST":
        for ending, face in FACES.items():
            if path.endswith(ending):
                return entry, face(stage, request, entry, turn)
    if request.method == "GET" and path in LISTINGS:
        return entry, json_reply(LISTINGS[path](stage))
    return entry, error_reply(404, f"Unknown request URL: {request.method} {path}.", code="unknown_url")


def chat_script(stage: Stage, request: Request, entry: Entry, turn: int) -> Script:
    try:
        document = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        return error_reply(400, "The request body is not JSON.")
    if not isinstance(document, dict) or not isinstance(document.get("model"), str):
        return error_reply(400, "you must provide a model parameter", param="model")
    call = _call(stage, request, document, entry.number, turn)
    entry.model, entry.stream = call.model, call.stream
    try:
        role = cast(stage.plays.get(call.model, call.model))
    except UnknownSetting as problem:
        return error_reply(400, str(problem), code="unknown_setting")
    entry.scenario = role.name
    return role.play(call)


def responses_script(stage: Stage, request: Request, entry: Entry, turn: int) -> Script:
    return retold(chat_script(stage, as_chat(request), entry, turn))


def _call(stage: Stage, request: Request, document: dict[str, Any], number: int, turn: int) -> Call:
    model = document["model"]
    return Call(
        upstream=stage.name,
        model=model,
        request=document,
        id=f"{stage.id_prefix}{number:013d}",
        created=int(stage.clock()),
        hit=stage.ledger.count_hit(model),
        turn=turn,
        head=request.head,
    )


def _ledger_script(stage: Stage, method: str) -> Script:
    if method == "DELETE":
        stage.ledger.reset()
    elif method != "GET":
        return error_reply(405, "The ledger is read with GET and reset with DELETE.")
    return json_reply(stage.ledger.totals_as_json())


def _openai_models(stage: Stage) -> dict[str, Any]:
    created = int(stage.clock())
    data = [{"id": m, "object": "model", "created": created, "owned_by": stage.name} for m in stage.models]
    return {"object": "list", "data": data}


def _ollama_tags(stage: Stage) -> dict[str, Any]:
    details = {"format": "gguf", "family": "scripted", "parameter_size": "7B", "quantization_level": "Q4_0"}
    facts = {
        "modified_at": "2026-01-31T12:00:00Z",
        "size": 4_000_000_000,
        "digest": "0" * 64,
        "details": details,
    }
    return {"models": [{"name": model, "model": model, **facts} for model in stage.models]}


# The end of a POST's path → the face that answers it.
FACES: dict[str, Callable[[Stage, Request, Entry, int], Script]] = {
    "/chat/completions": chat_script,
    "/completions": completions_script,
    "/embeddings": embeddings_script,
    "/api/show": lambda stage, request, entry, turn: ollama_show(stage.models, request.body),
    "/responses": responses_script,
    "/v1/messages": messages_script,
    ":generateContent": generate_script,
    ":streamGenerateContent": generate_script,
}
LISTINGS: dict[str, Callable[[Stage], dict[str, Any]]] = {
    "/v1/models": _openai_models,
    "/router/v1/models": lambda stage: router_models(stage.models, int(stage.clock())),
    "/api/tags": _ollama_tags,
    "/api/v0/models": lambda stage: lm_studio_models(stage.models),
}
