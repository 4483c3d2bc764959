"""From an open answer to the client: one JSON body, or frames until the end, a break, or the client's leaving."""

import asyncio
import contextlib

import orjson
import structlog

from gateway.answer_headers import answer_headers, failure_headers, request_headers
from gateway.attempts import Answered, Attempt, find_answer
from gateway.call import JSON
from gateway.errors import DeadlinePassed, GatewayError, InternalError, StreamBroken, draining
from gateway.exchange import Exchange
from gateway.logged import note_failure, note_usage
from gateway.time_limit import TimeLimit
from gateway.upstream.wire import Completion, UpstreamStream
from gateway.usage import estimate_usage

log = structlog.get_logger("gateway.relay")
LARGE_ANSWER = (
    65_536  # bytes that the server keeps for a client; what is longer the client has to read meanwhile
)
LAST_WORDS = 5.0  # seconds for the error frame of a stream whose time is over


async def relay_answer(exchange: Exchange) -> None:
    """Answer the call. Raises GatewayError before the first byte; after it, errors end the stream as a frame."""
    try:
        with TimeLimit(exchange.end_by - exchange.services.clock()):
            await (relay_stream(exchange) if exchange.request.stream else relay_completion(exchange))
    except TimeoutError:
        await fail(exchange, DeadlinePassed("The answer was not complete before the deadline."))
    except GatewayError as error:
        await fail(exchange, error)
    except Exception:
        if not exchange.call.reply.started:
            raise
        log.exception("a stream broke inside the gateway", request_id=exchange.call.request_id)
        await fail(exchange, InternalError(f"Something went wrong here: {exchange.call.request_id}."))
    except asyncio.CancelledError:
        if exchange.call.client_left:
            raise
        await fail(exchange, draining())
    await exchange.call.reply.taken()  # as slowly as the client reads; no deadline of ours is about that


async def relay_completion(exchange: Exchange) -> None:
    """One JSON answer."""
    with await find_answer(exchange) as answered:
        completion: Completion = answered.answer
        describe_answer(exchange, answered, completion.parameter_edits)
        record_usage(exchange, answered.attempt, completion.usage, completion.output_bytes)
        body = completion.body
        if answered.attempt.translated:
            body = exchange.dialect.from_chat(body, exchange.request)
        headers = (JSON, *answer_headers(exchange, answered.attempt.deployment))
        said = orjson.dumps(body)
        await exchange.call.reply.whole(200, said, headers, untaken=len(said) > LARGE_ANSWER)


async def relay_stream(exchange: Exchange) -> None:
    """An event stream; headers leave with the first content, or with the first keep-alive."""
    reply, services = exchange.call.reply, exchange.services
    with services.pulse.keep_alive(reply, request_headers(exchange)):
        try:
            with await find_answer(exchange) as answered:
                await relay_events(exchange, answered)
        except StreamBroken as broken:
            note_failure(exchange.entry, "truncated", broken.error)
            await end_with_error(exchange, broken.error)
        else:
            await reply.end()


async def relay_events(exchange: Exchange, answered: Answered) -> None:
    """Pass an open stream on to its end; however it ends, what it used is recorded and its connection closed."""
    stream: UpstreamStream = answered.answer
    describe_answer(exchange, answered, stream.parameter_edits)
    try:
        await send_events(exchange, answered, stream)
    finally:
        record_usage(exchange, answered.attempt, stream.usage, stream.output_bytes)
        await stream.close()


async def send_events(exchange: Exchange, answered: Answered, stream: UpstreamStream) -> None:
    """Every event as frames, in the order they came; several at once when several came at once."""
    reply, clock, attempt = exchange.call.reply, exchange.services.clock, answered.attempt
    headers = answer_headers(exchange, attempt.deployment)
    encoder = exchange.progress.encoder = exchange.dialect.encoder(
        exchange.request, attempt.deployment.model, translated=attempt.translated
    )
    async for events in stream.events():
        frames = encoder.events(events)
        if frames:
            await reply.frames(frames, headers, clock())
    await reply.frames(encoder.end(), headers, clock())


async def fail(exchange: Exchange, error: GatewayError) -> None:
    """Nothing answered: an error response, or an error frame when a keep-alive has already sent the headers."""
    if exchange.call.reply.started:
        note_failure(exchange.entry, "truncated" if exchange.progress.answered else error.state, error)
        await end_with_error(exchange, error)
        return
    error.extra_headers = (*error.extra_headers, *failure_headers(exchange))
    raise error


async def end_with_error(exchange: Exchange, error: GatewayError) -> None:
    """End the stream with frames that the dialect's clients raise on."""
    encoder = exchange.progress.encoder or exchange.dialect.encoder(exchange.request, "", translated=True)
    data = encoder.error(error)
    with contextlib.suppress(TimeoutError):  # a client that does not read cannot be told
        async with asyncio.timeout(LAST_WORDS):
            await exchange.call.reply.frames(data, request_headers(exchange), exchange.services.clock())
            await exchange.call.reply.end()


def describe_answer(exchange: Exchange, answered: Answered, edits: dict[str, str]) -> None:
    """Who answered, for the log entry."""
    entry, deployment = exchange.entry, answered.attempt.deployment
    entry.tier, entry.provider = deployment.tier.slug, deployment.provider.slug
    entry.upstream, entry.deployment = deployment.provider.upstream, deployment.slug
    entry.upstream_model, entry.parameter_edits = deployment.model, edits
    entry.first_content_ms = (exchange.services.clock() - exchange.call.started) * 1000
    exchange.progress.answered = True
    exchange.progress.answer_seconds = exchange.services.clock() - answered.attempt.started


def record_usage(exchange: Exchange, attempt: Attempt, raw: object, output_bytes: int) -> None:
    """Usage as the upstream gave it, or estimated and marked so; and what it cost at the price in force."""
    usage = attempt.dialect.read_usage(raw) if isinstance(raw, dict) else None
    usage = usage or estimate_usage(exchange.query.input_tokens, output_bytes)
    note_usage(exchange.entry, usage, attempt.deployment.price_at(exchange.query.time))
