"""The last good catalogue on disk, so that a worker can start while the database is down.

It holds the document and the still sealed secrets, authenticated by an HMAC under the key pepper: a file from
elsewhere, or an edited one, is not read. Written atomically, readable by its owner only.
"""

import base64
import hashlib
import hmac
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LONGEST_AGE = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class SavedCatalogue:
    """What the database held: the newest revision and the sealed secrets (slug, address, sealed).

    `confirmed_at` is the wall time at which the database was last seen to hold it.
    """

    number: int
    sha256: str
    document: str
    secrets: tuple[tuple[str, str, bytes], ...] = field(repr=False)
    secrets_mark: str
    confirmed_at: float

    @property
    def fingerprint(self) -> tuple[int, str, str]:
        """Equal for equal catalogues and secrets."""
        return self.number, self.sha256, self.secrets_mark


class SnapshotFile:
    """One file under the state directory, shared by the workers of this machine."""

    def __init__(self, path: Path, pepper: str) -> None:
        self._path = path
        self._key = hmac.digest(pepper.encode(), b"rainymodel snapshot file", "sha256")

    def write(self, saved: SavedCatalogue) -> None:
        """Replace the file in one step; raises OSError when that is impossible."""
        payload = json.dumps(_as_json(saved), ensure_ascii=False)
        text = json.dumps({"mac": self._mac(payload), "payload": payload}, ensure_ascii=False)
        draft = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft.unlink(missing_ok=True)
        with os.fdopen(
            os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
        ) as handle:
            handle.write(text)
        draft.replace(self._path)

    def read(self, now: float) -> SavedCatalogue | None:
        """What was saved in the last 24 hours; None when there is no such file, or it is not ours."""
        try:
            outer = json.loads(self._path.read_text(encoding="utf-8"))
            payload, mac = outer["payload"], outer["mac"]
            if not hmac.compare_digest(self._mac(payload).encode(), mac.encode()):
                return None
            saved = _from_json(json.loads(payload))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        return saved if now - saved.confirmed_at < LONGEST_AGE else None

    def _mac(self, payload: str) -> str:
        return hmac.new(self._key, payload.encode(), hashlib.sha256).hexdigest()


def _as_json(saved: SavedCatalogue) -> dict[str, Any]:
    return {
        "number": saved.number,
        "sha256": saved.sha256,
        "document": saved.document,
        "secrets": [
            [slug, address, base64.b64encode(sealed).decode()] for slug, address, sealed in saved.secrets
        ],
        "secrets_mark": saved.secrets_mark,
        "confirmed_at": saved.confirmed_at,
    }


def _from_json(value: dict[str, Any]) -> SavedCatalogue:
    secrets = tuple((slug, address, base64.b64decode(sealed)) for slug, address, sealed in value["secrets"])
    return SavedCatalogue(
        number=int(value["number"]),
        sha256=value["sha256"],
        document=value["document"],
        secrets=secrets,
        secrets_mark=value["secrets_mark"],
        confirmed_at=float(value["confirmed_at"]),
    )
