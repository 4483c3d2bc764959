"""Twenty bad keys a minute from one address, then a 429; a good key from there is served all the same."""

from collections.abc import Iterator

import httpx
import pytest

from accounts.keys import make_key
from gateway.bad_keys import BadKeys, TooManyBadKeys, network_of
from gateway.tests.live import LiveGateway, live_gateway

MODELS = "/v1/models"
CHAT = {"model": "rainymodel/auto", "messages": [{"role": "user", "content": "hello"}]}


class Clock:
    """A clock that stands until a test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def behind_proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    """A gateway that believes one proxy, so that a test can choose where it calls from."""
    state = tmp_path_factory.mktemp("proxied")
    with live_gateway("uvicorn", state, RAINYMODEL_TRUSTED_PROXIES="1") as gateway:
        yield gateway


def ask(gateway: LiveGateway, address: str, key: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}", "X-Forwarded-For": address}
    return httpx.get(gateway.url + MODELS, headers=headers)


def spend_all(gateway: LiveGateway, address: str) -> None:
    """Twenty bad keys, each another one."""
    statuses = [ask(gateway, address, make_key().text).status_code for _ in range(20)]
    assert statuses == [401] * 20


@pytest.mark.fault("C27")
def test_after_twenty_bad_keys_an_address_is_told_to_wait(behind_proxy: LiveGateway):
    spend_all(behind_proxy, "203.0.113.1")

    answer = ask(behind_proxy, "203.0.113.1", make_key().text)

    assert answer.status_code == 429
    assert answer.json()["error"]["code"] == "too_many_bad_keys"
    assert answer.json()["error"]["type"] == "rate_limit_error"
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert answer.headers["x-should-retry"] == "false"


@pytest.mark.fault("C27")
def test_a_good_key_from_that_address_still_passes(behind_proxy: LiveGateway):
    spend_all(behind_proxy, "203.0.113.2")

    assert ask(behind_proxy, "203.0.113.2", "not-a-key").status_code == 429
    assert ask(behind_proxy, "203.0.113.2", behind_proxy.keys["plain"]).status_code == 200


def test_other_addresses_are_not_held_responsible(behind_proxy: LiveGateway):
    spend_all(behind_proxy, "203.0.113.3")

    assert ask(behind_proxy, "203.0.113.4", make_key().text).status_code == 401


def test_a_whole_ipv6_subscriber_counts_as_one_address(behind_proxy: LiveGateway):
    for number in range(20):
        assert ask(behind_proxy, f"2001:db8:7:7::{number:x}", make_key().text).status_code == 401

    assert ask(behind_proxy, "2001:db8:7:7:ffff::1", make_key().text).status_code == 429
    assert ask(behind_proxy, "2001:db8:7:8::1", make_key().text).status_code == 401


def test_the_refusal_is_said_in_the_dialect_of_the_path(behind_proxy: LiveGateway):
    spend_all(behind_proxy, "203.0.113.5")

    headers = {"x-api-key": "wrong", "X-Forwarded-For": "203.0.113.5"}
    answer = httpx.post(f"{behind_proxy.url}/v1/messages", json={}, headers=headers)

    assert (answer.status_code, answer.json()["type"]) == (429, "error")
    assert answer.json()["error"]["type"] == "rate_limit_error"


def test_bad_keys_leave_no_log_rows(behind_proxy: LiveGateway):
    headers = {"X-Forwarded-For": "203.0.113.6"}
    wrong = {**headers, "Authorization": "Bearer wrong"}
    for _ in range(25):
        assert httpx.post(
            f"{behind_proxy.url}/v1/chat/completions", json=CHAT, headers=wrong
        ).status_code in (401, 429)
    good = behind_proxy.headers(**headers)
    answer = httpx.post(f"{behind_proxy.url}/v1/chat/completions", json=CHAT, headers=good)

    behind_proxy.row(answer.headers["x-request-id"])

    assert behind_proxy.count("client_address = '203.0.113.6'") == 1


def test_a_request_without_a_key_is_no_guess(behind_proxy: LiveGateway):
    headers = {"X-Forwarded-For": "203.0.113.7"}
    statuses = {httpx.get(behind_proxy.url + MODELS, headers=headers).status_code for _ in range(25)}

    assert statuses == {401}


def test_after_a_minute_the_address_may_be_wrong_again():
    clock = Clock()
    bad_keys = BadKeys(clock)
    for _ in range(20):
        bad_keys.note("192.0.2.1")
    clock.now += 59.0
    with pytest.raises(TooManyBadKeys) as caught:
        bad_keys.note("192.0.2.1")
    assert caught.value.retry_after == pytest.approx(1.0)

    clock.now += 1.0
    bad_keys.note("192.0.2.1")

    assert bad_keys.total == 22


def test_only_so_many_addresses_are_remembered():
    bad_keys = BadKeys(Clock(), remembered=100)
    for number in range(1000):
        bad_keys.note(f"10.0.{number // 250}.{number % 250}")

    assert len(bad_keys) == 100


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", "unknown"),
        ("somewhere", "unknown"),
    ],
)
def test_what_counts_as_one_address(address: str, network: str):
    assert network_of(address) == network
