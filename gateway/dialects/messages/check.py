"""Types and ranges in the body of a message request; every refusal names the place it is about."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from gateway.errors import BadRequest
from gateway.parse import MAX_TOOLS, NUMBER, WHOLE, Range, bad, check_range

RANGES = {
    "max_tokens": Range(WHOLE, 1, 10_000_000, "a whole number from 1"),
    "temperature": Range(NUMBER, 0, 1, "a number from 0 to 1"),
    "top_p": Range(NUMBER, 0, 1, "a number from 0 to 1"),
    "top_k": Range(WHOLE, 0, 10_000_000, "a whole number from 0"),
}
BUDGET = Range(WHOLE, 1, 10_000_000, "a whole number from 1")
ROLES = ("user", "assistant", "system")
STRING, OBJECT, LIST, FLAG = "a string", "an object", "a list", "true or false"


class Field(NamedTuple):
    """A field of an object: its types, how they are said, and whether it must be there. Null counts as absent."""

    name: str
    kinds: tuple[type, ...]
    said: str
    required: bool = False


def text(name: str, *, required: bool = True) -> Field:
    """A string."""
    return Field(name, (str,), STRING, required)


CONTENT = Field("content", (str, list), "a string or a list of blocks")
SOURCE = Field("source", (dict,), OBJECT, required=True)
TOP = (
    text("model", required=False),
    Field("stream", (bool,), FLAG),
    Field("system", (str, list), "a string or a list of text blocks"),
    Field("stop_sequences", (list,), "a list of strings"),
    Field("tools", (list,), f"a list of at most {MAX_TOOLS} tools"),
    Field("tool_choice", (dict,), OBJECT),
    Field("thinking", (dict,), OBJECT),
    Field("output_config", (dict,), OBJECT),
    Field("output_format", (dict,), OBJECT),
    Field("metadata", (dict,), OBJECT),
    Field("context_management", (dict,), OBJECT),
    Field("mcp_servers", (list,), LIST),
    Field("container", (str, dict), "a string or an object"),
    text("service_tier", required=False),
    text("inference_geo", required=False),
)
BLOCKS: dict[str, tuple[Field, ...]] = {
    "text": (text("text"),),
    "image": (SOURCE,),
    "document": (SOURCE, text("title", required=False), text("context", required=False)),
    "tool_use": (text("id"), text("name"), Field("input", (dict,), OBJECT, required=True)),
    "tool_result": (text("tool_use_id"), CONTENT, Field("is_error", (bool,), FLAG)),
    "thinking": (text("thinking"), text("signature", required=False)),
    "redacted_thinking": (text("data"),),
    "search_result": (text("source"), text("title"), Field("content", (list,), LIST, required=True)),
}
SOURCES: dict[str, tuple[Field, ...]] = {
    "base64": (text("media_type"), text("data")),
    "url": (text("url"),),
    "text": (text("data"),),
    "content": (CONTENT._replace(required=True),),
    "file": (text("file_id"),),
}


@dataclass(slots=True)
class Media:
    """What a request holds that is not text: images (`remote_images` of them by address), other
    documents, and the bytes of base64 of both.
    """

    images: int = 0
    remote_images: int = 0
    documents: int = 0
    data_bytes: int = 0


def check_payload(payload: dict[str, Any], *, to_answer: bool = True) -> Media:
    """Check a whole body, and count the media in it. Raises BadRequest.

    `max_tokens` is required where an answer is wanted, not where tokens are only counted.
    """
    if to_answer and "max_tokens" not in payload:
        raise bad("`max_tokens` is missing: say how long the answer may be.", "missing_field", "max_tokens")
    check_object(payload, TOP, "")
    for name, rule in RANGES.items():
        if name in payload:
            check_range(name, payload[name], rule)
    check_settings(payload)
    check_tools(payload)
    media = Media()
    check_blocks(payload.get("system"), "system", Media())
    check_messages(payload, media)
    return media


def check_settings(payload: dict[str, Any]) -> None:
    """What lies inside the objects that set how an answer is made."""
    for count, sequence in enumerate(payload.get("stop_sequences", ())):
        if not isinstance(sequence, str):
            raise wrong_type(f"stop_sequences[{count}]", STRING)
    check_object(payload.get("metadata", {}), (text("user_id", required=False),), "metadata")
    thinking = payload.get("thinking")
    if thinking is not None:
        check_object(thinking, (text("type"),), "thinking")
        if thinking["type"] == "enabled":
            check_object(thinking, (Field("budget_tokens", WHOLE, BUDGET.said, required=True),), "thinking")
            check_range("thinking.budget_tokens", thinking["budget_tokens"], BUDGET)
    output = payload.get("output_config", {})
    check_object(output, (text("effort", required=False), Field("format", (dict,), OBJECT)), "output_config")
    for place, form in (
        ("output_config.format", output.get("format")),
        ("output_format", payload.get("output_format")),
    ):
        if form is not None:
            check_object(form, (text("type"), Field("schema", (dict,), OBJECT)), place)


def check_tools(payload: dict[str, Any]) -> None:
    """Tools that the client runs, whole; of other tools only that they have a type."""
    tools = payload.get("tools", [])
    if len(tools) > MAX_TOOLS:
        raise wrong_type("tools", f"a list of at most {MAX_TOOLS} tools")
    for count, tool in enumerate(tools):
        place = f"tools[{count}]"
        if not isinstance(tool, dict):
            raise wrong_type(place, OBJECT)
        check_object(tool, (text("type", required=False),), place)
        if is_own_tool(tool):
            schema = Field("input_schema", (dict,), OBJECT, required=True)
            check_object(tool, (text("name"), text("description", required=False), schema), place)
    choice = payload.get("tool_choice")
    if choice is not None:
        named = text("name", required=choice.get("type") == "tool")
        parallel = Field("disable_parallel_tool_use", (bool,), FLAG)
        check_object(choice, (text("type"), named, parallel), "tool_choice")


def is_own_tool(tool: dict[str, Any]) -> bool:
    """Whether the client describes and runs the tool itself."""
    return tool.get("type") in (None, "custom")


def check_messages(payload: dict[str, Any], media: Media) -> None:
    """The messages: a list that is not empty, of objects with a role and content."""
    messages = payload.get("messages")
    if messages is None:
        said = "`messages` is missing: send a list of messages, each with a role and content."
        raise bad(said, "missing_field", "messages")
    if not isinstance(messages, list):
        raise wrong_type("messages", LIST)
    if not messages:
        raise bad("`messages` is empty: send at least one message.", "invalid_value", "messages")
    for count, message in enumerate(messages):
        place = f"messages[{count}]"
        if not isinstance(message, dict):
            raise wrong_type(place, OBJECT)
        check_object(message, (text("role"), CONTENT._replace(required=True)), place)
        if message["role"] not in ROLES:
            said = f"`{place}.role` must be user, assistant or system."
            raise bad(said, "invalid_value", f"{place}.role")
        check_blocks(message["content"], f"{place}.content", media)


def check_blocks(content: Any, place: str, media: Media) -> None:
    """The blocks of a content that is a list: a type each, and the fields of the types known here."""
    if not isinstance(content, list):
        return
    for count, block in enumerate(content):
        here = f"{place}[{count}]"
        if not isinstance(block, dict):
            raise wrong_type(here, OBJECT)
        check_object(block, (TYPE,), here)
        check_object(block, BLOCKS.get(block["type"], ()), here)
        if block["type"] in ("image", "document"):
            check_source(block, f"{here}.source", media)
        elif block["type"] in ("tool_result", "search_result"):
            check_blocks(block.get("content"), f"{here}.content", media)


def check_source(block: dict[str, Any], place: str, media: Media) -> None:
    """Where an image or document comes from; counts it unless it is text."""
    source = block["source"]
    check_object(source, (TYPE,), place)
    check_object(source, SOURCES.get(source["type"], ()), place)
    if source["type"] == "content":
        check_blocks(source["content"], f"{place}.content", media)
    elif block["type"] == "image":
        media.images += 1
        media.remote_images += source["type"] == "url"
    elif source["type"] != "text":
        media.documents += 1
    if source["type"] == "base64":
        media.data_bytes += len(source["data"])


TYPE = text("type")


def check_object(holder: dict[str, Any], fields: tuple[Field, ...], place: str) -> None:
    """The fields of one object. Raises BadRequest with the path of the first that is missing or wrong."""
    for field in fields:
        value = holder.get(field.name)
        if value is None:
            if field.required:
                path = path_of(place, field.name)
                raise bad(f"`{path}` is missing: it must be {field.said}.", "missing_field", path)
        elif not isinstance(value, field.kinds) or (isinstance(value, bool) and bool not in field.kinds):
            raise wrong_type(path_of(place, field.name), field.said)


def path_of(place: str, name: str) -> str:
    """A field's path from the top of the body."""
    return f"{place}.{name}" if place else name


def wrong_type(path: str, said: str) -> BadRequest:
    """The 400 for a value of another type."""
    return bad(f"`{path}` must be {said}.", "invalid_type", path)
