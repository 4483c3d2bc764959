"""The button "Send a test": one message to each channel now, and how it went in words."""

from collections.abc import Sequence

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from rainymodel_site.alert_models import AlertChannel, AlertRule
from rainymodel_site.alerts.outbox import attempt
from rainymodel_site.alerts.sending import NotDelivered
from rainymodel_site.alerts.words import trial_document
from rainymodel_site.audit import append
from rainymodel_site.composition import address_rules

MOST = 5  # channels at once: each may take its time to answer


def try_channels(
    request: HttpRequest, row: AlertRule | AlertChannel, channels: Sequence[AlertChannel]
) -> HttpResponse:
    """Back to the row's page, with the results as its messages."""
    told, rules = trial_document(row.name, timezone.now()), address_rules()
    if not channels:
        messages.warning(
            request, "Nothing was sent: the rule has no channel. Choose one, save, and try again."
        )
    for channel in channels[:MOST]:
        try:
            arrived = attempt(channel, told, rules)
        except NotDelivered as problem:
            messages.error(request, f"The test to {channel.name} did not arrive: {problem}")
        else:
            messages.success(request, f"The test to {channel.name} arrived: {arrived}.")
    if left := channels[MOST:]:
        messages.warning(request, f"{len(left)} more were not tried: test them on their own pages.")
    append("tested", row, {})
    return redirect(f"admin:rainymodel_site_{row._meta.model_name}_change", row.pk)
