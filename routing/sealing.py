"""Provider secrets at rest: AES-256-GCM under a key ring from the environment.

A sealed secret is bound to its provider and address: for any other, it does not open. Laid out as version
(1 byte), key id (8), nonce (12), ciphertext with its tag.
"""

import base64
import binascii
import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

from rainymodel_site.env import ConfigurationError

RING_VARIABLE = "RAINYMODEL_SECRET_KEYS"
VERSION = b"\x01"
KEY_BYTES, ID_BYTES, NONCE_BYTES = 32, 8, 12


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Keys by their ids, in order: the first seals, all open."""

    keys: tuple[tuple[bytes, bytes], ...] = field(repr=False)

    def seal(self, text: str, slug: str, base_url: str) -> bytes:
        """The text, readable only with this ring and for this provider and address."""
        key_id, key = self.keys[0]
        nonce = os.urandom(NONCE_BYTES)
        return VERSION + key_id + nonce + AESGCM(key).encrypt(nonce, text.encode(), _bound_to(slug, base_url))

    def open(self, sealed: bytes, slug: str, base_url: str) -> str | None:
        """The text; None when it was sealed under another ring, for another address, or was damaged."""
        key_id, rest = sealed[1 : 1 + ID_BYTES], sealed[1 + ID_BYTES :]
        key = dict(self.keys).get(key_id)
        if key is None or sealed[:1] != VERSION:
            return None
        try:
            return (
                AESGCM(key)
                .decrypt(rest[:NONCE_BYTES], rest[NONCE_BYTES:], _bound_to(slug, base_url))
                .decode()
            )
        except (InvalidTag, ValueError):
            return None

    def seals_with_first(self, sealed: bytes) -> bool:
        """True when the first key of the ring sealed it already."""
        return sealed[1 : 1 + ID_BYTES] == self.keys[0][0]


def read_ring(text: str) -> KeyRing:
    """The ring in comma-separated base64; raises ConfigurationError naming the variable."""
    keys = tuple(_read_key(part.strip()) for part in text.split(",") if part.strip())
    if not keys:
        raise ConfigurationError(f"{RING_VARIABLE} holds no key; it needs base64 keys of {KEY_BYTES} bytes.")
    return KeyRing(keys)


def seal(text: str, slug: str, base_url: str) -> bytes:
    """Seal under the project's ring."""
    return _project_ring(settings.SEALING_KEYS).seal(text, slug, base_url)


def open_sealed(sealed: bytes, slug: str, base_url: str) -> str | None:
    """Open with the project's ring; None when it does not open."""
    return _project_ring(settings.SEALING_KEYS).open(sealed, slug, base_url)


def open_all(rows: Iterable[tuple[str, str, bytes]], ring: KeyRing) -> dict[tuple[str, str], str | None]:
    """Slug, address and sealed secret of each row → the opened secrets, None where one does not open."""
    return {(slug, address): ring.open(sealed, slug, address) for slug, address, sealed in rows}


@lru_cache(maxsize=4)
def _project_ring(text: str) -> KeyRing:
    return read_ring(text)


def _read_key(text: str) -> tuple[bytes, bytes]:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise ConfigurationError(
            f"{RING_VARIABLE} must hold base64 keys of {KEY_BYTES} bytes, comma-separated."
        )
    return hashlib.sha256(key).digest()[:ID_BYTES], key


def _bound_to(slug: str, base_url: str) -> bytes:
    return json.dumps(["rainymodel provider secret", slug, base_url]).encode()
