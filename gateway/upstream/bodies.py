"""Reading an upstream's body: within bounds, to its end, and as a JSON answer that clients may see."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import aiohttp
import orjson

from gateway.dialects.dialect import NotAnAnswer, RefusedInside
from gateway.dialects.registry import DIALECTS
from gateway.errors import AttemptFailed
from gateway.upstream import classify
from gateway.upstream.wire import UpstreamCall
from routing.engine.outcome import Outcome

MAX_BODY = 32 * 1024 * 1024
MAX_ERROR_BODY = 64 * 1024
LAST_PACKET = 0.1  # seconds


def check_answer(raw: bytes, call: UpstreamCall) -> tuple[dict[str, Any], int, dict[str, Any] | None]:
    """A JSON answer as clients may see it, the bytes of text in it, and the upstream's own usage if it told any.

    Raises AttemptFailed when it is none.
    """
    try:
        body = classify.read_json(raw)
        if isinstance(body, dict) and body.get("error"):
            raise RefusedInside(classify.error_object(raw))
        usage = body.get("usage") if isinstance(body, dict) else None  # the check may fill in a missing one
        answer, written = DIALECTS[call.dialect].check_answer(body, call.deployment.model)
    except (orjson.JSONDecodeError, NotAnAnswer):
        raise AttemptFailed(classify.bad_response()) from None
    except RefusedInside as refused:
        outcome = classify.classify_error_object(refused.error, call.credential or "")
        raise AttemptFailed(outcome) from None
    return answer, written, usage if isinstance(usage, dict) else None


async def read_capped(
    response: aiohttp.ClientResponse,
    first: bytes = b"",
    cap: int = MAX_BODY,
    heard: Callable[[], None] | None = None,
) -> bytes:
    """The rest of a body after `first`; over `cap` bytes it counts as a broken payload. `heard` is called for each
    piece.
    """
    pieces, size = [first], len(first)
    while piece := await response.content.readany():
        if heard is not None:
            heard()
        pieces.append(piece)
        size += len(piece)
        if size > cap:
            raise aiohttp.ClientPayloadError("body over the limit")
    return b"".join(pieces) if len(pieces) > 1 else first


def give_back(response: aiohttp.ClientResponse) -> None:
    """The connection goes back to the pool when the answer was read to its end; otherwise it is closed."""
    if response.content.at_eof() and response.content.exception() is None:
        response.release()
    else:
        response.close()


async def read_to_end(response: aiohttp.ClientResponse) -> None:
    """Wait LAST_PACKET seconds for the body's end: it may come in a packet of its own behind the last event."""
    with contextlib.suppress(TimeoutError, aiohttp.ClientError, OSError):
        async with asyncio.timeout(LAST_PACKET):
            while await response.content.readany():
                pass


async def read_refusal(response: aiohttp.ClientResponse, credential: str) -> Outcome:
    """The outcome of a status other than 200; the body is read as far as classifying needs it."""
    try:
        body = await read_capped(response, cap=MAX_ERROR_BODY)
    except (aiohttp.ClientError, OSError):
        body = b""
    finally:
        give_back(response)
    return classify.classify_status(response.status, response.headers, body, credential)
