"""Log rows and their roll-ups, for tests of figures."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.db import connection

from gateway.log_rows import LogEntry
from gateway.traffic.tables import FAMILIES
from gateway.uuid7 import IdMaker

TABLES = tuple(table.name for family in FAMILIES for table in family.tables)
CHAT = "/v1/chat/completions"
Answer = TypeVar("Answer")


async def in_django(ask: Callable[[], Answer]) -> Answer:
    """What a function says that uses Django's connection, in a thread that leaves none open."""

    def run() -> Answer:
        try:
            return ask()
        finally:
            connection.close()

    return await sync_to_async(run)()


def no_traffic() -> None:
    """Empty the log and all roll-ups; no models stand for those, so that nobody else does between tests."""
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE gateway_requestlog, gateway_deadletter, {', '.join(TABLES)}")


def row(moment: datetime | None = None, **known: Any) -> bytes:
    """One request's line, admitted at a moment; without anything else an answer of `hf` under rainymodel/auto."""
    at = moment or datetime.now(UTC)
    usual: dict[str, Any] = {
        "alias": "rainymodel/auto",
        "policy": "auto",
        "endpoint": CHAT,
        "state": "ok",
        "status": 200,
    }
    usual |= {
        "tier": "free",
        "provider": "hf",
        "deployment": "hf/qwen",
        "attempt_count": 1,
        "total_ms": 1000.0,
    }
    usual["attempts"] = [attempt("hf")]
    return LogEntry(IdMaker(at.timestamp).new_id(), at, **{**usual, **known}).to_row()


def attempt(provider: str, word: str = "", **more: Any) -> dict[str, Any]:
    """One attempt as the log has it."""
    return {"deployment": f"{provider}/qwen", "provider": provider, "tier": "free", "word": word, **more}


def ago(**span: float) -> datetime:
    """A moment so long ago."""
    return datetime.now(UTC) - timedelta(**span)
