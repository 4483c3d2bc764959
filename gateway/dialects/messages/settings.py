"""How an answer shall be made, said in chat's fields: thinking, form, tools; and what has no such field."""

import hashlib
from typing import Any

from gateway.dialects.messages.check import is_own_tool
from gateway.errors import BadRequest
from gateway.parse import bad

LOW_BUDGET, MEDIUM_BUDGET = 4_096, 16_384  # tokens of thinking, up to which the effort is low, and medium
EFFORTS = {"low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}
TOOL_CHOICES = {"auto": "auto", "any": "required", "none": "none"}
LONGEST_USER = 64  # characters; some upstreams refuse a longer `user`
# What `to_chat` carries over, wholly or as far as chat can say it.
CARRIED = frozenset(
    {
        "model",
        "messages",
        "system",
        "max_tokens",
        "stream",
        "temperature",
        "top_p",
        "stop_sequences",
        "tools",
        "tool_choice",
        "metadata",
        "output_config",
        "output_format",
        "mcp_servers",
    }
)


def not_carried(place: str, what: str) -> BadRequest:
    """The 400 for what only an upstream that speaks this dialect can do."""
    return bad(
        f"`{place}`: {what} needs an upstream that speaks Anthropic's Messages API itself, and this model has none. "
        "Choose another model, or send the request without it.",
        "not_supported_by_upstream",
        place,
    )


def left_out_of(payload: dict[str, Any], body: bytes) -> dict[str, str]:
    """What of a request that could be said as a chat is missing there: field → "".

    Thinking counts as carried where it became an effort.
    """
    names = [name for name in payload if name not in CARRIED]
    if "thinking" in payload and effort_of(payload) is not None:
        names.remove("thinking")
    if b'"cache_control"' in body and "cache_control" not in names:
        names.append("cache_control")
    return dict.fromkeys(names, "")


def shows_thinking(payload: dict[str, Any]) -> bool:
    """Whether the client asked to see how the model thinks."""
    thinking = payload.get("thinking") or {}
    return thinking.get("type") in ("enabled", "adaptive") and thinking.get("display") != "omitted"


def effort_of(payload: dict[str, Any]) -> str | None:
    """`reasoning_effort`: as asked, else by the thinking budget, else medium for thinking as the model sees fit."""
    thinking = payload.get("thinking") or {}
    kind = thinking.get("type")
    if kind == "disabled":
        return None
    asked = EFFORTS.get((payload.get("output_config") or {}).get("effort") or "")
    if asked is not None:
        return asked
    if kind == "enabled":
        budget = thinking["budget_tokens"]
        return "low" if budget <= LOW_BUDGET else "medium" if budget <= MEDIUM_BUDGET else "high"
    return "medium" if kind == "adaptive" else None


def json_schema_of(payload: dict[str, Any]) -> dict[str, Any] | None:
    """The schema that the answer shall follow."""
    form = (payload.get("output_config") or {}).get("format") or payload.get("output_format") or {}
    return form.get("schema") if form.get("type") == "json_schema" else None


def response_format_of(payload: dict[str, Any]) -> dict[str, Any] | None:
    """Chat's `response_format`; strict where the schema is one that OpenAI's strict mode accepts."""
    schema = json_schema_of(payload)
    if schema is None:
        return None
    described = {"name": "answer", "schema": schema, "strict": is_strict(schema)}
    return {"type": "json_schema", "json_schema": described}


def is_strict(schema: Any) -> bool:
    """Whether every object in a schema requires all of its properties and allows no others."""
    if isinstance(schema, list):
        return all(map(is_strict, schema))
    if not isinstance(schema, dict):
        return True
    properties = schema.get("properties")
    if isinstance(properties, dict) and schema.get("type", "object") == "object":
        required = schema.get("required")
        if schema.get("additionalProperties") is not False or not isinstance(required, list):
            return False
        if not properties.keys() <= {name for name in required if isinstance(name, str)}:
            return False
    return all(map(is_strict, schema.values()))


def tools_of(payload: dict[str, Any]) -> list[dict[str, Any]]:
    """The client's own tools as functions. Raises BadRequest for a tool that runs elsewhere."""
    tools = payload.get("tools", [])
    for count, tool in enumerate(tools):
        if not is_own_tool(tool):
            raise not_carried(f"tools[{count}].type", "a tool that the client does not describe itself")
    return [{"type": "function", "function": function_of(tool)} for tool in tools]


def function_of(tool: dict[str, Any]) -> dict[str, Any]:
    """One tool as a function."""
    function = {"name": tool["name"], "parameters": tool["input_schema"]}
    if tool.get("description"):
        function["description"] = tool["description"]
    if isinstance(tool.get("strict"), bool):
        function["strict"] = tool["strict"]
    return function


def tool_choice_of(choice: dict[str, Any]) -> dict[str, Any]:
    """`tool_choice` and `parallel_tool_calls`, those of them that are asked for."""
    fields: dict[str, Any] = {}
    if choice["type"] == "tool":
        fields["tool_choice"] = {"type": "function", "function": {"name": choice["name"]}}
    elif choice["type"] in TOOL_CHOICES:
        fields["tool_choice"] = TOOL_CHOICES[choice["type"]]
    else:
        raise not_carried("tool_choice.type", "a choice of this type")
    if choice.get("disable_parallel_tool_use"):
        fields["parallel_tool_calls"] = False
    return fields


def user_of(user_id: str) -> str:
    """The end user as chat's `user`; a long one as its digest, the same each time."""
    return user_id if len(user_id) <= LONGEST_USER else hashlib.sha256(user_id.encode()).hexdigest()
