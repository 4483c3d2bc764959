"""A refused sign-in as a page, and as an entry in the audit."""

import time
from collections import deque
from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import add_never_cache_headers

from accounts.actor import current_actor
from accounts.audit import record
from accounts.oidc.errors import SignInRefused
from accounts.oidc.provider import provider

log = structlog.get_logger("accounts.oidc")
MOST_ENTRIES = 60


class Quota:
    """So many per minute. The audit keeps every entry for ever, so strangers must not be able to fill it."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = most, clock
        self._taken: deque[float] = deque()

    def take(self) -> bool:
        """Whether there is room for one more now."""
        now = self._clock()
        while self._taken and self._taken[0] <= now - 60:
            self._taken.popleft()
        if len(self._taken) >= self._most:
            return False
        self._taken.append(now)
        return True


quota = Quota(MOST_ENTRIES)


def refuse(request: HttpRequest, refusal: SignInRefused, next_page: str = "") -> HttpResponse:
    """The page that says what was wrong and what to do; the reason goes into the audit and the log."""
    note(refusal)
    name = provider().name or "The sign-in provider"
    context = {
        "headline": refusal.headline.format(provider=name),
        "advice": refusal.advice.format(provider=name),
        "again": refusal.again and provider().is_configured,
        "provider": name,
        "other_account": provider().at("/") if refusal.other_account else "",
        "next": next_page,
    }
    response = render(request, "accounts/sso_refused.html", context, status=refusal.status)
    add_never_cache_headers(response)
    response._has_been_logged = True  # type: ignore[attr-defined]  # Django would log the query, with code and state
    response.refusal = refusal  # type: ignore[attr-defined]  # for the management API, which says it in JSON
    return response


def note(refusal: SignInRefused) -> None:
    """Who was refused, why, and from where."""
    reason = type(refusal).__name__
    log.info("a sign-in was refused", reason=reason, detail=refusal.detail)
    if quota.take():
        actor = current_actor()
        changes = {"reason": (None, reason), **({"detail": (None, refusal.detail)} if refusal.detail else {})}
        record(actor.name, "sign-in refused", "single sign-on", changes, actor.address)
