"""A person at the admin's own forms, without a browser: reads a page's form, changes fields, sends it back."""

from html.parser import HTMLParser
from typing import Any

import httpx


class FormReader(HTMLParser):
    """The fields of a page's forms as a browser would send them untouched."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, Any] = {}
        self._select: str | None = None
        self._textarea: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        name = found.get("name")
        if tag == "input" and name:
            self._take_input(name, found)
        elif tag == "select" and name:
            self._select = name
        elif tag == "option" and self._select and "selected" in found:
            self.fields[self._select] = found.get("value") or ""
        elif tag == "textarea" and name:
            self._textarea = name
            self.fields[name] = ""

    def handle_data(self, data: str) -> None:
        if self._textarea:
            self.fields[self._textarea] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = None
        elif tag == "textarea":
            self._textarea = None

    def _take_input(self, name: str, found: dict[str, str | None]) -> None:
        kind = found.get("type", "text")
        if kind in ("submit", "button", "file"):
            return
        if kind in ("checkbox", "radio"):
            if "checked" in found:
                self.fields.setdefault(name, []).append(found.get("value") or "on")
            return
        self.fields[name] = found.get("value") or ""


class Person:
    """Signed in at a live server, through a single-use link."""

    def __init__(self, url: str, link: str) -> None:
        self._client = httpx.Client(base_url=url, follow_redirects=True, timeout=20)
        self.submit(link, {})

    def get(self, path: str) -> httpx.Response:
        """A page."""
        return self._client.get(path)

    def form(self, path: str) -> dict[str, Any]:
        """The fields of the forms on a page."""
        answer = self._client.get(path)
        assert answer.status_code == 200, (path, answer.status_code, answer.text[:500])
        reader = FormReader()
        reader.feed(answer.text)
        return reader.fields

    def submit(self, path: str, changes: dict[str, Any]) -> httpx.Response:
        """Send a page's form back with some fields changed; None removes a field."""
        data = {name: value for name, value in {**self.form(path), **changes}.items() if value is not None}
        headers = {"Referer": str(self._client.base_url)}
        return self._client.post(path, data=data, headers=headers)

    def close(self) -> None:
        """Leave."""
        self._client.close()
