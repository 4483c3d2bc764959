"""`manage.py rotate_secrets`: seal every provider secret under the first key of the ring."""

from typing import Any

from django.core.management.base import BaseCommand

from routing.provider_secrets import reseal_all


class Command(BaseCommand):
    """Put the new key first in RAINYMODEL_SECRET_KEYS, run this, then remove the old key."""

    help = "Re-seal all provider secrets under the first key of RAINYMODEL_SECRET_KEYS."

    def handle(self, *args: Any, **options: Any) -> None:
        """Re-seal, and say how many; a secret that does not open is counted and left as it is."""
        resealed, closed = reseal_all()
        self.stdout.write(
            f"Re-sealed {resealed} provider secrets."
            + (f" {closed} do not open; enter them again." if closed else "")
        )
