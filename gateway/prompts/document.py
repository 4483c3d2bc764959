"""From a capture to the document that is sealed: scrubbed of credentials, assembled, and no longer than is allowed."""

from dataclasses import dataclass
from typing import Any

import orjson

from gateway.prompts.answers import assemble
from gateway.prompts.capture import Capture

MOST_KEPT = 256 * 1024  # bytes of a prompt, and of an answer
# Names under which bodies carry credentials for others, as the servers of remote tools.
CREDENTIALS = frozenset(
    {"api_key", "apikey", "authorization", "access_token", "authorization_token", "x-api-key"}
)
NOT_KEPT = "(not kept)"


@dataclass(frozen=True, slots=True)
class Document:
    """What is kept of a request. `answer` is JSON as it was sent, or for a stream a JSON list of what it said."""

    dialect: str
    prompt: str
    answer: str
    is_stream: bool
    prompt_cut: bool
    answer_cut: bool

    def to_json(self) -> bytes:
        """What is sealed."""
        return orjson.dumps(self)


def document_of(capture: Capture) -> Document:
    """The document of a request that has ended."""
    prompt, prompt_cut = cut(orjson.dumps(without_credentials(orjson.loads(capture.body))))
    answer, is_stream, answer_cut = answer_of(capture.answer())
    return Document(capture.dialect, prompt, answer, is_stream, prompt_cut, answer_cut or capture.is_cut)


def answer_of(heard: bytes) -> tuple[str, bool, bool]:
    """An answer as it is kept, whether it was put together from a stream, and whether some of it is left out.

    A stream that says something in a shape nobody foresaw is kept as it was sent.
    """
    if heard and not heard.startswith(b"{"):
        try:
            said, left_out = assemble(heard, MOST_KEPT)
        except (AttributeError, KeyError, TypeError, ValueError):
            pass
        else:
            return orjson.dumps(said).decode(), True, left_out
    text, is_cut = cut(heard)
    return text, False, is_cut


def read_document(sealed: bytes) -> Document:
    """What `to_json` wrote."""
    return Document(**orjson.loads(sealed))


def cut(text: bytes) -> tuple[str, bool]:
    """As much as is kept, in whole characters, and whether that is less than all."""
    return text[:MOST_KEPT].decode(errors="ignore"), len(text) > MOST_KEPT


def without_credentials(value: Any) -> Any:
    """The same JSON with texts named like credentials, and headers for the servers of remote tools, left out.

    Bodies are no deeper than gateway.parse allows.
    """
    if isinstance(value, list):
        return [without_credentials(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: NOT_KEPT if is_credential(name, item, value) else without_credentials(item)
        for name, item in value.items()
    }


def is_credential(name: str, item: Any, around: dict[str, Any]) -> bool:
    """Whether a field holds a credential rather than, as in a tool's schema, describes one."""
    if name == "headers" and "server_url" in around:
        return True
    return isinstance(item, str) and name.lower() in CREDENTIALS
