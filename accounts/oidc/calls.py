"""Requests to the provider: five seconds in all, a megabyte at most, no redirects, nothing from the environment."""

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import aiohttp
import orjson

from accounts.oidc.errors import ProviderSilent

PATIENCE = 5.0
LARGEST = 1_000_000
HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "RainyModel"}

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer."""

    status: int
    body: bytes

    def document(self) -> dict[str, Any]:
        """The JSON object in it. Raises ProviderSilent."""
        try:
            found = orjson.loads(self.body)
        except ValueError:
            raise ProviderSilent(f"its answer with status {self.status} is not JSON") from None
        if not isinstance(found, dict):
            raise ProviderSilent(f"its answer with status {self.status} is not a JSON object")
        return found


async def fetch(url: str, form: Mapping[str, str] | None = None, bearer: str = "") -> Answer:
    """POST the form, or GET without one. Raises ProviderSilent, whose detail says why."""
    headers = HEADERS | ({"Authorization": f"Bearer {bearer}"} if bearer else {})
    method = "GET" if form is None else "POST"
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE)) as session,
            session.request(method, url, data=form, headers=headers, allow_redirects=False) as response,
        ):
            return Answer(response.status, await read(response))
    except TimeoutError:
        raise ProviderSilent(f"no answer within {PATIENCE:g} s") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise ProviderSilent(f"no answer: {type(error).__name__}") from None


async def read(response: aiohttp.ClientResponse) -> bytes:
    """The body. Raises ProviderSilent for a redirect, a failure of the provider's, and a body that is too large."""
    if 300 <= response.status < 400 or response.status >= 500:
        raise ProviderSilent(f"it answered with status {response.status}")
    body = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        body += chunk
        if len(body) > LARGEST:
            raise ProviderSilent(f"its answer is larger than {LARGEST} bytes")
    return bytes(body)


def wait_for(work: Coroutine[Any, Any, Value]) -> Value:
    """Finish this work in a thread that has no event loop, as Django's pages do."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()  # without waiting for a name server that hangs, as asyncio.run would


def ask(url: str, form: Mapping[str, str] | None = None, bearer: str = "") -> Answer:
    """`fetch`, for pages."""
    return wait_for(fetch(url, form, bearer))
