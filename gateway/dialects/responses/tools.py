"""Tools and the choice among them, as a chat completion has them.

A chat has only functions, in one flat list. A custom tool, which takes free text, becomes one with a single string,
`input`; a tool of a namespace becomes one with both names in its own.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson

from gateway.dialects.responses.places import Document, not_carried, objects, one_of, optional, required
from gateway.parse import bad

CHOICES = ("auto", "none", "required")
NAME_LENGTH = 64  # the longest name of a function that chat upstreams take
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
    functions = [function for place, tool in tools for function in chat_functions(tool, place)]
    chosen = chat_choice(choice) if choice is not None else None
    if not functions:
        return {} if chosen in (None, "auto", "none") else {"tool_choice": chosen}
    fields = {"tools": functions, "tool_choice": chosen}
    fields["parallel_tool_calls"] = payload.get("parallel_tool_calls")
    return {name: value for name, value in fields.items() if value is not None}


def chat_functions(tool: Document, place: str) -> list[Document]:
    """A tool, or all tools of a namespace, as a chat's functions. The first of a namespace tells what that is for.
    Raises BadRequest.
    """
    if tool.get("type") != "namespace":
        return [chat_tool(tool, place)]
    namespace = required(tool, "name", str, place)
    told = optional(tool, "description", str, place)
    members = objects(required(tool, "tools", list, place), f"{place}.tools")
    functions = [chat_tool(member, at) for at, member in members]
    for function in (each["function"] for each in functions):
        function["name"] = chat_name(function["name"], namespace)
    if functions and told:
        first = functions[0]["function"]
        first["description"] = f"{namespace}: {told}\n\n{first.get('description', '')}".rstrip()
    return functions


def chat_name(name: str, namespace: str | None) -> str:
    """The name of the chat's function: both names, cut to a length that upstreams take, and then still distinct."""
    whole = f"{namespace}__{name}" if namespace else name
    if not namespace or len(whole) <= NAME_LENGTH:
        return whole
    mark = sha256(whole.encode()).hexdigest()[:8]
    return f"{whole[: NAME_LENGTH - len(mark) - 1]}_{mark}"


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
    named = {identity_of(tool) for _, tool in listed}
    left = [(at, tool) for at, tool in tools if identity_of(tool) in named]
    if not left:
        raise bad(f"`{place}` names none of the tools in `tools`.", "invalid_value", place)
    return left


def identity_of(tool: Document) -> tuple[str, str]:
    """What tells a tool from the others."""
    return str(tool.get("type")), str(tool.get("name"))


@dataclass(frozen=True, slots=True)
class Called:
    """A tool as the client knows it."""

    name: str
    namespace: str | None = None
    custom: bool = False

    def names(self) -> Document:
        """The fields that say in a call which tool it is of."""
        return {"name": self.name} | ({"namespace": self.namespace} if self.namespace else {})


def called_tools(payload: Document) -> dict[str, Called]:
    """The chat's functions that are not simply the client's by the same name: whose calls they are."""
    tools = [tool for tool in payload.get("tools", []) if isinstance(tool, dict)]
    called = [own_name(tool, None) for tool in tools]
    for space in tools:
        if space.get("type") == "namespace" and isinstance(space.get("tools"), list):
            members = [member for member in space["tools"] if isinstance(member, dict)]
            called += [own_name(member, str(space.get("name"))) for member in members]
    return {chat_name(tool.name, tool.namespace): tool for tool in called if tool.custom or tool.namespace}


def own_name(tool: Document, namespace: str | None) -> Called:
    """A tool of the request by the client's name of it."""
    return Called(str(tool.get("name")), namespace, tool.get("type") == "custom")


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
