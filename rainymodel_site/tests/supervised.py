"""`python -m rainymodel_site.tests.supervised PATIENCE`: the little application under a supervisor, on a free port."""

import os
import sys

from rainymodel_site import env, logs
from rainymodel_site.listening import listen, visit_url
from rainymodel_site.supervisor import Supervisor


def main(patience: float) -> int:
    """Say the URL once every worker serves."""
    logs.start()
    listener = listen("127.0.0.1", 0)
    url, count = visit_url(listener), env.number("WEB_WORKERS", low=1)
    app = "rainymodel_site.tests.little_app:application"
    return Supervisor(
        listener,
        count=count,
        patience=patience,
        app=app,
        on_ready=lambda: print(url, flush=True),
        hangup_stops=bool(os.environ.get("LITTLE_APP_TERMINAL")),
    ).run()


if __name__ == "__main__":
    os.environ["RAINYMODEL_ENV"] = "development"
    sys.exit(main(float(sys.argv[1])))
