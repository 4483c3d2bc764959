"""How pages tell a moment."""

from datetime import datetime

from django.utils import timezone


def moment_words(at: datetime) -> str:
    """`22 Nov 2026 14:05:11 CET`: in the zone of whoever looks at the page, UTC elsewhere."""
    return f"{timezone.localtime(at):%d %b %Y %H:%M:%S %Z}"
