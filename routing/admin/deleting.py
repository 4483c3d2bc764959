"""What keeps a catalogue row from being deleted, as links to where that can be changed."""

from collections.abc import Sequence
from typing import Any

from django.contrib.admin.utils import NestedObjects
from django.db import DEFAULT_DB_ALIAS
from django.db.models import Model, QuerySet
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from routing.models import PolicyStep, Route


def users_of(rows: Sequence[Model] | QuerySet[Any]) -> list[SafeString]:
    """Links to the pages of the rows that use these and would have to go first, each once, by kind and name."""
    collector = NestedObjects(using=DEFAULT_DB_ALIAS)
    collector.collect(rows)
    users = {_page_owner(row) for row in collector.protected}
    return [_link(user) for user in sorted(users, key=lambda user: (user._meta.model_name or "", str(user)))]


def _page_owner(row: Model) -> Model:
    """A route is changed on its alias's page, a step on its policy's."""
    if isinstance(row, Route):
        return row.alias
    return row.policy if isinstance(row, PolicyStep) else row


def _link(row: Model) -> SafeString:
    kind = row._meta
    url = reverse(f"admin:{kind.app_label}_{kind.model_name}_change", args=[row.pk])
    return format_html('{} <a href="{}">{}</a>', capfirst(kind.verbose_name), url, row)
