"""Text completions, as editors ask for them: a prompt, and for filling a gap the text behind it as `suffix`."""

from collections.abc import Callable
from typing import Any, ClassVar

from gateway.dialects.chat import ChatEncoder
from gateway.dialects.chat_request import wants_usage
from gateway.dialects.completions_check import CompletionCheck, check_choices
from gateway.dialects.dialect import Event, ModelRequest
from gateway.errors import BadRequest, GatewayError
from gateway.parse import (
    BYTES_PER_TOKEN,
    DEFAULT_MODEL,
    WHOLE,
    Range,
    bad,
    check_fields,
    check_range,
    end_user_of,
    parse_body,
)
from gateway.usage import Usage, read_usage

# What a chat completion takes under the same name, with the same meaning.
SHARED = (
    "model",
    "max_tokens",
    "n",
    "stop",
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "seed",
    "logit_bias",
    "user",
    "stream",
    "stream_options",
)
# What changes the answer and has no counterpart in chat: field → whether its value asks for something.
OBSTACLES: dict[str, Callable[[Any], bool]] = {
    "suffix": bool,
    "echo": bool,
    "best_of": lambda value: value != 1,
    "logprobs": lambda value: True,
}
OWN_RANGES = {
    "best_of": Range(WHOLE, 1, 128, "a whole number from 1 to 128"),
    "logprobs": Range(WHOLE, 0, 100, "a whole number from 0 to 100"),
    "max_tokens": Range(WHOLE, 0, 10_000_000, "a whole number"),
}


class Completions:
    """POST /v1/completions."""

    name: ClassVar[str] = "completions"
    path: ClassVar[str] = "/completions"

    def parse(self, body: bytes) -> ModelRequest:
        """Check a client's body. Raises BadRequest."""
        payload = parse_body(body)
        check_payload(payload)
        obstacle = find_obstacle(payload)
        return ModelRequest(
            payload=payload,
            model=payload.get("model") or DEFAULT_MODEL,
            dialect=self.name,
            stream=payload.get("stream", False),
            include_usage=wants_usage(payload),
            input_tokens=max(1, len(body) // BYTES_PER_TOKEN),
            max_tokens=payload.get("max_tokens"),
            end_user=end_user_of(payload),
            chat=None if obstacle else to_chat(payload),
            obstacle=obstacle,
            left_out={name: "" for name in payload if name not in (*SHARED, "prompt")},
        )

    def check_answer(self, body: Any, model: str) -> tuple[dict[str, Any], int]:
        """A whole text completion and the bytes of text in it. Raises NotAnAnswer."""
        return check_choices(body, model)

    def check_stream(self, model: str, created: int) -> CompletionCheck:
        """The check of a stream of text completions."""
        return CompletionCheck(model, created)

    def read_usage(self, raw: dict[str, Any]) -> Usage | None:
        """The same as chat's."""
        return read_usage(raw)

    def from_chat(self, completion: dict[str, Any], request: ModelRequest) -> dict[str, Any]:
        """Each message's text as a choice's."""
        choices = [
            choice_of(choice["index"], text_of(choice["message"]), choice.get("finish_reason") or "stop")
            for choice in completion["choices"]
        ]
        answer = {
            "id": own_id(completion.get("id")),
            "object": "text_completion",
            "created": completion.get("created"),
            "model": completion["model"],
            "choices": choices,
        }
        return answer | ({"usage": completion["usage"]} if completion.get("usage") else {})

    def encoder(self, request: ModelRequest, model: str, *, translated: bool) -> ChatEncoder:
        """The same framing as chat's; only the choices look different."""
        kind = TranslatingEncoder if translated else ChatEncoder
        return kind(include_usage=request.include_usage)

    def error_body(self, error: GatewayError, request_id: str) -> bytes:
        """OpenAI's envelope."""
        return error.body()

    def error_status(self, error: GatewayError) -> int:
        """The error's own."""
        return error.status


class TranslatingEncoder(ChatEncoder):
    """Chat chunks as text completion chunks."""

    __slots__ = ()

    def events(self, events: list[Event]) -> bytes:
        """Chunks that hold text, a finish reason, or usage."""
        return super().events([translated for chunk in events if (translated := as_text(chunk)) is not None])


def as_text(chunk: Event) -> Event | None:
    """One chat chunk; None when nothing in it has a place in a text completion (the role, thoughts)."""
    choices = [
        choice_of(choice["index"], text_of(choice["delta"]), choice["finish_reason"])
        for choice in chunk["choices"]
        if choice["finish_reason"] or text_of(choice["delta"])
    ]
    if chunk["choices"] and not choices:
        return None
    head = {"id": own_id(chunk["id"]), "object": "text_completion", "created": chunk["created"]}
    usage = {"usage": chunk["usage"]} if "usage" in chunk else {}
    return {**head, "model": chunk["model"], "choices": choices, **usage}


def choice_of(index: int, text: str, finish: str | None) -> dict[str, Any]:
    """One choice of a text completion."""
    reason = "stop" if finish in ("tool_calls", "function_call") else finish
    return {"text": text, "index": index, "logprobs": None, "finish_reason": reason}


def text_of(message: dict[str, Any]) -> str:
    """The text of a message or delta; its text parts joined."""
    content = message.get("content")
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        return "".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""


def own_id(given: Any) -> str:
    """A chat completion's id as a text completion's."""
    return f"cmpl-{str(given or '').removeprefix('chatcmpl-')}"


def check_payload(payload: dict[str, Any]) -> None:
    """Types and ranges. Raises BadRequest."""
    without = {name: value for name, value in payload.items() if name not in OWN_RANGES}
    check_fields(without)
    for name, rule in OWN_RANGES.items():
        if name in payload:
            check_range(name, payload[name], rule)
    for name, kind, said in (("suffix", str, "a string"), ("echo", bool, "true or false")):
        if name in payload and not isinstance(payload[name], kind):
            raise bad(f"`{name}` must be {said}.", "invalid_type", name)
    check_prompt(payload)


def check_prompt(payload: dict[str, Any]) -> None:
    """A string, a list of strings, a list of tokens, or a list of those."""
    if "prompt" not in payload:
        raise bad("`prompt` is missing: send the text to complete.", "missing_field", "prompt")
    prompt = payload["prompt"]
    if isinstance(prompt, str):
        return
    if not isinstance(prompt, list) or not all(isinstance(item, str | int | list) for item in prompt):
        raise bad("`prompt` must be a string, or a list of strings or tokens.", "invalid_type", "prompt")
    if not prompt:
        raise bad("`prompt` is empty: send the text to complete.", "invalid_value", "prompt")


def find_obstacle(payload: dict[str, Any]) -> BadRequest | None:
    """What keeps the request from being asked as a chat; None when nothing does."""
    for name, asks in OBSTACLES.items():
        if name in payload and asks(payload[name]):
            return not_carried(name)
    return None if prompt_text(payload["prompt"]) is not None else not_carried("prompt")


def not_carried(name: str) -> BadRequest:
    """The 400 for a field that only an upstream with text completions of its own can serve."""
    what = "with one string" if name == "prompt" else "without it"
    return bad(
        f"`{name}` as sent here needs an upstream that serves text completions itself, and this model has none. "
        f"Choose another model, or send the request {what}.",
        "not_supported_by_upstream",
        name,
    )


def prompt_text(prompt: Any) -> str | None:
    """The prompt where it is one text; None for several, and for tokens."""
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    return prompt if isinstance(prompt, str) else None


def to_chat(payload: dict[str, Any]) -> dict[str, Any]:
    """The prompt as the one message of a chat."""
    fields = {name: payload[name] for name in SHARED if name in payload}
    if fields.get("max_tokens") == 0:
        del fields["max_tokens"]
    return {**fields, "messages": [{"role": "user", "content": prompt_text(payload["prompt"])}]}
