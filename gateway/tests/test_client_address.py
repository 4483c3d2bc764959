"""Where a request comes from, behind so many trusted proxies, and keys that work from some places only."""

from types import SimpleNamespace

import pytest

from accounts.caller import Caller, read_networks
from gateway.authenticate import authenticate
from gateway.errors import NotAllowed
from gateway.services import Services

SCOPE = {"client": ("192.0.2.1", 5)}


def address(proxies: int, forwarded: bytes | None) -> str:
    services = SimpleNamespace(config=SimpleNamespace(trusted_proxies=proxies))
    headers = {} if forwarded is None else {b"x-forwarded-for": forwarded}
    return Services.client_address(services, SCOPE, headers)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("proxies", "forwarded", "expected"),
    [
        (0, b"203.0.113.9", "192.0.2.1"),
        (1, None, "192.0.2.1"),
        (1, b"203.0.113.9", "203.0.113.9"),
        (1, b"10.0.0.1, 203.0.113.9", "203.0.113.9"),
        (2, b"10.0.0.1, 203.0.113.9, 198.51.100.7", "203.0.113.9"),
        (2, b"203.0.113.9", "192.0.2.1"),
        (1, b"", "192.0.2.1"),
    ],
)
def test_the_address_is_the_nth_from_the_right_of_what_proxies_say(
    proxies: int, forwarded: bytes, expected: str
):
    assert address(proxies, forwarded) == expected


class OneCaller:
    """A directory that knows one caller."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def find(self, credential: str) -> Caller:
        return self._caller


async def ask_from(client_address: str) -> Caller:
    networks = read_networks(["10.0.0.0/8"])
    caller = Caller("k", "kid", "label", None, "owner", "service", "database", networks=networks)
    headers = {b"authorization": b"Bearer x"}
    call = SimpleNamespace(
        query_string=b"",
        client_address=client_address,
        header=lambda name: (headers.get(name) or b"").decode() or None,
    )
    return await authenticate(call, OneCaller(caller))  # type: ignore[arg-type]


async def test_a_key_bound_to_a_network_works_from_there_only():
    assert (await ask_from("10.1.2.3")).key_id == "k"
    for outside in ("192.0.2.1", "", "nonsense"):
        with pytest.raises(NotAllowed) as caught:
            await ask_from(outside)
        assert caught.value.code == "address_not_allowed"
