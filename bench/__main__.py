"""Measures the gateway on this machine, with a fake upstream behind it: `python -m bench`. It never fails on time."""

import argparse
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from bench.loads import CannotMeasure
from bench.report import report
from bench.run import FULL, PARTS, SHORT, measure, plan_cost
from rainymodel_site.postgres import PostgresError


def read_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--short", action="store_true", help="about ten seconds, for a first look")
    parser.add_argument("--only", choices=PARTS, help="one part instead of all")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Measure and print. 1 when it cannot be done, or when a request is not accounted for."""
    options = read_arguments(arguments)
    parts = (options.only,) if options.only else PARTS
    try:
        figures = measure(SHORT if options.short else FULL, parts, say)
    except (CannotMeasure, PostgresError) as error:
        print(f"The benchmark cannot be run: {error}", file=sys.stderr)
        return 1
    if not options.only and not options.short:
        figures.plan_us = plan_cost()
    print(report(figures, datetime.now(UTC)))
    return 0 if figures.counts.agree else 1


def say(progress: str) -> None:
    """What is being done now; beside the report, so that the report can be kept on its own."""
    print(f"… {progress}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything started is stopped too
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
