"""What the API takes and gives, field by field. Money is a decimal string, a time is ISO 8601 in UTC."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from django.db import models
from rest_framework import serializers

from accounts.models import ApiKey, Ceiling, Role, User
from accounts.own_keys import AMOUNT_FIELDS, LIMIT_FIELDS
from gateway.log_fields import STATES_OFFERED
from gateway.log_filter import SPANS
from rainymodel_site.api.bodies import Strict

ACCOUNT_FIELDS = tuple(AMOUNT_FIELDS)
MOST_AT_ONCE = 200
MOST_IDS = 1000


class KeyRow(serializers.ModelSerializer):
    """A key as it is shown: everything but its text."""

    owner = serializers.CharField(source="owner.username", read_only=True)
    state = serializers.ChoiceField(["active", "paused", "expired", "revoked"], read_only=True)
    shown = serializers.SerializerMethodField(help_text="What of the key's text may be seen.")

    class Meta:
        model = ApiKey
        fields: tuple[str, ...] = (
            "id",
            "shown",
            "label",
            "owner",
            "state",
            "created_at",
            "last_used_at",
            "revoked_at",
            "replaced_by",
            *LIMIT_FIELDS,
        )
        read_only_fields = fields

    def get_shown(self, key: ApiKey) -> str:
        """Beginning and end of the key's text."""
        return f"sk-rm_{key.kid}_…{key.last_four}"


class NewKeyRow(KeyRow):
    """A key that was just made, with its text in `key`: this is the only time it is told."""

    key = serializers.SerializerMethodField()

    class Meta(KeyRow.Meta):
        fields = ("key", *KeyRow.Meta.fields)

    def get_key(self, key: ApiKey) -> str:
        """The text."""
        return str(self.context["text"])


class Amount(serializers.DecimalField):
    """A decimal. An empty text is a mistake, such as a variable that was not set; only null takes a limit away."""

    def validate_empty_values(self, data: Any) -> tuple[bool, Any]:
        """Raises ValidationError for a text of nothing."""
        if isinstance(data, str) and not data.strip():
            self.fail("invalid")
        found: tuple[bool, Any] = super().validate_empty_values(data)
        return found


class Money:
    """A serializer of rows whose decimals are Amounts."""

    serializer_field_mapping: ClassVar[Any] = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.DecimalField: Amount,
    }


class KeyChange(Money, Strict, serializers.ModelSerializer):
    """What of a key can be set. null takes a limit away; an empty list allows all."""

    class Meta:
        model = ApiKey
        fields: tuple[str, ...] = ("label", *LIMIT_FIELDS)


class KeyOrder(KeyChange):
    """A key to be made. `owner` is for operators; `id` makes one key however often the request is sent."""

    owner = serializers.CharField(required=False, max_length=254)
    id = serializers.UUIDField(required=False)

    class Meta(KeyChange.Meta):
        fields = ("label", "owner", "id", *LIMIT_FIELDS)


class Roll(Strict, serializers.Serializer):
    """How long the old key works on, in hours."""

    keep_hours = serializers.IntegerField(min_value=0, max_value=168, default=24)
    id = serializers.UUIDField(required=False, help_text="The new key's id.")


class Ids(Strict, serializers.Serializer):
    """Several keys."""

    ids = serializers.ListField(child=serializers.UUIDField(), min_length=1, max_length=MOST_IDS)


class Revoked(serializers.Serializer):
    """What became of several keys: those revoked now, and the rest, which were revoked before or do not exist."""

    revoked = serializers.ListField(child=serializers.UUIDField())
    unchanged = serializers.ListField(child=serializers.UUIDField())


class Page(Strict, serializers.Serializer):
    """A page of a list, newest first: what comes after the row with the id `before`."""

    limit = serializers.IntegerField(min_value=1, max_value=MOST_AT_ONCE, default=50)
    before = serializers.CharField(max_length=36, required=False)


class KeyFilter(Page):
    """Which keys."""

    owner = serializers.CharField(
        required=False, max_length=254, help_text="User name or e-mail; for operators."
    )
    state = serializers.ChoiceField(["open", "expired", "revoked", "paused"], required=False)
    unused_for = serializers.IntegerField(min_value=1, max_value=36_500, required=False, help_text="Days.")


class AccountLimits(serializers.ModelSerializer):
    """What an account may use with all its keys together; null is no limit."""

    class Meta:
        model = User
        fields = ACCOUNT_FIELDS


class UserRow(serializers.ModelSerializer):
    """A person or a service."""

    class Meta:
        model = User
        fields = (
            "id",
            "username",
            "email",
            "first_name",
            "last_name",
            "role",
            "is_active",
            "date_joined",
            "last_sign_in",
            *ACCOUNT_FIELDS,
        )
        read_only_fields = fields


class UserChange(Money, Strict, serializers.ModelSerializer):
    """What of a person can be set. A role that came by single sign-on is applied anew at each sign-in."""

    role = serializers.ChoiceField(Role.choices)

    class Meta:
        model = User
        fields = ("role", "is_active", *ACCOUNT_FIELDS)


class UserFilter(Page):
    """Which people."""

    role = serializers.ChoiceField(Role.choices, required=False)
    is_active = serializers.BooleanField(required=False, allow_null=True, default=None)


class CeilingRow(Money, Strict, serializers.ModelSerializer):
    """What all callers together may spend on an alias, in a tier, or in all paid tiers."""

    name = serializers.CharField(max_length=120, allow_blank=True, required=False)

    class Meta:
        model = Ceiling
        fields = ("id", "scope", "name", "usd_per_day", "usd_per_month")
        validators: Iterable[Any] = ()  # the model's own say it with the field


class Sums(serializers.Serializer):
    """`unpriced` requests went upstream at a cost nobody knows; it is not in `cost_usd`."""

    requests = serializers.IntegerField()
    errors = serializers.IntegerField()
    tokens = serializers.IntegerField()
    cost_usd = serializers.SerializerMethodField()
    unpriced = serializers.IntegerField()

    def get_cost_usd(self, sums: Any) -> str:
        """US dollars, without an exponent."""
        return plain(sums.cost_usd)


class Usage(serializers.Serializer):
    """Days and months of UTC; `user` or `key` say whose."""

    user = serializers.CharField(allow_null=True)
    key = serializers.UUIDField(allow_null=True)
    today = Sums()
    last_7_days = Sums()
    last_30_days = Sums()
    this_month = Sums()


class Day(Sums):
    """One UTC day."""

    day = serializers.DateField()


class UsageFilter(Strict, serializers.Serializer):
    """Whose usage: operators may ask about a user (name or e-mail) or any key, others about keys of their own."""

    user = serializers.CharField(required=False, max_length=254)
    key = serializers.UUIDField(required=False)


class DailyFilter(UsageFilter):
    """How many days, today last."""

    days = serializers.IntegerField(min_value=1, max_value=366, default=30)


class RequestRow(serializers.Serializer):
    """One request's metadata; no prompt, no answer."""

    id = serializers.UUIDField()
    started_at = serializers.DateTimeField()
    key_id = serializers.UUIDField()
    key_label = serializers.CharField()
    endpoint = serializers.CharField()
    requested_model = serializers.CharField()
    upstream = serializers.CharField()
    upstream_model = serializers.CharField()
    stream = serializers.BooleanField()
    state = serializers.CharField()
    status = serializers.IntegerField()
    error_code = serializers.CharField()
    fallback_reason = serializers.CharField()
    tokens = serializers.IntegerField()
    estimated = serializers.BooleanField()
    attempt_count = serializers.IntegerField()
    cost_usd = serializers.SerializerMethodField(help_text="null is unknown.")
    total_ms = serializers.FloatField(allow_null=True)

    def get_cost_usd(self, row: Any) -> str | None:
        """US dollars, without an exponent."""
        return None if row.cost_usd is None else plain(row.cost_usd)


class RequestFilter(Page):
    """Which requests: operators may ask about a user (name or e-mail) or any key. `end_user` is who clients named.

    The others are those of the request log's page and mean the same there; all that are given must hold.
    """

    last = serializers.ChoiceField(list(SPANS), required=False)
    state = serializers.ChoiceField(list(STATES_OFFERED), required=False)
    status = serializers.IntegerField(min_value=0, max_value=999, required=False)
    fallback = serializers.ChoiceField(["yes", "no"], required=False)
    stream = serializers.ChoiceField(["yes", "no"], required=False)
    slow = serializers.IntegerField(
        min_value=0, max_value=2**31 - 1, required=False, help_text="Took more ms."
    )
    slow_first = serializers.IntegerField(
        min_value=0, max_value=2**31 - 1, required=False, help_text="The first content took more ms."
    )
    cost = serializers.DecimalField(18, 9, min_value=0, required=False, help_text="Over so many US dollars.")
    revision = serializers.IntegerField(min_value=0, max_value=2**31 - 1, required=False)
    reason = serializers.CharField(
        required=False, max_length=200, help_text="Of a fallback, such as timeout."
    )
    error = serializers.CharField(required=False, max_length=200, help_text="An error code.")
    model = serializers.CharField(required=False, max_length=200)
    alias = serializers.CharField(required=False, max_length=200)
    policy = serializers.CharField(required=False, max_length=200)
    provider = serializers.CharField(required=False, max_length=200)
    tier = serializers.CharField(required=False, max_length=200)
    deployment = serializers.CharField(required=False, max_length=200)
    endpoint = serializers.CharField(required=False, max_length=200)

    before = serializers.UUIDField(required=False)
    user = serializers.CharField(required=False, max_length=254)
    key = serializers.UUIDField(required=False)
    end_user = serializers.CharField(required=False, max_length=200, trim_whitespace=False)


class Me(serializers.Serializer):
    """Who is asking, by what, and within which limits."""

    user = serializers.CharField()
    email = serializers.CharField()
    role = serializers.ChoiceField(Role.choices)
    operator = serializers.BooleanField()
    signed_in_by = serializers.ChoiceField(["session", "key", "token", "environment"])
    account_limits = AccountLimits()
    key = KeyRow(allow_null=True)


def plain(amount: Any) -> str:
    """An amount of money without an exponent and without zeros at its end."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def listed(rows: Iterable[Mapping[str, Any]], following: str | None) -> dict[str, Any]:
    """A page of a list; `next` is the `before` of the next page, null at the end."""
    return {"data": list(rows), "next": following}
