"""The history page of a catalogue row: what changed, by whom, and with which revision it went out."""

from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model
from django.http import HttpRequest, HttpResponse

from routing.history import Story, story_of
from routing.publish import newest_revision

EDITS_SHOWN = 50


class HistoryOfRevisions:
    """An admin page whose history is told from the revisions; edits since the last one come from the admin's log."""

    object_history_template = "routing/history.html"

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Django's page with the row's story; `?before=N` goes on with older revisions."""
        row = self.get_object(request, object_id)  # type: ignore[attr-defined]
        story: dict[str, Any] = {}
        if row is not None and self.has_view_or_change_permission(request, row):  # type: ignore[attr-defined]
            told = story_of(row, older_than(request))
            story = {"story": told, "edits": edits_of(row, told)}
        page: HttpResponse = super().history_view(  # type: ignore[misc]
            request, object_id, {**(extra_context or {}), **story}
        )
        return page


def older_than(request: HttpRequest) -> int | None:
    """The revision below which the page begins; None for the newest."""
    asked = request.GET.get("before", "")
    return int(asked) if asked.isdecimal() and len(asked) < 10 else None


def edits_of(row: Model, story: Story) -> list[LogEntry]:
    """Who saved the row since the newest revision; none when the draft does not differ in it."""
    if story.draft is None:
        return []
    entries = LogEntry.objects.filter(
        content_type=ContentType.objects.get_for_model(row), object_id=str(row.pk)
    ).select_related("user")
    newest = newest_revision()
    if newest is not None:
        entries = entries.filter(action_time__gt=newest.published_at)
    return list(entries.order_by("-action_time")[:EDITS_SHOWN])
