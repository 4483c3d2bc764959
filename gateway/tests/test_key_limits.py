"""What a key, its owner, an alias and a tier may use: the headers, the refusals, and what is served instead."""

import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import psycopg
import pytest

from gateway.tests.live import LiveGateway, live_gateway

DEAR = {"prices": [{"starts": "2026-01-01", "input": "500", "cached_input": "500", "output": "1000"}]}
MIDDLING = {"prices": [{"starts": "2026-01-01", "input": "500", "cached_input": "500", "output": "700"}]}
FREE = {"prices": [{"starts": "2026-01-01", "input": 0, "cached_input": 0, "output": 0}]}
MORE: dict[str, Any] = {
    "tiers": {"premium": {"name": "Premium", "billing": "paid", "rank": 4}},
    "deployments": {
        "rain/dear": {"provider": "rain", "model": "*", "tier": "premium", **DEAR},
        "sun/middling": {"provider": "sun", "model": "middling", "tier": "premium", **MIDDLING},
        "sun/gratis": {"provider": "sun", "model": "gratis", "tier": "free", **FREE},
        "sun/mystery": {"provider": "sun", "model": "mystery", "tier": "free"},
    },
    "aliases": {
        "dear/*": {"listed": False, "policy": "listed", "routes": ["rain/dear"]},
        "dear-or-free/*": {"listed": False, "policy": "listed", "routes": ["rain/dear", "sun/gratis"]},
        "steps/*": {
            "listed": False,
            "policy": "listed",
            "routes": ["rain/dear", "sun/middling", "sun/gratis"],
        },
        "mystery": {"routes": ["sun/mystery"]},
    },
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    """One worker, with a tier dear enough that a cent is soon spent."""
    with live_gateway("uvicorn", tmp_path_factory.mktemp("limits"), more=MORE) as running:
        yield running


def ask(gateway: LiveGateway, key: str, model: str = "fake/ok", **fields: Any) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "hi there"}], **fields}
    answer = httpx.post(
        f"{gateway.url}/v1/chat/completions", json=body, headers=gateway.headers(key), timeout=30
    )
    return answer


def limits_in(answer: httpx.Response, word: str) -> tuple[int, int, str]:
    names = (f"x-ratelimit-{part}-{word}" for part in ("limit", "remaining", "reset"))
    limit, remaining, reset = (answer.headers[name] for name in names)
    return int(limit), int(remaining), reset


def ceiling(gateway: LiveGateway, scope: str, name: str, usd_per_day: str | None) -> None:
    """Set a ceiling, or take it away, and wait until the worker knows."""
    with psycopg.connect(gateway.dsn, autocommit=True) as connection:
        connection.execute("DELETE FROM accounts_ceiling")
        if usd_per_day is not None:
            connection.execute(
                "INSERT INTO accounts_ceiling (scope, name, usd_per_day) VALUES (%s, %s, %s)",
                (scope, name, usd_per_day),
            )
    time.sleep(0.5)


def test_every_answer_says_what_is_left_of_the_minute(gateway: LiveGateway):
    first, second = ask(gateway, "six_hundred"), ask(gateway, "six_hundred", stream=True)

    assert limits_in(first, "requests") == (600, 599, "60s")
    assert limits_in(second, "requests") == (600, 598, "60s")
    assert "x-ratelimit-limit-tokens" not in first.headers


def test_the_third_of_two_requests_a_minute_is_told_when_to_come_back(gateway: LiveGateway):
    answers = [ask(gateway, "two_a_minute") for _ in range(3)]
    refused = answers[2]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"
    assert refused.json()["error"]["message"].startswith(
        "This API key may send 2 requests per minute. Try again in"
    )
    assert limits_in(refused, "requests")[:2] == (2, 0)
    assert 50 <= int(refused.headers["retry-after"]) <= 61
    assert refused.headers["x-should-retry"] == "true"


def test_tokens_are_set_aside_by_the_estimate_and_settled_by_what_was_used(gateway: LiveGateway):
    first = ask(gateway, "thousand_tokens", max_tokens=900)
    limit, remaining, _ = limits_in(first, "tokens")
    used = first.json()["usage"]["total_tokens"]
    time.sleep(0.1)
    second = ask(gateway, "thousand_tokens", max_tokens=900)
    third = ask(gateway, "thousand_tokens", max_tokens=960)

    assert (limit, 1000 - remaining > 900) == (1000, True)
    assert second.status_code == 200
    assert used < 50
    assert (third.status_code, third.json()["error"]["code"]) == (429, "rate_limit_exceeded")
    assert "tokens per minute" in third.json()["error"]["message"]


def test_a_request_that_alone_is_over_the_tokens_of_a_minute_is_told_so(gateway: LiveGateway):
    refused = ask(gateway, "thousand_tokens", max_tokens=5000)

    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "request_over_token_limit")
    assert "Lower `max_tokens`" in refused.json()["error"]["message"]


def test_money_that_is_spent_is_spent_for_the_month(gateway: LiveGateway):
    answers = [ask(gateway, "monthly_cent", "dear/ok", max_tokens=5) for _ in range(8)]
    refused = answers[-1]
    costs = [
        gateway.row(answer.headers["x-request-id"])["cost_usd"] for answer in answers if answer.is_success
    ]

    assert refused.status_code == 429
    assert refused.json()["error"]["type"] == refused.json()["error"]["code"] == "insufficient_quota"
    assert refused.json()["error"]["message"].startswith("The budget of this API key is 0.01 USD per month;")
    assert refused.headers["x-should-retry"] == "false"
    assert sum(costs) <= Decimal("0.01")


def test_what_costs_nothing_is_served_when_the_money_is_spent(gateway: LiveGateway):
    answer = ask(gateway, "monthly_cent", "dear-or-free/ok", max_tokens=5000)

    assert answer.status_code == 200
    assert answer.headers["x-rainymodel-route"] == "free"


def test_a_key_limited_in_money_never_reaches_an_unknown_price(gateway: LiveGateway):
    assert ask(gateway, "plain", "mystery").status_code == 200
    for key in ("monthly_cent", "of_account"):
        assert ask(gateway, key, "mystery").status_code == 403


def test_what_every_one_of_two_budgets_covers_is_served(gateway: LiveGateway):
    """The dearest is over what is left of the day, the next one over what is left of the month."""
    spent = int(Decimal("0.4") * 1_000_000_000)
    with psycopg.connect(gateway.dsn, autocommit=True) as connection:
        connection.execute(
            "WITH mine AS (UPDATE accounts_apikey SET usd_per_day = 1, usd_per_month = 0.7, requests_per_minute = 9"
            "  WHERE label = 'another two a minute' RETURNING id)"
            " INSERT INTO accounts_use SELECT 'key:' || id || span, period, gen_random_uuid(), %s FROM mine,"
            "  (VALUES (':day', floor(extract(epoch FROM now()) / 86400)),"
            "          (':month', (extract(year FROM now() AT TIME ZONE 'UTC') - 1970) * 12"
            "                     + extract(month FROM now() AT TIME ZONE 'UTC') - 1)) AS spans (span, period)",
            (spent,),
        )
    answers = [ask(gateway, "another_two_a_minute", "steps/ok", max_tokens=most) for most in (650, 295, 190)]

    assert [answer.headers["x-rainymodel-route"] for answer in answers] == ["free", "premium", "premium"]
    models = [gateway.row(answer.headers["x-request-id"])["deployment"] for answer in answers]
    assert models == ["sun/gratis", "sun/middling", "rain/dear"]


@pytest.mark.parametrize(("stream", "least", "most"), [(False, "0.1", "0.2"), (True, "0.001", "0.09")])
def test_a_request_left_before_its_first_word_costs_what_it_may_have_cost(
    gateway: LiveGateway, stream: bool, least: str, most: str
):
    model = f"dear/silence:head={int(stream)}"
    body = {"model": model, "messages": [{"role": "user", "content": "hi there"}], "max_tokens": 100}
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            f"{gateway.url}/v1/chat/completions",
            json={**body, "stream": stream},
            headers=gateway.headers("dollar"),
            timeout=0.5,
        )
    (row,) = gateway.rows_of(model)

    assert (row["state"], row["estimated"]) == ("cancelled", True)
    assert Decimal(least) < row["cost_usd"] < Decimal(most)
    until = time.monotonic() + 5
    while booked(gateway, "dollar") != logged_cost(gateway, "dollar") and time.monotonic() < until:
        time.sleep(0.05)
    assert booked(gateway, "dollar") == logged_cost(gateway, "dollar")


def booked(gateway: LiveGateway, label: str) -> int:
    """What the books hold of a key's days."""
    with psycopg.connect(gateway.dsn) as connection:
        row = connection.execute(
            "SELECT coalesce(sum(amount), 0)::bigint FROM accounts_use u JOIN accounts_apikey k"
            " ON u.name = 'key:' || k.id || ':day' WHERE k.label = %s",
            (label,),
        ).fetchone()
    return row[0] if row else 0


def logged_cost(gateway: LiveGateway, label: str) -> int:
    """What the log says that a key's requests cost, in billionths."""
    with psycopg.connect(gateway.dsn) as connection:
        row = connection.execute(
            "SELECT coalesce(sum(cost_usd) * 1000000000, 0)::bigint FROM gateway_requestlog WHERE key_label = %s",
            (label,),
        ).fetchone()
    return row[0] if row else 0


def test_all_keys_of_an_account_share_its_limits(gateway: LiveGateway):
    answers = [ask(gateway, key) for key in ("of_account_too", "of_account", "of_account_too")]

    assert answers[-1].status_code == 429
    assert answers[-1].json()["error"]["message"].startswith("Your account may send 2 requests per minute.")


@pytest.mark.parametrize(("scope", "name"), [("tier", "premium"), ("paid", "")])
def test_above_a_tiers_ceiling_another_tier_answers(gateway: LiveGateway, scope: str, name: str):
    ceiling(gateway, scope, name, "0.01")
    there, alone = ask(gateway, "plain", "dear-or-free/ok"), ask(gateway, "plain", "dear/ok")
    ceiling(gateway, scope, name, None)
    after = ask(gateway, "plain", "dear/ok")

    assert (there.status_code, there.headers["x-rainymodel-route"]) == (200, "free")
    assert (alone.status_code, alone.json()["error"]["code"]) == (429, "insufficient_quota")
    assert after.status_code == 200


def test_all_the_answers_that_a_request_asks_for_are_set_aside(gateway: LiveGateway):
    one, many = (ask(gateway, "thousand_tokens", max_tokens=100, n=n) for n in (1, 11))

    assert one.status_code == 200
    assert many.json()["error"]["code"] == "request_over_token_limit"


def test_an_aliass_ceiling_is_named(gateway: LiveGateway):
    ceiling(gateway, "alias", "dear/*", "0.01")
    refused = ask(gateway, "plain", "dear/ok")
    ceiling(gateway, "alias", "dear/*", None)

    assert refused.json()["error"]["message"].startswith("The ceiling of alias dear/* is 0.01 USD per day;")


def test_one_request_at_once_is_one_however_it_ends(gateway: LiveGateway):
    with httpx.stream(
        "POST",
        f"{gateway.url}/v1/chat/completions",
        headers=gateway.headers("one_at_once"),
        timeout=30,
        json={
            "model": "fake/slow:chunk=0.2",
            "stream": True,
            "messages": [{"role": "user", "content": "hi"}],
        },
    ) as open_stream:
        lines = open_stream.iter_lines()  # dropped, it would close the stream
        next(lines)
        refused = ask(gateway, "one_at_once")
    until = time.monotonic() + 5
    while (again := ask(gateway, "one_at_once")).status_code == 429 and time.monotonic() < until:
        time.sleep(0.05)

    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "concurrency_limit")
    assert again.status_code == 200


def test_a_refusal_consumes_nothing_and_is_on_record(gateway: LiveGateway):
    before = limits_in(ask(gateway, "dollar", "dear-or-free/ok"), "requests")[1]
    refused = ask(gateway, "dollar", "dear/ok", max_tokens=100_000)
    after = limits_in(ask(gateway, "dollar", "dear-or-free/ok"), "requests")[1]

    assert refused.status_code == 429
    assert gateway.row(refused.headers["x-request-id"])["state"] == "refused"
    assert before - after == 1


def test_the_row_keeps_what_was_set_aside(gateway: LiveGateway):
    answer = ask(gateway, "dollar", "dear/ok", max_tokens=100)
    row = gateway.row(answer.headers["x-request-id"])

    assert row["reservation"]["tokens"] >= 100
    assert Decimal(row["reservation"]["nano_usd"]) / 1_000_000_000 >= row["cost_usd"] > 0


def test_an_application_says_for_whom_it_asks_in_the_body_or_in_a_header(gateway: LiveGateway):
    url, body = (
        f"{gateway.url}/v1/chat/completions",
        {"model": "fake/ok", "messages": [{"role": "user", "content": "hi"}]},
    )
    named = {"X-OpenWebUI-User-Email": "ada@orcest.ai"}
    by_header = httpx.post(url, json=body, headers=gateway.headers(**named))
    by_body = httpx.post(url, json={**body, "user": "dan"}, headers=gateway.headers(**named))

    rows = [gateway.row(answer.headers["x-request-id"]) for answer in (by_header, by_body)]
    assert [row["end_user"] for row in rows] == ["ada@orcest.ai", "dan"]
