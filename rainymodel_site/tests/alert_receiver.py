"""A webhook's receiver on a socket: remembers what came, and answers with the status it is told to."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from gateway.upstream.addresses import AddressRules
from rainymodel_site.alert_models import AlertChannel, AlertRule
from rainymodel_site.alerts.address import set_address
from routing.addresses import AllowedUpstreams

SECRET = "T00-canary-secret"
AT_HOME = AddressRules(AllowedUpstreams(loopback=True))  # as in development


@dataclass
class Receiver:
    """`got` are the bodies that arrived, in order."""

    url: str = ""
    status: int = 200
    got: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    def events(self) -> list[str]:
        """The events of the bodies."""
        return [body["event"] for body in self.got]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """The receiver, from a thread, until the block ends."""
    state = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            state.paths.append(self.path)
            if state.status == 200:
                state.got.append(body)
            self.send_response(state.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}/hooks/{SECRET}?token={SECRET}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def channel_to(url: str, kind: str = "webhook", name: str = "hook") -> AlertChannel:
    """A channel that is stored."""
    channel = AlertChannel(name=name, kind=kind)
    set_address(channel, url)
    channel.save()
    return channel


def rule_for(*channels: AlertChannel, **fields: Any) -> AlertRule:
    """A rule that is stored; without anything else about workers."""
    rule = AlertRule.objects.create(**{"name": "the rule", "kind": "worker", "minutes": 1, **fields})
    rule.channels.set(channels)
    return rule
