"""Keys and sign-in links from the command line."""

import io
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.keys import parse_key
from accounts.models import ApiKey, Role, User
from accounts.tests.people import key_of, person

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    said = io.StringIO()
    call_command(*arguments, stdout=said, stderr=io.StringIO())
    return said.getvalue()


def test_create_key_prints_the_key_once_and_a_line_to_try_it():
    said = run("create_key", "Lamino production")
    key = said.splitlines()[0]

    row = ApiKey.objects.get()
    assert parse_key(key) == row.kid
    assert "shown only now" in said and f"Bearer {key}" in said and "/v1/chat/completions" in said
    assert (row.owner.username, row.owner.role, row.owner.is_staff) == ("service", Role.SERVICE, False)


def test_create_key_can_print_the_key_alone():
    assert parse_key(run("create_key", "Script", "--quiet").strip())


def test_create_key_takes_every_limit():
    person("ada")
    run(
        *("create_key", "Lamino", "--owner", "ada", "--rpm", "60", "--concurrency", "4"),
        *("--tpm", "5000", "--usd-per-day", "2.50", "--usd-per-month", "40"),
        *(
            "--aliases",
            "rainymodel/auto, claude-*",
            "--policies",
            "free",
        ),
        *(
            "--highest-tier",
            "free",
            "--networks",
            "10.0.0.0/8,192.0.2.1",
            "--expires-days",
            "30",
            "--no-direct-calls",
        ),
    )

    row = ApiKey.objects.get()
    assert (row.owner.username, row.requests_per_minute, row.concurrent_requests) == ("ada", 60, 4)
    assert (row.tokens_per_minute, row.usd_per_day, row.usd_per_month) == (5000, Decimal("2.50"), Decimal(40))
    assert (row.aliases, row.policies, row.highest_tier) == (
        ["rainymodel/auto", "claude-*"],
        ["free"],
        "free",
    )
    assert (row.networks, row.direct_calls) == (["10.0.0.0/8", "192.0.2.1"], False)
    assert row.expires_at is not None and row.state == "active"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--rpm", "0"], "--rpm: Ensure this value is greater than or equal to 1."),
        (["--rpm", "-5"], "--rpm: Ensure this value is greater than or equal to 1."),
        (["--tpm", "0"], "--tpm: Ensure this value is greater than or equal to 1."),
        (["--usd-per-day", "0"], "--usd-per-day: Ensure this value is greater than or equal to 0.01."),
        (["--usd-per-month", "1e9"], "--usd-per-month: Ensure this value is less than or equal to 1000000."),
        (["--usd-per-day", "nan"], "“nan” is not an amount of US dollars"),
        (["--usd-per-day", "1e999999999"], "--usd-per-day: Ensure"),
        (["--usd-per-month", "five"], "“five” is not an amount of US dollars"),
        (["--concurrency", "999999999"], "--concurrency: Ensure this value is less than or equal to 10000."),
        (["--networks", "10.0.0.1/8"], "write 10.0.0.0/8."),
        (["--networks", "everywhere"], "“everywhere” is not an address or a CIDR range"),
        (["--aliases", "a b"], "A model name holds no spaces"),
        (["--expires-days", "-1"], "--expires-days must be more than 0"),
        (["--expires-days", "nan"], "--expires-days must be more than 0"),
        (["--owner", "nobody"], "There is no user 'nobody'"),
    ],
)
def test_create_key_says_in_one_sentence_what_is_wrong(arguments: list[str], sentence: str):
    with pytest.raises(CommandError) as refusal:
        run("create_key", "Lamino", *arguments)

    assert sentence in str(refusal.value) and "\n" not in str(refusal.value)
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize("label", ["", "   ", "a\nb", "a\x00b", "x" * 81])
def test_create_key_refuses_a_label_that_cannot_be_read(label: str):
    with pytest.raises(CommandError, match=r"^label: "):
        run("create_key", label)


def test_create_key_refuses_an_owner_who_may_not_call():
    person("vera", Role.VIEWER)
    with pytest.raises(CommandError, match="may not use the models"):
        run("create_key", "Lamino", "--owner", "vera")


def test_revoke_key_takes_the_id_or_the_whole_key():
    row, text = key_of(person())
    other, _ = key_of(row.owner, "Orcide")
    assert run("revoke_key", text).startswith("Revoked the key “Lamino”")
    run("revoke_key", other.kid)

    assert not ApiKey.objects.filter(revoked_at=None).exists()


def test_revoke_key_says_when_there_is_nothing_to_revoke():
    row, _ = key_of(person())
    run("revoke_key", row.kid)
    with pytest.raises(CommandError, match=r"was revoked on .* already"):
        run("revoke_key", row.kid)
    with pytest.raises(CommandError, match="There is no key with the id 'nonsense'"):
        run("revoke_key", "nonsense")


def test_signin_link_prints_one_link_that_works(settings: Any):
    settings.PUBLIC_URL = "http://rainy.example"
    link = run("signin_link").strip()

    assert link.startswith("http://rainy.example/signin/") and "\n" not in link
    assert Client().post(link.removeprefix("http://rainy.example")).status_code == 302
    assert User.objects.get().username == "operator"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("nobody", "There is no user"), ("robot", "services use API keys"), ("gone", "switched off")],
)
def test_signin_link_says_why_there_is_none(name: str, sentence: str):
    person("robot", Role.SERVICE)
    person("gone", Role.ADMIN, is_active=False)
    with pytest.raises(CommandError, match=sentence):
        run("signin_link", "--user", name)


def test_signin_link_is_refused_in_production(settings: Any):
    settings.IS_PRODUCTION = True
    with pytest.raises(CommandError, match="development mode only"):
        run("signin_link")


def test_create_operator_can_be_run_twice():
    run("create_operator")
    assert "operator (Admin)" in run("create_operator")
