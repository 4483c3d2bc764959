"""Keys from the environment, and where a key may be used from. No database is asked."""

import pytest
from psycopg_pool import AsyncConnectionPool

from accounts.caller import Caller, Defaults, environment_keys, read_networks
from accounts.callers import CallerDirectory
from accounts.errors import InvalidApiKey

PEPPER = "pepper-of-the-tests-0123456789-abcdef"


def directory(master: str = "", *others: str) -> CallerDirectory:
    nowhere = AsyncConnectionPool("host=/nonexistent", open=False)
    return CallerDirectory(nowhere, PEPPER, environment_keys(master, others), Defaults(600, 32))


async def enter(callers: CallerDirectory, credential: str) -> Caller:
    return callers.find(credential) or await callers.look_up(credential)


@pytest.mark.asyncio
async def test_the_master_key_has_operator_rights_and_the_limits_of_the_settings():
    caller = await enter(directory("open sesame"), "open sesame")

    assert (caller.operator, caller.role, caller.source, caller.kid) == (
        True,
        "admin",
        "environment",
        "master",
    )
    assert (caller.requests_per_minute, caller.concurrent_requests) == (600, 32)
    assert caller.owner_id is None


@pytest.mark.asyncio
async def test_further_keys_are_services_each_with_an_id_of_its_own():
    callers = directory("master", "one", "two")

    one, two = await enter(callers, "one"), await enter(callers, "two")
    assert (one.operator, one.role, one.label) == (False, "service", "RAINYMODEL_API_KEYS #1")
    assert one.key_id != two.key_id


@pytest.mark.asyncio
async def test_a_key_from_the_environment_keeps_its_id_over_a_restart():
    first, second = await enter(directory("m"), "m"), await enter(directory("m", "other"), "m")

    assert first.key_id == second.key_id


@pytest.mark.asyncio
async def test_a_key_that_is_also_the_master_key_is_the_master_key():
    assert (await enter(directory("same", "same"), "same")).operator


@pytest.mark.asyncio
async def test_an_environment_key_is_found_in_memory_from_the_second_time_on():
    callers = directory("m")

    assert callers.find("m") is None
    caller = await callers.look_up("m")
    assert callers.find("m") is caller


@pytest.mark.parametrize("credential", ["", "x", "sk-rm_", "Bearer", "sk-rm_aaaaaaaa_" + "a" * 38, "\udcff"])
@pytest.mark.asyncio
async def test_what_has_no_shape_and_checksum_is_refused_without_a_database(credential: str):
    with pytest.raises(InvalidApiKey):
        await enter(directory("master"), credential)


def test_no_configured_key_means_that_the_empty_credential_opens_nothing():
    assert environment_keys("", ("", "")) == ()


def test_keys_do_not_show_in_representations():
    assert "hush" not in repr(environment_keys("hush", ("hush-hush",)))


def caller_from(*networks: str) -> Caller:
    return Caller(
        "id", "kid", "label", None, "owner", "service", "database", networks=read_networks(networks)
    )


@pytest.mark.parametrize(
    ("networks", "address", "allowed"),
    [
        ((), "203.0.113.9", True),
        (("10.0.0.0/8",), "10.1.2.3", True),
        (("10.0.0.0/8",), "11.1.2.3", False),
        (("10.0.0.0/8", "2001:db8::/32"), "2001:db8::7", True),
        (("10.0.0.0/8",), "::ffff:10.1.2.3", True),
        (("10.0.0.0/8",), "2001:db8::7", False),
        (("10.0.0.0/8",), "unknown", False),
        (("10.0.0.0/8",), "", False),
        (("192.0.2.1",), "192.0.2.1", True),
        (("nonsense",), "192.0.2.1", False),
    ],
)
def test_a_key_works_from_its_networks_only(networks: tuple[str, ...], address: str, allowed: bool):
    assert caller_from(*networks).may_call_from(address) is allowed


@pytest.mark.asyncio
async def test_the_key_of_a_litellm_proxy_is_a_service_key_and_no_operators():
    nowhere = AsyncConnectionPool("host=/nonexistent", open=False)
    keys = environment_keys("master", ("one",), "sk-from-litellm")
    callers = CallerDirectory(nowhere, PEPPER, keys, Defaults(600, 32))

    caller = await enter(callers, "sk-from-litellm")
    assert (caller.operator, caller.role, caller.label) == (False, "service", "LITELLM_MASTER_KEY")
    assert (caller.requests_per_minute, caller.concurrent_requests) == (600, 32)
