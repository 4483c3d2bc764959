"""The walk over every address of site and gateway, by everybody; rainymodel_site/access.csv holds its result."""

import csv
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
from django.urls import get_resolver

from gateway.tests.live import PROJECT, LiveGateway
from gateway.urls import PLAIN, VERSIONED
from rainymodel_site.urls import PAGE_PREFIXES

TABLE = PROJECT / "rainymodel_site" / "access.csv"
CALLERS = ("anonymous", "key", "viewer", "researcher", "developer", "admin")
CSRF = "0123456789abcdefghijABCDEFGHIJxy"
# Which rows an address under /api/ is about.
API_ROWS = {"keys": "accounts/apikey", "users": "accounts/user", "ceilings": "accounts/ceiling"}
# Paths of the site hold these as well; they are about no row of the admin.
PLACES = {"token": "no-such-token", "url": "nothing/here", "app_label": "accounts", "content_type_id": "1"}
# What is written as well as read; the body is an empty object, so that who is let in is told 400.
WRITES = {
    "api/^explain/?$": ("POST",),
    "api/^keys/?$": ("POST",),
    "api/^keys/revoke/?$": ("POST",),
    "api/^keys/(?P<id>[0-9a-fA-F-]{36})/?$": ("PATCH", "DELETE"),
    "api/^keys/(?P<id>[0-9a-fA-F-]{36})/roll/?$": ("POST",),
    "api/^users/(?P<id>[0-9]{1,18})/?$": ("PATCH",),
    "api/^ceilings/?$": ("POST",),
    "api/^ceilings/(?P<id>[0-9]{1,18})/?$": ("PATCH", "DELETE"),
    "admin/accounts/apikey/add/": ("POST",),
    "admin/accounts/user/<path:object_id>/change/": ("POST",),
    "admin/routing/deployment/add/": ("POST",),
    "admin/rainymodel_site/alertrule/<path:object_id>/test/": ("POST",),
    "admin/rainymodel_site/alertchannel/<path:object_id>/test/": ("POST",),
    "keys/new/": ("POST",),
    "keys/<uuid:pk>/": ("POST",),
    "keys/<uuid:pk>/roll/": ("POST",),
    "keys/<uuid:pk>/revoke/": ("POST",),
    "playground/run": ("POST",),
}


@dataclass(frozen=True, slots=True)
class Visit:
    """An address as its pattern has it, how it is asked, and the status each caller gets."""

    pattern: str
    method: str
    statuses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answers:
    """All that was answered at one address, by caller."""

    visit: Visit
    by_caller: dict[str, httpx.Response] = field(default_factory=dict)

    @property
    def result(self) -> Visit:
        """The visit with its statuses."""
        statuses = tuple(str(answer.status_code) for answer in self.by_caller.values())
        return Visit(self.visit.pattern, self.visit.method, statuses)


def read_table() -> list[Visit]:
    """The committed table."""
    with TABLE.open(newline="") as file:
        return [Visit(row[0], row[1], tuple(row[2:])) for row in list(csv.reader(file))[1:]]


def rows_of(visits: Iterable[Visit]) -> str:
    """Visits as lines of the table."""
    return "\n".join(",".join((quoted(visit.pattern), visit.method, *visit.statuses)) for visit in visits)


def quoted(pattern: str) -> str:
    """A pattern as CSV has it."""
    return f'"{pattern}"' if "," in pattern else pattern


def all_visits() -> list[Visit]:
    """Every address of the gateway and of the site, with every method that is walked."""
    gateway = [Visit(f"(v1/){path}/?", method) for path, consumer in VERSIONED for method in consumer.methods]
    gateway += [Visit(path or "/", method) for path, consumer in PLAIN for method in consumer.methods]
    patterns = dict.fromkeys(patterns_of(get_resolver().url_patterns))
    site = [Visit(pattern, method) for pattern in patterns for method in ("GET", *WRITES.get(pattern, ()))]
    return gateway + site


def patterns_of(entries: Iterable[Any], before: str = "") -> Iterator[str]:
    """The patterns of a resolver and of all that it includes."""
    for entry in entries:
        pattern = before + str(entry.pattern)
        if hasattr(entry, "url_patterns"):
            yield from patterns_of(entry.url_patterns, pattern)
        else:
            yield pattern


def is_page(visit: Visit) -> bool:
    """Whether Django serves it."""
    return re.match(rf"(?:{PAGE_PREFIXES})/", visit.pattern) is not None


class Walk:
    """Everybody at one live gateway."""

    def __init__(self, gateway: LiveGateway) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "rainymodel_site.tests.access_people"],
            cwd=PROJECT, env={**gateway.variables, "DJANGO_SETTINGS_MODULE": "rainymodel_site.settings"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        made = json.loads(done.stdout.splitlines()[-1])
        self.rows: dict[str, str] = made["rows"]
        self._client = httpx.Client(base_url=gateway.url, timeout=30)
        self._cookies: dict[str, dict[str, str]] = {
            caller: {"rainymodel_csrf": CSRF, "rainymodel_session": made["sessions"].get(caller, "")}
            for caller in CALLERS
        }
        self._headers = {"X-CSRFToken": CSRF, "Content-Type": "application/json"}
        self._key = made["key"]

    def ask(self, visit: Visit) -> Answers:
        """Send everybody there."""
        return Answers(visit, {caller: self.ask_as(caller, visit) for caller in CALLERS})

    def ask_as(self, caller: str, visit: Visit) -> httpx.Response:
        """Send one of them there, in a browser or program of their own."""
        form = visit.method == "POST" and not visit.pattern.startswith(("api/", "(v1/)"))
        headers = {"X-CSRFToken": CSRF} if form else dict(self._headers)
        if caller == "key":
            headers["Authorization"] = f"Bearer {self._key}"
        body = b"" if form or visit.method in ("GET", "DELETE") else b"{}"
        cookies = "; ".join(f"{name}={value}" for name, value in self._cookies[caller].items() if value)
        headers["Cookie"] = cookies
        self._client.cookies.clear()  # what one was given is not for the next
        return self._client.request(visit.method, self.path_of(visit.pattern), headers=headers, content=body)

    def close(self) -> None:
        """Leave."""
        self._client.close()

    def path_of(self, pattern: str) -> str:
        """A path that fits the pattern, about a row that is there."""
        path = pattern.replace("(v1/)", "v1/").replace("(?P<model>.+)", "rainymodel/auto")
        path = path.replace("/?", "").replace("^", "").replace("$", "")
        fill = self.api_place if path.startswith("api/") else self.site_place
        path = re.sub(r"\(\?P<(\w+)>[^)]*\)", lambda found: fill(found[1], path), path)
        filled = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: fill(found[1], path), path)
        return f"/{filled.removeprefix('/')}"

    def api_place(self, name: str, path: str) -> str:
        """The id of somebody else's row."""
        return self.rows[API_ROWS[path.split("/")[1]]]

    def site_place(self, name: str, path: str) -> str:
        """The id of a row, or another fitting word."""
        if path.startswith("keys/"):
            return self.rows["accounts/apikey"]
        if path.startswith("admin/console/"):
            return self.rows["routing/provider"]
        return PLACES.get(name) or self.rows.get("/".join(path.split("/")[1:3]), "1")
