"""What /ready says beside its 200: a word for each thing that holds no request back, but is to be looked after."""

from types import SimpleNamespace

import pytest

from gateway.consumers import degraded
from gateway.lifecycle import Lifecycle


def worker(*, unseen: float = 0.0, from_file: bool = False, full: bool = False) -> SimpleNamespace:
    """As much of a worker's services as /ready looks at."""
    return SimpleNamespace(
        store=SimpleNamespace(unseen_for=unseen, is_from_file=from_file),
        lifecycle=Lifecycle(is_full=full),
        recorder=SimpleNamespace(problem=""),
    )


@pytest.mark.fault("I13")
def test_a_database_not_seen_for_a_minute_is_told():
    assert degraded(worker(unseen=59)) == []
    assert degraded(worker(unseen=61)) == ["database_silent"]


def test_each_reason_has_its_word():
    assert degraded(worker(from_file=True, full=True)) == ["saved_catalogue", "no_file_descriptors"]
