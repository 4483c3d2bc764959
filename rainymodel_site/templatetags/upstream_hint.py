"""`{% upstream_hint original %}`: what to do about a provider or a deployment, on its own page."""

from typing import Any

from django import template
from django.utils import timezone

from rainymodel_site.console.hints import hints_about
from routing.models import Deployment, Provider

register = template.Library()


@register.inclusion_tag("console/upstream_hint.html", takes_context=True)
def upstream_hint(context: template.Context, row: Any) -> dict[str, Any]:
    """Nothing for a row that is being added, and for people who may not see the workers."""
    shown = isinstance(row, Provider | Deployment) and context["request"].user.has_perm("gateway.view_worker")
    return {"hints": hints_about(row, timezone.now()) if shown else []}
