"""The turns of a message request as chat messages.

OpenAI's order holds: tool messages directly follow the assistant's calls, so a user turn gives its tool results first,
then one user message with the images of those results and everything else that the turn says.
"""

from typing import Any

import orjson

from gateway.dialects.messages.settings import not_carried

Message = dict[str, Any]
Block = dict[str, Any]
Part = dict[str, Any]
THOUGHTS = ("thinking", "redacted_thinking")
# Claude Code's note to Anthropic in its first system block. It differs from request to request, so in front of
# a prompt it would keep every other upstream's cache from being of use.
BILLING_NOTE = "x-anthropic-billing-header:"


def chat_messages(payload: dict[str, Any]) -> list[Message]:
    """The system prompt and every turn, in order. Raises BadRequest for a block that chat has no place for."""
    prompt = system_text(payload.get("system"), "system")
    messages: list[Message] = [{"role": "system", "content": prompt}] if prompt else []
    for count, message in enumerate(payload["messages"]):
        content, place = message["content"], f"messages[{count}].content"
        if message["role"] == "assistant":
            messages.append(assistant_message(content, place))
        elif message["role"] == "system":
            messages.append({"role": "system", "content": system_text(content, place)})
        else:
            messages.extend(user_messages(content, place))
    return messages


def system_text(content: Any, place: str) -> str:
    """A system prompt, its blocks joined by empty lines."""
    if not isinstance(content, list):
        return content or ""
    for count, block in enumerate(content):
        if block["type"] != "text":
            raise not_carried(f"{place}[{count}].type", "a block here that is not text")
    return joined([block["text"] for block in content if not block["text"].startswith(BILLING_NOTE)])


def assistant_message(content: Any, place: str) -> Message:
    """What the model said before: its text and its calls; its thoughts stay out."""
    if isinstance(content, str):
        return {"role": "assistant", "content": content}
    texts, calls = [], []
    for count, block in enumerate(content):
        if block["type"] == "text":
            texts.append(block["text"])
        elif block["type"] == "tool_use":
            calls.append(call_of(block))
        elif block["type"] not in THOUGHTS:
            raise not_carried(f"{place}[{count}].type", "a block of this type in an assistant message")
    said = "".join(texts)
    if not calls:
        return {"role": "assistant", "content": said}
    return {"role": "assistant", "content": said or None, "tool_calls": calls}


def call_of(block: Block) -> dict[str, Any]:
    """A `tool_use` block as a tool call."""
    arguments = orjson.dumps(block["input"]).decode()
    return {
        "id": block["id"],
        "type": "function",
        "function": {"name": block["name"], "arguments": arguments},
    }


def user_messages(content: Any, place: str) -> list[Message]:
    """A user turn: a tool message for each result, then one user message, if anything is left for it."""
    if isinstance(content, str):
        return [{"role": "user", "content": content}]
    results: list[Message] = []
    shown: list[Part] = []
    said: list[Part] = []
    for count, block in enumerate(content):
        if block["type"] == "tool_result":
            result, images = tool_message(block, f"{place}[{count}].content")
            results.append(result)
            shown.extend(images)
        else:
            said.extend(parts_of(block, f"{place}[{count}]"))
    if results and not shown and not said:
        return results
    return [*results, {"role": "user", "content": flattened([*shown, *said])}]


def tool_message(block: Block, place: str) -> tuple[Message, list[Part]]:
    """A tool's result as text, and the images in it with a line that says whose they are."""
    content = block.get("content") or ""
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else inner_parts(content, place)
    images = [part for part in parts if part["type"] == "image_url"]
    text = joined([part["text"] for part in parts if part["type"] == "text"])
    if block.get("is_error"):
        text = f"Error: {text}" if text else "Error"
    if images:
        text = joined([text, "(Images of this result follow in the next user message.)"])
        images.insert(0, {"type": "text", "text": f"Images of the tool result {block['tool_use_id']}:"})
    return {"role": "tool", "tool_call_id": block["tool_use_id"], "content": text}, images


def parts_of(block: Block, place: str) -> list[Part]:
    """A block of a user message as parts of a chat message. Raises BadRequest for one that has no counterpart."""
    kind = block["type"]
    if kind == "text":
        return [{"type": "text", "text": block["text"]}]
    if kind == "image":
        return [{"type": "image_url", "image_url": {"url": image_url(block["source"], place)}}]
    if kind == "search_result":
        parts = inner_parts(block["content"], f"{place}.content")
        return [{"type": "text", "text": joined([block["title"], block["source"]])}, *parts]
    if kind == "document":
        return document_parts(block, place)
    if kind in THOUGHTS:
        return []
    raise not_carried(f"{place}.type", "a block of this type in a user message")


def inner_parts(blocks: list[Block], place: str) -> list[Part]:
    """The parts of blocks inside a block."""
    return [part for count, block in enumerate(blocks) for part in parts_of(block, f"{place}[{count}]")]


def image_url(source: dict[str, Any], place: str) -> str:
    """Where a chat's image lies: its address, or its data as one."""
    if source["type"] == "base64":
        return f"data:{source['media_type']};base64,{source['data']}"
    if source["type"] == "url":
        return str(source["url"])
    raise not_carried(f"{place}.source.type", "an image from such a source")


def document_parts(block: Block, place: str) -> list[Part]:
    """A document that is text, under its title."""
    source = block["source"]
    if source["type"] == "text":
        inside = [{"type": "text", "text": source["data"]}]
    elif source["type"] == "content":
        content = source["content"]
        inside = (
            [{"type": "text", "text": content}]
            if isinstance(content, str)
            else inner_parts(content, f"{place}.source.content")
        )
    else:
        raise not_carried(f"{place}.source.type", "a document that is not text")
    head = joined([block.get("title") or "", block.get("context") or ""])
    return [*([{"type": "text", "text": head}] if head else []), *inside]


def flattened(parts: list[Part]) -> str | list[Part]:
    """Text alone as one string, which every upstream takes; otherwise the parts that hold something."""
    if all(part["type"] == "text" for part in parts):
        return joined([part["text"] for part in parts])
    return [part for part in parts if part.get("text") != ""]


def joined(texts: list[str]) -> str:
    """Texts with an empty line between them; empty ones leave no gap."""
    return "\n\n".join(text for text in texts if text)
