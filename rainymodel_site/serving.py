"""Opening the door: the socket, the supervisor and its settings. `python -m rainymodel_site.serving` without Django."""

import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass

from rainymodel_site import env, logs
from rainymodel_site.listening import CannotListen, listen
from rainymodel_site.supervisor import Supervisor
from rainymodel_site.timing import StopTiming, read_stop_timing

APPLICATION = "rainymodel_site.asgi:application"


@dataclass(frozen=True, slots=True)
class ServingPlan:
    """Where to listen, with how many workers, and how long they may take to stop."""

    host: str
    port: int
    workers: int
    timing: StopTiming


def read_serving_plan() -> ServingPlan:
    """HOST, PORT, WEB_WORKERS and the stop's times; a value that cannot be read ends the start."""
    return ServingPlan(
        host=env.text("HOST"),
        port=env.number("PORT", high=65_535),
        workers=env.number("WEB_WORKERS", low=1, high=256),
        timing=read_stop_timing(),
    )


def serve(
    plan: ServingPlan,
    listener: socket.socket,
    app: str = APPLICATION,
    on_ready: Callable[[], None] = lambda: None,
    *,
    hangup_stops: bool = False,
) -> int:
    """Run the workers on the socket until told to stop; the exit code."""
    supervisor = Supervisor(
        listener,
        count=plan.workers,
        patience=plan.timing.patience,
        app=app,
        on_ready=on_ready,
        hangup_stops=hangup_stops,
    )
    return supervisor.run()


def main(app: str = APPLICATION) -> int:
    """Serve on its own, with the environment as it is."""
    logs.start()
    plan = read_serving_plan()
    try:
        return serve(plan, listen(plan.host, plan.port), app)
    except CannotListen as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
