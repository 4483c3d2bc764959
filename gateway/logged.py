"""One log row for each authenticated request: opened here, closed exactly once, whatever happens in between."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from accounts.callers import Caller
from gateway.call import Call
from gateway.dialects.dialect import Dialect, ModelRequest
from gateway.errors import ClientLeft, GatewayError
from gateway.record import LogEntry
from gateway.usage import Usage, price_usage
from routing.engine.plan import Plan
from routing.engine.query import Query
from routing.engine.snapshot import Price

if TYPE_CHECKING:
    from gateway.services import Services

CLIENT_CLOSED = 499
# Where an application that calls for many people says for whom; the body's own field comes first.
USER_HEADERS = (b"x-rainymodel-user", b"x-openwebui-user-email", b"x-openwebui-user-id")


@contextmanager
def logged(call: Call, caller: Caller, services: "Services", dialect: Dialect) -> Iterator[LogEntry]:
    """The request's log entry; how the block ends is the row's state. An upload broken off makes no row."""
    entry = services.recorder.open(
        id=call.request_id,
        endpoint=call.path,
        key_id=caller.key_id or None,
        key_label=caller.label,
        user_id=caller.owner_id or "",
        client_address=call.client_address,
        client_request_id=client_request_id(call),
        user_agent=call.header(b"user-agent") or "",
    )
    entry.state, entry.status = "ok", 200
    try:
        yield entry
    except GatewayError as error:
        note_failure(entry, error.state, error)
        entry.status = dialect.error_status(error)
        raise
    except (ClientLeft, asyncio.CancelledError):
        if entry.state == "ok":
            entry.state, entry.status = "cancelled", CLIENT_CLOSED
        raise
    except BaseException:
        entry.state, entry.status, entry.error_code = "upstream_error", 500, "internal_error"
        raise
    finally:
        close(entry, call, services)


def close(entry: LogEntry, call: Call, services: "Services") -> None:
    """Stop the clock and hand the entry to the recorder; an upload that was broken off leaves no row."""
    if call.capture is not None:
        services.prompts.end(call.capture)
    entry.total_ms = (services.clock() - call.started) * 1000
    upstream_ms = sum(attempt.get("total_ms") or 0.0 for attempt in entry.attempts)
    entry.overhead_ms = max(0.0, entry.total_ms - upstream_ms)
    if entry.state == "cancelled" and not entry.requested_model:
        services.recorder.discard(entry)
    else:
        services.recorder.close(entry)
        services.metrics.counts.request(entry)
        if services.traces is not None:
            services.traces.request(entry, call)


def describe_query(entry: LogEntry, call: Call, request: ModelRequest, query: Query) -> None:
    """What was asked, as routing sees it, and for whom."""
    entry.requested_model = query.model
    entry.policy = query.policy or ""
    entry.provider_filter = query.provider or ""
    entry.needs = sorted(query.needs)
    entry.input_tokens_estimate = query.input_tokens
    entry.max_tokens = query.output_tokens
    entry.stream = query.stream
    entry.end_user = request.end_user or forwarded_user(call)


def describe_plan(entry: LogEntry, plan: Plan) -> None:
    """What routing made of it."""
    entry.alias, entry.policy, entry.revision = plan.alias.name, plan.policy.name, plan.revision
    entry.routing_mode, entry.selected_model = plan.alias.mode, plan.requested


def note_failure(entry: LogEntry, state: str, error: GatewayError) -> None:
    """The request did not work out: how it counts, and what the client was told."""
    entry.state, entry.status, entry.error_code = state, error.status, error.code


def note_usage(entry: LogEntry, usage: Usage, price: Price | None) -> None:
    """Tokens in disjoint classes, the price row used, and the cost; an unknown price leaves the cost unknown."""
    entry.use(usage)
    entry.use_price(price, price_usage(price, usage))


def forwarded_user(call: Call) -> str:
    """The end user that a header names; empty without one."""
    return next((value for name in USER_HEADERS if (value := call.header(name))), "")


def client_request_id(call: Call) -> str:
    """The client's own x-request-id when it is a harmless word, else nothing."""
    given = call.header(b"x-request-id") or ""
    harmless = (
        0 < len(given) <= 64
        and given.isascii()
        and given.replace("-", "").replace("_", "").replace(".", "").isalnum()
    )
    return given if harmless else ""
