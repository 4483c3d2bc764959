"""A bound for what is sent to pages; Django takes bodies of any size before it looks at the session."""

from typing import Any

import orjson

from gateway.call import Receive, Send
from gateway.uuid7 import new_id

LARGEST = 4 * 1024 * 1024  # the largest form has a few texts of 200,000 characters, the largest file is 1 MB
TOLD = f"A form or a body of the management API may hold at most {LARGEST // 1024 // 1024} MB."


class BoundedBodies:
    """An ASGI application in front of `pages`: a body over LARGEST bytes is a 413, and is not read to its end."""

    def __init__(self, pages: Any) -> None:
        self._pages = pages

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """The page's answer, or 413."""
        size = 0

        async def counted() -> dict[str, Any]:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            return message if size <= LARGEST else {"type": "http.disconnect"}

        async def unless_over(message: dict[str, Any]) -> None:
            if size <= LARGEST:
                await send(message)

        await self._pages(scope, counted, unless_over)
        if size > LARGEST:
            await refuse(scope["path"], send)


async def refuse(path: str, send: Send) -> None:
    """413: in the management API's one error shape, elsewhere in plain text, as no page of ours sends so much."""
    kind, body = b"text/plain; charset=utf-8", TOLD.encode()
    if path.startswith("/api/"):
        error = {"message": TOLD, "type": "invalid_request_error", "param": None, "code": "body_too_large"}
        kind, body = b"application/json", orjson.dumps({"error": error})
    headers = [(b"content-type", kind), (b"connection", b"close"), (b"x-request-id", new_id().encode())]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body})
