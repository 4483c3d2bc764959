"""Asks a provider for its models, through the same guarded connections that requests take.

Ollama       /models, then /api/tags and /api/show for windows and capabilities
LM Studio    /models, then /api/v0/models
Anthropic    /v1/models with x-api-key          Gemini    /v1beta/models with x-goog-api-key
others       /models as OpenAI has it
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import aiohttp
import orjson

from gateway.upstream.addresses import AddressRefused
from gateway.upstream.sessions import Sessions
from routing.addresses import host_of
from routing.discovery import ListedModel, merged
from routing.discovery_listings import (
    NotAListing,
    anthropic_listing,
    gemini_listing,
    lm_studio_listing,
    ollama_details,
    ollama_tags,
    openai_listing,
)
from routing.engine.snapshot import Provider

PATIENCE = 10.0
ALL_DETAILS = 40.0  # seconds for the details of all models together
AT_ONCE = 4
LARGEST = 5 * 1024 * 1024
ANTHROPIC, GEMINI = "api.anthropic.com", "generativelanguage.googleapis.com"
ANTHROPIC_VERSION = "2023-06-01"
OWN_LISTING = {"anthropic/": ANTHROPIC, "gemini/": GEMINI}  # litellm prefixes whose listing we can read
OLLAMA_PORT = ":11434"

Progress = Callable[[str], None]


class ListingFailed(Exception):
    """The provider gave no list of models; the message is one or two sentences for an operator."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Whom to ask: the compiled provider, our credential there, and the connections to use."""

    provider: Provider
    credential: str | None
    sessions: Sessions
    progress: Progress


async def list_models(asked: Asked) -> tuple[ListedModel, ...] | None:
    """The models that the provider lists; None when it has no listing that we can read. Raises ListingFailed."""
    provider = asked.provider
    asked.progress(f"asking {provider.slug}")
    if provider.wire == "litellm":
        vendor = OWN_LISTING.get(provider.litellm_prefix)
        return await _vendor_listing(asked, vendor) if vendor else None
    if host_of(provider.base_url) == ANTHROPIC:
        return await _vendor_listing(asked, ANTHROPIC)
    return await _openai_listing(asked)


async def _vendor_listing(asked: Asked, host: str) -> tuple[ListedModel, ...]:
    """Anthropic's and Gemini's own listings, at their hosts or at the provider's base URL."""
    root = _root(asked.provider.base_url) or f"https://{host}"
    headers = dict(asked.provider.extra_headers)
    if host == GEMINI:
        headers["x-goog-api-key"] = asked.credential or ""
        return await _listing(asked, f"{root}/v1beta/models?pageSize=1000", headers, gemini_listing)
    headers |= {"x-api-key": asked.credential or "", "anthropic-version": ANTHROPIC_VERSION}
    return await _listing(asked, f"{root}/v1/models?limit=1000", headers, anthropic_listing)


async def _openai_listing(asked: Asked) -> tuple[ListedModel, ...]:
    """OpenAI's listing, with what the server's own one adds; that one alone when the first is not there."""
    headers = _bearer(asked)
    try:
        first = await _listing(asked, f"{asked.provider.base_url}/models", headers, openai_listing)
    except ListingFailed:
        own = await _own_listings(asked, headers)
        if not own:
            raise
        return own
    return merged(await _own_listings(asked, headers), first)


async def _own_listings(asked: Asked, headers: Mapping[str, str]) -> tuple[ListedModel, ...]:
    """What Ollama or LM Studio say in their own dialect; nothing from a server that is neither."""
    provider = asked.provider
    root = _root(provider.base_url)
    is_ours = provider.address_class != "public"
    names = f"{provider.slug} {provider.upstream}"
    may_be_ollama = is_ours or "ollama" in names or provider.base_url.endswith(f"{OLLAMA_PORT}/v1")
    if may_be_ollama and (tags := await _maybe(asked, f"{root}/api/tags", headers, ollama_tags)):
        return await _with_details(asked, root, headers, tags)
    return await _maybe(asked, f"{root}/api/v0/models", headers, lm_studio_listing) if is_ours else ()


async def _with_details(
    asked: Asked, root: str, headers: Mapping[str, str], tags: tuple[ListedModel, ...]
) -> tuple[ListedModel, ...]:
    """Each of Ollama's models with its window and capabilities, where they are told in time."""
    found, done = {model.model: model for model in tags}, 0
    turns = asyncio.Semaphore(AT_ONCE)

    async def learn(name: str) -> None:
        nonlocal done
        async with turns:
            try:
                body = await _fetch(asked, f"{root}/api/show", headers, {"model": name})
                found[name] = ollama_details(name, body)
            except (ListingFailed, NotAListing):
                pass
        done += 1
        asked.progress(f"asking {asked.provider.slug} … {done} of {len(tags)} models")

    try:
        async with asyncio.timeout(ALL_DETAILS):
            await asyncio.gather(*(learn(model.model) for model in tags))
    except TimeoutError:
        pass
    return tuple(found.values())


async def _maybe(
    asked: Asked, url: str, headers: Mapping[str, str], read: Callable[[bytes], tuple[ListedModel, ...]]
) -> tuple[ListedModel, ...]:
    try:
        return await _listing(asked, url, headers, read)
    except ListingFailed:
        return ()


async def _listing(
    asked: Asked, url: str, headers: Mapping[str, str], read: Callable[[bytes], tuple[ListedModel, ...]]
) -> tuple[ListedModel, ...]:
    body = await _fetch(asked, url, headers)
    try:
        # Thousands of models take a moment to read.
        return await asyncio.to_thread(partial(read, body))
    except NotAListing as problem:
        raise ListingFailed(
            f"{_place(url)} answered, but not with a list of models: {problem}. Check the base URL."
        ) from None


async def _fetch(asked: Asked, url: str, headers: Mapping[str, str], document: Any = None) -> bytes:
    """The body of a 200. A document is posted as JSON, else it is a GET. Raises ListingFailed."""
    session = asked.sessions.for_class(asked.provider.address_class)
    sent = {"Accept-Encoding": "identity", "Accept": "application/json", **headers}
    body = None if document is None else orjson.dumps(document)
    if body is not None:
        sent["Content-Type"] = "application/json"
    try:
        async with (
            asyncio.timeout(PATIENCE),
            session.request(
                "GET" if body is None else "POST", url, headers=sent, data=body, allow_redirects=False
            ) as response,
        ):
            if response.status != 200:
                raise ListingFailed(_refusal(response.status, url, asked))
            return await _read(response, url)
    except TimeoutError:
        raise ListingFailed(
            f"{_place(url)} did not answer within {PATIENCE:.0f} seconds. Try again, or check that it is up."
        ) from None
    except (aiohttp.ClientError, OSError) as error:
        raise ListingFailed(_broken_connection(error, url, asked.provider)) from None


async def _read(response: aiohttp.ClientResponse, url: str) -> bytes:
    pieces, size = [], 0
    async for piece in response.content.iter_any():
        size += len(piece)
        if size > LARGEST:
            raise ListingFailed(
                f"{_place(url)} sent more than {LARGEST // 1_048_576} MB; that is no list of models."
            )
        pieces.append(piece)
    return b"".join(pieces)


def _refusal(status: int, url: str, asked: Asked) -> str:
    place = _place(url)
    if status in (401, 403):
        if not asked.credential:
            return f"{place} wants a credential ({status}), and none is set. Set one on the provider's page."
        return f"{place} refused our credential ({status}). Check the credential on the provider's page."
    if status == 404 or 300 <= status < 400:
        return f"{place} has no list of models here ({status}). Check the base URL: most end with /v1."
    if status == 429:
        return f"{place} is limiting our rate (429). Try again in a minute."
    return f"{place} answered with status {status}. Try again later, or check the base URL."


def _broken_connection(error: BaseException, url: str, provider: Provider) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, AddressRefused) or isinstance(getattr(cause, "os_error", None), AddressRefused):
            return (
                f"{_place(url)} is not an allowed {provider.address_class} address. The environment decides:"
                " see RAINYMODEL_PRIVATE_UPSTREAMS and RAINYMODEL_PLAINTEXT_UPSTREAMS."
            )
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"{_place(url)} has no address in DNS. Check the base URL."
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"{_place(url)} could not be reached. Check the base URL, and that the service is up."
    return f"{_place(url)} broke the connection off. Try again, or check the base URL."


def _bearer(asked: Asked) -> dict[str, str]:
    headers = dict(asked.provider.extra_headers)
    return headers | {"Authorization": f"Bearer {asked.credential}"} if asked.credential else headers


def _root(base_url: str) -> str:
    """The server's own address, without the version that OpenAI's dialect has in it."""
    return base_url.removesuffix("/v1").removesuffix("/v1beta").rstrip("/")


def _place(url: str) -> str:
    """The URL as a message names it."""
    return url.partition("?")[0]
