"""The small catalogue published where the sun can be called, with the parts that tests of explanations share."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from gateway.models import RequestLog, Worker
from gateway.state_models import UpstreamState
from gateway.uuid7 import id_floor
from routing.publish import publish
from routing.tests.small_catalogue import load_small


def publish_small(monkeypatch: pytest.MonkeyPatch, *, moon: bool = True) -> None:
    """Revision 1, with the sun's credential set here, and the moon's unless it is left out."""
    monkeypatch.setenv("RAINYMODEL_CREDENTIALS", "SUN_KEY@api.sun.example,MOON_KEY@api.moon.example")
    monkeypatch.setenv("SUN_KEY", "canary-of-the-sun")
    if moon:
        monkeypatch.setenv("MOON_KEY", "canary-of-the-moon")
    load_small()
    publish("ada")


def worker(number: int) -> Worker:
    """A worker that is alive."""
    now = timezone.now()
    return Worker.objects.create(
        hostname="here", pid=100 + number, number=number, started_at=now, heartbeat_at=now, ready=True
    )


def held(by: Worker, deployment: str, word: str = "credential_refused") -> None:
    """A worker keeps away from a deployment for five minutes."""
    UpstreamState.objects.create(
        worker=by,
        deployment=deployment,
        provider=deployment.split("/")[0],
        state="held",
        circuit="closed",
        hold=word,
        held_until=timezone.now() + timedelta(minutes=5),
    )


def log_row(minutes_ago: float = 10, **fields: Any) -> RequestLog:
    """A request of the log, as the gateway writes it; plain chat to weather-mini unless said otherwise."""
    at = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    id = uuid.UUID(int=id_floor(at).int | uuid.uuid4().int & (1 << 62) - 1)
    known: dict[str, Any] = {
        "endpoint": "/v1/chat/completions",
        "requested_model": "weather-mini",
        "alias": "weather-mini",
        "policy": "auto",
        "revision": 1,
        "state": "ok",
        "status": 200,
    }
    return RequestLog.objects.create(id=id, started_at=at, **{**known, **fields})
