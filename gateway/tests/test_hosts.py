"""Which Host headers are answered to."""

import pytest

from gateway.errors import BadRequest
from gateway.hosts import Hosts

HOSTS = ("rm.orcest.ai", ".example.org", "LocalHost", "[::1]", "rainy_model")


@pytest.mark.parametrize(
    "host",
    [
        "rm.orcest.ai",
        "RM.orcest.ai:443",
        "example.org",
        "a.b.example.org",
        "localhost:8080",
        "[::1]",
        "[::1]:80",
        "rm.orcest.ai.",
        "a.example.org.:443",
        "LOCALHOST",
        "rainy_model:8080",
    ],
)
def test_our_own_names_pass_with_and_without_a_port(host: str):
    Hosts(HOSTS).check(host.encode())


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "orcest.ai",
        "notexample.org",
        "rm.orcest.ai.evil",
        "a/b?c#d",
        "rm.orcest.ai@evil",
        "localhost:x@evil",
        "localhost:80:90",
        "localhost:<script>",
        "localhost:",
        "localhost:²",
        "localhost:123456",
        "rm.orcest.ai..",
        "a..example.org",
        ".example.org",
        "[::1].",
        "[::1",
        "localhost\n",
        "löcalhost",
        "\u212aocalhost",
        "a" * 400 + ".example.org",
    ],
)
def test_foreign_and_malformed_names_do_not(host: str):
    with pytest.raises(BadRequest) as caught:
        Hosts(HOSTS).check(host.encode())

    assert caught.value.code == "unknown_host"


def test_a_missing_host_does_not_pass():
    with pytest.raises(BadRequest):
        Hosts(HOSTS).check(None)


@pytest.mark.parametrize("host", ["a/b", "a b", "a@b", "", ".", "a,b", "bücher.example", "[::1]]"])
def test_a_star_takes_any_host_name_but_nothing_else(host: str):
    Hosts(("*",)).check(b"anything.example:99")
    with pytest.raises(BadRequest):
        Hosts(("*",)).check(host.encode())
