"""Ceilings in the admin: what all callers together may spend."""

from unfold.admin import ModelAdmin
from unfold.decorators import display

from accounts.ledger.rules import dollars, nano
from accounts.models import Ceiling


class CeilingAdmin(ModelAdmin):
    """Where one is reached, requests go to other tiers; where there is none, they are refused until it begins anew."""

    list_display = ("what", "per_day", "per_month")
    list_filter = ("scope",)
    search_fields = ("name",)
    fields = (("scope", "name"), ("usd_per_day", "usd_per_month"))

    @display(description="Ceiling of", ordering="scope")
    def what(self, row: Ceiling) -> str:
        """What it is over."""
        return str(row)

    @display(description="Per day (UTC)")
    def per_day(self, row: Ceiling) -> str:
        """The amount, as people read money."""
        return "–" if row.usd_per_day is None else dollars(nano(row.usd_per_day))

    @display(description="Per month (UTC)")
    def per_month(self, row: Ceiling) -> str:
        """The amount, as people read money."""
        return "–" if row.usd_per_month is None else dollars(nano(row.usd_per_month))
