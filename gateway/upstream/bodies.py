"""Reading an upstream's body: within bounds, to its end, and as a JSON answer that clients may see."""

import asyncio
import contextlib
import hashlib
from collections.abc import Callable
from typing import Any

import aiohttp
import orjson

from gateway.dialects.dialect import NotAnAnswer, RefusedInside
from gateway.dialects.registry import DIALECTS
from gateway.errors import AttemptFailed
from gateway.upstream import classify
from gateway.upstream.assemble import assembled, looks_like_events
from gateway.upstream.encodings import Unpacked, body_of
from gateway.upstream.wire import Response, UpstreamCall
from routing.engine.outcome import Outcome

MAX_BODY = 32 * 1024 * 1024
MAX_ERROR_BODY = 64 * 1024
LAST_PACKET = 0.1  # seconds
Content = aiohttp.StreamReader | Unpacked


def check_answer(raw: bytes, call: UpstreamCall) -> tuple[dict[str, Any], int, dict[str, Any] | None]:
    """A JSON answer as clients may see it, the bytes of text in it, and the upstream's own usage if it told any.

    Raises AttemptFailed when it is none.
    """
    try:
        body = read_document(raw, call)
        if isinstance(body, dict) and body.get("error"):
            raise RefusedInside(classify.error_object(raw))
        usage = body.get("usage") if isinstance(body, dict) else None  # the check may fill in a missing one
        answer, written = DIALECTS[call.dialect].check_answer(body, call.deployment.model)
    except (orjson.JSONDecodeError, NotAnAnswer):
        raise AttemptFailed(classify.bad_response()) from None
    except RefusedInside as refused:
        outcome = classify.classify_error_object(refused.error, call.credential or "")
        raise AttemptFailed(outcome, fingerprint(raw)) from None
    return answer, written, usage if isinstance(usage, dict) else None


def read_document(raw: bytes, call: UpstreamCall) -> Any:
    """The JSON of a body; a chat that came as an event stream instead is put together from its events.

    Raises JSONDecodeError, NotAnAnswer, RefusedInside.
    """
    try:
        return classify.read_json(raw)
    except orjson.JSONDecodeError:
        if call.dialect != "chat" or not looks_like_events(raw):
            raise
    return assembled(raw, call.deployment.model)


def fingerprint(words: bytes) -> str:
    """Enough to tell whether an upstream said the same thing twice, and nothing of what it said."""
    return hashlib.blake2b(words, digest_size=8).hexdigest()


def whole_body(content: Content) -> bytes | None:
    """A body that came together with its head, all of it; None when there is more to wait for, or to unpack."""
    if isinstance(content, Unpacked) or not content.is_eof() or content.exception() is not None:
        return None
    return content.read_nowait()


async def first_piece(content: Content) -> bytes:
    """The first bytes of a body that are more than empty lines, which DeepSeek sends while it is busy.

    Empty when the body ends before. Raises aiohttp.ClientPayloadError for endless blanks.
    """
    piece, blanks = await content.readany(), 0
    while piece and not piece.strip():
        blanks += len(piece)
        if blanks > MAX_BODY:
            raise aiohttp.ClientPayloadError("nothing but blanks")
        piece = await content.readany()
    return piece


async def read_capped(
    content: Content,
    first: bytes = b"",
    cap: int = MAX_BODY,
    heard: Callable[[int], None] | None = None,
) -> bytes:
    """The rest of a body after `first`; over `cap` bytes it counts as a broken payload. `heard` is called with each
    piece's size.
    """
    pieces, size = [first], len(first)
    while piece := await content.readany():
        if heard is not None:
            heard(len(piece))
        pieces.append(piece)
        size += len(piece)
        if size > cap:
            raise aiohttp.ClientPayloadError("body over the limit")
    return b"".join(pieces) if len(pieces) > 1 else first


def odd_type(response: Response, expected: str) -> tuple[str, ...]:
    """The word for a content type other than the expected one; what the body holds decides all the same."""
    return () if response.headers.get("Content-Type", "").startswith(expected) else ("content_type",)


def give_back(response: Response) -> None:
    """The connection goes back to the pool when the answer was read to its end; otherwise it is closed."""
    if response.content.at_eof() and response.content.exception() is None:
        response.release()
    else:
        response.close()


async def read_to_end(response: Response) -> None:
    """Wait LAST_PACKET seconds for the body's end: it may come in a packet of its own behind the last event.

    What comes instead of it is not read further.
    """
    with contextlib.suppress(TimeoutError, aiohttp.ClientError, OSError):
        async with asyncio.timeout(LAST_PACKET):
            await response.content.readany()


async def read_refusal(response: Response, credential: str) -> tuple[Outcome, str]:
    """The outcome of a status other than 200, and the fingerprint of what was said; the body is read as far as
    classifying needs it.
    """
    try:
        body = await read_capped(body_of(response), cap=MAX_ERROR_BODY)
    except (aiohttp.ClientError, OSError):
        body = b""
    finally:
        give_back(response)
    outcome = classify.classify_status(response.status, response.headers, body, credential)
    return outcome, fingerprint(body) if body else ""
