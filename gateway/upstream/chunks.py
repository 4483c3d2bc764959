"""What a chat stream must look like: checked and put right chunk by chunk, whichever wire it came from."""

from typing import Any

from gateway.dialects.dialect import NotAnAnswer, RefusedInside
from gateway.upstream.tool_calls import ToolCalls, check_calls, whole_number

Chunk = dict[str, Any]
CONTENT_FIELDS = (
    "content",
    "tool_calls",
    "reasoning_content",
    "reasoning",
    "refusal",
    "audio",
    "function_call",
)

# Finish reasons that mean the upstream failed: DeepSeek ran out of machines, OpenRouter lost its provider.
FAILED_FINISHES = frozenset({"insufficient_system_resource", "error"})
# With these an answer is whole, so it must hold something; a filter or a limit may have left nothing.
NEEDS_CONTENT = frozenset({"stop", "tool_calls"})
TEXT_FIELDS = ("content", "reasoning_content", "reasoning", "refusal")


class ChunkCheck:
    """One stream's state. Clients are promised: one id, an integer `created`, the deployment's model, the role once
    and first, `finish_reason` once per choice, and a tool call's id, type and name only in its first delta.

    An answer in which nothing was ever said is none, unless it `may_be_empty`. `late` says that text came behind a
    finish reason.
    """

    __slots__ = (
        "_created",
        "_finished",
        "_id",
        "_model",
        "_roles",
        "_spoke",
        "_tool_calls",
        "has_content",
        "late",
        "text_bytes",
        "usage",
    )

    def __init__(self, model: str, created: int, *, may_be_empty: bool = False) -> None:
        self._model, self._created = model, created
        self._id = ""
        self._roles: set[int] = set()
        self._finished: set[int] = set()
        self._tool_calls: dict[int, ToolCalls] = {}
        self._spoke = may_be_empty  # a text has been given, be it an empty one
        self.has_content = False
        self.late = False
        self.text_bytes = 0
        self.usage: dict[str, Any] | None = None

    @property
    def complete(self) -> bool:
        """True when every choice that began has a finish reason."""
        return bool(self._roles) and self._finished == self._roles

    @property
    def ended(self) -> bool:
        """The stream's own [DONE] says so."""
        return False

    @property
    def oddities(self) -> tuple[str, ...]:
        """Words for what clients may stumble over in the tool calls."""
        return tuple(sorted(set().union(*(calls.oddities() for calls in self._tool_calls.values()))))

    def cut_short(self) -> list[Chunk]:
        """The end of an answer that has passed its limit of tokens: every open choice finishes with `length`."""
        open_ones = sorted(self._roles - self._finished)
        self._finished |= self._roles
        cut = [{"index": index, "delta": {}, "finish_reason": "length"} for index in open_ones]
        return [self._with_head({"choices": cut})] if cut else []

    def has_finished(self, choices: int) -> bool:
        """Whether so many choices have finished and none is open; with `n`, some may not have begun yet."""
        return len(self._finished) >= choices and self.complete

    def take(self, chunk: Chunk) -> Chunk | None:
        """The chunk as clients may see it; None when nothing of it is for them. Raises NotAnAnswer, or RefusedInside
        for a finish reason that is a failure.
        """
        usage = chunk.pop("usage", None)
        if isinstance(usage, dict):
            self.usage = usage
        choices = chunk.get("choices")
        if not isinstance(choices, list):
            if usage is not None:
                return None
            raise NotAnAnswer
        kept = [choice for choice in choices if self._take_choice(choice)]
        if not kept:
            return None
        chunk["choices"] = kept
        return self._with_head(chunk)

    def closing(self) -> list[Chunk]:
        """The usage chunk, when there was usage."""
        return [] if self.usage is None else [self._with_head({"choices": [], "usage": self.usage})]

    def _with_head(self, chunk: Chunk) -> Chunk:
        if not self._id:
            given = chunk.get("id")
            self._id = given if isinstance(given, str) and given else f"chatcmpl-{self._created}"
            created = chunk.get("created")
            self._created = created if type(created) is int else self._created
        chunk["id"], chunk["created"] = self._id, self._created
        chunk["object"], chunk["model"] = "chat.completion.chunk", self._model
        return chunk

    def _take_choice(self, choice: Any) -> bool:
        if not isinstance(choice, dict):
            raise NotAnAnswer
        index = whole_number(choice, "index", 0)
        delta = choice.get("delta")
        if index in self._finished:  # nothing may follow a finish reason
            self.late = self.late or (isinstance(delta, dict) and bool(delta.get("content")))
            return False
        if not isinstance(delta, dict):
            delta = choice["delta"] = {}
        if not isinstance(delta.get("content"), str | list | None):
            raise NotAnAnswer
        self._put_role_first(index, delta, choice)
        finish = finish_of(choice)
        self._tidy_tool_calls(index, choice["delta"], finished=bool(finish))
        if not self.has_content:
            self.has_content = any(choice["delta"].get(name) for name in CONTENT_FIELDS)
            self._spoke = self._spoke or isinstance(delta.get("content"), str)
            if finish in NEEDS_CONTENT and not (self.has_content or self._spoke):
                raise NotAnAnswer
        self.text_bytes += text_bytes(choice["delta"])
        if finish:
            look_for_failure(choice)
            self._finished.add(index)
            self.has_content = True
        return True

    def _put_role_first(self, index: int, delta: Chunk, choice: Chunk) -> None:
        if index in self._roles:
            delta.pop("role", None)
        else:
            self._roles.add(index)
            if not delta.get("role"):
                delta.pop("role", None)
                choice["delta"] = {"role": "assistant", **delta}

    def _tidy_tool_calls(self, index: int, delta: Chunk, *, finished: bool) -> None:
        given = delta.pop("tool_calls", None)
        calls = self._tool_calls.get(index)
        if calls is None:
            if not given:
                return
            calls = self._tool_calls[index] = ToolCalls()
        told = calls.take(given) if given else []
        if finished:
            told += calls.rest()
        if told:
            delta["tool_calls"] = told


def finish_of(choice: Chunk) -> str | None:
    """The choice's finish reason, None where it has none yet. Raises NotAnAnswer for anything but a word."""
    finish = choice.setdefault("finish_reason", None)
    if not isinstance(finish, str | None):
        raise NotAnAnswer
    return finish


def text_bytes(message: Chunk) -> int:
    """Bytes of the text in a message or delta: content, thoughts, refusals, and the arguments of tool calls."""
    texts = [message.get(name) for name in TEXT_FIELDS]
    calls = message.get("tool_calls")
    if isinstance(calls, list):
        functions = [call.get("function") for call in calls if isinstance(call, dict)]
        texts += [function.get("arguments") for function in functions if isinstance(function, dict)]
    return sum(len(text.encode("utf-8", "replace")) for text in texts if isinstance(text, str))


def is_completion(body: Any) -> bool:
    """Whether a JSON body holds an answer: choices, each with content, a tool call or a refusal."""
    choices = body.get("choices") if isinstance(body, dict) else None
    return isinstance(choices, list) and bool(choices) and all(map(_holds_an_answer, choices))


def _holds_an_answer(choice: Any) -> bool:
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict) or not isinstance(choice.get("finish_reason"), str | None):
        return False
    content, calls = message.get("content"), message.get("tool_calls")
    try:
        check_calls(calls or [])
    except NotAnAnswer:
        return False
    if not isinstance(content, str | list | None):
        return False
    if choice.get("finish_reason") == "content_filter":  # what a filter has left of an answer may be nothing
        return True
    return content is not None or any(message.get(name) for name in CONTENT_FIELDS)


def look_for_failure(choice: Chunk) -> None:
    """A finish reason that means a failure is no end of an answer. Raises RefusedInside with the choice's error."""
    finish = choice["finish_reason"]
    if finish in FAILED_FINISHES:
        error = choice.get("error")
        raise RefusedInside(error if isinstance(error, dict) else {"code": 503, "type": finish})


def put_indexes_right(choices: list[Chunk]) -> None:
    """In a whole answer a choice whose index is no whole number gets its place in the list."""
    for place, choice in enumerate(choices):
        if type(choice.get("index")) is not int:
            choice["index"] = place


def chunks_of(body: dict[str, Any]) -> list[Chunk]:
    """A whole completion as the chunks of a stream: one delta, then the finish reason, then usage."""
    head: Chunk = {name: body.get(name) for name in ("id", "created", "system_fingerprint") if name in body}
    deltas: list[Chunk] = []
    finishes: list[Chunk] = []
    put_indexes_right(body["choices"])
    for choice in body["choices"]:
        index = choice["index"]
        delta = {name: value for name, value in choice["message"].items() if value is not None}
        deltas.append({"index": index, "delta": delta, "finish_reason": None})
        finishes.append({"index": index, "delta": {}, "finish_reason": choice.get("finish_reason") or "stop"})
    chunks: list[Chunk] = [{**head, "choices": deltas}, {**head, "choices": finishes}]
    if isinstance(body.get("usage"), dict):
        chunks.append({**head, "choices": [], "usage": body["usage"]})
    return chunks
