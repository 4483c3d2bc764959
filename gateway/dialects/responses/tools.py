"""Tools and the choice among them, as a chat completion has them.

A custom tool takes free text; as a chat has only functions, it becomes one with a single string, `input`.
"""

from typing import Any

import orjson

from gateway.dialects.responses.places import Document, not_carried, objects, one_of, optional, required
from gateway.parse import bad

CHOICES = ("auto", "none", "required")
CUSTOM_PARAMETERS: Document = {
    "type": "object",
    "properties": {"input": {"type": "string", "description": "The tool's input, as plain text."}},
    "required": ["input"],
    "additionalProperties": False,
}


def chat_tools(payload: Document) -> Document:
    """The fields `tools`, `tool_choice` and `parallel_tool_calls` of the chat. Raises BadRequest.

    Without a tool there is nothing to choose from, and chat upstreams refuse the other two.
    """
    tools = objects(payload.get("tools", []), "tools")
    choice = payload.get("tool_choice")
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        tools = allowed_of(tools, choice)
        choice = optional(choice, "mode", str, "tool_choice") or "auto"
    functions = [chat_tool(tool, place) for place, tool in tools]
    chosen = chat_choice(choice) if choice is not None else None
    if not functions:
        return {} if chosen in (None, "auto", "none") else {"tool_choice": chosen}
    fields = {"tools": functions, "tool_choice": chosen}
    fields["parallel_tool_calls"] = payload.get("parallel_tool_calls")
    return {name: value for name, value in fields.items() if value is not None}


def chat_tool(tool: Document, place: str) -> Document:
    """One tool as a chat's function. Raises BadRequest, with NOT_CARRIED for a tool that is none of the client's."""
    kind = required(tool, "type", str, place)
    if kind == "function":
        return {"type": "function", "function": function_of(tool, place)}
    if kind == "custom" and (optional(tool, "format", dict, place) or {}).get("type", "text") == "text":
        return {"type": "function", "function": custom_function_of(tool, place)}
    if kind == "custom":
        raise not_carried(f"{place}.format", "A grammar for a custom tool", "send the tool without `format`")
    raise not_carried(f"{place}.type", f"The tool `{kind}`", "send the request without this tool")


def function_of(tool: Document, place: str) -> Document:
    """The flat form nested: name, description, parameters, strict."""
    fields = {
        "name": required(tool, "name", str, place),
        "description": optional(tool, "description", str, place),
        "parameters": optional(tool, "parameters", dict, place),
        "strict": optional(tool, "strict", bool, place),
    }
    return {name: value for name, value in fields.items() if value is not None}


def custom_function_of(tool: Document, place: str) -> Document:
    """A custom tool as a function with one string."""
    function = {"name": required(tool, "name", str, place), "parameters": CUSTOM_PARAMETERS}
    description = optional(tool, "description", str, place)
    return function | ({"description": description} if description else {})


def chat_choice(choice: Any) -> Any:
    """`tool_choice` as a chat has it. Raises BadRequest."""
    if isinstance(choice, str):
        one_of(choice, CHOICES, "tool_choice")
        return choice
    kind = required(choice, "type", str, "tool_choice")
    if kind in ("function", "custom"):
        name = required(choice, "name", str, "tool_choice")
        return {"type": "function", "function": {"name": name}}
    raise not_carried("tool_choice.type", f"The tool choice `{kind}`", 'send `tool_choice` as "auto"')


def allowed_of(tools: list[tuple[str, Document]], choice: Document) -> list[tuple[str, Document]]:
    """The tools that an `allowed_tools` choice leaves. Raises BadRequest when it leaves none."""
    place = "tool_choice.tools"
    listed = objects(required(choice, "tools", list, "tool_choice"), place)
    named = [(tool.get("type"), tool.get("name")) for _, tool in listed]
    left = [(at, tool) for at, tool in tools if (tool.get("type"), tool.get("name")) in named]
    if not left:
        raise bad(f"`{place}` names none of the tools in `tools`.", "invalid_value", place)
    return left


def custom_names(payload: Document) -> frozenset[str]:
    """The names of the custom tools: calls of them are said again as calls of custom tools."""
    tools = [tool for tool in payload.get("tools", []) if isinstance(tool, dict)]
    return frozenset(str(tool.get("name")) for tool in tools if tool.get("type") == "custom")


def custom_arguments(text: str) -> str:
    """A custom tool's input as the arguments of its function."""
    return orjson.dumps({"input": text}).decode()


def custom_input(arguments: str) -> str:
    """The arguments of its function as a custom tool's input; what a model wrote in another form stays as it is."""
    try:
        document = orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return arguments
    text = document.get("input") if isinstance(document, dict) else None
    return text if isinstance(text, str) else arguments
