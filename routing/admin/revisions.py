"""The pages of published revisions: what serves, what differs in the draft, holding, publishing, rolling back."""

import json
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminTextInputWidget

from routing.admin.publishing import author_of
from routing.catalogue import read_document
from routing.diff import Change, compare, differences
from routing.draft import draft_mark
from routing.draft import hold as hold_publishing
from routing.engine.validate import errors_of
from routing.models import CatalogueRevision, PublishingSwitch
from routing.provider_secrets import surroundings_here
from routing.publish import (
    NOTE_LENGTH,
    Publication,
    PublishError,
    check,
    named,
    newest_revision,
    publish,
    roll_back,
)


class PublishForm(BaseDialogForm):
    """The note, the revision that the operator saw as the newest one, and the mark of the draft that they saw."""

    form_before_template = "routing/draft_changes.html"
    note = forms.CharField(required=False, max_length=NOTE_LENGTH, widget=UnfoldAdminTextInputWidget())
    parent = forms.IntegerField(widget=forms.HiddenInput())
    seen = forms.CharField(widget=forms.HiddenInput())

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        newest = newest_revision()
        self.fields["parent"].initial = newest.number if newest else 0
        self.fields["seen"].initial = draft_mark()

    def get_before_template_context(self, request: HttpRequest, object_id: Any = None) -> dict[str, Any]:
        """What publishing would change."""
        return draft_state()


@admin.register(CatalogueRevision)
class CatalogueRevisionAdmin(ModelAdmin):
    """Every published state of the catalogue; nothing here can be edited."""

    list_display = ("number", "published_at", "author", "note", "parent", "state")
    list_display_links = ("number",)
    search_fields = ("author", "note")
    list_before_template = "routing/draft_state.html"
    fields = (
        "number",
        "published_at",
        "author",
        "note",
        "parent",
        "sha256",
        "changes",
        "changes_to_now",
        "findings",
        "content",
    )
    actions_list = ("review", "publish_now", "hold", "resume")
    actions_detail = ("roll_back", "export")
    compressed_fields = False

    class Media:
        css = {"all": ("routing/change.css",)}

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Revisions come from publishing only."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A revision stays what it was."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A revision stays."""
        return False

    def has_publish_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """To publish and to roll back."""
        return request.user.has_perm("routing.add_cataloguerevision")

    def has_hold_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """To hold and resume publishing."""
        return request.user.has_perm("routing.change_publishingswitch")

    def get_actions_list(self, request: HttpRequest) -> list[Any]:
        """Hold or resume, whichever is not the case."""
        pointless = "resume" if not PublishingSwitch.load().held else "hold"
        return [
            found
            for found in super().get_actions_list(request)
            if not found.action_name.endswith(f"_{pointless}")
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list, below the state of the draft."""
        return super().changelist_view(request, {**draft_state(), **(extra_context or {})})

    def get_queryset(self, request: HttpRequest) -> QuerySet[CatalogueRevision]:
        """Without the documents, which only a revision's own page needs."""
        newer = CatalogueRevision.objects.filter(number__gt=OuterRef("number"))
        return super().get_queryset(request).defer("document").annotate(is_newest=~Exists(newer))

    @display(description="State", label={"serves": "success"})
    def state(self, obj: CatalogueRevision) -> str:
        """The newest one serves."""
        return "serves" if obj.is_newest else ""  # type: ignore[attr-defined]

    @display(description="Changes")
    def changes(self, obj: CatalogueRevision) -> SafeString:
        """What differs from the revision before it."""
        parent = CatalogueRevision.objects.filter(number=obj.parent or 0).first()
        return shown(compare(parent.document if parent else None, obj.document), "nothing")

    @display(description="From it to now")
    def changes_to_now(self, obj: CatalogueRevision) -> SafeString:
        """What differs in the revision that serves: what rolling back would undo."""
        newest = newest_revision()
        assert newest is not None
        told = f"nothing: revision {newest.number} serves" if newest.number != obj.number else "it serves"
        return shown(compare(obj.document, newest.document), told)

    @action(description="Export", icon="download", permissions=["view"])
    def export(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The revision as a text file."""
        return redirect(f"{reverse('console:export')}?revision={object_id}")

    @action(description="Review the draft", icon="difference", permissions=["view"])
    def review(self, request: HttpRequest) -> HttpResponse:
        """The page of the draft."""
        return redirect("console:draft")

    @display(description="Findings")
    def findings(self, obj: CatalogueRevision) -> SafeString:
        """What the validator says about it today, here."""
        return lines(
            tuple(str(finding) for finding in check(obj.document, obj.number, surroundings_here())), "none"
        )

    @display(description="Document")
    def content(self, obj: CatalogueRevision) -> SafeString:
        """The published document."""
        text = json.dumps(obj.document, indent=2, ensure_ascii=False)
        return format_html('<pre class="document" tabindex="0">{}</pre>', text)

    @action(
        description="Publish now",
        icon="publish",
        variant=ActionVariant.PRIMARY,
        permissions=["publish"],
        dialog={
            "title": "Publish the draft",
            "description": "New requests use it within a second.",
            "form_class": PublishForm,
            "form_submit_text": "Publish",
        },
    )
    def publish_now(self, request: HttpRequest, form: PublishForm) -> HttpResponse:
        """Publish the draft that the operator saw, on top of the revision that they saw."""
        given = form.cleaned_data
        try:
            done = publish(author_of(request), given["note"], parent=given["parent"], seen=given["seen"])
        except PublishError as error:
            messages.error(request, str(error))
        else:
            tell(
                request, f"Published as revision {done.number}; new requests use it." if done.changed else ""
            )
            return go(request, arriving(done))
        return go(request, reverse("admin:routing_cataloguerevision_changelist"))

    @action(
        description="Hold publishing",
        icon="pause",
        permissions=["hold"],
        dialog={
            "title": "Hold publishing",
            "description": "Saves stay a draft, in all pages and for everybody, until somebody publishes or resumes.",
            "form_class": None,
            "form_submit_text": "Hold",
        },
    )
    def hold(self, request: HttpRequest, form: BaseDialogForm) -> HttpResponse:
        """Saves stay a draft from now on."""
        return self._switch(request, held=True, told="Publishing is held: saves stay a draft.")

    @action(
        description="Resume publishing",
        icon="play_arrow",
        permissions=["hold"],
        dialog={
            "title": "Resume publishing",
            "description": "The next save publishes the whole draft, with everything collected so far.",
            "form_class": None,
            "form_submit_text": "Resume",
        },
    )
    def resume(self, request: HttpRequest, form: BaseDialogForm) -> HttpResponse:
        """Saves publish again."""
        return self._switch(request, held=False, told="Saves publish by themselves again.")

    def _switch(self, request: HttpRequest, *, held: bool, told: str) -> HttpResponse:
        hold_publishing(held)
        messages.success(request, told)
        return go(request, reverse("admin:routing_cataloguerevision_changelist"))

    @action(
        description="Roll back to this revision",
        icon="history",
        variant=ActionVariant.DANGER,
        permissions=["publish"],
        dialog={
            "title": "Roll back to this revision",
            "description": "The tables are restored to it and published anew. An unpublished draft is lost.",
            "form_class": None,
            "form_submit_text": "Roll back",
        },
    )
    def roll_back(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        """Restore the tables, and publish them."""
        try:
            done = roll_back(int(object_id), author_of(request))
        except (PublishError, ValueError) as error:
            messages.error(request, str(error))
        else:
            tell(request, f"Rolled back: published as revision {done.number}." if done.changed else "")
            if done.emptied:
                messages.warning(
                    request, f"Answered before, and without a deployment now: {named(done.emptied)}."
                )
            return go(request, arriving(done))
        return go(request, reverse("admin:routing_cataloguerevision_changelist"))


def draft_state() -> dict[str, Any]:
    """Whether publishing is held, how the draft differs from what serves, and what forbids publishing it."""
    newest, draft = newest_revision(), read_document()
    number = newest.number if newest else 0
    return {
        "held": PublishingSwitch.load().held,
        "serving": number,
        "draft_changes": differences(newest.document if newest else None, draft),
        "draft_errors": [
            str(finding) for finding in errors_of(check(draft, number + 1, surroundings_here()))
        ],
    }


def arriving(done: Publication) -> str:
    """The page that shows how a new revision reaches the workers; the list where there is none."""
    return (
        f"{reverse('console:draft')}?published={done.number}"
        if done.changed
        else reverse("admin:routing_cataloguerevision_changelist")
    )


def tell(request: HttpRequest, success: str) -> None:
    """The success, or that nothing differed."""
    if success:
        messages.success(request, success)
    else:
        messages.info(request, "Nothing differs from what serves already.")


def go(request: HttpRequest, url: str) -> HttpResponse:
    """Leave a dialog: htmx needs to be told, a plain browser is redirected."""
    return HttpResponse(headers={"HX-Redirect": url}) if request.headers.get("HX-Request") else redirect(url)


def shown(changes: tuple[Change, ...], nothing: str) -> SafeString:
    """The changes, a block for each thing."""
    return render_to_string("routing/changes.html", {"changes": changes, "nothing": nothing})


def lines(texts: tuple[str, ...], nothing: str) -> SafeString:
    """One text a line, escaped."""
    return (
        format_html_join("", "<div>{}</div>", ((text,) for text in texts))
        if texts
        else format_html("{}", nothing)
    )
