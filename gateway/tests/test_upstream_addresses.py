"""Where an upstream may live, judged on the address that is really used."""

import ipaddress

import aiohttp
import pytest

from gateway.upstream.addresses import AddressRules
from gateway.upstream.names import CarefulResolver
from gateway.upstream.sessions import Sessions
from routing.addresses import AllowedUpstreams

RULES = AddressRules(AllowedUpstreams(("10.0.0.0/8:11434", "[fd00::1]:80"), ("164.92.147.36:11434",)))


@pytest.mark.parametrize(
    ("address_class", "address", "port", "allowed"),
    [
        ("public", "93.184.216.34", 443, True),
        ("public", "10.0.0.5", 443, False),
        ("public", "127.0.0.1", 443, False),
        ("public", "::1", 443, False),
        ("public", "::ffff:127.0.0.1", 443, False),
        ("public", "169.254.169.254", 443, False),
        ("public", "0.0.0.0", 443, False),
        ("private", "10.1.2.3", 11434, True),
        ("private", "10.1.2.3", 5432, False),
        ("private", "192.168.0.1", 11434, False),
        ("private", "fd00::1", 80, True),
        ("private", "169.254.169.254", 11434, False),
        ("plaintext", "164.92.147.36", 11434, True),
        ("plaintext", "164.92.147.37", 11434, False),
    ],
)
def test_each_class_reaches_its_own_addresses_only(
    address_class: str, address: str, port: int, allowed: bool
):
    assert RULES.allows(address_class, ipaddress.ip_address(address), port) is allowed


def test_loopback_is_open_in_development_only():
    development = AddressRules(AllowedUpstreams(loopback=True))

    assert development.allows("private", ipaddress.ip_address("127.0.0.1"), 1)
    assert not RULES.allows("private", ipaddress.ip_address("127.0.0.1"), 1)


def test_link_local_is_refused_even_when_listed():
    rules = AddressRules(AllowedUpstreams(("169.254.0.0/16:80",), loopback=True))

    assert not rules.allows("private", ipaddress.ip_address("169.254.169.254"), 80)


async def test_a_refused_address_gets_no_connection():
    sessions = Sessions(RULES)
    try:
        with pytest.raises(aiohttp.ClientConnectorError, match="not an allowed public address"):
            await sessions.for_class("public").get("http://127.0.0.1:9/")
    finally:
        await sessions.close()


def test_a_listed_name_allows_what_it_resolved_to_and_nothing_else():
    rules = AddressRules(AllowedUpstreams(("ollama.internal:11434",)))
    names = {"ollama.internal": frozenset({"10.1.2.3"})}

    assert rules.allows("private", ipaddress.ip_address("10.1.2.3"), 11434, names)
    assert not rules.allows("private", ipaddress.ip_address("10.1.2.4"), 11434, names)
    assert not rules.allows("private", ipaddress.ip_address("10.1.2.3"), 11434)


async def test_a_name_is_noted_with_what_it_resolved_to():
    resolver = CarefulResolver()
    await resolver.resolve("LOCALHOST", 80)

    assert "127.0.0.1" in resolver.names["localhost"]
