"""A client for the trials: one request, and how it ended for whoever asked."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import aiohttp

TIMEOUT = aiohttp.ClientTimeout(total=120)


@dataclass(frozen=True, slots=True)
class Answer:
    """`status` is 0 where the connection broke. `whole`: the answer came to its proper end, a stream with its finish
    reason and `[DONE]`; `error` is the code of an error answer or frame.
    """

    status: int
    whole: bool
    seconds: float
    error: str = ""

    @property
    def good(self) -> bool:
        """What a client would call a success."""
        return self.status == 200 and self.whole and not self.error


class Client:
    """Asks one gateway. Use as an async context manager."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self._url, self._headers = f"{url}/v1/chat/completions", dict(headers)

    async def __aenter__(self) -> "Client":
        connector = aiohttp.TCPConnector(limit=0)
        self._http = aiohttp.ClientSession(connector=connector, headers=self._headers, timeout=TIMEOUT)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    async def ask(self, model: str, *, stream: bool = False, request_id: str = "") -> Answer:
        """One chat completion; `request_id` is the name that its log row will know it by."""
        started = time.monotonic()
        body = {"model": model, "messages": [{"role": "user", "content": "hello"}], "stream": stream}
        headers = {"X-Request-Id": request_id} if request_id else {}
        try:
            async with self._http.post(self._url, json=body, headers=headers) as response:
                text = await response.text()
        except (aiohttp.ClientError, TimeoutError):
            return Answer(0, False, time.monotonic() - started, "connection broken")
        took = time.monotonic() - started
        read = read_stream if response.content_type == "text/event-stream" else read_json
        whole, error = read(text)
        return Answer(response.status, whole, took, error)

    async def ask_and_leave(self, model: str, after: float) -> None:
        """Open a stream and hang up on it after so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(after):
                await self.ask(model, stream=True)

    async def leave(self) -> None:
        """Close every connection."""
        await self._http.close()


def read_json(text: str) -> tuple[bool, str]:
    """Whether there is a choice with a finish reason, and the error's code."""
    try:
        answer = json.loads(text)
    except ValueError:
        return False, "no JSON"
    if "error" in answer:
        return False, str(answer["error"].get("code"))
    return bool(answer.get("choices") and answer["choices"][0].get("finish_reason")), ""


def read_stream(text: str) -> tuple[bool, str]:
    """The same of an event stream, which ends in `[DONE]` too."""
    events = [line[5:].strip() for line in text.splitlines() if line.startswith("data:")]
    chunks = [json.loads(event) for event in events if event != "[DONE]"]
    error = next((str(chunk["error"].get("code")) for chunk in chunks if "error" in chunk), "")
    finished = any(
        choice.get("finish_reason") for chunk in chunks for choice in chunk.get("choices") or () if choice
    )
    return finished and events[-1:] == ["[DONE]"], error


async def at_rate(per_second: float, seconds: float, ask: Callable[[], Awaitable[Answer]]) -> list[Answer]:
    """Ask so often for so long, whether or not the answers keep up; all answers."""
    start, asked = time.monotonic(), []
    for number in range(round(per_second * seconds)):
        await asyncio.sleep(max(0.0, start + number / per_second - time.monotonic()))
        asked.append(asyncio.ensure_future(ask()))
    return list(await asyncio.gather(*asked))
