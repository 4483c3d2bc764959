"""The base of every gateway consumer: raw ASGI in, one place where errors become responses.

It reads `receive()` and writes `send()` itself: the stock AsyncHttpConsumer neither sees a client leave while it works
nor spares a thread hop per fragment of a body.
"""

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar

import structlog
from channels.consumer import AsyncConsumer

from gateway import cors
from gateway.call import JSON, Call, Receive, Reply, Send, collect_headers
from gateway.dialects.dialect import Dialect
from gateway.dialects.registry import CHAT
from gateway.errors import ClientLeft, GatewayError, InternalError, MethodNotAllowed, draining
from gateway.exposed import flag_exposed_keys, hide_queries
from gateway.uuid7 import new_id

if TYPE_CHECKING:
    from gateway.services import Services

log = structlog.get_logger("gateway")
hide_queries()


class GatewayConsumer(AsyncConsumer):  # type: ignore[misc]  # channels has no types
    """Serves one path. A subclass names its methods, implements `serve(call)`, and says errors in its dialect."""

    methods: ClassVar[tuple[str, ...]] = ("GET",)
    any_host: ClassVar[bool] = False
    dialect: ClassVar[Dialect] = CHAT

    def __init__(self, services: "Services") -> None:
        self.services = services

    async def serve(self, call: Call) -> None:
        """Answer the call, or raise a GatewayError before the first byte."""
        raise InternalError("This path has no answer.")

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer the call; whatever goes wrong becomes a response here."""
        services = self.services
        request_id = new_id()
        reply = Reply(send, ((b"x-request-id", request_id.encode()), *cors.ON_EVERY_ANSWER))
        try:
            await services.started()
            call = self._call(scope, receive, reply, request_id)
            await self._dispatch(call)
        except ClientLeft:
            return
        except GatewayError as error:
            await self._refuse(reply, error, request_id)
            if error.code == "key_in_url":
                await flag_exposed_keys(services, scope["query_string"])
        except asyncio.CancelledError:  # the drain time is over
            await self._refuse(reply, draining(), request_id)
            raise
        except Exception:
            log.exception("a request failed inside the gateway", request_id=request_id, path=scope["path"])
            told = f"Something went wrong here. Tell us this request id: {request_id}"
            await self._refuse(reply, InternalError(told), request_id)

    async def _refuse(self, reply: Reply, error: GatewayError, request_id: str) -> None:
        self.services.metrics.counts.error(self.dialect.error_status(error), error.code)
        await refuse(reply, error, self.dialect, request_id)

    def _call(self, scope: dict[str, Any], receive: Receive, reply: Reply, request_id: str) -> Call:
        services = self.services
        headers = collect_headers(scope["headers"])
        if not self.any_host:
            services.hosts.check(headers.get(b"host"))
        return Call(
            method=scope["method"],
            path=scope["path"],
            scheme=scope.get("scheme", "http"),
            query_string=scope.get("query_string", b""),
            headers=headers,
            client_address=services.client_address(scope, headers),
            request_id=request_id,
            started=services.clock(),
            receive=receive,
            reply=reply,
            max_body=services.config.max_body_bytes,
            upload_seconds=services.config.upload_seconds,
            route=scope.get("url_route", {}).get("kwargs", {}),
        )

    async def _dispatch(self, call: Call) -> None:
        if call.method == "OPTIONS":
            requested = call.header(b"access-control-request-headers") or ""
            await call.reply.whole(204, b"", cors.preflight(requested, ", ".join((*self.methods, "OPTIONS"))))
        elif call.method in self.methods or (call.method == "HEAD" and "GET" in self.methods):
            await self.serve(call)
        else:
            raise method_not_allowed(call.method, self.methods)


async def while_connected(call: Call, work: Any) -> None:
    """Await `work`; when the client leaves first, cancel it and raise ClientLeft.

    The body must have been read: from then on `receive()` speaks only to say that the client left.
    """
    task = asyncio.current_task()
    assert task is not None

    async def watch() -> None:
        while (await call.receive())["type"] != "http.disconnect":
            pass
        call.client_left = True
        task.cancel()

    watcher = task.get_loop().create_task(watch())
    try:
        await work
    except asyncio.CancelledError:
        if call.client_left and task.uncancel() == 0:
            raise ClientLeft from None
        raise
    finally:
        watcher.cancel()


async def refuse(reply: Reply, error: GatewayError, dialect: Dialect, request_id: str) -> None:
    """Answer with an error in the dialect, unless an answer has already begun."""
    if not reply.started:
        body = dialect.error_body(error, request_id)
        await reply.whole(dialect.error_status(error), body, (JSON, *error.headers()))


def method_not_allowed(method: str, allowed: tuple[str, ...]) -> MethodNotAllowed:
    """The 405 of a path, with its Allow header."""
    error = MethodNotAllowed(f"{method} is not served here. Use {' or '.join(allowed)}.")
    error.extra_headers = ((b"allow", ", ".join(allowed).encode()),)
    return error
