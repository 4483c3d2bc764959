"""Opening the door: the socket, the supervisor and its settings. `python -m rainymodel_site.serving` without Django."""

import socket
import sys
from collections.abc import Callable

from rainymodel_site import env, logs
from rainymodel_site.listening import CannotListen, listen
from rainymodel_site.supervisor import Supervisor
from rainymodel_site.timing import read_stop_timing

APPLICATION = "rainymodel_site.asgi:application"


def open_door() -> socket.socket:
    """The socket on HOST and PORT; raises CannotListen."""
    return listen(env.text("HOST"), env.number("PORT", high=65_535))


def serve(listener: socket.socket, app: str = APPLICATION, on_ready: Callable[[], None] = lambda: None) -> int:
    """Run WEB_WORKERS workers on the socket until told to stop; the exit code."""
    count = env.number("WEB_WORKERS", low=1, high=256)
    return Supervisor(listener, count=count, patience=read_stop_timing().patience, app=app, on_ready=on_ready).run()


def main(app: str = APPLICATION) -> int:
    """Serve on its own, with the environment as it is."""
    logs.start(production=env.mode() == env.PRODUCTION, debug=env.switch("RAINYMODEL_DEBUG"))
    try:
        return serve(open_door(), app)
    except CannotListen as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
