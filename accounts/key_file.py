"""The keys that may call, on disk, so that they work after a restart without a database.

A line per key: its HMAC as the database holds it, and its row; never a key itself, never one that is shut. The whole is
authenticated by an HMAC under the key pepper, so a file from elsewhere, or an edited one, is not read. Written
atomically, readable by its owner only, good for a day.
"""

import asyncio
import hmac
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import structlog
from psycopg_pool import AsyncConnectionPool

from accounts.caller import Defaults
from accounts.key_rows import KeyRow, read_open_keys, read_row

log = structlog.get_logger("accounts.key_file")
SAVE_SECONDS, SAVE_AGAIN_AFTER = (
    60.0,
    3600.0,
)  # changed keys are saved at most so often, unchanged ones so seldom
QUESTION_SECONDS = 15.0
LONGEST_AGE = 24 * 3600.0
READ_AGAIN_AFTER = 60.0  # another worker may have written a younger file meanwhile
MONEY = ("usd_per_day", "usd_per_month", "account_usd_per_day", "account_usd_per_month")


@dataclass(frozen=True, slots=True)
class SavedKeys:
    """What one file held: the row of each key by the hex of its HMAC, and when the database last said so."""

    confirmed_at: float
    rows: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class SavedKey:
    """One key of the file; `age` is how many seconds ago the database said so."""

    row: KeyRow
    age: float


class KeyFile:
    """One file under the state directory, shared by the workers of this machine. `clock` is wall time.

    `writes` is true in one of the workers.
    """

    def __init__(
        self,
        path: Path,
        pepper: str,
        *,
        writes: bool = True,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.writes = writes
        self._path, self._clock, self._monotonic = path, clock, monotonic
        self._mac_key = hmac.digest(pepper.encode(), b"rainymodel key file", "sha256")
        self._saved: SavedKeys | None = None
        self._read_at = self._saved_at = float("-inf")
        self._number: int | None = None  # of the last change that was saved

    async def find(self, hashed: bytes, defaults: Defaults) -> SavedKey | None:
        """The key with this HMAC, if a file of the last day has it. The file is read in a thread, once a minute."""
        if self._monotonic() - self._read_at >= READ_AGAIN_AFTER:
            self._read_at = self._monotonic()
            self._saved = await asyncio.to_thread(self.read)
        saved = self._saved
        row = saved.rows.get(hashed.hex()) if saved else None
        if saved is None or row is None:
            return None
        age = max(0.0, self._clock() - saved.confirmed_at)
        return SavedKey(read_saved_row(row, hashed, defaults), age) if age < LONGEST_AGE else None

    def forget(self) -> None:
        """The database answers again: what was read is not needed any more."""
        self._saved, self._read_at = None, float("-inf")

    async def save_when_due(self, pool: AsyncConnectionPool, number: int, most: int) -> None:
        """Write the keys that may call: a minute after the last time if they changed, else after an hour.

        `number` is of the last change, `most` how many keys are kept. Raises one of UNREACHABLE; a file that cannot be
        written is told in the log.
        """
        wait = SAVE_AGAIN_AFTER if number == self._number else SAVE_SECONDS
        if not self.writes or self._monotonic() - self._saved_at < wait:
            return
        self._saved_at = self._monotonic()
        async with asyncio.timeout(QUESTION_SECONDS):
            lines = await read_open_keys(pool, most)
        try:
            await asyncio.to_thread(self.write, lines)
        except OSError as error:
            log.warning("the keys could not be saved for a start without the database", problem=str(error))
        self._number = number

    def write(self, lines: str) -> None:
        """Replace the file in one step; `lines` are those of key_rows.read_open_keys. Raises OSError."""
        payload = json.dumps({"confirmed_at": self._clock()}) + "\n" + lines
        draft = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(f"{self._mac(payload)}\n{payload}")
        draft.replace(self._path)

    def read(self) -> SavedKeys | None:
        """What was written; None when there is no such file, or it is not ours."""
        try:
            mac, _, payload = self._path.read_bytes().decode().partition("\n")
            if not hmac.compare_digest(self._mac(payload).encode(), mac.encode()):
                return None
            header, _, lines = payload.partition("\n")
            rows = (line.partition(" ") for line in lines.split("\n"))
            return SavedKeys(
                confirmed_at=float(json.loads(header)["confirmed_at"]),
                rows={hashed: row for hashed, _, row in rows if row},
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _mac(self, payload: str) -> str:
        return hmac.digest(self._mac_key, payload.encode(), "sha256").hex()


def read_saved_row(text: str, hashed: bytes, defaults: Defaults) -> KeyRow:
    """A row as Postgres wrote it in JSON, with the types that the same row has as the answer to a query."""
    row: dict[str, Any] = json.loads(text, parse_float=Decimal)
    for name in MONEY:
        row[name] = None if row[name] is None else Decimal(row[name])
    row["expires_at"] = None if row["expires_at"] is None else float(row["expires_at"])
    row["seen_at"] = float(row["seen_at"])
    return read_row({**row, "secret_hash": hashed}, defaults)
