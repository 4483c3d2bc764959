"""Packed bodies of upstreams are read to their own end and no further."""

import asyncio
import gzip

import aiohttp
from aiohttp.base_protocol import BaseProtocol

from gateway.upstream.encodings import Unpacked


async def test_what_follows_a_packed_body_is_neither_kept_nor_read():
    stream = aiohttp.StreamReader(BaseProtocol(asyncio.get_running_loop()), 2**30)
    stream.feed_data(gzip.compress(b'{"rain": true}'))
    for _ in range(64):
        stream.feed_data(b"x" * 65_536)
    body = Unpacked(stream)

    assert [await body.readany() for _ in range(3)] == [b'{"rain": true}', b"", b""]
    assert not body.at_eof()  # so that the connection is closed rather than used again
