"""The two services: what starts them, in which environment, and where they answer."""

import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rainymodel_site import env
from rainymodel_site.listening import address_text
from rainymodel_site.openwebui import read_plan
from rainymodel_site.timing import read_stop_timing

GATEWAY, OPEN_WEBUI = "gateway", "open-webui"
NAMES = (GATEWAY, OPEN_WEBUI)  # in the order of a start
MARGIN = 5.0  # seconds on top of what the gateway promises its workers
OPEN_WEBUI_STOP = 30.0
GATEWAY_START, OPEN_WEBUI_START = 60.0, 300.0  # Open WebUI fetches what it needs at its first start
WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}


@dataclass(frozen=True, slots=True)
class Service:
    """One service; `stop_patience` and `start_patience` are seconds. Without a command it is not installed."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    directory: Path
    host: str
    port: int
    health_path: str
    stop_patience: float
    start_patience: float
    state: Path

    @property
    def address(self) -> str:
        """The URL at which a client on this machine reaches it."""
        return f"http://{address_text(self.host, self.port)}"

    @property
    def pid_file(self) -> Path:
        """Where its keeper says who runs."""
        return self.state / f"{self.name}.pid"

    @property
    def log_file(self) -> Path:
        """Where its output goes."""
        return self.state / f"{self.name}.log"


def services(environ: Mapping[str, str] = os.environ) -> dict[str, Service]:
    """Both services by name, in the order of a start."""
    return {GATEWAY: gateway(environ), OPEN_WEBUI: open_webui(environ)}


def gateway(environ: Mapping[str, str]) -> Service:
    """`manage.py serve` in the environment as it is; without DATABASE_URL it brings the embedded Postgres along."""
    return Service(
        name=GATEWAY,
        command=(sys.executable, str(env.PROJECT / "manage.py"), "serve"),
        environment=dict(environ),
        directory=env.PROJECT,
        host=_reached_at(env.text("HOST", environ)),
        port=env.number("PORT", environ, low=1, high=65_535),
        health_path="/ready",
        stop_patience=read_stop_timing().patience + MARGIN,
        start_patience=GATEWAY_START,
        state=_state(environ) / "services",
    )


def open_webui(environ: Mapping[str, str]) -> Service:
    """`open-webui serve`, with files of its own, and pointed at the gateway."""
    host, port = (
        env.text("OPENWEBUI_HOST", environ),
        env.number("OPENWEBUI_PORT", environ, low=1, high=65_535),
    )
    program = _installed(env.text("OPENWEBUI_COMMAND", environ), environ)
    data = _state(environ) / OPEN_WEBUI
    return Service(
        name=OPEN_WEBUI,
        command=(*program, "serve", "--host", host, "--port", str(port)) if program else (),
        environment=_open_webui_environment(environ, data, host, port),
        directory=data,  # it keeps a generated signing key where it is started
        host=_reached_at(host),
        port=port,
        health_path="/health",
        stop_patience=env.seconds("OPENWEBUI_STOP_SECONDS", OPEN_WEBUI_STOP, environ),
        start_patience=OPEN_WEBUI_START,
        state=_state(environ) / "services",
    )


def _open_webui_environment(environ: Mapping[str, str], data: Path, host: str, port: int) -> dict[str, str]:
    """The environment without the gateway's own variables: its secrets and its database are not Open WebUI's."""
    ours = {*env.DECLARED, *(f"{name}_FILE" for name in env.DECLARED), "DJANGO_SETTINGS_MODULE"}
    given = {name: value for name, value in environ.items() if name not in ours}
    given |= {
        "OPENAI_API_BASE_URL": f"{gateway(environ).address}/v1",
        "OPENAI_API_KEY": env.text("OPENWEBUI_API_KEY", environ),
        "DATA_DIR": str(data),
        "HOST": host,
        "PORT": str(port),
    }
    if env.is_set("OPENWEBUI_DB_PASSWORD", environ):
        given["DATABASE_URL"] = read_plan(environ).url(masked=False)
    return given


def _installed(command: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    """The program's words with its full path; none when it is not there."""
    try:
        first, *more = shlex.split(command)
    except ValueError:
        raise env.ConfigurationError(
            f"OPENWEBUI_COMMAND must be a program, perhaps with words behind it, but it is {command[:40]!r}."
        ) from None
    found = shutil.which(first, path=environ.get("PATH"))
    return (os.path.abspath(found), *more) if found else ()


def _reached_at(host: str) -> str:
    return WILDCARDS.get(host, host)


def _state(environ: Mapping[str, str]) -> Path:
    return env.path("RAINYMODEL_STATE_DIR", environ)
