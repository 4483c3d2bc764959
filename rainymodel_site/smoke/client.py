"""One HTTP request to a gateway and what came back; nothing is raised, and the key is in no text."""

import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

MOST_BYTES = 4_000_000


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: status 0 means nothing did, and `problem` says why. Header names are in lower case."""

    status: int
    milliseconds: int
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    problem: str = ""

    @property
    def data(self) -> Any:
        """The body as JSON; None when it is none."""
        try:
            return json.loads(self.text)
        except ValueError:
            return None

    @property
    def error(self) -> Mapping[str, Any] | None:
        """The object under `error` when it is in OpenAI's shape."""
        data = self.data
        error = data.get("error") if isinstance(data, dict) else None
        is_shaped = isinstance(error, dict) and isinstance(error.get("message"), str) and "type" in error
        return error if is_shaped else None


@dataclass(frozen=True, slots=True)
class Gateway:
    """Where to ask. `timeout` is in seconds, for each silence of the gateway."""

    url: str
    key: str = field(repr=False)
    timeout: float = 60.0

    def ask(
        self, path: str, body: Mapping[str, Any] | None = None, *, key: str | None = None, **headers: str
    ) -> Answer:
        """GET the path, or POST the body as JSON; with another key, or with none when it is empty."""
        credential = self.key if key is None else key
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if credential:
            sent["Authorization"] = f"Bearer {credential}"
        started = time.monotonic()
        try:
            status, received, text = self._exchange(path, body, sent)
        except (OSError, http.client.HTTPException) as error:
            return Answer(0, _since(started), problem=self._hidden(f"no answer ({_in_words(error)})"))
        return Answer(status, _since(started), received, self._hidden(text))

    def _exchange(
        self, path: str, body: Mapping[str, Any] | None, headers: dict[str, str]
    ) -> tuple[int, dict[str, str], str]:
        parts = urlsplit(self.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=self.timeout)
        try:
            data = None if body is None else json.dumps(body).encode()
            if data is not None:
                headers["Content-Type"] = "application/json"
            connection.request("GET" if data is None else "POST", parts.path + path, data, headers)
            response = connection.getresponse()
            text = response.read(MOST_BYTES).decode("utf-8", "replace")
            return response.status, {name.lower(): value for name, value in response.getheaders()}, text
        finally:
            connection.close()

    def _hidden(self, text: str) -> str:
        return text.replace(self.key, "…") if self.key else text


def _since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)


def _in_words(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
