"""The status as a page and as JSON, made at most every fifteen seconds however many ask."""

import threading
import time
from collections.abc import Callable
from typing import Any

import structlog
from django.db import Error
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from rainymodel_site.status.standing import AliasStatus, Status, read_status

log = structlog.get_logger("rainymodel_site.status")
FRESH_SECONDS = 15.0
NAMES = {"up": "Up", "degraded": "Degraded", "down": "Down", "unknown": "No requests"}
HEADLINES = {
    "up": "All models work",
    "degraded": "Some models have trouble",
    "down": "No model can be reached",
}


class Kept:
    """The last status, made anew by one request at a time while the others get the one before."""

    def __init__(self, read: Callable[[], Status], clock: Callable[[], float] = time.monotonic) -> None:
        self._read, self._clock = read, clock
        self._status: Status | None = None
        self._made_at = float("-inf")
        self._making = threading.Lock()

    def get(self) -> Status | None:
        """The status; None when there never was one and the database does not answer."""
        if self._clock() - self._made_at >= FRESH_SECONDS and self._making.acquire(
            blocking=self._status is None
        ):
            try:
                if self._clock() - self._made_at >= FRESH_SECONDS:
                    self._made_at = self._clock()
                    self._status = self._read()
            except Error as problem:
                log.warning("the status could not be read", problem=type(problem).__name__)
            finally:
                self._making.release()
        return self._status


kept = Kept(lambda: read_status(timezone.now()))


@require_safe
def status_page(request: HttpRequest) -> HttpResponse:
    """HTML for people, JSON for programs that ask for it."""
    if "text/html" not in request.headers.get("Accept", ""):
        return status_json(request)
    status = kept.get()
    if status is None:
        return render(request, "503.html", status=503)
    context = {
        "status": status,
        "headline": HEADLINES[status.word],
        "rows": [row_of(each) for each in status.aliases],
    }
    return cached(render(request, "status/page.html", context))


@require_safe
def status_json(request: HttpRequest) -> HttpResponse:
    """`{"status", "updated_at", "aliases": [{"name", "status", "uptime", "days": [{"date", "status", "uptime"}]}]}`."""
    status = kept.get()
    if status is None:
        return cached(JsonResponse({"status": "unknown", "updated_at": None, "aliases": []}, status=503))
    answer = {
        "status": status.word,
        "updated_at": status.at.isoformat(timespec="seconds"),
        "aliases": [
            {
                "name": alias.name,
                "status": alias.word,
                "uptime": rounded(alias.share),
                "days": [
                    {"date": day.date.isoformat(), "status": day.word, "uptime": rounded(day.share)}
                    for day in alias.days
                ],
            }
            for alias in status.aliases
        ],
    }
    response = cached(JsonResponse(answer))
    response["Access-Control-Allow-Origin"] = "*"
    return response


def row_of(alias: AliasStatus) -> dict[str, Any]:
    """One alias as the page draws it."""
    bars = [
        {"x": number * 4, "word": day.word, "told": f"{day.date:%d %b}: {told(day.share)}"}
        for number, day in enumerate(alias.days)
    ]
    return {
        "name": alias.name,
        "word": alias.word,
        "state": NAMES[alias.word],
        "uptime": told(alias.share),
        "bars": bars,
        "width": len(bars) * 4,
    }


def told(share: float | None) -> str:
    """`99.95 % worked`."""
    return "no requests" if share is None else f"{rounded(share)} % worked"


def rounded(share: float | None) -> float | None:
    """Percent; never rounded up to a whole hundred."""
    return None if share is None else int(share * 10_000) / 100


def cached(response: HttpResponse) -> HttpResponse:
    """For everybody alike, and soon to be asked for again."""
    response["Cache-Control"] = f"public, max-age={FRESH_SECONDS:.0f}"
    response["Vary"] = "Accept"
    return response
