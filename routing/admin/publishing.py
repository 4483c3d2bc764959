"""What all catalogue pages share: a save takes the publishing lock, publishes, and says what came of it."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin

from routing.admin.deleting import users_of
from routing.admin.history import HistoryOfRevisions
from routing.engine.validate import errors_of
from routing.publish import (
    CellsEmptied,
    PublishRefused,
    cells_in_words,
    in_words,
    publish_saved,
    publishing_lock,
)


def author_of(request: HttpRequest) -> str:
    """The name a revision carries."""
    return request.user.get_username()


def announce(request: HttpRequest) -> None:
    """Publish what was just saved, and tell the operator whether it serves."""
    try:
        publication = publish_saved(author_of(request))
    except PublishRefused as refusal:
        problems = in_words(errors_of(refusal.findings))
        messages.warning(request, beside_draft(f"Saved as a draft, not published: {problems}"))
        return
    except CellsEmptied as refusal:
        lost = cells_in_words(refusal.cells)
        advice = "Correct it, or give a reason there:"
        messages.warning(request, beside_draft(f"Saved as a draft, not published: {lost} {advice}"))
        return
    if publication is None:
        messages.info(request, beside_draft("Saved as a draft: publishing is held."))
    elif publication.changed:
        messages.success(request, f"Published as revision {publication.number}; new requests use it.")


def beside_draft(text: str) -> SafeString:
    """The text, and a link to the page that reviews the draft."""
    return format_html(
        '{} <a class="underline" href="{}">Review the draft</a>', text, reverse("console:draft")
    )


class CatalogueAdmin(HistoryOfRevisions, ModelAdmin):
    """A page whose saves publish.

    The publishing lock comes first, before any row is locked: two operators saving at once then wait for each
    other instead of blocking each other for good.
    """

    warn_unsaved_form = True

    class Media:
        css = {"all": ("routing/admin.css",)}

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Add and change."""
        if request.method != "POST":
            return super().changeform_view(request, *args, **kwargs)
        with publishing_lock():
            return super().changeform_view(request, *args, **kwargs)

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Delete one."""
        if request.method != "POST":
            return super().delete_view(request, *args, **kwargs)
        with publishing_lock():
            return super().delete_view(request, *args, **kwargs)

    def render_delete_form(self, request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
        """The page that asks, or says why not; what can be disabled need not be deleted."""
        switchable = isinstance(self, SwitchableAdmin) and self.has_change_permission(request)
        return super().render_delete_form(request, {**context, "can_be_switched_off": switchable})

    def get_deleted_objects(
        self, objs: Sequence[Model] | QuerySet[Any], request: HttpRequest
    ) -> tuple[Any, Any, Any, Any]:
        """Django's, with links to whatever forbids it."""
        deleted, counts, lacking, protected = super().get_deleted_objects(objs, request)
        return deleted, counts, lacking, users_of(objs) if protected else protected

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Delete the selected ones."""
        with publishing_lock():
            super().delete_queryset(request, queryset)
            announce(request)

    def response_add(self, request: HttpRequest, obj: Model, *args: Any, **kwargs: Any) -> HttpResponse:
        """Django's answer, with ours after it."""
        response = super().response_add(request, obj, *args, **kwargs)
        announce(request)
        return response

    def response_change(self, request: HttpRequest, obj: Model) -> HttpResponse:
        """Django's answer, with ours after it."""
        response = super().response_change(request, obj)
        announce(request)
        return response

    def response_delete(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Django's answer, with ours after it."""
        response = super().response_delete(request, *args, **kwargs)
        announce(request)
        return response


class SwitchableAdmin(CatalogueAdmin):
    """A page whose rows can be enabled and disabled in bulk."""

    actions: tuple[str, ...] = ("enable_selected", "disable_selected")

    @admin.action(description="Enable the selected", permissions=["change"])
    def enable_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Enable, and publish."""
        self._switch(request, queryset, enabled=True)

    @admin.action(description="Disable the selected", permissions=["change"])
    def disable_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Disable, and publish."""
        self._switch(request, queryset, enabled=False)

    def _switch(self, request: HttpRequest, queryset: Iterable[Any], *, enabled: bool) -> None:
        with publishing_lock():
            for row in queryset:
                row.enabled = enabled
                row.save(update_fields=["enabled"])
            announce(request)
