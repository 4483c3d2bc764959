"""A stored prompt as people read it: who said what, and the JSON as it was sent."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from accounts.models import ApiKey
from gateway.prompt_models import StoredPrompt
from gateway.prompts.answers import Json, Said, ToolCall, said_whole
from gateway.prompts.document import Document, read_document
from gateway.prompts.sealed import open_sealed

MOST_TURNS = 500  # shown one by one; the JSON below them has all


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side said, in words; parts that are no text are named in square brackets."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything the page shows. The raw texts are JSON, indented where it is whole."""

    turns: tuple[Turn, ...]
    said: tuple[Said, ...]
    prompt: str
    answer: str
    prompt_cut: bool
    answer_cut: bool


def has_consent(key_id: Any) -> bool:
    """Whether what was kept of this key may still be seen; a rolled key stands for as long as its successor."""
    key = ApiKey.objects.filter(pk=key_id).select_related("replaced_by").first()
    while key is not None and key.store_prompts:
        if key.revoked_at is None:
            return True
        key = key.replaced_by
    return False


def open_prompt(row: StoredPrompt) -> Document | None:
    """The document of a row; None when it does not open here."""
    opened = open_sealed(bytes(row.sealed), str(row.pk), str(row.key_id))
    return None if opened is None else read_document(opened)


def reading_of(document: Document) -> Reading:
    """The document for the page."""
    prompt, answer = loaded(document.prompt), loaded(document.answer)
    return Reading(
        turns=tuple(turns_of(prompt))[:MOST_TURNS] if isinstance(prompt, dict) else (),
        said=tuple(said_in(answer)),
        prompt=indented(prompt, document.prompt),
        answer="" if document.is_stream else indented(answer, document.answer),
        prompt_cut=document.prompt_cut,
        answer_cut=document.answer_cut,
    )


def said_in(answer: Any) -> list[Said]:
    """What the answer said, of a whole one or of an assembled stream; nothing of one in a shape nobody foresaw."""
    if isinstance(answer, dict):
        try:
            return said_whole(answer)
        except (AttributeError, TypeError):
            return []
    if not isinstance(answer, list):
        return []
    return [
        Said(**{**each, "tool_calls": [ToolCall(**call) for call in each["tool_calls"]]}) for each in answer
    ]


def turns_of(body: Json) -> Iterator[Turn]:
    """What a request of any dialect says, in order."""
    for name in ("system", "instructions"):
        if body.get(name):
            yield Turn("system", text_of(body[name]))
    for name in ("messages", "input", "prompt"):
        value = body.get(name)
        if isinstance(value, list):
            yield from (turn_of(item) for item in value)
        elif value is not None:
            yield Turn("user", text_of(value))


def turn_of(item: Any) -> Turn:
    """One message, or one item of another kind."""
    if not isinstance(item, dict):
        return Turn("user", text_of(item))
    role = str(item.get("role") or item.get("type") or "")
    said = text_of(item.get("content")) if item.get("content") is not None else ""
    calls = item.get("tool_calls") or (item if not said and "role" not in item else None)
    return Turn(role, "\n".join(filter(None, (said, json.dumps(calls, ensure_ascii=False) if calls else ""))))


def text_of(content: Any) -> str:
    """A content in words."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(text_of(part) for part in content)
    if isinstance(content, dict) and isinstance(content.get("text"), str):
        return str(content["text"])
    if isinstance(content, dict) and content.get("content") is not None:
        return text_of(content["content"])
    return f"[{content.get('type', 'object')}]" if isinstance(content, dict) else json.dumps(content)


def loaded(text: str) -> Any:
    """The JSON; None of one that was cut."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def indented(value: Any, text: str) -> str:
    """The JSON with line breaks, or as it is."""
    return text if value is None else json.dumps(value, ensure_ascii=False, indent=2)
