"""The test sign-in provider's pages, and the command that runs it."""

import signal
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from django.core.management import CommandError, call_command

from accounts.fake_login import CONFORMING, TODAY, FakeLogin, fake_login
from accounts.tests.fake_login_visits import ADA, SAM, authorize_path, call, session
from rainymodel_site.tests.running import finished, python


@pytest.fixture
def today() -> Iterator[FakeLogin]:
    with fake_login(TODAY) as provider:
        yield provider


@pytest.fixture(params=[TODAY, CONFORMING])
def provider(request: pytest.FixtureRequest) -> Iterator[FakeLogin]:
    with fake_login(request.param) as provider:
        yield provider


def test_the_page_of_people_has_a_button_for_everybody(today):
    page = call(today, "/login").body.decode()
    assert page.count("<button") == len(today.people)
    assert "Sign in as ada@orcest.ai (admin)" in page and "nora@orcest.ai (no role)" in page


def test_hostile_names_do_no_harm_on_the_pages(today):
    email = '"><script>@orcest.ai'
    today.people[email] = replace(today.people[SAM], email=email)
    for page in (call(today, '/login?next="><script>'), call(today, "/", **session(today, email))):
        assert "<script>" not in page.body.decode()


def test_only_people_of_the_provider_sign_in(provider):
    answer = call(provider, "/login", {"email": "nobody@orcest.ai"})
    assert answer.status == 400 and "Set-Cookie" not in answer.headers


def test_signing_out_ends_the_session(provider):
    cookie = session(provider, ADA)
    call(provider, "/logout", {}, **cookie)
    assert urlsplit(call(provider, authorize_path(provider), **cookie).location).path == "/login"


def test_the_command_says_how_to_reach_it_and_stops_on_ctrl_c():
    with python("manage.py", "fake_login", "--port", "0", "--attack", "expired") as process:
        lines = []
        while not lines or lines[-1] != "Ctrl-C stops it.\n":
            lines.append(process.stdout.readline())
            assert lines[-1], process.stderr.read()
        settings = dict(line.strip().split("=", 1) for line in lines if line.startswith("OIDC_"))
        process.send_signal(signal.SIGINT)
        code, _, errors = finished(process)

    assert settings["OIDC_ISSUER"].startswith("http://127.0.0.1:") and "`expired`" in lines[0]
    assert set(settings) == {"OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET"}
    assert (code, errors) == (0, "")


def test_the_command_refuses_in_production(settings):
    settings.IS_PRODUCTION = True
    with pytest.raises(CommandError, match="development mode only"):
        call_command("fake_login", "--port", "0")


def test_the_command_says_that_a_port_is_taken(today):
    with pytest.raises(CommandError, match=f"cannot listen on port {today.port}"):
        call_command("fake_login", "--port", str(today.port))
