"""Entries written at the same time by different processes still form one chain."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from accounts.audit import record, verify
from accounts.models import AuditEntry

pytestmark = pytest.mark.django_db(transaction=True)


def write_ten(writer: int) -> None:
    try:
        for number in range(10):
            record(f"writer {writer}", "changed", f"row {number}")
    finally:
        connection.close()


def test_writers_at_the_same_time_form_one_chain():
    with ThreadPoolExecutor(4) as writers:
        list(writers.map(write_ten, range(4)))

    assert AuditEntry.objects.count() == 40
    assert verify() is None
