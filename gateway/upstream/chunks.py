"""What a chat stream must look like: checked and put right chunk by chunk, whichever wire it came from."""

from typing import Any

from gateway.dialects.dialect import NotAnAnswer, RefusedInside

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
TEXT_FIELDS = ("content", "reasoning_content", "reasoning", "refusal")


class NotAChunk(NotAnAnswer):
    """The event is JSON, but not a piece of a chat completion."""


class CallPlaces:
    """One choice's tool calls. Some upstreams give every parallel call the index 0: another id is another call, and
    takes the next free index.
    """

    __slots__ = ("_by_id", "_newest")

    def __init__(self) -> None:
        self._by_id: dict[tuple[int, str], int] = {}
        self._newest: dict[int, int] = {}  # the upstream's index → the index of its newest call

    def place(self, given: int, call_id: object) -> tuple[int, bool]:
        """The index clients see for a delta with the upstream's index and id, and whether a call begins with it."""
        known = self._newest.get(given)
        if not isinstance(call_id, str) or not call_id:
            return (self._begin(given), True) if known is None else (known, False)
        same = self._by_id.get((given, call_id))
        if same is not None:
            self._newest[given] = same
            return same, False
        if (
            known is not None and known not in self._by_id.values()
        ):  # it began without an id, and here is its id
            self._by_id[given, call_id] = known
            return known, False
        index = self._by_id[given, call_id] = self._begin(given)
        return index, True

    def _begin(self, given: int) -> int:
        taken = {*self._newest.values(), *self._by_id.values()}
        index = max(taken) + 1 if given in taken else given
        self._newest[given] = index
        return index


class ChunkCheck:
    """One stream's state. Clients are promised: one id, an integer `created`, the deployment's model, the role once
    and first, `finish_reason` once per choice, and a tool call's id, type and name only in its first delta.
    """

    __slots__ = (
        "_created",
        "_finished",
        "_id",
        "_model",
        "_roles",
        "_tool_calls",
        "has_content",
        "text_bytes",
        "usage",
    )

    def __init__(self, model: str, created: int) -> None:
        self._model, self._created = model, created
        self._id = ""
        self._roles: set[int] = set()
        self._finished: set[int] = set()
        self._tool_calls: dict[int, CallPlaces] = {}
        self.has_content = False
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

    def has_finished(self, choices: int) -> bool:
        """Whether so many choices have finished and none is open; with `n`, some may not have begun yet."""
        return len(self._finished) >= choices and self.complete

    def take(self, chunk: Chunk) -> Chunk | None:
        """The chunk as clients may see it; None when nothing of it is for them. Raises NotAChunk, or RefusedInside
        for a finish reason that is a failure.
        """
        usage = chunk.pop("usage", None)
        if isinstance(usage, dict):
            self.usage = usage
        choices = chunk.get("choices")
        if not isinstance(choices, list):
            if usage is not None:
                return None
            raise NotAChunk
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
            raise NotAChunk
        index = whole_number(choice, "index", 0)
        if index in self._finished:  # nothing may follow a finish reason
            return False
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            delta = choice["delta"] = {}
        self._put_role_first(index, delta, choice)
        if delta.get("tool_calls"):
            self._tidy_tool_calls(index, delta["tool_calls"])
        if not self.has_content:
            self.has_content = any(delta.get(name) for name in CONTENT_FIELDS)
        self.text_bytes += text_bytes(delta)
        finish = choice.setdefault("finish_reason", None)
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

    def _tidy_tool_calls(self, index: int, calls: Any) -> None:
        if not isinstance(calls, list):
            raise NotAChunk
        places = self._tool_calls.get(index)
        if places is None:
            places = self._tool_calls[index] = CallPlaces()
        for place, call in enumerate(calls):
            if not isinstance(call, dict):
                raise NotAChunk
            call["index"], begins = places.place(whole_number(call, "index", place), call.get("id"))
            if begins:
                call.setdefault("type", "function")
            else:
                call.pop("id", None)
                call.pop("type", None)
                if isinstance(call.get("function"), dict):
                    call["function"].pop("name", None)


def whole_number(holder: Chunk, name: str, otherwise: int) -> int:
    """The number under a name; absent and null are put right. Raises NotAChunk for anything else."""
    value = holder.get(name)
    if value is None:
        value = holder[name] = otherwise
    if type(value) is not int:
        raise NotAChunk
    return value


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
    if not isinstance(message, dict):
        return False
    return isinstance(message.get("content"), str | list) or any(message.get(name) for name in CONTENT_FIELDS)


def look_for_failure(choice: Chunk) -> None:
    """A finish reason that means a failure is no end of an answer. Raises RefusedInside with the choice's error."""
    finish = choice["finish_reason"]
    if isinstance(finish, str) and finish in FAILED_FINISHES:
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
