"""One reply: headers once, frames whole, and a keep-alive that never comes between or after."""

import asyncio
from typing import Any

import pytest

from gateway.call import Reply
from gateway.dialects.registry import CHAT
from gateway.errors import UpstreamsFailed
from gateway.http import refuse
from gateway.pulse import Pulse


class Wire:
    """Takes ASGI messages; blocks while told to."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.open = asyncio.Event()
        self.open.set()

    async def send(self, message: dict[str, Any]) -> None:
        await self.open.wait()
        self.sent.append(message)

    @property
    def kinds(self) -> list[str]:
        return [message["type"].removeprefix("http.response.") for message in self.sent]

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)


async def test_headers_leave_once_before_the_first_frame():
    wire = Wire()
    reply = Reply(wire.send, ())
    await reply.frames(b"data: 1\n\n", ((b"x", b"y"),), 1.0)
    await reply.frames(b"data: 2\n\n", (), 2.0)
    await reply.end()

    assert wire.kinds == ["start", "body", "body", "body"]
    assert (b"x", b"y") in wire.sent[0]["headers"]
    assert wire.body == b"data: 1\n\ndata: 2\n\n"


async def test_once_a_ping_is_on_its_way_nobody_answers_otherwise():
    wire = Wire()
    reply = Reply(wire.send, ())
    reply.ping((), 1.0)
    await refuse(reply, UpstreamsFailed("too late"), CHAT, "an-id")
    await reply.frames(b"data: error\n\n", (), 2.0)
    await reply.end()

    assert wire.kinds == ["start", "body", "body", "body"]
    assert wire.body == b": ping\n\ndata: error\n\n"


async def test_who_is_cancelled_while_a_ping_leaves_can_still_send_a_last_frame():
    wire = Wire()
    wire.open.clear()
    reply = Reply(wire.send, ())
    reply.ping((), 1.0)
    sending = asyncio.ensure_future(reply.frames(b"data: lost\n\n", (), 1.0))
    await asyncio.sleep(0)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    wire.open.set()
    await reply.frames(b"data: last\n\n", (), 2.0)

    assert wire.kinds == ["start", "body", "body"]
    assert wire.body == b": ping\n\ndata: last\n\n"


async def test_a_second_ping_waits_for_the_first_to_have_left():
    wire = Wire()
    wire.open.clear()
    reply = Reply(wire.send, ())
    reply.ping((), 1.0)
    await asyncio.sleep(0)
    reply.ping((), 2.0)
    wire.open.set()
    await reply.end()

    assert wire.body == b": ping\n\n"


@pytest.mark.fault("U42")
async def test_only_a_silent_stream_is_pinged_and_none_after_its_end():
    now = 100.0
    pulse, wire = Pulse(15.0, lambda: now), Wire()
    reply = Reply(wire.send, ())
    with pulse.keep_alive(reply, ()):
        now += 14.0
        pulse.tick()
        assert wire.sent == []
        now += 1.0
        pulse.tick()
        await reply.frames(b"data: 1\n\n", (), now)
        now += 10.0
        pulse.tick()
    now += 100.0
    pulse.tick()
    await reply.end()

    assert wire.body == b": ping\n\ndata: 1\n\n"
