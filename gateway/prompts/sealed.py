"""Stored prompts at rest: compressed, then AES-256-GCM under keys made from the project's ring for this alone.

A document opens for its own request and API key only. Laid out as version (1 byte), key id (8), nonce (12),
ciphertext with its tag. The ring is that of provider secrets, so a key of the ring that sealed stored prompts should
stay in it for seven days after a new first one.
"""

import os
import zlib
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from routing.sealing import read_ring

VERSION = b"\x01"
ID, NONCE = slice(1, 9), slice(9, 21)
FASTEST = 1
PURPOSE = b"rainymodel stored prompt"
LARGEST = 4 * 1024 * 1024  # no document is longer; what claims to be is not unpacked


def seal(document: bytes, request_id: str, key_id: str) -> bytes:
    """The document, readable only with this ring and for this request of this key."""
    ring_id, key = keys(settings.SEALING_KEYS)[0]
    nonce = os.urandom(12)
    return (
        VERSION
        + ring_id
        + nonce
        + key.encrypt(nonce, zlib.compress(document, FASTEST), about(request_id, key_id))
    )


def open_sealed(sealed: bytes, request_id: str, key_id: str) -> bytes | None:
    """The document; None when another ring sealed it, for another request, or when it was damaged."""
    key = dict(keys(settings.SEALING_KEYS)).get(sealed[ID])
    if key is None or sealed[:1] != VERSION:
        return None
    try:
        unpacker = zlib.decompressobj()
        packed = key.decrypt(sealed[NONCE], sealed[NONCE.stop :], about(request_id, key_id))
        found = unpacker.decompress(packed, LARGEST)
        return found if unpacker.eof else None
    except (InvalidTag, ValueError, zlib.error):
        return None


@lru_cache(maxsize=4)
def keys(ring: str) -> tuple[tuple[bytes, AESGCM], ...]:
    """The keys of this purpose by the ids of the ring's, in order: the first seals, all open."""
    return tuple((ring_id, AESGCM(derived(key))) for ring_id, key in read_ring(ring).keys)


def derived(key: bytes) -> bytes:
    """A key that is good for stored prompts and tells nothing about the one it was made from."""
    return HKDF(SHA256(), length=32, salt=None, info=PURPOSE).derive(key)


def about(request_id: str, key_id: str) -> bytes:
    """What a sealed document is bound to."""
    return f"{request_id} {key_id}".encode()
