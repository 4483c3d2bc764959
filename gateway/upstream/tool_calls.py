"""One choice's streamed tool calls, put right: each has its own index, and its name comes with its first delta."""

from typing import Any

import orjson

from gateway.dialects.dialect import NotAnAnswer

Chunk = dict[str, Any]
DETAILS = ("function", "custom")  # where a call has its name and its arguments
TEXTS = {"function": "arguments", "custom": "input"}


class CallPlaces:
    """Which call a delta belongs to. Some upstreams give every parallel call the index 0: another id is another call,
    and takes the next free index.
    """

    __slots__ = ("_by_id", "_highest", "_identified", "_newest", "_taken")

    def __init__(self) -> None:
        self._by_id: dict[tuple[int, str], int] = {}
        self._identified: set[int] = set()  # the calls that have an id
        self._newest: dict[int, int] = {}  # the upstream's index → the index of its newest call
        self._taken: set[int] = set()
        self._highest = -1

    def place(self, given: int, call_id: object) -> tuple[int, bool]:
        """The index clients see for a delta with the upstream's index and id, and whether a call begins with it."""
        known = self._newest.get(given)
        if not isinstance(call_id, str) or not call_id:
            return (self._begin(given), True) if known is None else (known, False)
        same = self._by_id.get((given, call_id))
        if same is not None:
            self._newest[given] = same
            return same, False
        begins = known is None or known in self._identified  # else it began without an id, and here is its id
        index = self._begin(given) if begins or known is None else known
        self._by_id[given, call_id] = index
        self._identified.add(index)
        return index, begins

    def _begin(self, given: int) -> int:
        index = self._highest + 1 if given in self._taken else given
        self._newest[given] = index
        self._taken.add(index)
        self._highest = max(self._highest, index)
        return index


class ToolCalls:
    """Clients are promised a call's id, type and name in its first delta, and only there. What comes of a call before
    its name is held back until then.
    """

    __slots__ = ("_arguments", "_nameless", "_places", "_without_id")

    def __init__(self) -> None:
        self._places = CallPlaces()
        self._nameless: dict[int, Chunk] = {}
        self._arguments: dict[int, list[str]] = {}
        self._without_id: set[int] = set()

    def take(self, calls: Any) -> list[Chunk]:
        """A delta's calls as clients may see them now. Raises NotAnAnswer for what are no calls."""
        check_calls(calls)
        told = (self._told(position, call) for position, call in enumerate(calls))
        return [call for call in told if call is not None]

    def rest(self) -> list[Chunk]:
        """At the end: the calls that never got a name."""
        held, self._nameless = list(self._nameless.values()), {}
        return held

    def oddities(self) -> set[str]:
        """Words for what clients may stumble over: calls without an id, jumping indexes, arguments that are no JSON."""
        indexes = sorted(self._arguments)
        texts = ("".join(pieces) for pieces in self._arguments.values())
        found = {
            "tool_call_id_missing": bool(self._without_id),
            "tool_call_index_jumps": indexes != list(range(len(indexes))),
            "tool_arguments_not_json": not all(map(is_json, texts)),
        }
        return {word for word, is_so in found.items() if is_so}

    def note(self, index: int, call: Chunk) -> None:
        """Remember of a call, or of a piece of one, what `oddities` looks at."""
        if call.get("id"):
            self._without_id.discard(index)
        elif index not in self._arguments:
            self._without_id.add(index)
        pieces = self._arguments.setdefault(index, [])
        function = call.get("function")
        if function and isinstance(text := function.get("arguments"), str):
            pieces.append(text)

    def _told(self, position: int, call: Chunk) -> Chunk | None:
        index, begins = self._places.place(whole_number(call, "index", position), call.get("id"))
        call["index"] = index
        self.note(index, call)
        if begins:
            call.setdefault("type", "function")
            return self._named(index, call)
        if index in self._nameless:
            return self._named(index, joined(self._nameless[index], call))
        for name in ("id", "type"):
            call.pop(name, None)
        for name in DETAILS:
            if isinstance(call.get(name), dict):
                call[name].pop("name", None)
        return call

    def _named(self, index: int, call: Chunk) -> Chunk | None:
        if has_name(call):
            self._nameless.pop(index, None)
            return call
        self._nameless[index] = call
        return None


def check_calls(calls: Any) -> None:
    """Raises NotAnAnswer unless these are tool calls, or pieces of some."""
    if not isinstance(calls, list):
        raise NotAnAnswer
    for call in calls:
        if not isinstance(call, dict) or not all(isinstance(call.get(name), dict | None) for name in DETAILS):
            raise NotAnAnswer


def is_json(text: str) -> bool:
    """Whether arguments can be read; a call may have none."""
    try:
        orjson.loads(text or "{}")
    except orjson.JSONDecodeError:
        return False
    return True


def odd_calls(message: Any) -> set[str]:
    """The same words as ToolCalls.oddities, for the calls of a whole message."""
    calls = message.get("tool_calls") if isinstance(message, dict) else None
    if not calls:
        return set()
    seen = ToolCalls()
    for place, call in enumerate(calls):
        seen.note(place, call)
    return seen.oddities()


def has_name(call: Chunk) -> bool:
    """Whether the call says what it calls."""
    return any(isinstance(call.get(name), dict) and bool(call[name].get("name")) for name in DETAILS)


def joined(held: Chunk, call: Chunk) -> Chunk:
    """Two deltas of one call as one: texts one behind the other, of the rest what came last."""
    merged = {**held, **{name: value for name, value in call.items() if value is not None}}
    for name in DETAILS:
        before, after = held.get(name), call.get(name)
        if isinstance(before, dict) and isinstance(after, dict):
            text = f"{before.get(TEXTS[name]) or ''}{after.get(TEXTS[name]) or ''}"
            merged[name] = {**before, **after, TEXTS[name]: text}
    return merged


def whole_number(holder: Chunk, name: str, otherwise: int) -> int:
    """The number under a name; absent and null are put right. Raises NotAnAnswer for anything else."""
    value = holder.get(name)
    if value is None:
        value = holder[name] = otherwise
    if type(value) is not int:
        raise NotAnAnswer
    return value
