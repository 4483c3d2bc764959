"""The relaying wire: a request is sent on with the upstream's model name, the answer checked and passed on.

It speaks what the upstream speaks: OpenAI's chat, text completions, embeddings and responses, Anthropic's messages.
"""

import time
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
from multidict import CIMultiDict
from yarl import URL

from gateway.dialects.registry import DIALECTS
from gateway.errors import AttemptFailed, StreamBroken
from gateway.time_limit import TimeLimit
from gateway.upstream import classify
from gateway.upstream.bodies import (
    check_answer,
    first_piece,
    give_back,
    odd_type,
    read_capped,
    read_refusal,
    whole_body,
)
from gateway.upstream.encodings import body_of
from gateway.upstream.openai_stream import OpenAIStream
from gateway.upstream.pace import Pace, rest_of_body
from gateway.upstream.parameters import edited_payload
from gateway.upstream.posting import Answer, Destination, post
from gateway.upstream.reaching import not_reached
from gateway.upstream.sessions import Sessions
from gateway.upstream.tool_calls import odd_calls
from gateway.upstream.wire import Completion, UpstreamCall
from routing.engine.snapshot import Provider, Snapshot

ANTHROPIC = "anthropic/"
ANTHROPIC_BASE = "https://api.anthropic.com"
WITH_USAGE = frozenset({"chat", "completions"})  # dialects whose streams tell the usage only when asked


class OpenAIWire:
    """Requests to any upstream that speaks one of our dialects itself."""

    def __init__(self, sessions: Sessions, pace: Pace = Pace()) -> None:  # noqa: B008 - a value
        self._sessions, self._pace = sessions, pace
        self._prepared: dict[tuple[str, str], Prepared] = {}

    async def complete(self, call: UpstreamCall) -> Completion:
        """One whole answer. Raises AttemptFailed."""
        started = time.monotonic()
        try:
            # One timer for the attempt: first for the first byte of the body, then for each further piece of it.
            with TimeLimit(call.first_content_limit) as limit:
                response, edits = await self._send(call)
                try:
                    content = body_of(response)
                    if (whole := whole_body(content)) is not None:
                        raw, first_content = whole, time.monotonic() - started
                    else:
                        first = await first_piece(content)
                        first_content = time.monotonic() - started
                        moving = (
                            None if content.at_eof() else rest_of_body(limit, call, first_content, self._pace)
                        )
                        raw = await read_capped(content, first, heard=moving)
                finally:
                    give_back(response)
        except TimeoutError:
            raise AttemptFailed(classify.timed_out()) from None
        except (aiohttp.ClientError, ConnectionError):
            raise AttemptFailed(classify.bad_response(200)) from None
        body, output_bytes, usage = check_answer(raw, call)
        return Completion(body, first_content, usage, output_bytes, edits, oddities_of(body, response))

    async def open_stream(self, call: UpstreamCall) -> OpenAIStream:
        """A stream that has its first content. Raises AttemptFailed."""
        started = time.monotonic()
        try:
            with TimeLimit(call.first_content_limit):
                response, edits = await self._send(call)
                stream = OpenAIStream(response, call, edits)
                try:
                    await stream.read_to_first_content()
                except BaseException:
                    response.close()
                    raise
        except TimeoutError:
            raise AttemptFailed(classify.timed_out()) from None
        except StreamBroken as error:
            raise AttemptFailed(error.outcome, error.said) from None
        stream.first_content = time.monotonic() - started
        return stream

    async def prepare(self, snapshot: Snapshot) -> None:
        """Nothing to do: connections are opened when they are needed."""

    async def close(self) -> None:
        """Close every connection."""
        await self._sessions.close()

    async def _send(self, call: UpstreamCall) -> tuple[Answer, dict[str, str]]:
        """The response with status 200, its body still unread. Raises AttemptFailed for anything else."""
        body, edits = upstream_body(call)
        said = ""
        try:
            response = await self._post(call, body)
            if response.status == 200:
                return response, edits
            outcome, said = await read_refusal(response, call.credential or "")
        except TimeoutError:
            outcome = classify.timed_out()
        except (aiohttp.ClientResponseError, aiohttp.ClientPayloadError):
            outcome = classify.bad_response(None)
        except (aiohttp.ClientError, OSError) as error:
            outcome = not_reached(error)
        raise AttemptFailed(outcome, said)

    async def _post(self, call: UpstreamCall, body: bytes) -> Answer:
        deployment = call.deployment
        timeout = connect_timeout(deployment.limits.connect)
        to = self._destination(call)
        return await post(self._sessions, deployment.provider.address_class, to, body, timeout, call.headers)

    def _destination(self, call: UpstreamCall) -> Destination:
        provider = call.deployment.provider
        known = self._prepared.get((provider.slug, call.dialect))
        if known is not None and known.provider is provider and known.credential == call.credential:
            return known.destination
        url = URL(base_url_of(provider) + DIALECTS[call.dialect].path, encoded=True)
        made = Destination(url, headers_for(provider, call.credential))
        self._prepared[provider.slug, call.dialect] = Prepared(provider, call.credential, made)
        return made


@dataclass(frozen=True, slots=True)
class Prepared:
    """Where one dialect's requests to a provider go; good as long as provider and credential stay the same."""

    provider: Provider
    credential: str | None = field(repr=False)
    destination: Destination = field(repr=False)


def oddities_of(body: dict[str, Any], response: Answer) -> tuple[str, ...]:
    """Words for what is odd in a good answer: its content type, and in a chat what clients may stumble over."""
    odd = odd_type(response, "application/json")
    choices = body.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        message = choice.get("message")
        if message and message.get("tool_calls"):
            odd = (*odd, *sorted(odd_calls(message) - set(odd)))
    return odd


def base_url_of(provider: Provider) -> str:
    """Up to and with /v1. Anthropic's address is known; litellm, which wants it without /v1, needs none either."""
    if provider.litellm_prefix != ANTHROPIC:
        return provider.base_url.rstrip("/")
    return (provider.base_url or ANTHROPIC_BASE).rstrip("/").removesuffix("/v1") + "/v1"


def headers_for(provider: Provider, credential: str | None) -> CIMultiDict[str]:
    """The provider's own headers, ours, and the credential in the form that the provider reads."""
    headers = CIMultiDict(provider.extra_headers)
    headers.update(
        {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "Accept-Encoding": "identity",
            "User-Agent": "rainymodel",
        }
    )
    if provider.litellm_prefix == ANTHROPIC:
        if credential:
            headers["x-api-key"] = credential
    elif credential:
        headers["Authorization"] = f"Bearer {credential}"
    return headers


def upstream_body(call: UpstreamCall) -> tuple[bytes, dict[str, str]]:
    """The payload with the upstream's model name and the deployment's parameter policy; what was edited."""
    payload, edits = edited_payload(call.payload, call.deployment.parameter_policy)
    payload["model"] = call.deployment.model
    if call.stream and call.dialect in WITH_USAGE:
        payload["stream_options"] = {**payload.get("stream_options", {}), "include_usage": True}
    return orjson.dumps(payload), {**call.left_out, **edits}


_timeouts: dict[float, aiohttp.ClientTimeout] = {}


def connect_timeout(seconds: float) -> aiohttp.ClientTimeout:
    """aiohttp's timeout value for a connect limit; few distinct ones exist, so they are kept."""
    timeout = _timeouts.get(seconds)
    if timeout is None:
        timeout = _timeouts[seconds] = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=seconds)
    return timeout
