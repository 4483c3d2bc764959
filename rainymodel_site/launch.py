"""`make run`: from nothing to a served gateway on this machine, in development mode, one line per step.

Ctrl-C, SIGTERM or a closed terminal stops all of it: the workers first, then the demonstration upstream, Postgres last.
"""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rainymodel_site import env
from rainymodel_site.banner import Welcome, banner
from rainymodel_site.demo import Demo
from rainymodel_site.listening import CannotListen, listen, visit_url
from rainymodel_site.postgres import EmbeddedPostgres, PostgresError
from rainymodel_site.preflight import (
    CannotStart,
    database_refusal,
    first_line,
    usable_state_directory,
)
from rainymodel_site.progress import Progress
from rainymodel_site.serving import read_serving_plan, serve

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Launch; the exit code. What goes wrong is told in one sentence, never as a stack trace."""
    try:
        with stoppable():
            code = launch(Progress())
    except KeyboardInterrupt:
        code = 0
    except (CannotStart, CannotListen, PostgresError) as error:
        print(f"RainyModel cannot start: {error}", file=sys.stderr)
        return 1
    if code == 0:
        print("  Stopped.", flush=True)
    return code


def launch(progress: Progress) -> int:
    """Every step in order; whatever ends it, what was started is stopped in the reverse order."""
    began = time.monotonic()
    become_development()
    state = usable_state_directory()
    plan = read_serving_plan()
    with ExitStack() as running:
        listener = running.enter_context(listen(plan.host, plan.port))
        demo = running.enter_context(Demo())
        running.enter_context(database(state, progress))
        welcome = prepare(state, progress)
        has_demo = demo.announce()
        progress.note(f"Starting {plan.workers} worker{'s' if plan.workers > 1 else ''} …")

        def greet() -> None:
            print(banner(visit_url(listener), welcome, demo=has_demo), flush=True)
            progress.note(f"(ready after {time.monotonic() - began:.1f} s)")

        code = serve(plan, listener, on_ready=greet, hangup_stops=True)
        ignore_signals()
    return code


def become_development() -> None:
    """Read .env and settle the mode: local sign-in links have no place in production."""
    env.load_dotenv(env.PROJECT / ".env")
    if env.text("RAINYMODEL_ENV") == env.PRODUCTION:
        raise CannotStart(
            "RAINYMODEL_ENV is production, and `make run` is for development: unset it, or use `manage.py serve`."
        )
    os.environ["RAINYMODEL_ENV"] = env.DEVELOPMENT


@contextmanager
def database(state: Path, progress: Progress) -> Iterator[None]:
    """While the block lasts DATABASE_URL names a Postgres that answers: the given one, or the embedded one."""
    if url := env.text("DATABASE_URL"):
        if refusal := database_refusal(url):
            raise CannotStart(f"the database of DATABASE_URL does not answer: {refusal}.")
        yield
        return
    server = EmbeddedPostgres(state / "postgres")
    with progress.step(f"Starting the embedded Postgres under {state / 'postgres'}"):
        server.start()
    os.environ["DATABASE_URL"] = server.dsn
    try:
        yield
    finally:
        server.stop()


def prepare(state: Path, progress: Progress) -> Welcome:
    """Everything that needs Django; its errors become sentences."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "rainymodel_site.settings"
    with progress.step("Loading Django"):
        import django

        django.setup()
    from django.core.management import CommandError
    from django.db import Error

    from rainymodel_site import preparation

    try:
        return preparation.prepare(state, progress)
    except (CommandError, Error, OSError) as error:
        raise CannotStart(f"{first_line(error)}.") from None


@contextmanager
def stoppable() -> Iterator[None]:
    """Any stop signal interrupts the block, once: what follows is the orderly stop."""

    def interrupt(*_: object) -> None:
        ignore_signals()
        raise KeyboardInterrupt

    heard = [number for number in STOP_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]  # nohup
    before = {number: signal.signal(number, interrupt) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ignore_signals() -> None:
    """The stop is under way; a second signal would only leave something behind."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    sys.exit(main())
