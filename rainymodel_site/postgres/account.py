"""Which system user runs the server: Postgres refuses to run as root."""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rainymodel_site.postgres.errors import PostgresError


@dataclass(frozen=True)
class Account:
    """The system user that owns the data and runs the server."""

    uid: int
    gid: int

    def switch(self) -> dict[str, Any]:
        """What `subprocess` needs to run a program as this user; nothing when we are this user."""
        if self.uid == os.geteuid():
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def give(self, path: Path) -> None:
        """Make this user the owner of `path`."""
        if self.uid != os.geteuid():
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def account_for(data: Path) -> Account:
    """Who runs the server over `data`: ourselves; for root, the owner of the data or else `nobody`."""
    owner = data.stat() if data.exists() else None
    if os.geteuid() != 0:
        if owner and owner.st_uid != os.geteuid():
            raise PostgresError(
                f"{data} belongs to user id {owner.st_uid}, not to you: run as that user, "
                "or choose another RAINYMODEL_STATE_DIR."
            )
        return Account(os.geteuid(), os.getegid())
    if owner is None:
        return _nobody()
    if owner.st_uid == 0:
        raise PostgresError(
            f"{data} belongs to root, which PostgreSQL refuses to serve: "
            "give it to another user with `chown -R nobody`."
        )
    return Account(owner.st_uid, owner.st_gid)


def _nobody() -> Account:
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        raise PostgresError(
            "PostgreSQL does not run as root and this system has no user `nobody`: "
            "start as an ordinary user, or set DATABASE_URL."
        ) from None
    return Account(entry.pw_uid, entry.pw_gid)
