"""How long a client may keep a worker waiting: while it uploads, and while it does not read."""

from dataclasses import dataclass
from functools import cache

from rainymodel_site import env

UPLOAD, STALL = 30.0, 60.0
SLOWEST = 1024  # bytes per second; who is slower than this for long is given up


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: a request body is complete within `upload`; an answer that waits moves on within `stall`."""

    upload: float
    stall: float


@cache
def read_patience() -> Patience:
    """RAINYMODEL_UPLOAD_SECONDS and RAINYMODEL_STALL_SECONDS; a value that cannot be read ends the start."""
    return Patience(
        env.seconds("RAINYMODEL_UPLOAD_SECONDS", UPLOAD) or UPLOAD,
        env.seconds("RAINYMODEL_STALL_SECONDS", STALL) or STALL,
    )
