"""Forms of the catalogue pages, and the inline rows that have an order."""

import re
from typing import Any

from django import forms
from unfold.admin import TabularInline
from unfold.forms import PaginationInlineFormSet
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminTextareaWidget,
    UnfoldBooleanSwitchWidget,
)

from routing.addresses import BadTemplate, address_problem, expand
from routing.engine.snapshot import CAPABILITIES, DIALECTS
from routing.environment import read_surroundings
from routing.models import Deployment, Provider, choices

SECRET = re.compile(r"[!-~]{1,4000}")
SMALL = {"rows": 3}


class ProviderForm(forms.ModelForm):
    """A provider, and its secret, which is written here and never shown again."""

    secret = forms.CharField(
        required=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text="Sealed for this provider and this base URL; another base URL asks for it again.",
    )
    forget_secret = forms.BooleanField(
        required=False,
        widget=UnfoldBooleanSwitchWidget(),
        help_text="Delete every secret that is stored for this provider.",
    )

    class Meta:
        model = Provider
        fields = "__all__"  # noqa: DJ007  (the fieldsets of the page name them one by one)
        widgets = {"extra_headers": UnfoldAdminTextareaWidget(attrs=SMALL)}

    def clean_secret(self) -> str:
        """One line of visible characters: what fits in a header."""
        secret: str = self.cleaned_data["secret"]
        if secret and not SECRET.fullmatch(secret):
            raise forms.ValidationError("A secret is one line of visible characters without spaces.")
        return secret

    def clean_extra_headers(self) -> Any:
        """An empty field means no headers."""
        return self.cleaned_data["extra_headers"] or {}

    def clean(self) -> dict[str, Any]:
        """The address must be allowed in its class, here."""
        values = super().clean() or self.cleaned_data
        if values.get("secret") and values.get("forget_secret"):
            self.add_error("forget_secret", "Give a new secret, or delete it: not both.")
        if problem := _address_problem(values.get("base_url", ""), values.get("address_class", "")):
            self.add_error("base_url", problem)
        return values


class DeploymentForm(forms.ModelForm):
    """A deployment, with capabilities and dialects as check boxes."""

    capabilities = forms.MultipleChoiceField(
        required=False, choices=choices(CAPABILITIES), widget=UnfoldAdminCheckboxSelectMultipleWidget()
    )
    dialects = forms.MultipleChoiceField(
        required=False,
        choices=choices(DIALECTS),
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
        help_text="What the upstream speaks itself; none means chat.",
    )

    class Meta:
        model = Deployment
        fields = "__all__"  # noqa: DJ007
        widgets = {"parameter_policy": UnfoldAdminTextareaWidget(attrs=SMALL)}

    def clean_parameter_policy(self) -> Any:
        """An empty field means that nothing is renamed or dropped."""
        return self.cleaned_data["parameter_policy"] or {}


class OrderedFormSet(PaginationInlineFormSet):
    """Rows with a position: moving a row sets it, and a row that was not moved goes to the end."""

    def add_fields(self, form: forms.ModelForm, index: int | None) -> None:
        """The position is not for typing."""
        super().add_fields(form, index)
        form.fields["position"].required = False
        form.fields["position"].widget = forms.HiddenInput()
        if form.instance.pk is None:
            form.fields["position"].initial = form.initial["position"] = None

    def clean(self) -> None:
        """Give the rows without a position the places after the last one."""
        super().clean()
        rows = [form for form in self.forms if form.is_valid() and form not in self.deleted_forms]
        places = [form.cleaned_data.get("position") for form in rows]
        last = max((place for place in places if place is not None), default=-1)
        for form, place in zip(rows, places, strict=True):
            if place is None:
                last += 1
                form.instance.position = last


class OrderedInline(TabularInline):
    """Rows that are moved by dragging or by their buttons."""

    formset = OrderedFormSet
    ordering_field = "position"
    hide_ordering_field = True
    hide_title = True
    extra = 0

    class Media:
        js = ("routing/ordering.js",)


def _address_problem(template: str, address_class: str) -> str:
    """Why the environment does not allow the address; empty also for what other checks already refuse."""
    surroundings = read_surroundings()
    try:
        url = expand(template, surroundings.urls)
        return address_problem(url, address_class, surroundings.allowed) if url else ""
    except BadTemplate:
        return ""
