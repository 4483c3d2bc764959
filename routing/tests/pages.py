"""Reading and filling the admin's own forms, as a browser would."""

from html.parser import HTMLParser
from typing import Any

from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse


class FormReader(HTMLParser):
    """Collects what a browser would post back from one form."""

    def __init__(self, form_id: str) -> None:
        super().__init__()
        self.fields: dict[str, Any] = {}
        self._form_id, self._inside, self._select, self._textarea = form_id, False, "", ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Inputs with their values, chosen options, and the beginnings of text areas."""
        found = {name: value if value is not None else "" for name, value in attrs}
        if tag == "form":
            self._inside = found.get("id") == self._form_id
        if not self._inside:
            return
        name = found.get("name", "")
        if tag == "input" and name:
            self._read_input(name, found)
        elif tag == "select":
            self._select = name
        elif tag == "option" and "selected" in found and self._select:
            self.fields[self._select] = found.get("value", "")
        elif tag == "textarea":
            self._textarea = name
            self.fields[name] = ""

    def _read_input(self, name: str, found: dict[str, str]) -> None:
        kind = found.get("type", "text")
        if kind in {"submit", "button", "file"} or (kind in {"checkbox", "radio"} and "checked" not in found):
            return
        value = found.get("value", "on" if kind == "checkbox" else "")
        if kind == "checkbox" and name in self.fields:
            before = self.fields[name]
            self.fields[name] = [*before, value] if isinstance(before, list) else [before, value]
        else:
            self.fields[name] = value

    def handle_data(self, data: str) -> None:
        """The text of a text area."""
        if self._textarea:
            self.fields[self._textarea] += data

    def handle_endtag(self, tag: str) -> None:
        """The end of whatever was open."""
        if tag == "form":
            self._inside = False
        elif tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._textarea = ""


def read_form(client: Client, url: str, form_id: str) -> dict[str, Any]:
    """The fields of the form, as they would be posted back untouched."""
    response = client.get(url)
    assert response.status_code == 200, response.status_code
    reader = FormReader(form_id)
    reader.feed(response.content.decode())
    assert reader.fields, "the page has no such form"
    return {name: value for name, value in reader.fields.items() if "__prefix__" not in name}


def edit(client: Client, row: Any, /, **changes: Any) -> Any:
    """Open the row's page, change some fields, save, and follow to where that leads."""
    kind = row._meta.model_name
    url = reverse(f"admin:routing_{kind}_change", args=[row.pk])
    return client.post(url, read_form(client, url, f"{kind}_form") | changes, follow=True)


def add(client: Client, row_class: Any, /, **values: Any) -> Any:
    """Open the page for a new row, fill it, save, and follow to where that leads."""
    kind = row_class._meta.model_name
    url = reverse(f"admin:routing_{kind}_add")
    return client.post(url, read_form(client, url, f"{kind}_form") | values, follow=True)


def told(response: Any) -> list[str]:
    """The messages that the page shows."""
    return [str(message) for message in get_messages(response.wsgi_request)] or [
        str(message) for message in response.context.get("messages", [])
    ]


def errors(response: Any) -> dict[str, list[str]]:
    """The form's errors by field, empty when it was saved."""
    form = response.context.get("adminform") if response.context else None
    return {name: list(texts) for name, texts in form.form.errors.items()} if form else {}
