"""Input items → chat messages.

Calls that stand side by side become one assistant message, with the text before or after them; each call's output
follows that message, wherever the client put it, because a chat upstream accepts it nowhere else.
"""

from dataclasses import dataclass, field
from typing import Any

from gateway.dialects.responses.places import Document, not_carried, objects, one_of, optional, required
from gateway.dialects.responses.tools import chat_name, custom_arguments
from gateway.parse import bad

ROLES = ("user", "assistant", "system", "developer")
DETAILS = ("auto", "low", "high")
IMAGE_FOLLOWS = "The image follows."


@dataclass(slots=True)
class Turn:
    """One message, the pieces of its text, and what was put out by the tools it calls: a tool message each, and their
    images.
    """

    message: Document
    pieces: list[str] = field(default_factory=list)
    outputs: list[Document] = field(default_factory=list)
    images: list[Document] = field(default_factory=list)

    def goes_on_with(self, role: str) -> bool:
        """Whether more text of this role belongs into the message."""
        if role != self.message["role"] or isinstance(self.message["content"], list):
            return False
        return role == "system" or (role == "assistant" and "tool_calls" in self.message and not self.outputs)


class Conversation:
    """The messages while the items are read."""

    def __init__(self) -> None:
        self._turns: list[Turn] = []
        self._callers: dict[str, Turn] = {}

    def messages(self) -> list[Document]:
        """Every message in the order a chat wants them."""
        messages: list[Document] = []
        for turn in self._turns:
            if turn.pieces:
                turn.message["content"] = "\n\n".join(filter(None, turn.pieces))
            messages += [turn.message, *turn.outputs]
            if turn.images:
                messages.append({"role": "user", "content": turn.images})
        return messages

    def say(self, role: str, content: Any) -> None:
        """A message. Text of the assistant behind its calls joins them, and the system speaks once in a row: many
        models accept a single system message.
        """
        last = self._turns[-1] if self._turns else None
        if last is None or not isinstance(content, str) or not last.goes_on_with(role):
            last = Turn({"role": role, "content": content})
            self._turns.append(last)
        if isinstance(content, str):
            last.pieces.append(content)

    def call(self, call_id: str, name: str, arguments: str) -> None:
        """A tool call; joins the assistant's message before it."""
        last = self._turns[-1] if self._turns else None
        if last is None or last.message["role"] != "assistant" or last.outputs:
            last = Turn({"role": "assistant", "content": None})
            self._turns.append(last)
        function = {"name": name, "arguments": arguments}
        last.message.setdefault("tool_calls", []).append(
            {"id": call_id, "type": "function", "function": function}
        )
        self._callers[call_id] = last

    def put_out(self, call_id: str, text: str, images: list[Document]) -> None:
        """What a call put out. An output without its call stays where it is, for the upstream to judge."""
        message = {"role": "tool", "tool_call_id": call_id, "content": text}
        turn = self._callers.get(call_id)
        if turn is None:
            turn = Turn(message)
            self._turns.append(turn)
        else:
            turn.outputs.append(message)
        turn.images += images


def chat_messages(payload: Document) -> list[Document]:
    """The instructions and the input as messages. Raises BadRequest, with NOT_CARRIED for what a chat cannot hold."""
    conversation = Conversation()
    if payload.get("instructions"):
        conversation.say("system", payload["instructions"])
    if isinstance(payload["input"], str):
        conversation.say("user", payload["input"])
    else:
        for place, item in objects(payload["input"], "input"):
            read_item(conversation, item, place)
    messages = conversation.messages()
    if not messages:
        raise bad("`input` holds no message: send at least one.", "invalid_value", "input")
    return messages


def kind_of(item: Document, place: str) -> str:
    """An item's type; one without it is a message when it has a role. Raises BadRequest."""
    kind = optional(item, "type", str, place)
    if kind is None and "role" not in item:
        if isinstance(item.get("id"), str):
            return "item_reference"
        raise bad(f"`{place}.type` is missing: send the kind of the item.", "missing_field", f"{place}.type")
    return kind or "message"


def read_item(conversation: Conversation, item: Document, place: str) -> None:
    """One item into the conversation; thoughts are left out. Raises BadRequest."""
    match kind_of(item, place):
        case "message":
            read_message(conversation, item, place)
        case "function_call":
            read_call(conversation, item, place, required(item, "arguments", str, place))
        case "custom_tool_call":
            text = required(item, "input", str, place)
            read_call(conversation, item, place, custom_arguments(text))
        case "function_call_output" | "custom_tool_call_output":
            read_output(conversation, item, place)
        case "reasoning":
            pass
        case other:
            raise not_carried(
                f"{place}.type", f"An item of the type `{other}`", "send the conversation without it"
            )


def read_call(conversation: Conversation, item: Document, place: str, arguments: str) -> None:
    """A call of a tool, by the name that the chat has for it."""
    call_id, name = (required(item, key, str, place) for key in ("call_id", "name"))
    namespace = optional(item, "namespace", str, place)
    conversation.call(call_id, chat_name(name, namespace), arguments)


def read_message(conversation: Conversation, item: Document, place: str) -> None:
    """A message of any role; developers speak as the system."""
    role = required(item, "role", str, place)
    one_of(role, ROLES, f"{place}.role")
    content = content_of(item, "content", place)
    conversation.say("system" if role == "developer" else role, content)


def read_output(conversation: Conversation, item: Document, place: str) -> None:
    """A tool's output: its text as the tool's message, its images behind all tools' messages."""
    call_id = required(item, "call_id", str, place)
    content = content_of(item, "output", place)
    if isinstance(content, str):
        conversation.put_out(call_id, content, [])
        return
    images = [part for part in content if part["type"] != "text"]
    conversation.put_out(call_id, text_of(content) or IMAGE_FOLLOWS, images)


def content_of(item: Document, name: str, place: str) -> str | list[Document]:
    """Text as a string; a list of chat's parts only where there is more than text."""
    place = f"{place}.{name}"
    value = item.get(name)
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        code = "missing_field" if value is None else "invalid_type"
        raise bad(f"`{place}` must be a string or a list of parts.", code, place)
    parts = [chat_part(part, at) for at, part in objects(value, place)]
    return parts if any(part["type"] != "text" for part in parts) else text_of(parts)


def text_of(parts: list[Document]) -> str:
    """The text of chat's parts, one below the other."""
    return "\n".join(part["text"] for part in parts if part["type"] == "text")


def chat_part(part: Document, place: str) -> Document:
    """One content part as a chat has it. Raises BadRequest."""
    match required(part, "type", str, place):
        case "input_text" | "output_text" | "text":
            return {"type": "text", "text": required(part, "text", str, place)}
        case "refusal":
            return {"type": "text", "text": required(part, "refusal", str, place)}
        case "input_image":
            return image_part(part, place)
        case "input_audio":
            return {"type": "input_audio", "input_audio": required(part, "input_audio", dict, place)}
        case other:
            raise not_carried(f"{place}.type", f"Content of the type `{other}`", "send it as text")


def image_part(part: Document, place: str) -> Document:
    """An image by its address or its data."""
    if optional(part, "file_id", str, place) is not None:
        raise not_carried(f"{place}.file_id", "A stored file", "send the image in `image_url`")
    image = {"url": required(part, "image_url", str, place)}
    detail = optional(part, "detail", str, place)
    return {"type": "image_url", "image_url": image | ({"detail": detail} if detail in DETAILS else {})}
