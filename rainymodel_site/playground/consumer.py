"""POST /playground/run: a form of a signed-in person becomes requests of the gateway, under one of the person's keys.

The pages' application reads the form first, so that session, CSRF token, roles and re-checks hold as on every page; it
either answers itself (a refusal) or leaves runs in the scope. Those go the road of API calls: authenticated as the
key's caller, whose text nobody needs to know, admitted under its limits, logged with it.
"""

import asyncio
from typing import Any, ClassVar

from accounts.callers import Caller
from accounts.errors import KeyRefused, KeysUnavailable
from gateway.authenticate import check_address, invalid_key, refusal
from gateway.call import Call, Receive, Send
from gateway.http import GatewayConsumer
from gateway.pipeline import serve_caller
from gateway.services import Services
from rainymodel_site.playground.runs import SLOT, Answer, Body, Run, Slot, receiving

CORS = b"access-control-"


class OneRun(GatewayConsumer):
    """Answers one run as POST /v1/chat/completions would."""

    methods: ClassVar[tuple[str, ...]] = ("POST",)

    def __init__(self, services: Services, run: Run) -> None:
        super().__init__(services)
        self._run = run

    async def serve(self, call: Call) -> None:
        """Find the caller, then everything that happens to a request."""
        caller = await self._caller(call)
        # Of the browser's headers none may steer the request but the policy that the form chose.
        call.headers = {name: call.headers[name] for name in (b"user-agent",) if name in call.headers}
        if self._run.policy:
            call.headers[b"x-rainymodel-policy"] = self._run.policy.encode()
        await serve_caller(call, caller, self.services, self.dialect)

    async def _caller(self, call: Call) -> Caller:
        """The key's caller, as it is now. Raises Unauthenticated, Unavailable, NotAllowed (address)."""
        try:
            caller = await self.services.callers.of_kid(self._run.kid)
        except (KeyRefused, KeysUnavailable) as error:
            raise refusal(error) from None
        if caller.owner_id != self._run.owner_id:
            raise invalid_key()
        check_address(caller, call.client_address)
        return caller


class PlaygroundRun:
    """The ASGI application of the path; `pages` is Django's."""

    def __init__(self, services: Services, pages: Any) -> None:
        self._services, self._pages = services, pages

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Ask the page; then answer with its refusal, one run's answer, or the page that shows all answers."""
        slot, body = Slot(), Body(receive)
        held: list[dict[str, Any]] = []

        async def hold(message: dict[str, Any]) -> None:
            held.append(message)

        await self._pages({**scope, SLOT: slot}, body.once, hold)
        if not slot.runs:
            for message in held:
                await send(message)
        elif slot.as_page:
            answers = await asyncio.gather(*(self._whole(run, scope, receive) for run in slot.runs))
            await self._pages({**scope, SLOT: Slot(answers=tuple(answers))}, body.again, send)
        else:
            await self._answer(slot.runs[0], scope, receive, send)

    async def _whole(self, run: Run, scope: dict[str, Any], receive: Receive) -> Answer:
        answer = Answer()
        await self._answer(run, scope, receive, answer.hear)
        return answer

    async def _answer(self, run: Run, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        await OneRun(self._services, run)(scope, receiving(run.body, receive), private(send))


def private(send: Send) -> Send:
    """`send` for answers to a session: what lets other sites read answers of the API is taken out."""

    async def send_private(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            own = [(name, value) for name, value in message["headers"] if not name.startswith(CORS)]
            own += [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"same-origin")]
            message = {**message, "headers": own}
        await send(message)

    return send_private
