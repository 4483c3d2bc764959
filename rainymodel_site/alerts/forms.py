"""The forms of rules and channels: what the admin refuses to store. A webhook's address goes in and never comes out."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminTextareaWidget,
)

from rainymodel_site.alert_models import AlertChannel, AlertRule
from rainymodel_site.alerts.address import address_refusal, set_address
from rainymodel_site.alerts.sending import recipients_of
from routing.environment import read_surroundings
from routing.models import Alias, Provider

Kind = AlertChannel.Kind


class AlertRuleForm(forms.ModelForm):
    """A rule, its channels as check boxes."""

    class Meta:
        model = AlertRule
        fields = (
            "name",
            "kind",
            "enabled",
            "threshold",
            "minutes",
            "least_requests",
            "scope",
            "scope_name",
            "quiet_from",
            "quiet_to",
            "time_zone",
            "remind_hours",
            "channels",
        )
        widgets = {"channels": UnfoldAdminCheckboxSelectMultipleWidget()}
        help_texts = {"channels": "Where its messages go; without any, only this page and the list tell."}

    def clean(self) -> dict[str, Any]:
        """A rule about one alias or provider names one that there is; another would never fire."""
        values = super().clean() or self.cleaned_data
        scope, name = values.get("scope"), values.get("scope_name")
        unknown = {
            "alias": lambda: not Alias.objects.filter(name=name).exists(),
            "provider": lambda: not Provider.objects.filter(slug=name).exists(),
        }
        if name and scope in unknown and unknown[scope]():
            self.add_error("scope_name", f"There is no {scope} of this name.")
        return values


class AlertChannelForm(forms.ModelForm):
    """A channel. An empty address keeps the one that is stored."""

    address = forms.CharField(
        required=False,
        max_length=2000,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text="For webhooks: the whole https:// address. It is stored sealed, and only its host is shown.",
    )

    class Meta:
        model = AlertChannel
        fields = ("name", "kind", "enabled", "recipients")
        widgets = {"recipients": UnfoldAdminTextareaWidget(attrs={"rows": 2})}

    def clean_address(self) -> str:
        """A public address, in words that never repeat it."""
        url: str = self.cleaned_data["address"]
        if url and (refusal := address_refusal(url, read_surroundings().allowed)):
            raise ValidationError(refusal)
        return url

    def clean(self) -> dict[str, Any]:
        """Each kind has what it is reached by."""
        values = super().clean() or self.cleaned_data
        if values.get("kind") == Kind.EMAIL:
            self.check_recipients(values.get("recipients", ""))
        elif not values.get("address") and not self.instance.sealed and "address" not in self.errors:
            self.add_error("address", "Enter the webhook's address.")
        return values

    def check_recipients(self, text: str) -> None:
        """At least one address, and nothing else."""
        names = recipients_of(AlertChannel(recipients=text))
        if not names:
            self.add_error("recipients", "Enter at least one address.")
        for name in names:
            try:
                validate_email(name)
            except ValidationError:
                self.add_error("recipients", f"{name[:80]} is no e-mail address.")

    def save(self, commit: bool = True) -> AlertChannel:
        """With a new address sealed, and tried at once."""
        channel: AlertChannel = self.instance
        if self.cleaned_data["address"]:
            set_address(channel, self.cleaned_data["address"])
        if {"address", "recipients", "kind"} & set(self.changed_data):
            channel.retry_at, channel.failures = None, 0
        return super().save(commit)
