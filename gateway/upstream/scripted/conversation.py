"""Reading a chat request the way a model would: the user's words, images, tools and the format asked for.

Every reader tolerates odd types: whatever the gateway lets through must get an answer, not a crash.
"""

from typing import Any

import orjson

from gateway.upstream.scripted.schema import sample

Document = dict[str, Any]


def dicts(value: Any) -> list[Document]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def messages(request: Document) -> list[Document]:
    return dicts(request.get("messages"))


def text_of(message: Document) -> str:
    """A message's text, its text parts joined by a newline."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = [part.get("text") for part in dicts(content) if part.get("type") == "text"]
    return "\n".join(part for part in parts if isinstance(part, str))


def user_words(request: Document) -> str:
    """The text of the last user message."""
    for message in reversed(messages(request)):
        if message.get("role") == "user":
            return text_of(message)
    return ""


def count_images(request: Document) -> int:
    parts = [part for message in messages(request) for part in dicts(message.get("content"))]
    return sum(part.get("type") == "image_url" for part in parts)


def echo(request: Document) -> str:
    """What `ok` says: images counted, a tool's result repeated, the user's words at the end."""
    said = []
    if images := count_images(request):
        said.append(f"I received {images} image{'s' if images > 1 else ''}.")
    history = messages(request)
    if history and history[-1].get("role") == "tool":
        said.append(f"The tool answered: {text_of(history[-1])}")
    else:
        said.append(f"You said: {user_words(request)}")
    return " ".join(said)


def functions(request: Document) -> list[Document]:
    """The functions offered as tools, in order."""
    if not request.get("tools"):
        return []
    offered = dicts([tool.get("function") for tool in dicts(request.get("tools"))])
    return [function for function in offered if isinstance(function.get("name"), str)]


def functions_to_call(request: Document) -> list[Document]:
    """The tools to call: the one that `tool_choice` forces, or those named in the user's last words."""
    if not (offered := functions(request)):
        return []
    choice, history = request.get("tool_choice"), messages(request)
    if isinstance(choice, dict):
        forced = dicts([choice.get("function")])
        return [function for function in offered if forced and function["name"] == forced[0].get("name")]
    if choice == "none" or not history or history[-1].get("role") == "tool":
        return []
    words = user_words(request)
    named = [function for function in offered if function["name"] in words]
    if choice == "required":
        named = named or offered[:1]
    return named[:1] if request.get("parallel_tool_calls") is False else named


def arguments_for(function: Document) -> str:
    return orjson.dumps(sample(function.get("parameters") or {"type": "object"})).decode()


def formatted(request: Document) -> str | None:
    """JSON text when `response_format` asks for it, else None."""
    asked = request.get("response_format")
    kind = asked.get("type") if isinstance(asked, dict) else None
    if kind == "json_schema":
        wrapper = asked.get("json_schema") if isinstance(asked, dict) else None
        schema = wrapper.get("schema") if isinstance(wrapper, dict) else None
        return orjson.dumps(sample(schema)).decode()
    if kind == "json_object":
        return orjson.dumps({"answer": echo(request)}).decode()
    return None


def count_choices(request: Document) -> int:
    wanted = request.get("n")
    return min(wanted, 128) if isinstance(wanted, int) and wanted > 1 else 1


def token_limit(request: Document) -> int | None:
    for name in ("max_completion_tokens", "max_tokens"):
        limit = request.get(name)
        if isinstance(limit, int) and limit > 0:
            return limit
    return None


def wants_usage(request: Document) -> bool:
    """Whether a stream was asked to end with a usage chunk."""
    options = request.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


def count_prompt_tokens(request: Document) -> int:
    """About four characters a token and four tokens a message: a count that grows with the prompt."""
    return sum(4 + len(text_of(message)) // 4 for message in messages(request)) or 1
