"""The forms of an own key: its label and limits, and how to roll it."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.utils import timezone

from accounts.admin.forms import WordsField
from accounts.models import ApiKey
from accounts.own_keys import AMOUNT_FIELDS, plain, problem_with_amount
from accounts.validators import WORD, valid_network
from routing.models import Tier, TierPolicy

OVERLAPS = {"0": "at once", "1": "after 1 hour", "24": "after 24 hours", "168": "after 7 days"}
USUAL_OVERLAP = "24"
MONEY = ("usd_per_day", "usd_per_month")
ENTRY = {"item_invalid": "Entry %(nth)s:"}
# Where nothing is written in a field: what holds then.
WITHOUT = {"requests_per_minute": "the gateway’s default", "concurrent_requests": "the gateway’s default"}


class KeyForm(forms.ModelForm):
    """A key's label and limits; what the account allows at most is written beside them."""

    aliases = WordsField(
        forms.CharField(max_length=120, validators=[WORD]),
        label="Models",
        required=False,
        widget=forms.TextInput,
        error_messages=ENTRY,
        help_text="Names separated by commas, “*” stands for any text: rainymodel/auto, claude-*. Empty: all.",
    )
    policies = forms.MultipleChoiceField(
        required=False, widget=forms.CheckboxSelectMultiple, help_text="None chosen: all."
    )
    highest_tier = forms.ChoiceField(
        required=False, help_text="Requests with this key never go to a dearer tier."
    )
    networks = WordsField(
        forms.CharField(max_length=43, validators=[valid_network]),
        label="Addresses",
        required=False,
        widget=forms.TextInput,
        error_messages=ENTRY,
        help_text="Where it may be used from, separated by commas: 10.0.0.0/8, 2001:db8::1. Empty: anywhere.",
    )
    expires_at = forms.DateTimeField(
        label="Expires",
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        help_text="Refused from then on. Empty: never.",
    )

    class Meta:
        model = ApiKey
        fields = (
            "label",
            "expires_at",
            *AMOUNT_FIELDS,
            "aliases",
            "policies",
            "highest_tier",
            "direct_calls",
            "networks",
            "store_prompts",
        )
        labels = {
            "store_prompts": "Keep the prompts and answers of this key, sealed, for 7 days",
            "direct_calls": "May name a deployment directly (provider/model), past the models’ routes",
            "usd_per_day": "USD per day (UTC)",
            "usd_per_month": "USD per month (UTC)",
        }
        help_texts = {"direct_calls": "", "store_prompts": ""}
        error_messages = {"label": {"required": "Give the key a label, so that you know it again."}}

    def __init__(self, *args: Any, most: Mapping[str, int | Decimal], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.most = most
        row: ApiKey = self.instance
        self.fields["expires_at"].label = f"Expires ({timezone.get_current_timezone_name()})"
        if row.expires_at is not None:  # the field in the page holds minutes
            self.initial["expires_at"] = row.expires_at.replace(second=0, microsecond=0)
        policies = TierPolicy.objects.order_by("name").values_list("name", flat=True)
        self.fields["policies"].choices = with_own(((name, name) for name in policies), row.policies)  # type: ignore[attr-defined]
        tiers = with_own(Tier.objects.values_list("slug", "name"), [row.highest_tier])
        self.fields["highest_tier"].choices = [("", "any"), *tiers]  # type: ignore[attr-defined]
        self.fields["label"].widget.attrs["autocomplete"] = "off"
        for name in AMOUNT_FIELDS:
            self.limit(name, most.get(name))

    def limit(self, name: str, most: int | Decimal | None) -> None:
        """Say beside an amount, and to the browser, how much it may be."""
        field = self.fields[name]
        field.help_text = f"Empty: {WITHOUT.get(name, 'no limit')}."
        field.widget.attrs.update({"min": "0.01", "step": "any"} if name in MONEY else {"min": "1"})
        if self.initial.get(name) is not None:
            self.initial[name] = plain(self.initial[name])
        if most is not None:
            field.help_text += f" Your account, over all its keys: {plain(most)}."
            field.widget.attrs["max"] = plain(most)

    def clean(self) -> dict[str, Any]:
        """No amount above the account's."""
        cleaned = super().clean() or {}
        for name in AMOUNT_FIELDS:
            if told := problem_with_amount(cleaned.get(name), self.most.get(name)):
                self.add_error(name, told)
        return cleaned

    def take(self, error: ValidationError) -> None:
        """Put what was refused beside its field, or above the form."""
        for name, told in error.message_dict.items():
            self.add_error(None if name == NON_FIELD_ERRORS or name not in self.fields else name, told)

    def point(self) -> None:
        """Let the page open at the first field with an error."""
        for name in self.fields:
            if name in self.errors:
                self.fields[name].widget.attrs["autofocus"] = True
                return

    @property
    def has_limits(self) -> bool:
        """Whether there is anything to see among the limits."""
        row: ApiKey = self.instance
        named = (*AMOUNT_FIELDS, "expires_at", "aliases", "policies", "highest_tier", "networks")
        return (
            any(getattr(row, name) for name in named)
            or not row.direct_calls
            or bool(set(self.errors) - {"label"})
        )


class RollForm(forms.Form):
    """When the old key ends."""

    keep = forms.ChoiceField(
        label="The old key ends",
        choices=list(OVERLAPS.items()),
        widget=forms.RadioSelect,
        initial=USUAL_OVERLAP,
    )

    @property
    def overlap(self) -> timedelta:
        """The chosen time, of a valid form."""
        return timedelta(hours=int(self.cleaned_data["keep"]))


def with_own(choices: Iterable[tuple[str, str]], own: Iterable[str]) -> list[tuple[str, str]]:
    """The choices, and what the key has already though it is no longer offered."""
    known = dict(choices)
    return [*known.items(), *((word, f"{word} (gone)") for word in own if word and word not in known)]
