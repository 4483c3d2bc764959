"""A tiny application to supervise: it streams, crashes and blocks on request, and says whether its worker drains."""

import asyncio
import logging
import os
import re
import time
from typing import Any

from gateway.lifecycle import Lifecycle
from rainymodel_site import env

if os.environ.get("LITTLE_APP") == "unconfigured":
    raise env.ConfigurationError("LITTLE_APP is unconfigured, for a test.")
if os.path.exists(os.environ.get("LITTLE_APP_FAULT", "")):
    os._exit(9)

lifecycle = Lifecycle()


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Lifespan, and one answer per path."""
    if scope["type"] == "lifespan":
        await live(receive, send)
    elif scope["path"] == "/stream":
        await stream(int(scope["query_string"]), send)
    else:
        await answer(ANSWERS[scope["path"]](), send)


async def live(receive: Any, send: Any) -> None:
    """Start and stop when told."""
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    if note := os.environ.get("LITTLE_APP_NOTE"):
        with open(note, "w") as file:
            file.write("stopped in order")
    await send({"type": "lifespan.shutdown.complete"})


async def answer(text: str, send: Any) -> None:
    """A whole answer."""
    length = str(len(text)).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
    await send({"type": "http.response.body", "body": text.encode()})


async def stream(tenths: int, send: Any) -> None:
    """A line every tenth of a second; cut short, it says so, as the gateway does."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    try:
        for number in range(tenths):
            await send({"type": "http.response.body", "body": b"line %d\n" % number, "more_body": True})
            await asyncio.sleep(0.1)
    except asyncio.CancelledError:
        await send({"type": "http.response.body", "body": b"cut short\n"})
        raise
    await send({"type": "http.response.body", "body": b"complete\n"})


def crash() -> str:
    """End the worker without a word."""
    os._exit(9)


def block() -> str:
    """Hold the event loop, so that nothing else happens in this worker."""
    time.sleep(60)
    return ""


def nap() -> str:
    """Hold it for a moment only."""
    secret = "a value that no log may hold"
    time.sleep(0.8)
    return secret[:0] + "rested"


def backtrack() -> str:
    """Hold it in C code that lets no other thread run."""
    return str(re.match(r"(a+)+$", "a" * 60 + "b"))


def shout() -> str:
    """Log more than a pipe holds."""
    for _ in range(200):
        logging.getLogger("gateway.shouting").warning("%s", "x" * 1024)
    return "shouted"


ANSWERS = {
    "/pid": lambda: str(os.getpid()),
    "/number": lambda: os.environ["RAINYMODEL_WORKER_NUMBER"],
    "/draining": lambda: str(lifecycle.draining),
    "/crash": crash,
    "/block": block,
    "/nap": nap,
    "/backtrack": backtrack,
    "/shout": shout,
    "/full": lambda: f"{lifecycle.is_full} {lifecycle.times_full}",
    "/stalls": lambda: str(lifecycle.stalls),
}
