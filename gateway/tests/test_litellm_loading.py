"""litellm is imported when a provider needs it: once, in a thread, and not before."""

import asyncio
import logging
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from gateway.tests.litellm_client import deployment, opened_wire
from gateway.upstream.litellm_wire import wants_litellm
from routing.engine.snapshot import Deployment, Snapshot


def snapshot_of(*deployments: Deployment) -> Snapshot:
    return Snapshot(1, {}, {}, {str(place): one for place, one in enumerate(deployments)}, {}, (), {})


def one(**provider: Any) -> Deployment:
    made = deployment("", "anthropic/", "claude")
    return replace(made, provider=replace(made.provider, **provider))


@pytest.mark.parametrize(
    ("snapshot", "wanted"),
    [
        (snapshot_of(), False),
        (snapshot_of(one()), True),
        (snapshot_of(one(wire="openai")), False),
        (snapshot_of(one(unready="no_credential")), False),
        (snapshot_of(replace(one(), enabled=False)), False),
        (snapshot_of(one(wire="openai"), one()), True),
    ],
    ids=["empty", "ready", "other-wire", "unready", "disabled", "one-of-two"],
)
def test_it_is_wanted_when_an_enabled_deployment_of_its_wire_is_ready(snapshot: Snapshot, wanted: bool):
    assert wants_litellm(snapshot) is wanted


def test_importing_and_building_the_wire_loads_neither_litellm_nor_httpx():
    code = """
import sys
from gateway.upstream.addresses import AddressRules
from gateway.upstream.litellm_wire import LiteLLMWire
from gateway.upstream.sessions import Sessions
from routing.addresses import AllowedUpstreams
LiteLLMWire(Sessions(AddressRules(AllowedUpstreams())))
sys.exit(bool({"litellm", "httpx"} & set(sys.modules)))
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


async def test_all_who_ask_share_one_import():
    async with opened_wire() as wire:
        first, second = await asyncio.gather(wire.load(), wire.load())

        assert first is second is await wire.load()


async def test_it_is_loaded_once_a_snapshot_wants_it():
    async with opened_wire() as wire:
        await wire.prepare(snapshot_of())
        assert not wire.is_loaded
        await wire.prepare(snapshot_of(one()))

        assert wire.is_loaded


async def test_a_caller_who_leaves_does_not_stop_the_import_for_the_others():
    async with opened_wire() as wire:
        impatient = asyncio.ensure_future(wire.load())
        await asyncio.sleep(0)
        impatient.cancel()

        assert (await wire.load()).__name__ == "litellm"


async def test_loaded_it_is_silent_and_reports_to_nobody(capfd: pytest.CaptureFixture[str]):
    async with opened_wire() as wire:
        litellm = await wire.load()
    logging.getLogger("LiteLLM").error("something to print")

    assert (litellm.telemetry, litellm.callbacks, litellm.success_callback) == (False, [], [])
    assert "something to print" not in "".join(capfd.readouterr())


async def test_litellms_own_clients_reach_nothing_without_an_attempt():
    from gateway.upstream.scripted import ScriptedUpstream

    upstream = await ScriptedUpstream.start()
    async with opened_wire() as wire:
        litellm = await wire.load()
        for prefix, path in (("openai/", "/v1"), ("anthropic/", ""), ("gemini/", "/v1beta")):
            with pytest.raises(Exception):  # noqa: B017 - whatever litellm makes of the refusal
                await litellm.acompletion(
                    model=prefix + "ok",
                    api_key="sk-x",
                    api_base=f"http://{upstream.host}:{upstream.port}{path}",
                    messages=[{"role": "user", "content": "hello"}],
                    max_retries=0,
                )

    assert upstream.ledger.connections.accepted == 0
    await upstream.stop()
