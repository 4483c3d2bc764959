"""Static files through the ASGI application: whole, without streaming, with WhiteNoise's own headers."""

import warnings
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from django.core.asgi import get_asgi_application

from rainymodel_site.env import PROJECT

PATH = "/static/rainymodel/mark.svg"
FILE = PROJECT / "rainymodel_site" / "static" / "rainymodel" / "mark.svg"


@pytest.fixture(autouse=True)
def served(settings: Any) -> None:
    settings.MIDDLEWARE = ["rainymodel_site.static_files.StaticFiles"]


async def fetch(method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the file, as the server gets them; a warning is an error."""
    lines = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": PATH, "query_string": b"", "headers": lines}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        browser = ApplicationCommunicator(get_asgi_application(), scope)
        await browser.send_input({"type": "http.request"})
        start = await browser.receive_output()
        body = await browser.receive_output()
        await browser.wait()
    found = {name.decode().lower(): value.decode() for name, value in start["headers"]}
    assert not body.get("more_body")
    return start["status"], found, body.get("body", b"")


async def test_a_file_comes_whole_and_without_a_warning():
    status, headers, body = await fetch()

    assert (status, body) == (200, FILE.read_bytes())
    assert headers["content-type"] == "image/svg+xml"
    assert headers["content-length"] == str(len(body))


async def test_head_tells_the_length_and_sends_nothing():
    status, headers, body = await fetch("HEAD")

    assert (status, body, headers["content-length"]) == (200, b"", str(FILE.stat().st_size))


async def test_a_browser_that_has_the_file_is_told_to_keep_it():
    _, headers, _ = await fetch()

    status, _, body = await fetch(if_none_match=headers["etag"])

    assert (status, body) == (304, b"")


async def test_a_range_is_a_part_of_the_file():
    status, headers, body = await fetch(range="bytes=2-9")

    assert (status, body) == (206, FILE.read_bytes()[2:10])
    assert headers["content-range"] == f"bytes 2-9/{FILE.stat().st_size}"
