"""Single sign-on, its people's keys and its access tokens at a running gateway."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg
import pytest

from accounts.fake_login import FakeLogin, fake_login
from accounts.tests.visitor import ADA, CLIENT_ID, DAN, ROSA
from gateway.tests.live import PROJECT, LiveGateway, live_gateway

BODY = {"model": "rainymodel/auto", "messages": [{"role": "user", "content": "Hello"}]}


@dataclass(frozen=True)
class House:
    """A gateway and its sign-in provider."""

    gateway: LiveGateway
    provider: FakeLogin

    def sign_in(self, email: str) -> httpx.Client:
        """A browser in which this person is signed in."""
        browser = httpx.Client(base_url=self.gateway.url, timeout=20)
        address = browser.get("/auth/login").headers["location"]
        assert browser.get(self.provider.sent_back(address, email)).status_code == 302
        return browser

    def key_of(self, email: str) -> str:
        """A fresh key of this person."""
        done = subprocess.run(
            [sys.executable, "manage.py", "create_key", "a label", "--owner", email, "--quiet"],
            cwd=PROJECT, env=self.gateway.variables, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout.strip()

    def ask(self, credential: str, path: str = "/v1/models") -> httpx.Response:
        """A call of the API."""
        return httpx.get(
            self.gateway.url + path, headers={"Authorization": f"Bearer {credential}"}, timeout=20
        )

    def change(self, email: str, assignment: str) -> None:
        """Change the person's row behind everybody's back."""
        with psycopg.connect(self.gateway.dsn) as connection:
            connection.execute(f"UPDATE accounts_user SET {assignment} WHERE subject = %s", [email])

    def within_two_seconds(self, credential: str, status: int) -> httpx.Response:
        """The first answer with this status; the last one when two seconds have passed."""
        until = time.monotonic() + 2.0
        while (answer := self.ask(credential)).status_code != status and time.monotonic() < until:
            time.sleep(0.02)
        return answer


@pytest.fixture(scope="module", params=["uvicorn", "daphne"])
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with fake_login(behaviour="today", client_id=CLIENT_ID) as provider:
        environment = {
            "OIDC_ISSUER": provider.issuer,
            "OIDC_CLIENT_ID": provider.client_id,
            "OIDC_CLIENT_SECRET": provider.client_secret,
            "OIDC_API_AUDIENCES": "rainymodel-api",
        }
        state = tmp_path_factory.mktemp("sign-in")
        with live_gateway(request.param, state, **environment) as gateway:
            yield House(gateway, provider)


def test_somebody_signs_in_reads_and_signs_out(house: House):
    with closing(house.sign_in(ADA)) as browser:
        assert browser.get("/admin/").status_code == 200
        token = browser.cookies["rainymodel_csrf"]
        browser.post("/signout/", data={"csrfmiddlewaretoken": token}, headers={"Referer": house.gateway.url})
        assert browser.get("/admin/").status_code == 302


def test_who_is_switched_off_is_refused_everywhere_within_two_seconds(house: House):
    with closing(house.sign_in(DAN)) as browser:
        key, token = house.key_of(DAN), house.provider.access_token(DAN, audience="rainymodel-api")
        assert house.ask(key).status_code == house.ask(token).status_code == 200
        house.change(DAN, "is_active = false")

        assert browser.get("/admin/").status_code == 302
        assert house.within_two_seconds(key, 401).json()["error"]["code"] == "api_key_revoked"
        assert house.within_two_seconds(token, 401).json()["error"]["code"] == "invalid_access_token"
        house.change(DAN, "is_active = true")
        assert house.within_two_seconds(key, 200).status_code == 200


def test_a_paused_key_says_what_to_do_and_works_after_one_sign_in(house: House):
    house.sign_in(ROSA).close()
    key = house.key_of(ROSA)
    house.change(ROSA, "last_sign_in = now() - interval '31 days'")
    error = house.within_two_seconds(key, 401).json()["error"]

    assert (error["code"], error["type"]) == ("api_key_paused", "authentication_error")
    assert error["message"].startswith(
        "This API key is paused: its owner has not signed in for 30 days. Sign in at http"
    )
    house.sign_in(ROSA).close()
    assert house.within_two_seconds(key, 200).status_code == 200


def test_an_access_token_asks_a_model_and_is_logged_as_its_user(house: House):
    house.sign_in(ADA).close()
    token = house.provider.access_token(ADA, audience="rainymodel-api")
    answer = httpx.post(
        f"{house.gateway.url}/v1/chat/completions", json=BODY, headers={"Authorization": f"Bearer {token}"}
    )

    assert answer.status_code == 200, answer.text
    row = house.gateway.row(answer.headers["x-request-id"])
    assert row["key_label"] == "single sign-on" and row["user_id"]


@pytest.mark.parametrize("kind", ["id token", "other audience", "forged"])
def test_a_token_that_may_not_call_is_a_401_that_says_why(house: House, kind: str):
    house.sign_in(ADA).close()
    tokens: dict[str, Any] = {
        "id token": lambda: house.provider.id_token(ADA, aud="rainymodel-api"),
        "other audience": lambda: house.provider.access_token(ADA, audience="orcide"),
        "forged": lambda: house.provider.access_token(ADA, audience="rainymodel-api")[:-20] + "A" * 20,
    }
    error = house.ask(tokens[kind]()).json()["error"]

    assert error["code"] == "invalid_access_token" and error["message"].startswith(
        "This access token is not accepted: "
    )


@pytest.mark.parametrize("path", ["/auth/callback", "/auth/login", "/auth"])
def test_the_gateway_leaves_these_addresses_to_the_pages(house: House, path: str):
    answer = httpx.get(house.gateway.url + path)

    assert "application/json" not in answer.headers.get("content-type", "")


def test_breaking_the_glass_works_at_a_running_server(house: House):
    done = subprocess.run(
        [sys.executable, "manage.py", "breakglass"],
        cwd=PROJECT, env=house.gateway.variables, capture_output=True, text=True, check=True,
    )  # fmt: skip
    link = "/signin/" + done.stdout.strip().split("/signin/")[1]
    with httpx.Client(base_url=house.gateway.url, timeout=20) as browser:
        browser.get(link)
        form = {"csrfmiddlewaretoken": browser.cookies["rainymodel_csrf"]}
        answer = browser.post(link, data=form, headers={"Referer": house.gateway.url})

        assert answer.headers["location"] == "/admin/" and browser.get("/admin/").status_code == 200


def test_tokens_that_merely_expired_are_no_guesses(house: House):
    expired = house.provider.access_token(DAN, audience="rainymodel-api", expires_in=-3600)
    answers = [house.ask(expired) for _ in range(25)]

    assert {answer.status_code for answer in answers} == {401}
    assert "it has expired" in answers[-1].json()["error"]["message"]
