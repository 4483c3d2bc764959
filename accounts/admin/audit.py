"""The audit in the admin: to read, never to change."""

from typing import Any

from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.paginator import InfinitePaginator

from accounts.models import AuditEntry
from accounts.moments import moment_words
from accounts.text import visible


class AuditEntryAdmin(ModelAdmin):
    """Who changed what, newest first."""

    list_display = ("when", "who", "action", "subject_type", "what", "fields_changed")
    list_filter = ("action", "subject_type")
    search_fields = ("actor", "subject", "subject_id")
    list_display_links = ("when",)
    list_disable_select_all = True
    actions = None
    paginator = InfinitePaginator
    show_full_result_count = False
    fieldsets = (
        (None, {"fields": (("when", "who"), ("action", "subject_type"), ("what", "subject_id"), "address")}),
        ("Changes", {"fields": ("change_table",)}),
        ("Chain", {"fields": ("chain",)}),
    )
    readonly_fields = (
        "when",
        "who",
        "action",
        "subject_type",
        "what",
        "subject_id",
        "address",
        "change_table",
        "chain",
    )

    class Media:
        css = {"all": ("accounts/admin.css",)}

    @display(description="When", ordering="id")
    def when(self, entry: AuditEntry) -> str:
        """To the second, with the zone."""
        return moment_words(entry.at)

    @display(description="Who", ordering="actor")
    def who(self, entry: AuditEntry) -> str:
        """The actor, nothing hidden in the name."""
        return visible(entry.actor)

    @display(description="What", ordering="subject")
    def what(self, entry: AuditEntry) -> str:
        """The subject, nothing hidden in the name."""
        return visible(entry.subject)

    @display(description="Fields")
    def fields_changed(self, entry: AuditEntry) -> str:
        """The names of the first few fields."""
        names = list(entry.changes)
        return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")

    @display(description="Before and after")
    def change_table(self, entry: AuditEntry) -> str:
        """One line for each field."""
        if not entry.changes:
            return "Nothing to compare."
        rows = [
            (visible(name), shown(before), shown(after)) for name, (before, after) in entry.changes.items()
        ]
        body = format_html_join(
            "", "<tr><th scope='row'>{}</th><td><pre>{}</pre></td><td><pre>{}</pre></td></tr>", rows
        )
        return format_html(
            "<table class='changes'><thead><tr><th>Field</th><th>Before</th><th>After</th></tr></thead>"
            "<tbody>{}</tbody></table>",
            body,
        )

    @display(description="Hash")
    def chain(self, entry: AuditEntry) -> str:
        """The entry's hash and its predecessor's; `manage.py audit verify` checks them all."""
        own, previous = bytes(entry.hash).hex(), bytes(entry.previous_hash).hex()
        return format_html("<code>{}</code><br>after <code>{}</code>", own, previous)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Entries come from what people do."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The database would refuse it."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The database would refuse it."""
        return False


def shown(value: Any) -> str:
    """A value of the changes as text; empty ones as a dash."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return visible(", ".join(value) if isinstance(value, list) else str(value))
