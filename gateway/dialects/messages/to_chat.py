"""A message request said as a chat completion. Pure; what cannot be carried over is refused by its name.

`system` and its blocks become one system message, a user message's tool results become tool messages ahead of it.
Left out: thinking from earlier turns, everything about caches, and `top_k`, which chat does not know.
"""

from typing import Any

from gateway.dialects.messages.conversation import chat_messages
from gateway.dialects.messages.settings import (
    effort_of,
    not_carried,
    response_format_of,
    tool_choice_of,
    tools_of,
    user_of,
)

SAME = ("model", "max_tokens", "temperature", "top_p", "stream")
HINTS = frozenset({"reasoning_effort"})


def to_chat(payload: dict[str, Any]) -> dict[str, Any]:
    """The chat completion that asks the same of a checked payload. Raises BadRequest for what chat cannot say."""
    refuse_what_runs_elsewhere(payload)
    chat: dict[str, Any] = {name: payload[name] for name in SAME if name in payload}
    chat["messages"] = chat_messages(payload)
    if payload.get("stop_sequences"):
        chat["stop"] = payload["stop_sequences"]
    tools = tools_of(payload)
    if tools:
        chat["tools"] = tools
        chat |= tool_choice_of(payload["tool_choice"]) if "tool_choice" in payload else {}
    user_id = (payload.get("metadata") or {}).get("user_id")
    for name, value in (
        ("reasoning_effort", effort_of(payload)),
        ("response_format", response_format_of(payload)),
        ("user", user_of(user_id) if user_id else None),
    ):
        if value is not None:
            chat[name] = value
    return chat


def refuse_what_runs_elsewhere(payload: dict[str, Any]) -> None:
    """Fields that make Anthropic do more than answer, or bind where it is done."""
    if payload.get("mcp_servers"):
        raise not_carried("mcp_servers", "a server that the upstream calls")
    container = payload.get("container")
    if isinstance(container, dict) and container.get("skills"):
        raise not_carried("container.skills", "a skill that the upstream runs")
    if payload.get("inference_geo"):
        raise not_carried("inference_geo", "the choice of where an answer is made")
    for place, form in (
        ("output_config.format.type", (payload.get("output_config") or {}).get("format")),
        ("output_format.type", payload.get("output_format")),
    ):
        if form is not None and (form["type"] != "json_schema" or form.get("schema") is None):
            raise not_carried(place, "a form other than a JSON schema")
