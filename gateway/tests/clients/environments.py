"""Environments for stock clients: made once below build/clients, each with the exact versions it is named after."""

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.tests.live import PROJECT, LiveGateway

BUILT = PROJECT / "build" / "clients"
SCRIPTS = Path(__file__).parent / "scripts"
MARKER = "complete"
INSTALL_SECONDS, SCRIPT_SECONDS = 900, 120
# What pip, uv and npm print when no registry answers. pip says “no matching distribution” then too, behind these.
UNREACHABLE = re.compile(
    r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ERR_SOCKET_TIMEOUT"
    r"|NewConnectionError|NameResolutionError|ConnectTimeoutError|ReadTimeoutError|Max retries exceeded"
    r"|dns error|tcp connect error|error sending request|Could not connect",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Client:
    """A stock client: its packages, name → exact version, and the language whose registry has them."""

    name: str
    packages: dict[str, str]
    language: str = "python"

    @property
    def directory(self) -> Path:
        """Where its environment is."""
        version = next(iter(self.packages.values()))
        return BUILT / f"{self.name}-{version}"

    def command(self) -> list[str]:
        """What runs a script in its environment; skips when that has to be made and no registry answers."""
        if self.language == "node" and shutil.which("node") is None:
            pytest.fail("node is not on PATH: install Node.js 20 or newer to test the JavaScript clients")
        with locked(self.directory):
            marker = self.directory / MARKER
            if not marker.exists() or marker.read_text() != self.wanted():
                shutil.rmtree(self.directory, ignore_errors=True)
                self.directory.mkdir(parents=True)
                self.install()
                marker.write_text(self.wanted())
        return ["node"] if self.language == "node" else [str(self.directory / "bin" / "python")]

    def wanted(self) -> str:
        """What a finished environment holds."""
        return json.dumps(self.packages, sort_keys=True)

    def install(self) -> None:
        """Install the packages into the empty directory."""
        if self.language == "node":
            manifest = {"private": True, "type": "module", "dependencies": self.packages}
            (self.directory / "package.json").write_text(json.dumps(manifest))
            installed("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", at=self.directory)
            return
        pinned = [f"{name}=={version}" for name, version in self.packages.items()]
        python = str(self.directory / "bin" / "python")
        if shutil.which("uv"):
            installed("uv", "venv", "--python", sys.executable, "--clear", ".", at=self.directory)
            installed("uv", "pip", "install", "--python", python, *pinned, at=self.directory)
            return
        installed(sys.executable, "-m", "venv", ".", at=self.directory)
        installed(python, "-m", "pip", "install", "--quiet", *pinned, at=self.directory)


def installed(*command: str, at: Path) -> None:
    """Run an installer; skips when no registry answers it, fails when anything else is wrong."""
    done = subprocess.run(
        command, cwd=at, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
    )
    if done.returncode == 0:
        return
    said = done.stdout + done.stderr
    if "ResolutionImpossible" not in said and (found := UNREACHABLE.search(said)):
        pytest.skip(f"the package registry cannot be reached: {Path(command[0]).name} says {found[0]}")
    pytest.fail(f"{' '.join(command)} failed:\n{said[-4000:]}")


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """One process at a time: xdist's workers share the environments."""
    BUILT.mkdir(parents=True, exist_ok=True)
    with directory.with_name(f"{directory.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def told_by(
    command: list[str], script: str, gateway: LiveGateway, face: str, directory: Path | None = None
) -> dict[str, dict[str, object]]:
    """Run a script; what each of its cases found, by the case's name. `face` is `fake` or `native`."""
    path = SCRIPTS / script
    if directory is not None:  # node looks for packages beside the script, and nowhere else
        for shared in SCRIPTS.glob("*.mjs"):
            shutil.copy(shared, directory)
        path = directory / script
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    kept["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # litellm asks the network for prices otherwise
    variables = {"CLIENT_URL": gateway.url, "CLIENT_KEY": gateway.keys["plain"], "CLIENT_FACE": face}
    done = subprocess.run(
        [*command, str(path)],
        env=kept | variables,
        capture_output=True,
        text=True,
        timeout=SCRIPT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    told: dict[str, dict[str, object]] = json.loads(done.stdout.splitlines()[-1])
    return told


def run(
    client: Client, script: str, gateway: LiveGateway, face: str = "fake"
) -> dict[str, dict[str, object]]:
    """Run a script in the client's environment, which is made first if need be."""
    command = client.command()
    return told_by(command, script, gateway, face, client.directory if client.language == "node" else None)
