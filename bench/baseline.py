"""The plainest ASGI application under the plainest uvicorn: what no gateway can cost less than, on this machine today.

`python -m bench.baseline` listens on a free loopback port and prints it.
"""

import socket
from typing import Any

import uvicorn

BODY = b'{"id":"chatcmpl-0","object":"chat.completion","choices":[{"index":0,"message":{"content":"Rain."}}]}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())]


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Read the request, answer with a canned body."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})


def main() -> None:
    """Serve until told to stop."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    config = uvicorn.Config(
        application,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
    )
    print(listener.getsockname()[1], flush=True)
    uvicorn.Server(config).run([listener])


if __name__ == "__main__":
    main()
