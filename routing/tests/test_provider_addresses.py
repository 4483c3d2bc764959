"""Which base URLs an operator may enter, and which variables they may hold."""

import pytest

from rainymodel_site import env
from routing.addresses import AllowedUpstreams, BadTemplate, address_problem, expand, read_allowed

LISTED = AllowedUpstreams(
    private=(
        "10.1.2.3:11434",
        "10.9.0.0/16:8000",
        "ollama.internal:11434",
        "[fd00::5]:80",
        "169.254.0.0/16:80",
    ),
    plaintext=("164.92.147.36:11434",),
)


def test_a_template_takes_the_variable_then_its_default_then_the_variables_own():
    template = "${OLLAMA_PRIMARY_URL:-http://192.0.2.1:1}/v1"

    assert expand(template, {"OLLAMA_PRIMARY_URL": "http://10.0.0.9:11434"}) == "http://10.0.0.9:11434/v1"
    assert expand(template, {}) == "http://192.0.2.1:1/v1"
    assert expand("${OLLAMA_PRIMARY_URL}/v1", {}) == "http://164.92.147.36:11434/v1"
    assert expand("https://api.openai.com/v1/", {}) == "https://api.openai.com/v1"
    assert expand("", {}) == ""


@pytest.mark.parametrize(
    "template",
    [
        "https://${DATABASE_URL}/",
        "https://x.example/${RAINYMODEL_MASTER_KEY:-}",
        "https://x.example/$HOME",
        "https://x.example/${OLLAMA_PRIMARY_URL",
        "${OLLAMA_PRIMARY_URL:-http://${HOME}}/v1",
        "${OLLAMA_PRIMARY_URL:-ftp://x}/v1",
        "ftp://x.example",
        "javascript:alert(1)",
        "https://",
        "x.example/v1",
        "https://user:secret@x.example/v1",
        "https://x.example/v1?key=1",
        "https://x.example/v1#a",
        "https://x.example:99999/v1",
        "https://x.example/a b",
        "https://x.example/\r\nHost: y",
        "https://ex\u00e4mple.com/v1",
        "http://[::1/v1",
    ],
)
def test_anything_else_in_a_base_url_is_an_error(template):
    with pytest.raises(BadTemplate):
        expand(template, {})


@pytest.mark.parametrize(
    ("url", "address_class"),
    [
        ("https://api.openai.com/v1", "public"),
        ("http://10.1.2.3:11434/v1", "private"),
        ("http://10.9.200.1:8000/v1", "private"),
        ("http://ollama.internal:11434/v1", "private"),
        ("http://[fd00::5]/v1", "private"),
        ("http://164.92.147.36:11434/v1", "plaintext"),
        ("https://ollama.example.com/v1", "plaintext"),
    ],
)
def test_an_address_is_allowed_in_its_class(url, address_class):
    assert address_problem(url, address_class, LISTED) == ""


@pytest.mark.parametrize(
    ("url", "address_class", "reason"),
    [
        ("http://api.openai.com/v1", "public", "https"),
        ("https://10.1.2.3:11434/v1", "public", "DNS name"),
        ("https://8.8.8.8/v1", "public", "DNS name"),
        ("https://intranet/v1", "public", "DNS name"),
        ("http://localhost:11434/v1", "public", "https"),
        ("http://10.1.2.4:11434/v1", "private", "RAINYMODEL_PRIVATE_UPSTREAMS"),
        ("http://10.9.200.1:8001/v1", "private", "RAINYMODEL_PRIVATE_UPSTREAMS"),
        ("http://127.0.0.1:5432/", "private", "RAINYMODEL_PRIVATE_UPSTREAMS"),
        ("http://164.92.147.36:80/v1", "plaintext", "RAINYMODEL_PLAINTEXT_UPSTREAMS"),
        ("http://169.254.169.254/latest", "private", "metadata"),
        ("http://[::ffff:169.254.169.254]/latest", "private", "metadata"),
        ("http://[fe80::1]/", "private", "link-local"),
        ("http://0.0.0.0:8000/", "private", "link-local"),
    ],
)
def test_an_address_outside_its_class_is_refused_with_the_reason(url, address_class, reason):
    assert reason in address_problem(url, address_class, LISTED)


def test_loopback_is_allowed_in_development_and_metadata_addresses_are_not():
    at_home = AllowedUpstreams(loopback=True)

    assert address_problem("http://localhost:11434/v1", "public", at_home) == ""
    assert address_problem("http://127.0.0.1:11434/v1", "private", at_home) == ""
    assert "metadata" in address_problem("http://169.254.169.254/", "private", at_home)


def test_the_default_of_the_environment_allows_the_two_seed_machines():
    allowed = read_allowed({}, loopback=False)

    assert address_problem("http://164.92.147.36:11434/v1", "plaintext", allowed) == ""
    assert address_problem("http://178.128.196.3:11434/v1", "plaintext", allowed) == ""
    assert address_problem("http://178.128.196.3:11434/v1", "private", allowed) != ""


@pytest.mark.parametrize(
    "entry", ["10.0.0.0/8", "nonsense", "10.0.0.1:0", "10.0.0.1:99999", "10.0.0.0/99:80", ":80"]
)
def test_a_list_that_cannot_be_read_stops_the_start_and_names_its_variable(entry):
    with pytest.raises(env.ConfigurationError, match="RAINYMODEL_PRIVATE_UPSTREAMS"):
        read_allowed({"RAINYMODEL_PRIVATE_UPSTREAMS": entry}, loopback=False)
