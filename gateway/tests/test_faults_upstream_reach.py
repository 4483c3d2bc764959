"""Upstreams that cannot be reached: nobody listens, the name is unknown, the certificate is wrong."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bench.ports import free_port
from gateway.tests.faulty_gateway import (
    BOTH,
    SHAPES,
    ask,
    attempts,
    deployment,
    faulty_gateway,
    is_whole,
    provider,
    text_of,
)
from gateway.tests.live import LiveGateway
from gateway.tests.local_authority import handshakes_with, make, serving_with, write
from gateway.upstream.scripted import ScriptedUpstream, scripted_upstream

WRONG_TLS = ("expired", "wrong-name", "self-signed", "old-protocol")
LOST = ("refused", "unknown-name")


@dataclass(frozen=True, slots=True)
class Tls:
    """An authority's certificate, the ports of servers that are wrong about TLS and one that is `good`, and what the
    servers have seen: requests, or handshakes that came about.
    """

    authority: Path
    ports: dict[str, int]
    upstreams: dict[str, ScriptedUpstream]
    handshakes: list[str]

    def reached(self, name: str) -> int:
        """How often somebody has spoken to this server."""
        if name in self.upstreams:
            return len(self.upstreams[name].ledger.entries)
        return len([each for each in self.handshakes if each != "refused"])


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tls]:
    """All servers."""
    place = tmp_path_factory.mktemp("tls")
    authority = make("an authority of the tests", is_authority=True)
    good = make("localhost", authority)
    servers = {
        "good": good,
        "expired": make("localhost", authority, days=-1),
        "wrong-name": make("elsewhere.example", authority),
        "self-signed": make("localhost"),
    }
    with ExitStack() as running, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # TLS 1.0 is what the test is about
        upstreams = {
            name: running.enter_context(
                scripted_upstream(name=name, tls=serving_with(signed, place / f"{name}.pem"))
            )
            for name, signed in servers.items()
        }
        old = serving_with(good, place / "old.pem", tls_1_0=True)
        port, handshakes = running.enter_context(handshakes_with(old))
        ports = {name: upstream.port for name, upstream in upstreams.items()} | {"old-protocol": port}
        yield Tls(write(authority, place / "authority.pem"), ports, upstreams, handshakes)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, tls: Tls) -> Iterator[LiveGateway]:
    """`SHAPE/FAULT` falls back on another upstream, `only/SHAPE/FAULT` does not; the authority is trusted."""
    urls = {name: f"https://localhost:{port}/v1" for name, port in tls.ports.items()}
    urls["refused"] = f"http://127.0.0.1:{free_port()}/v1"
    urls["unknown-name"] = "https://no-such-upstream.invalid/v1"

    def more(base_url: str) -> dict[str, Any]:
        names = [f"{only}{shape}/{name}" for only in ("", "only/") for shape in SHAPES for name in urls]
        slugs = {name: name.replace("/", "-") for name in names}
        return {
            "providers": {
                slug: provider(
                    "lost", urls[name.rpartition("/")[2]], address_class=class_of(name), open_after=3
                )
                for name, slug in slugs.items()
            },
            "deployments": {slug: deployment(slug, "ok") for slug in slugs.values()},
            "aliases": {
                name: {"listed": False, "routes": [slug, *([] if name.startswith("only") else ["rain"])]}
                for name, slug in slugs.items()
            },
        }

    environment = {
        "SSL_CERT_FILE": str(tls.authority),
        "RAINYMODEL_CREDENTIALS": ",".join(
            f"FAULTY_API_KEY@{host}" for host in ("127.0.0.1", "localhost", "no-such-upstream.invalid")
        ),
    }
    with faulty_gateway(tmp_path_factory.mktemp("unreachable"), ["stale"], more, **environment) as running:
        yield running


def class_of(name: str) -> str:
    """Over https as anybody's upstream, else as one of one's own."""
    return "private" if name.endswith("refused") else "public"


def log_of(gateway: LiveGateway) -> str:
    """What the gateway's process has written."""
    state = Path(gateway.variables["RAINYMODEL_STATE_DIR"])
    return (state / f"{gateway.server}.log").read_text(encoding="utf-8")


@pytest.mark.fault("U01", "U02")
@BOTH
@pytest.mark.parametrize("fault", LOST)
def test_where_nobody_is_the_next_upstream_answers_and_three_times_are_enough(
    gateway: LiveGateway, fault: str, shape: str
):
    answers = [ask(gateway, f"{shape}/{fault}", shape) for _ in range(4)]
    lost = [attempts(gateway, answer)[0] for answer in answers]

    assert all(is_whole(answer, shape) for answer in answers)
    assert [each["word"] for each in lost] == ["connection_error"] * 3 + ["circuit_open"]
    assert min(each["total_ms"] for each in lost[:3]) <= 50 or fault == "unknown-name"


@pytest.mark.fault("U01", "U02")
@BOTH
@pytest.mark.parametrize("fault", LOST)
def test_where_nobody_is_at_all_it_is_a_502(gateway: LiveGateway, fault: str, shape: str):
    answer = ask(gateway, f"only/{shape}/{fault}", shape)

    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "all_upstreams_failed")
    assert "lost could not be reached" in answer.json()["error"]["message"]


@BOTH
def test_a_certificate_that_is_right_is_accepted(gateway: LiveGateway, tls: Tls, shape: str):
    answer = ask(gateway, f"only/{shape}/good", shape)

    assert text_of(answer, shape) == "You said: rain?"
    assert tls.reached("good") > 0


@pytest.mark.fault("U03")
@BOTH
@pytest.mark.parametrize("fault", WRONG_TLS)
def test_wrong_tls_is_never_spoken_to_and_an_operator_reads_why(
    gateway: LiveGateway, tls: Tls, fault: str, shape: str
):
    first = ask(gateway, f"{shape}/{fault}", shape)
    second = ask(gateway, f"{shape}/{fault}", shape)
    alone = ask(gateway, f"only/{shape}/{fault}", shape)

    assert is_whole(first, shape)
    assert first.headers["x-rainymodel-fallback-reason"] == "configuration"
    assert is_whole(second, shape)
    assert second.headers["x-rainymodel-fallback-reason"] == "held"
    assert (alone.status_code, alone.json()["error"]["code"]) == (502, "all_upstreams_failed")
    assert tls.reached(fault) == 0
    assert "an upstream was not connected to" in log_of(gateway)
    assert "upstream needs an operator" in log_of(gateway)


@pytest.mark.fault("U57")
@BOTH
def test_pooled_connections_that_died_together_cost_one_resend_and_no_attempt(
    gateway: LiveGateway, shape: str
):
    sun = gateway.upstreams["sun"]
    sun.play("stale", "slow:first=0.3,chunk=0,chunks=1")
    together = [threading.Thread(target=ask, args=(gateway, f"only/{shape}/stale", shape)) for _ in range(4)]
    for thread in together:
        thread.start()
    for thread in together:
        thread.join()
    sun.play("stale", None)
    before = sun.ledger.hits("stale")
    answer = ask(gateway, f"only/{shape}/stale", shape)
    (attempt,) = attempts(gateway, answer)

    assert text_of(answer, shape) == "You said: rain?"
    assert (attempt["word"], answer.headers["x-rainymodel-attempts"]) == ("", "1")
    assert sun.ledger.hits("stale") - before == 2
