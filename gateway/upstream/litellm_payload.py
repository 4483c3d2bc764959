"""What of a client's request litellm is given: fields that describe the chat, none that steer litellm.

litellm reads its own switches (addresses, keys, mocks, callbacks, retries, caches) from the same arguments as the
chat's fields, so only fields listed here pass. It also fetches media by their URL; only inlined data passes.
"""

import re
from collections.abc import Collection, Iterator
from typing import Any

import orjson

from gateway.errors import AttemptFailed
from gateway.upstream.litellm_schemas import CANNOT, refuse_huge_schemas
from gateway.upstream.parameters import Policy, edited_payload

# Written by the wire itself; no edit to tell of.
OURS = frozenset({"model", "stream", "stream_options"})
# Passed wherever the provider takes them.
CHAT_FIELDS = frozenset(
    {
        "audio",
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "modalities",
        "n",
        "parallel_tool_calls",
        "prediction",
        "presence_penalty",
        "reasoning_effort",
        "response_format",
        "seed",
        "service_tier",
        "stop",
        "temperature",
        "thinking",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "user",
        "verbosity",
        "web_search_options",
    }
)
# Fields of a provider's own that mean nothing to litellm itself.
PROVIDER_FIELDS = {
    "anthropic": frozenset({"top_k"}),
    "gemini": frozenset({"top_k", "safety_settings"}),
}
# An answer without these would not be what was asked for; better another deployment than a request without them.
ESSENTIAL = frozenset({"audio", "functions", "response_format", "tools"})
MAIN_TEXT = frozenset({"text", "thinking", "input", "arguments"})
REMOTE = re.compile(r"\s*(?!data:)[a-z][a-z0-9+.\-]*:", re.I)
# In a URL these would lead to another place than the model's.
MISLEADING = re.compile(r"[?#%\\\s\x00-\x1f\x7f-\x9f]|(?:^|/)\.{1,2}(?:/|$)")


def chat_fields(
    payload: dict[str, Any], policy: Policy, prefix: str, supported: Collection[str] | None
) -> tuple[dict[str, Any], dict[str, str]]:
    """A copy of the fields that may pass, and the edits: policy, and what the provider does not take.

    `supported` are the OpenAI fields the model takes, None when nobody knows. Raises AttemptFailed (capability)
    for media given by URL, for tools that are not functions, for schemas that grow too large when litellm writes
    their references out, and when something essential is not supported.
    """
    wanted, edits = edited_payload(payload, policy)
    refuse_remote_media(wanted.get("messages"))
    refuse_foreign_tools(wanted)
    fields = {}
    for name, value in wanted.items():
        if name in OURS:
            continue
        if name == "messages" or may_pass(name, value, prefix, supported):
            fields[name] = value
        elif name in ESSENTIAL:
            raise AttemptFailed(CANNOT)
        else:
            edits[name] = ""
    # litellm edits messages in place, and the next attempt sends the same ones.
    raw = orjson.dumps(fields)
    copy: dict[str, Any] = orjson.loads(raw)
    refuse_huge_schemas(copy, raw)
    if prefix != "anthropic/" and drop_cache_marks(copy):
        edits["cache_control"] = ""
    return copy, edits


def may_pass(name: str, value: Any, prefix: str, supported: Collection[str] | None) -> bool:
    """Whether the provider is given this field."""
    if name in PROVIDER_FIELDS.get(prefix.rstrip("/"), ()):
        return True
    if name == "n" and value != 1:  # litellm's streams hold one choice
        return False
    return name in CHAT_FIELDS and (supported is None or name in supported)


def refuse_misleading_name(model: str) -> None:
    """litellm writes the model's name into the URL as it is, and behind a wildcard the client has chosen it.

    Raises AttemptFailed: the name is the request's matter, so nothing is held because of it.
    """
    if MISLEADING.search(model):
        raise AttemptFailed(CANNOT)


def refuse_foreign_tools(fields: dict[str, Any]) -> None:
    """Functions only: litellm runs some of the other kinds itself. Raises AttemptFailed."""
    tools = fields.get("tools") or []
    if not all(isinstance(tool, dict) and tool.get("type") == "function" for tool in tools):
        raise AttemptFailed(CANNOT)


def refuse_remote_media(messages: Any) -> None:
    """Nothing here fetches a URL out of a prompt. Raises AttemptFailed."""
    for message in messages if isinstance(messages, list) else ():
        content = message.get("content") if isinstance(message, dict) else None
        parts = content if isinstance(content, list) else ()
        if any(REMOTE.match(text) for part in parts for text in media_texts(part)):
            raise AttemptFailed(CANNOT)


def media_texts(value: Any) -> Iterator[str]:
    """Every string in a content part, except prose: what the model is to read, and tools' arguments."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from media_texts(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            if name not in MAIN_TEXT:
                yield from media_texts(item)


def drop_cache_marks(value: Any) -> bool:
    """Take `cache_control` out wherever it stands; for Gemini litellm would make further requests for it."""
    dropped = False
    if isinstance(value, dict):
        dropped = value.pop("cache_control", None) is not None
        for item in value.values():
            dropped |= drop_cache_marks(item)
    elif isinstance(value, list):
        for item in value:
            dropped |= drop_cache_marks(item)
    return dropped
