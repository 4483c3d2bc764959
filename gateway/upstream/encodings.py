"""Bodies that arrive packed although we accept none that are: unpacked piece by piece, within bounds, or refused."""

import zlib

import aiohttp

from gateway.upstream.wire import Response

MAX_UNPACKED = 32 * 1024 * 1024
PIECE = 64 * 1024
READABLE = frozenset({"", "identity", "gzip", "x-gzip", "deflate"})
GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


def encoding_of(response: Response) -> str:
    """The body's encoding, in lower case; empty without one."""
    return response.headers.get("Content-Encoding", "").strip().lower()


class Unpacked:
    """The unpacked bytes of a packed body, read as aiohttp's own content is.

    A body that is damaged, cut short or larger than MAX_UNPACKED ends in aiohttp.ClientPayloadError.
    """

    def __init__(self, content: aiohttp.StreamReader) -> None:
        self._content = content
        self._unpacker: zlib._Decompress | None = None
        self._packed = b""
        self._more = False  # the unpacker holds bytes that did not fit into the last piece
        self._size = 0

    def at_eof(self) -> bool:
        """Whether nothing can come any more."""
        return not self._packed and not self._more and self._content.at_eof()

    async def readany(self) -> bytes:
        """The next bytes, empty at the end."""
        while True:
            if self._unpacker is not None and self._unpacker.eof:
                return b""  # what follows the end belongs to nothing; whoever gives the connection back closes it
            if not self._packed and not self._more:
                self._packed = await self._content.readany()
                if not self._packed:
                    if self._unpacker is None or not self._unpacker.eof:
                        raise aiohttp.ClientPayloadError("the packed body was cut short")
                    return b""
            if piece := self._unpack():
                return piece

    async def read(self, most: int) -> bytes:
        """The next bytes, empty at the end; at most PIECE, whatever is asked for."""
        return await self.readany()

    def _unpack(self) -> bytes:
        if self._unpacker is None:
            self._unpacker = unpacker_for(self._packed)
        try:
            piece = self._unpacker.decompress(self._packed, PIECE)
        except zlib.error:
            raise aiohttp.ClientPayloadError("the packed body is damaged") from None
        self._packed = self._unpacker.unconsumed_tail
        self._more = len(piece) == PIECE
        self._size += len(piece)
        if self._size > MAX_UNPACKED:
            raise aiohttp.ClientPayloadError("the packed body is over the limit")
        return piece


def unpacker_for(start: bytes) -> "zlib._Decompress":
    """gzip and zlib tell themselves apart; some servers send bare deflate, which begins otherwise."""
    bare = start[:1] != b"\x1f" and start[0] & 0x0F != 8
    return zlib.decompressobj(-zlib.MAX_WBITS if bare else GZIP_OR_ZLIB)


def body_of(response: Response) -> aiohttp.StreamReader | Unpacked:
    """What to read a body from. Raises aiohttp.ClientPayloadError for an encoding that is not read here."""
    if "Content-Encoding" not in response.headers:
        return response.content
    encoding = encoding_of(response)
    if encoding not in READABLE:
        raise aiohttp.ClientPayloadError("the body is packed in a way that is not read here")
    return response.content if encoding in ("", "identity") else Unpacked(response.content)
