"""What a text completion must look like, whole or as a stream."""

from typing import Any

from gateway.dialects.dialect import Event, NotAnAnswer
from gateway.upstream.chunks import finish_of, look_for_failure


def check_choices(body: Any, model: str) -> tuple[dict[str, Any], int]:
    """A whole text completion, put right, and the bytes of text in it. Raises NotAnAnswer, or RefusedInside."""
    choices = body.get("choices") if isinstance(body, dict) else None
    if not isinstance(choices, list) or not choices:
        raise NotAnAnswer
    written = 0
    for place, choice in enumerate(choices):
        if not isinstance(choice, dict) or not isinstance(choice.get("text"), str):
            raise NotAnAnswer
        if type(choice.get("index")) is not int:
            choice["index"] = place
        choice.setdefault("finish_reason", "stop")
        choice.setdefault("logprobs", None)
        if finish_of(choice):
            look_for_failure(choice)
        written += len(choice["text"].encode("utf-8", "replace"))
    body["model"], body["object"] = model, "text_completion"
    return body, written


class CompletionCheck:
    """One stream's state. Clients are promised one id, an integer `created`, the deployment's model, and
    `finish_reason` once per choice.
    """

    __slots__ = ("_created", "_finished", "_id", "_model", "_seen", "has_content", "text_bytes", "usage")

    def __init__(self, model: str, created: int) -> None:
        self._model, self._created, self._id = model, created, ""
        self._seen: set[int] = set()
        self._finished: set[int] = set()
        self.has_content = False
        self.text_bytes = 0
        self.usage: dict[str, Any] | None = None

    @property
    def complete(self) -> bool:
        """True when every choice that began has a finish reason."""
        return bool(self._seen) and self._seen == self._finished

    @property
    def ended(self) -> bool:
        """The stream's own [DONE] says so."""
        return False

    def has_finished(self, choices: int) -> bool:
        """Whether so many choices have finished and none is open."""
        return len(self._finished) >= choices and self.complete

    def take(self, event: Event) -> Event | None:
        """The chunk as clients may see it; None when nothing of it is for them. Raises NotAnAnswer, or
        RefusedInside for a finish reason that is a failure.
        """
        usage = event.pop("usage", None)
        if isinstance(usage, dict):
            self.usage = usage
        choices = event.get("choices")
        if not isinstance(choices, list):
            if usage is not None:
                return None
            raise NotAnAnswer
        event["choices"] = [choice for choice in choices if self._take_choice(choice)]
        return self._with_head(event) if event["choices"] else None

    def closing(self) -> list[Event]:
        """The usage chunk, when there was usage."""
        return [] if self.usage is None else [self._with_head({"choices": [], "usage": self.usage})]

    def _take_choice(self, choice: Any) -> bool:
        if not isinstance(choice, dict):
            raise NotAnAnswer
        index, text = choice.setdefault("index", 0), choice.get("text")
        if type(index) is not int or not isinstance(text, str | None):
            raise NotAnAnswer
        if index in self._finished:  # nothing may follow a finish reason
            return False
        self._seen.add(index)
        choice["text"] = text or ""
        self.text_bytes += len(choice["text"].encode("utf-8", "replace"))
        if finish_of(choice):
            look_for_failure(choice)
            self._finished.add(index)
        self.has_content = self.has_content or bool(text) or index in self._finished
        return True

    def _with_head(self, event: Event) -> Event:
        if not self._id:
            given, created = event.get("id"), event.get("created")
            self._id = given if isinstance(given, str) and given else f"cmpl-{self._created}"
            self._created = created if type(created) is int else self._created
        event.update(id=self._id, object="text_completion", created=self._created, model=self._model)
        return event
