"""The forms of people and keys: what the admin refuses to store."""

import re
from typing import Any, cast

from django import forms
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.forms import SimpleArrayField
from django.utils import timezone
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts.models import ApiKey, Role, User


class WordsField(SimpleArrayField):
    """A list written with commas or line breaks between its words; empty parts do not count."""

    def to_python(self, value: Any) -> Any:
        """The words, in order, each once."""
        if isinstance(value, str):
            words = [word.strip() for word in re.split(r"[,\n]", value)]
            value = self.delimiter.join(dict.fromkeys(filter(None, words)))
        return super().to_python(value)


def words_field(name: str) -> WordsField:
    """The form field of one of the key's list columns."""
    column = cast("ArrayField[Any, Any]", ApiKey._meta.get_field(name))
    base = column.base_field.formfield() or forms.CharField()
    return WordsField(
        base,
        required=False,
        help_text=column.help_text,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        error_messages={"item_invalid": "Entry %(nth)s:"},
    )


class ApiKeyForm(forms.ModelForm):
    """A key's label, owner and limits."""

    aliases = words_field("aliases")
    policies = words_field("policies")
    networks = words_field("networks")

    class Meta:
        model = ApiKey
        fields = (
            "label",
            "owner",
            "expires_at",
            "aliases",
            "policies",
            "highest_tier",
            "direct_calls",
            "requests_per_minute",
            "tokens_per_minute",
            "concurrent_requests",
            "usd_per_day",
            "usd_per_month",
            "max_body_mb",
            "networks",
            "store_prompts",
        )

    def clean_expires_at(self) -> Any:
        """A new expiry lies ahead; one that has passed may stay as it is."""
        expires_at = self.cleaned_data["expires_at"]
        if expires_at is not None and "expires_at" in self.changed_data and expires_at <= timezone.now():
            raise forms.ValidationError("A key cannot expire in the past; to shut it now, revoke it.")
        return expires_at


class UserForm(forms.ModelForm):
    """A person's names and role. Nobody locks themselves out."""

    acting_user: User

    class Meta:
        model = User
        fields = (
            "username",
            "email",
            "first_name",
            "last_name",
            "role",
            "is_active",
            "requests_per_minute",
            "tokens_per_minute",
            "concurrent_requests",
            "usd_per_day",
            "usd_per_month",
        )
        help_texts = {
            "username": "Letters, digits and @ . + - _",
            "role": "Admin: everything. Developer: reads the catalogue and the request log. Researcher: own keys. "
            "Viewer: nothing here. Service: a program; owns keys, does not sign in.",
            "is_active": "Switched off, the person is signed out and all keys stop within seconds.",
        }

    def clean(self) -> dict[str, Any]:
        """An admin may change everybody's role and access but their own."""
        cleaned = super().clean() or {}
        gives_up = not cleaned.get("is_active", True) or cleaned.get("role", Role.ADMIN) != Role.ADMIN
        if self.instance.pk == self.acting_user.pk and gives_up:
            raise forms.ValidationError("This would take your own access away; ask another admin to do it.")
        return cleaned
