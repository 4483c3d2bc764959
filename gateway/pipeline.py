"""What happens to a request, on one screen."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from accounts.callers import Caller
from gateway.admit import Ticket
from gateway.authenticate import authenticate
from gateway.call import Call
from gateway.cost_bounds import bounds_of
from gateway.dialects.dialect import Dialect, ModelRequest
from gateway.errors import BadRequest, Headers
from gateway.exchange import Exchange
from gateway.http import while_connected
from gateway.limit_words import not_checked
from gateway.logged import describe_plan, describe_query, logged
from gateway.messages import error_for_query
from gateway.record import LogEntry
from gateway.relay import relay_answer
from gateway.services import Services
from routing.engine.errors import RoutingError
from routing.engine.plan import Plan, plan
from routing.engine.query import Grants, Query
from routing.engine.snapshot import Snapshot

GRACE = 0.1  # seconds between the end of the search and the end of everything
Read = TypeVar("Read")
LARGE_BODY = 256 * 1024  # bytes; reading more than this takes long enough for others to notice


async def serve_request(call: Call, services: Services, dialect: Dialect) -> None:
    """Answer one request in its dialect, or raise a GatewayError before the first byte."""
    await serve_caller(call, await authenticate(call, services.callers), services, dialect)


async def serve_caller(call: Call, caller: Caller, services: Services, dialect: Dialect) -> None:
    """The same for a caller who is known already."""
    with logged(call, caller, services, dialect) as entry:
        async with services.limits.admit(caller) as ticket:
            await serve_admitted(call, caller, services, dialect, entry, ticket)


async def serve_admitted(
    call: Call, caller: Caller, services: Services, dialect: Dialect, entry: LogEntry, ticket: Ticket
) -> None:
    """What follows once the caller's rates have room for one more."""
    body = await call.read_body()
    request = await parse(dialect.parse, body)
    if caller.store_prompts:
        services.prompts.begin(call, caller, dialect.name, body)
    snapshot = services.snapshot()  # one snapshot from here to the end
    query = query_for(call, request, services.grants_of(caller), services.wall_clock())
    describe_query(entry, call, request, query)
    route = plan_for(snapshot, query, services)
    describe_plan(entry, route)
    route = await ticket.reserve(route, bounds_of(request, query.time), entry)
    deployments = [each.deployment.slug for each in route.candidates]
    if not services.recorder.plan(entry, deployments, ticket.holds()) and caller.spends_money:
        raise not_checked()  # what nobody would hear of after a crash is not spent
    services.lines.decided(call.request_id, route)
    exchange = exchange_for(call, request, dialect, query, route, entry, services, ticket.headers())
    try:
        await while_connected(call, relay_answer(exchange))
    finally:
        ticket.settle(entry)


async def parse(read: Callable[[bytes], Read], body: bytes) -> Read:
    """What `read` makes of a body; of a large one in a thread, so that other requests go on. Raises BadRequest."""
    if len(body) < LARGE_BODY:
        return read(body)
    return await asyncio.to_thread(read, body)


def query_for(call: Call, request: ModelRequest, grants: Grants, time: float) -> Query:
    """The request as routing sees it."""
    return Query(
        model=request.model,
        policy=call.header(b"x-rainymodel-policy") or None,
        provider=call.header(b"x-rainymodel-provider") or None,
        needs=request.needs,
        input_tokens=request.input_tokens,
        output_tokens=request.max_tokens,
        stream=request.stream,
        dialect=request.dialect,
        native_only=request.obstacle is not None,
        time=time,
        grants=grants,
    )


def plan_for(snapshot: Snapshot, query: Query, services: Services) -> Plan:
    """The plan, or the GatewayError that says why there is none."""
    try:
        return plan(snapshot, query, services.live.health, now=services.clock(), draw=services.draw())
    except RoutingError as error:
        raise error_for_query(error) from None


def exchange_for(
    call: Call,
    request: ModelRequest,
    dialect: Dialect,
    query: Query,
    route: Plan,
    entry: LogEntry,
    services: Services,
    limits: Headers,
) -> Exchange:
    """The request with its deadlines: the alias's, or the client's when that is shorter."""
    own = client_deadline(call)
    entry.deadline_ms = None if own == float("inf") else round(own * 1000)
    return Exchange(
        call=call,
        request=request,
        dialect=dialect,
        query=query,
        plan=route,
        entry=entry,
        services=services,
        first_content_by=call.started + min(route.alias.first_content_deadline, own),
        # A client's own deadline ends the search for an answer first, so that it is told what was tried.
        end_by=call.started + min(route.alias.total_deadline, own + GRACE),
        credentials=services.store.credentials,
        limits=limits,
    )


def client_deadline(call: Call) -> float:
    """Seconds from x-rainymodel-deadline-ms; infinite when the client set none."""
    value = call.header(b"x-rainymodel-deadline-ms")
    if value is None:
        return float("inf")
    if len(value) > 8 or not value.isascii() or not value.isdigit() or not 1 <= int(value) <= 86_400_000:
        raise BadRequest(
            "x-rainymodel-deadline-ms must be a whole number of milliseconds from 1.", code="invalid_value"
        )
    return int(value) / 1000
