"""litellm's answers, as plain values, without what is only litellm's own."""

from typing import Any

from gateway.dialects.dialect import NotAnAnswer, RefusedInside
from gateway.dialects.registry import DIALECTS
from gateway.errors import AttemptFailed
from gateway.upstream import classify
from gateway.upstream.chunks import Chunk, is_completion

KEPT_IN_MESSAGE = (
    "role",
    "content",
    "tool_calls",
    "reasoning_content",
    "refusal",
    "thinking_blocks",
    "audio",
)
KEPT_IN_USAGE = ("prompt_tokens", "completion_tokens", "total_tokens")


def completion_body(
    answer: dict[str, Any], model: str, *, finished: bool, credential: str = ""
) -> tuple[dict[str, Any], int]:
    """litellm's JSON answer as clients may see it, and the bytes of text in it. Raises AttemptFailed.

    `finished`: the upstream itself has said why it stopped, so that an answer without content is whole too.
    `credential` is ours, in case an error repeats it.
    """
    choices: list[dict[str, Any]] = [
        {
            "index": choice.get("index", place),
            "message": kept_message(choice.get("message") or {}),
            "finish_reason": choice.get("finish_reason"),
            **({"logprobs": choice["logprobs"]} if choice.get("logprobs") else {}),
        }
        for place, choice in enumerate(answer.get("choices") or ())
    ]
    if finished:
        for choice in choices:
            if not is_completion({"choices": [choice]}):
                choice["message"]["content"] = ""
            elif choice["finish_reason"] == "content_filter":  # what a filter has emptied may lack even that
                choice["message"].setdefault("content", "")
    body = {"id": answer.get("id"), "created": answer.get("created"), "choices": choices}
    if usage := kept_usage(answer.get("usage")):
        body["usage"] = usage
    try:
        return DIALECTS["chat"].check_answer(body, model)
    except NotAnAnswer:
        raise AttemptFailed(classify.bad_response()) from None
    except RefusedInside as refused:
        raise AttemptFailed(classify.classify_error_object(refused.error, credential)) from None


def stream_chunk(part: dict[str, Any]) -> Chunk:
    """litellm's chunk without what is only its own."""
    choices = [
        {
            "index": choice.get("index", 0),
            "delta": kept_message(choice.get("delta") or {}),
            "finish_reason": choice.get("finish_reason"),
        }
        for choice in part.get("choices") or ()
    ]
    chunk = {"id": part.get("id"), "created": part.get("created"), "choices": choices}
    if usage := kept_usage(part.get("usage")):
        chunk["usage"] = usage
    return chunk


def kept_message(message: dict[str, Any]) -> dict[str, Any]:
    """The fields of a message or a delta that clients know."""
    kept = {name: message[name] for name in KEPT_IN_MESSAGE if message.get(name) not in (None, [])}
    if kept.get("tool_calls"):
        kept["tool_calls"] = [
            {name: call[name] for name in ("index", "id", "type", "function") if call.get(name) is not None}
            for call in kept["tool_calls"]
        ]
    return kept


def kept_usage(usage: Any) -> dict[str, Any] | None:
    """Usage in OpenAI's shape: all input as prompt tokens, how much of it was cached, how much output was reasoning."""
    if not isinstance(usage, dict):
        return None
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    reasoning = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0
    return {
        **{name: usage.get(name) or 0 for name in KEPT_IN_USAGE},
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }
