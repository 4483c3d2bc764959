"""The text of an API key: `sk-rm_<kid 8>_<secret 32><crc 6>`, all base62.

The six characters at the end are CRC-32 (the one of zlib and gzip) over the ASCII of everything before them, as a
base62 number, most significant digit first. They tell a mistyped key from a wrong one without asking a database,
and let a secret scanner recognise a real one. What is stored of a key: its kid, its HMAC, its last four characters.
"""

import hmac
import re
import secrets
import zlib
from dataclasses import dataclass, field

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
PREFIX = "sk-rm_"
KID_LENGTH, SECRET_LENGTH, CRC_LENGTH = 8, 32, 6
LENGTH = len(PREFIX) + KID_LENGTH + 1 + SECRET_LENGTH + CRC_LENGTH
SHAPE = re.compile(
    rf"{PREFIX}([0-9A-Za-z]{{{KID_LENGTH}}})_[0-9A-Za-z]{{{SECRET_LENGTH + CRC_LENGTH}}}", re.ASCII
)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made: `text` is the secret, shown once."""

    kid: str
    text: str = field(repr=False)
    last_four: str


def make_key() -> NewKey:
    """A fresh random key; its secret holds 190 bits."""
    kid = random_text(KID_LENGTH)
    body = f"{PREFIX}{kid}_{random_text(SECRET_LENGTH)}"
    text = body + checksum(body)
    return NewKey(kid=kid, text=text, last_four=text[-4:])


def parse_key(text: str) -> str | None:
    """The kid of a text that has a key's shape and checksum, else None; says nothing about whether the key exists."""
    if len(text) != LENGTH:
        return None
    shape = SHAPE.fullmatch(text)
    if shape is None or checksum(text[:-CRC_LENGTH]) != text[-CRC_LENGTH:]:
        return None
    return shape[1]


def hash_key(text: str, pepper: str) -> bytes:
    """HMAC-SHA-256 of the whole key under the pepper: all that is kept of a secret."""
    return hmac.digest(pepper.encode(), text.encode("utf-8", "surrogatepass"), "sha256")


def same_hash(one: bytes, other: bytes) -> bool:
    """Whether two hashes are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(one, other)


def checksum(body: str) -> str:
    """CRC-32 of the ASCII text as six base62 digits."""
    number = zlib.crc32(body.encode("ascii"))
    digits = ""
    for _ in range(CRC_LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits


def random_text(length: int) -> str:
    """Random base62 characters."""
    return "".join(secrets.choice(ALPHABET) for _ in range(length))
