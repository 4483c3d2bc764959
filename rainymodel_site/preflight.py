"""What can be wrong before anything is served, each found early and told in one sentence."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from rainymodel_site import env

ROOM = 1024 * 1024  # bytes that must fit


class CannotStart(Exception):
    """The start ends here; the message is one sentence for whoever started it."""


def usable_state_directory() -> Path:
    """The state directory, made when missing; raises CannotStart when it cannot be written."""
    state = env.path("RAINYMODEL_STATE_DIR")
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(state, os.R_OK | os.W_OK | os.X_OK):
            raise PermissionError(13, os.strerror(13))
        env.keep_generated_secrets()
    except OSError as error:
        raise CannotStart(
            f"The state directory {state} (RAINYMODEL_STATE_DIR) cannot be used: {error.strerror}."
        ) from None
    return state


def check_room() -> None:
    """Write 1 MB into the temporary and the state directory; raises CannotStart where it does not fit.

    The root may be read-only, but these must take what a request may bring: better to fail now than then.
    """
    write_into(Path(temporary_directory()), "temporary directory", "mount a tmpfs there or set TMPDIR")
    state = env.path("RAINYMODEL_STATE_DIR")
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CannotStart(
            f"The state directory {state} (RAINYMODEL_STATE_DIR) cannot be made: {error.strerror}."
        ) from None
    write_into(state, "state directory", "make room there or set RAINYMODEL_STATE_DIR")


def temporary_directory() -> str:
    """The temporary directory that the environment names; Python itself would quietly take another."""
    return os.getenv("TMPDIR") or tempfile.gettempdir()


def write_into(directory: Path, name: str, remedy: str) -> None:
    """Raises CannotStart when 1 MB cannot be written into the directory; nothing of it stays."""
    try:
        with tempfile.TemporaryFile(dir=directory) as file:
            file.write(bytes(ROOM))
            file.flush()
    except OSError as error:
        raise CannotStart(
            f"1 MB cannot be written to the {name} {directory} ({error.strerror}); {remedy}."
        ) from None


def database_refusal(url: str) -> str | None:
    """Why the database does not answer, None when it does; never with the password in it."""
    try:
        conninfo_to_dict(url)
    except psycopg.ProgrammingError:  # its words would repeat the URL
        return "it is not a URL that Postgres understands (postgresql://…)"
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.Error as error:
        return first_line(error)
    return None


def production_refusal(environ: Mapping[str, str] = os.environ) -> str | None:
    """Why production must not start with this environment; None when it may."""
    for name in ("RAINYMODEL_MASTER_KEY", "RAINYMODEL_API_KEYS", "LITELLM_MASTER_KEY"):
        if env.EXAMPLE_VALUES & set(env.items(name, environ)):
            return f"{name} holds an example value that everybody knows: make a random one."
    return None


def first_line(error: Exception) -> str:
    """The first line of what an error says, without its full stop."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
