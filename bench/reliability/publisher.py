"""Publishes again and again: `python -m bench.reliability.publisher COUNT` prints, for each, when every worker had it.

A process of its own, because Django reads its settings once. Prints a JSON list of seconds; -1 for one that did not
arrive within PATIENCE seconds.
"""

import json
import sys
import time

import django

PATIENCE = 30.0
LOOK = 0.01


def main(count: int) -> list[float]:
    """The seconds from each publication until the last worker served it."""
    django.setup()
    return [publish_and_wait(f"round {number}") for number in range(count)]


def publish_and_wait(description: str) -> float:
    """Change a text of the catalogue, publish it, wait for the workers."""
    from routing.models import Alias
    from routing.publish import publish

    Alias.objects.filter(name="trial/steady").update(description=description)
    number = publish("bench").number
    began = time.monotonic()
    while (passed := time.monotonic() - began) < PATIENCE:
        if has_arrived(number):
            return round(passed, 3)
        time.sleep(LOOK)
    return -1


def has_arrived(number: int) -> bool:
    """Whether every worker serves this revision or a later one."""
    from gateway.models import Worker

    return not Worker.objects.filter(revision__lt=number).exists()


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]))))
