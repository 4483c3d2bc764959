"""The faces of text completions and of embeddings."""

import hashlib
import struct
from base64 import b64encode
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import orjson

from gateway.upstream.scripted.faces import Document, play, read_json
from gateway.upstream.scripted.ledger import Entry
from gateway.upstream.scripted.script import (
    DONE,
    Part,
    Script,
    error_document,
    error_reply,
    event,
    json_reply,
)
from gateway.upstream.scripted.wire import Request, parse_fields

if TYPE_CHECKING:
    from gateway.upstream.scripted.endpoints import Stage

DIMENSIONS = 8


def completions_script(stage: "Stage", request: Request, entry: Entry, turn: int) -> Script:
    """A text completion, played as a chat whose one message is the prompt, with `suffix` behind a gap."""
    asked = read_json(request.body)
    if not isinstance(asked, dict) or not isinstance(asked.get("model"), str):
        return error_reply(400, "you must provide a model parameter", param="model")
    gap = f" […] {asked['suffix']}" if asked.get("suffix") else ""
    document = {**asked, "messages": [{"role": "user", "content": f"{asked.get('prompt')}{gap}"}]}
    credential = parse_fields(request.head).get("authorization", "")
    return play(stage, request, entry, turn, document, credential, TextTongue())


class TextTongue:
    """Chat as text completions."""

    def chunk(self, chunk: Document) -> Iterator[Part]:
        """The chunk with `text` in place of `delta`."""
        choices = [self._choice(choice, choice.get("delta")) for choice in chunk.get("choices") or []]
        yield event(orjson.dumps({**chunk, "object": "text_completion", "choices": choices}))

    def done(self) -> Iterator[Part]:
        """The same end as chat's."""
        yield DONE

    def document(self, completion: Document) -> Document:
        """A whole answer."""
        choices = [self._choice(choice, choice.get("message")) for choice in completion["choices"]]
        return {**completion, "object": "text_completion", "choices": choices}

    def error(self, status: int, error: Document) -> Document:
        """OpenAI's shape."""
        return error_document(str(error.get("message")), "invalid_request_error") | {"error": error}

    def error_event(self, error: Document) -> Iterator[Part]:
        """OpenAI's shape."""
        yield event(orjson.dumps({"error": error}))

    def _choice(self, choice: Document, message: Any) -> Document:
        text = message.get("content") if isinstance(message, dict) else None
        index, finish = choice.get("index"), choice.get("finish_reason")
        return {"text": text or "", "index": index, "logprobs": None, "finish_reason": finish}


def embeddings_script(stage: "Stage", request: Request, entry: Entry, turn: int) -> Script:
    """Eight numbers for each input, the same for the same text; faults are played by the model's name."""
    asked = read_json(request.body)
    if not isinstance(asked, dict) or not isinstance(asked.get("model"), str):
        return error_reply(400, "you must provide a model parameter", param="model")
    entry.model = asked["model"]
    name, _, settings = asked["model"].partition(":")
    if name == "status":
        code = dict(pair.split("=", 1) for pair in settings.split(","))["code"]
        return error_reply(int(code), "told so by the model's name")
    given = asked.get("input")
    inputs = given if isinstance(given, list) and given and not isinstance(given[0], int) else [given]
    data = [
        {"object": "embedding", "index": place, "embedding": embedding_of(text, asked.get("encoding_format"))}
        for place, text in enumerate(inputs)
    ]
    tokens = sum(len(str(text)) // 4 + 1 for text in inputs)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return json_reply({"object": "list", "data": data, "model": asked["model"], "usage": usage})


def embedding_of(text: Any, encoding: Any) -> list[float] | str:
    """Numbers from 0 to 1 out of the text's hash; as base64 of 32-bit floats when that is asked for."""
    digest = hashlib.sha256(str(text).encode("utf-8", "replace")).digest()
    numbers = [byte / 255 for byte in digest[:DIMENSIONS]]
    return b64encode(struct.pack(f"<{DIMENSIONS}f", *numbers)).decode() if encoding == "base64" else numbers
