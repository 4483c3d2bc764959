"""The litellm wire: chat completions at every upstream that litellm knows by prefix, litellm being only a translator.

litellm builds the upstream's request and reads its answer; the bytes go through this gateway's own sessions (see
`litellm_transport`) and what a client may say to litellm is a short list (see `litellm_payload`). Importing litellm
takes seconds and some 170 MB, so it is imported when a provider needs it, never at the start of a process.
"""

import asyncio
import contextlib
import gc
import logging
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import structlog

from gateway.dialects.dialect import NotAnAnswer, RefusedInside
from gateway.errors import AttemptFailed, StreamBroken
from gateway.time_limit import TimeLimit
from gateway.upstream import classify
from gateway.upstream.caps import MAX_TEXT, Caps
from gateway.upstream.chunks import Chunk, ChunkCheck
from gateway.upstream.idle import IdleWatch
from gateway.upstream.litellm_answers import completion_body, stream_chunk
from gateway.upstream.litellm_errors import CAPABILITY, CREDENTIAL, MAPPED, outcome_of
from gateway.upstream.litellm_payload import chat_fields, refuse_misleading_name
from gateway.upstream.openai_stream import AFTER_FINISH, broken, endless
from gateway.upstream.pace import Pace, rest_of_body
from gateway.upstream.sessions import Sessions
from gateway.upstream.wire import Completion, UpstreamCall
from routing.engine.outcome import Outcome
from routing.engine.snapshot import Provider, Snapshot

if TYPE_CHECKING:
    from gateway.upstream.litellm_transport import Exchange

log = structlog.get_logger("gateway.upstream.litellm")
ENVIRONMENT = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # otherwise the import fetches a file from the network
    "LITELLM_MODE": "PRODUCTION",  # otherwise it reads a .env file
    "MAX_IMAGE_URL_DOWNLOAD_SIZE_MB": "0",  # it fetches no image
}
# Where litellm would otherwise look into the environment for an address.
ADDRESSES = {
    "anthropic/": "https://api.anthropic.com",
    "gemini/": "https://generativelanguage.googleapis.com/v1beta",
}


def wants_litellm(snapshot: Snapshot) -> bool:
    """Whether the snapshot has an enabled deployment at a ready provider of the litellm wire."""
    return any(
        deployment.enabled and deployment.provider.wire == "litellm" and deployment.provider.unready is None
        for deployment in snapshot.deployments.values()
    )


class LiteLLMWire:
    """Chat completions in other dialects than OpenAI's, translated by litellm."""

    def __init__(self, sessions: Sessions, pace: Pace = Pace()) -> None:  # noqa: B008 - a value
        self._sessions, self._pace = sessions, pace
        self._loading: asyncio.Task[Any] | None = None

    @property
    def is_loaded(self) -> bool:
        """True when litellm is there and no call has to wait for it."""
        return self._loading is not None and self._loading.done() and not self._loading.cancelled()

    async def prepare(self, snapshot: Snapshot) -> None:
        """Load litellm as soon as a snapshot wants it, so that no request has to wait for it."""
        if self._loading is None and wants_litellm(snapshot):
            await self.load()

    async def load(self) -> Any:
        """The litellm module. Imported in a thread once, for all who ask; a failed import is tried again."""
        task = self._loading
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = self._loading = asyncio.ensure_future(asyncio.to_thread(import_litellm))
        return await asyncio.shield(task)

    async def complete(self, call: UpstreamCall) -> Completion:
        """One whole answer. Raises AttemptFailed."""
        started = time.monotonic()
        first_content = 0.0
        exchange: Exchange | None = None
        try:
            with TimeLimit(call.first_content_limit) as limit:
                litellm = await self.load()
                exchange = self._exchange(call, stream=False)

                def began() -> Callable[[int], None]:
                    nonlocal first_content
                    first_content = time.monotonic() - started
                    return rest_of_body(limit, call, first_content, self._pace)

                exchange.on_first_byte = began
                answer, edits = await self._ask(litellm, call, exchange)
        except TimeoutError:
            raise AttemptFailed(classify.timed_out()) from None
        finally:
            if exchange is not None:
                exchange.close()
        found = answer.model_dump(exclude_none=True)
        if not exchange.end.saw_usage:
            found.pop("usage", None)
        body, output_bytes = completion_body(
            found,
            call.deployment.model,
            finished=exchange.end.finished,
            credential=call.credential or "",
        )
        return Completion(body, first_content, body.get("usage"), output_bytes, edits)

    async def open_stream(self, call: UpstreamCall) -> "LiteLLMStream":
        """A stream that has its first content. Raises AttemptFailed."""
        started = time.monotonic()
        exchange: Exchange | None = None
        try:
            with TimeLimit(call.first_content_limit):
                litellm = await self.load()
                exchange = self._exchange(call, stream=True)
                answer, edits = await self._ask(litellm, call, exchange)
                stream = LiteLLMStream(answer, exchange, call, edits)
                await stream.read_to_first_content()
        except BaseException as error:
            if exchange is not None:
                exchange.close()
            if isinstance(error, TimeoutError):
                raise AttemptFailed(classify.timed_out()) from None
            if isinstance(error, StreamBroken):
                raise AttemptFailed(error.outcome) from None
            raise
        stream.first_content = time.monotonic() - started
        return stream

    async def close(self) -> None:
        """Close every connection."""
        await self._sessions.close()

    def _exchange(self, call: UpstreamCall, stream: bool) -> "Exchange":
        from gateway.upstream.litellm_transport import Exchange, current_exchange

        exchange = Exchange(call, self._sessions, address_of(call.deployment.provider), stream)
        current_exchange.set(exchange)
        return exchange

    async def _ask(
        self, litellm: Any, call: UpstreamCall, exchange: "Exchange"
    ) -> tuple[Any, dict[str, str]]:
        """litellm's answer and the edits. Raises AttemptFailed."""
        if call.dialect != "chat":
            raise AttemptFailed(CAPABILITY)
        if not call.credential:  # litellm would look for one in the environment
            raise AttemptFailed(CREDENTIAL)
        try:
            arguments, edits = self._arguments(litellm, call)
            return await litellm.acompletion(**arguments), edits
        except AttemptFailed:
            raise
        except Exception as error:
            raise AttemptFailed(judge(error, exchange, call), exchange.said) from None

    def _arguments(self, litellm: Any, call: UpstreamCall) -> tuple[dict[str, Any], dict[str, str]]:
        deployment, provider = call.deployment, call.deployment.provider
        refuse_misleading_name(deployment.model)
        name = provider.litellm_prefix + deployment.model
        known = litellm.get_supported_openai_params(
            model=deployment.model, custom_llm_provider=provider.litellm_prefix.rstrip("/")
        )
        fields, edits = chat_fields(call.payload, deployment.parameter_policy, provider.litellm_prefix, known)
        arguments = {
            **fields,
            "model": name,
            "api_key": call.credential,
            "api_base": address_of(provider) or None,
            "timeout": deployment.limits.total,
            "num_retries": 0,
            "max_retries": 0,
            "_skip_mcp_handler": True,
        }
        if call.stream:
            arguments |= {"stream": True, "stream_options": {"include_usage": True}}
        return arguments, {**call.left_out, **edits}


class LiteLLMStream:
    """A stream that litellm reads, believed only as far as the upstream's own bytes say the same."""

    def __init__(self, parts: Any, exchange: "Exchange", call: UpstreamCall, edits: dict[str, str]) -> None:
        self.first_content = 0.0
        self.parameter_edits = edits
        self._parts = parts.__aiter__()
        self._exchange = exchange
        self._call = call
        self._check = ChunkCheck(call.deployment.model, int(time.time()), may_be_empty=True)
        self._caps = Caps(call.payload, call.payload.get("n") or 1)
        self._held: list[Chunk] = []
        self._ended = False
        self._watch: IdleWatch | None = None

    @property
    def usage(self) -> dict[str, Any] | None:
        """The upstream's own usage; None when it gave none, or one that cannot be read."""
        return self._check.usage if self._exchange.end.saw_usage else None

    @property
    def output_bytes(self) -> int:
        """Bytes of text read so far."""
        return self._check.text_bytes

    @property
    def oddities(self) -> tuple[str, ...]:
        """What the log says of the answer's tool calls."""
        return self._check.oddities

    async def read_to_first_content(self) -> None:
        """Read until something worth sending has come. Raises StreamBroken when nothing does."""
        while not self._check.has_content:
            self._held += await self._read()
            if self._ended and not self._check.has_content:
                raise broken(classify.bad_response())

    async def events(self) -> AsyncIterator[list[Chunk]]:
        """Checked chunks as they arrive; the usage chunk last. Raises StreamBroken."""
        if self._held:
            yield self._held
        limits = self._call.deployment.limits
        left = max(0.0, limits.total - self.first_content)
        self._watch = IdleWatch(limits.idle, self._exchange.fall_silent, left)
        finishing, told = False, len(self._held)
        while not self._ended:
            if not finishing and self._exchange.end.finished:
                finishing = True
                self._watch.end_within(AFTER_FINISH)
            self._watch.wait_begins()
            try:
                chunks = await self._read()
            finally:
                self._watch.wait_ends()
            if chunks:
                yield chunks
            told += len(chunks)
            if self._check.text_bytes > MAX_TEXT:
                raise endless()
            if self._caps.passed(told, self._check.text_bytes):
                yield self._check.cut_short()
                return
        if not self._check.complete:
            raise broken(classify.bad_response())
        self._check.usage = self.usage
        if closing := self._check.closing():
            yield closing

    async def close(self) -> None:
        """Give the connection back when the answer was read to its end, else close it."""
        if self._watch is not None:
            self._watch.stop()
        self._exchange.close()

    async def _read(self) -> list[Chunk]:
        try:
            part = await self._parts.__anext__()
            chunk = self._check.take(self._believed(stream_chunk(part.model_dump(exclude_none=True))))
        except StopAsyncIteration:
            self._ended = True
            return []
        except StreamBroken:
            raise
        except NotAnAnswer:
            raise broken(classify.bad_response()) from None
        except RefusedInside as refused:
            raise broken(classify.classify_error_object(refused.error, self._call.credential or "")) from None
        except Exception as error:
            raise broken(judge(error, self._exchange, self._call)) from None
        return [] if chunk is None else [chunk]

    def _believed(self, chunk: Chunk) -> Chunk:
        """The chunk, unless it holds a finish reason or figures that the upstream has not given."""
        end = self._exchange.end
        if any(choice.get("finish_reason") for choice in chunk["choices"]) and not end.finished:
            raise broken(self._exchange.outcome or classify.bad_response())
        if not end.saw_usage:
            chunk.pop("usage", None)
        return chunk


def judge(error: Exception, exchange: "Exchange", call: UpstreamCall) -> Outcome:
    """What an exception out of litellm means: what the transport saw, else by the exception's class."""
    if exchange.outcome is not None:
        return exchange.outcome
    name = type(error).__name__
    if name not in MAPPED:
        log.warning("litellm failed in an unknown way", error=name, deployment=call.deployment.slug)
    headers = getattr(getattr(error, "response", None), "headers", None)
    return outcome_of(name, str(error), headers, call.credential or "", sent=exchange.sent)


def address_of(provider: Provider) -> str:
    """The base URL as litellm wants it, empty when only litellm knows one."""
    url = (provider.base_url or ADDRESSES.get(provider.litellm_prefix, "")).rstrip("/")
    if provider.litellm_prefix == "anthropic/":
        return url.removesuffix("/v1")
    if provider.litellm_prefix == "gemini/" and not urlsplit(url).path:
        return url + "/v1beta"
    return url


def import_litellm() -> Any:
    """Import litellm, silence it, and leave it no way out but the guarded transport. Takes seconds."""
    os.environ.update(ENVIRONMENT)
    # A full collection in the middle of so many new objects stops every thread of the process.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        import litellm
        from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler, HTTPHandler

        silence(litellm)
        close_ways_out(litellm, AsyncHTTPHandler, HTTPHandler)
        warm_up(litellm)
        # What litellm made stays for good, and walking through it would stop every thread for a third of a second.
        gc.freeze()
    finally:
        if was_enabled:
            gc.enable()
    return litellm


def warm_up(litellm: Any) -> None:
    """Have litellm import here what it would otherwise import in the middle of the first request."""
    with contextlib.suppress(Exception):
        litellm.completion(
            model="anthropic/claude-sonnet-4-5",
            api_key="none",
            api_base="http://127.0.0.1:9",
            messages=[{"role": "user", "content": "rain"}],
            max_retries=0,
        )


def silence(litellm: Any) -> None:
    """No telemetry, no callbacks, nothing printed, nothing decided by litellm on its own."""
    litellm.telemetry = False
    litellm.suppress_debug_info = True
    litellm.set_verbose = False
    litellm.drop_params = False
    litellm.modify_params = False
    litellm.callbacks = []
    litellm.success_callback = []
    litellm.failure_callback = []
    litellm.num_retries = 0
    litellm.cache = None
    # It counts equal chunks and takes a hundred for a broken model.
    litellm.REPEATED_STREAMING_CHUNK_LIMIT = sys.maxsize
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = False
        logger.setLevel(logging.CRITICAL + 1)


def close_ways_out(litellm: Any, async_handler: Any, blocking_handler: Any) -> None:
    """Every client that litellm makes from now on sends through the guarded transport, blocking ones not at all."""
    import httpx

    from gateway.upstream.litellm_transport import ClosedTransport, GuardedTransport

    def guarded(*_: Any, **__: Any) -> GuardedTransport:
        return GuardedTransport()

    async_handler.create_async_transport = staticmethod(guarded)
    async_handler._create_async_transport = staticmethod(guarded)
    blocking_handler._create_sync_transport = lambda self: ClosedTransport()
    litellm.aclient_session = httpx.AsyncClient(
        transport=GuardedTransport(), trust_env=False, follow_redirects=False
    )
    litellm.client_session = httpx.Client(transport=ClosedTransport(), trust_env=False)
