"""What /api/analytics/ takes and gives. Shares in percent, durations in ms, costs as numbers of US dollars."""

import re
from typing import Any

from rest_framework import serializers

from gateway.traffic.figures import Figures, Latency
from gateway.traffic.tables import TRAFFIC
from rainymodel_site.api.bodies import Strict
from rainymodel_site.api.shapes import MOST_AT_ONCE, RequestRow

LONGEST_HOURS = 400 * 24
HOURS = {"m": 1 / 60, "h": 1, "d": 24}
SPLITS = ("", *(name for name in TRAFFIC.dimensions if name != "stream"))


class WindowFilter(Strict, serializers.Serializer):
    """How far back: `hours=24`, or `window=24h` (m, h, d). Operators may ask about a user (name or e-mail)."""

    hours = serializers.FloatField(required=False, min_value=1 / 60, max_value=LONGEST_HOURS)
    window = serializers.CharField(required=False, max_length=10)
    user = serializers.CharField(required=False, max_length=254)

    def validate_window(self, text: str) -> float:
        """Hours. Raises ValidationError."""
        found = re.fullmatch(r"(\d{1,6})([mhd])", text)
        hours = int(found[1]) * HOURS[found[2]] if found else 0
        if not 1 / 60 <= hours <= LONGEST_HOURS:
            raise serializers.ValidationError("A window is like 90m, 24h or 30d, and at most 400d.")
        return hours


class SeriesFilter(WindowFilter):
    """How fine, and split by what; `step` follows the window's length when it is left out."""

    step = serializers.ChoiceField(("minute", "hour", "day"), required=False)
    by = serializers.ChoiceField(SPLITS, required=False, default="")


class RecentFilter(Strict, serializers.Serializer):
    """Which requests: the newest, before one. Operators may ask about a user (name or e-mail)."""

    limit = serializers.IntegerField(min_value=1, max_value=MOST_AT_ONCE, default=50)
    before = serializers.UUIDField(required=False)
    user = serializers.CharField(required=False, max_length=254)


class RecentRow(RequestRow):
    """One request's metadata; `key_id` is null where there was no key."""

    key_id = serializers.UUIDField(allow_null=True)


class FiguresRow(serializers.Serializer):
    """Requests, latencies of those that ended well, tokens and what is known of the cost.

    `total` = `ok` + `err` + `cancelled` (by the client); `success_pct` is ok of ok + err. Percentiles are at most
    12.3 % off; null: nothing to measure. `input_tokens` includes `cached_tokens`. `unpriced` requests have a cost that
    nobody knows.
    """

    total = serializers.IntegerField()
    ok = serializers.IntegerField()
    err = serializers.IntegerField()
    cancelled = serializers.IntegerField()
    success_pct = serializers.FloatField(allow_null=True)
    avg_ms = serializers.FloatField(allow_null=True)
    med_ms = serializers.FloatField(allow_null=True)
    p95_ms = serializers.FloatField(allow_null=True)
    p99_ms = serializers.FloatField(allow_null=True)
    min_ms = serializers.FloatField(allow_null=True)
    max_ms = serializers.FloatField(allow_null=True)
    first_content_med_ms = serializers.FloatField(allow_null=True)
    first_content_p95_ms = serializers.FloatField(allow_null=True)
    rpm = serializers.FloatField()
    input_tokens = serializers.IntegerField()
    cached_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()
    total_tokens = serializers.IntegerField()
    cost_usd = serializers.FloatField()
    unpriced = serializers.IntegerField()
    fallbacks = serializers.IntegerField()
    stream_pct = serializers.FloatField(allow_null=True)


class WindowRow(serializers.Serializer):
    """From when to when; it begins at a whole minute, hour or day."""

    since = serializers.DateTimeField()
    until = serializers.DateTimeField()


class OverviewRow(WindowRow, FiguresRow):
    """Everything in one object. `providers` is how many answered, `uptime_s` how long the oldest worker has run."""

    uptime_s = serializers.IntegerField()
    providers = serializers.IntegerField()


class NamedRow(FiguresRow):
    """Figures of one thing; an empty name is what got to none, such as refused requests."""

    name = serializers.CharField()


class ProviderRow(NamedRow):
    """`failed` attempts and those `skipped` without asking are null for a single person."""

    failed = serializers.IntegerField(allow_null=True)
    skipped = serializers.IntegerField(allow_null=True)
    availability_pct = serializers.FloatField(allow_null=True)


class Providers(WindowRow):
    """Each provider, the busiest first."""

    data = ProviderRow(many=True)


class Groups(WindowRow):
    """Each one, the busiest first."""

    data = NamedRow(many=True)


class PointRow(NamedRow):
    """Figures of the minute, hour or day that begins at `at`."""

    at = serializers.DateTimeField()


class Series(WindowRow):
    """What had no request has no point."""

    step = serializers.CharField()
    data = PointRow(many=True)


class ErrorRow(serializers.Serializer):
    """Requests that failed alike."""

    state = serializers.CharField()
    error = serializers.CharField()
    provider = serializers.CharField()
    model = serializers.CharField()
    count = serializers.IntegerField()


class Errors(WindowRow):
    """The most frequent first."""

    total = serializers.IntegerField()
    err = serializers.IntegerField()
    data = ErrorRow(many=True)


class StepRow(serializers.Serializer):
    """Attempts that failed with `reason` or were skipped, and who was asked next; empty: nobody."""

    provider = serializers.CharField()
    deployment = serializers.CharField()
    reason = serializers.CharField()
    skipped = serializers.BooleanField()
    next_provider = serializers.CharField()
    next_deployment = serializers.CharField()
    count = serializers.IntegerField()


class Fallbacks(WindowRow):
    """`fallbacks` requests had a step of these."""

    total = serializers.IntegerField()
    fallbacks = serializers.IntegerField()
    data = StepRow(many=True)


class Spent(serializers.Serializer):
    """What one of them cost."""

    name = serializers.CharField()
    total = serializers.IntegerField()
    total_tokens = serializers.IntegerField()
    cost_usd = serializers.FloatField()
    unpriced = serializers.IntegerField()


class Financial(WindowRow):
    """Costs. `premium_usd` is what the dearest tier's cheapest model had cost for what other tiers answered.

    It and `saved_usd`, the difference, are null for a single person, and where no price is known.
    """

    cost_usd = serializers.FloatField()
    unpriced = serializers.IntegerField()
    total_tokens = serializers.IntegerField()
    providers = Spent(many=True)
    models = Spent(many=True)
    tiers = Spent(many=True)
    premium_model = serializers.CharField(allow_null=True)
    premium_usd = serializers.FloatField(allow_null=True)
    saved_usd = serializers.FloatField(allow_null=True)


def figures_row(figures: Figures, minutes: float) -> dict[str, Any]:
    """The members of FiguresRow."""
    latency, first = figures.latency, figures.first_content
    return {
        "total": figures.requests,
        "ok": figures.ok,
        "err": figures.errors,
        "cancelled": figures.cancelled,
        "success_pct": percent(figures.success_share),
        **latencies(latency),
        "first_content_med_ms": rounded(first.percentile(0.5)),
        "first_content_p95_ms": rounded(first.percentile(0.95)),
        "rpm": round(figures.requests / minutes, 3),
        "input_tokens": figures.input_tokens + figures.cached_tokens,
        "cached_tokens": figures.cached_tokens,
        "output_tokens": figures.output_tokens,
        "total_tokens": figures.total_tokens,
        "cost_usd": float(figures.cost_usd),
        "unpriced": figures.unpriced,
        "fallbacks": figures.fallbacks,
        "stream_pct": percent(figures.streams / figures.requests if figures.requests else None),
    }


def latencies(latency: Latency) -> dict[str, float | None]:
    """Mean, percentiles and ends."""
    return {
        "avg_ms": rounded(latency.avg_ms),
        "med_ms": rounded(latency.percentile(0.5)),
        "p95_ms": rounded(latency.percentile(0.95)),
        "p99_ms": rounded(latency.percentile(0.99)),
        "min_ms": rounded(latency.min_ms),
        "max_ms": rounded(latency.max_ms),
    }


def spent_row(name: str, figures: Figures) -> dict[str, Any]:
    """The members of Spent."""
    return {
        "name": name,
        "total": figures.requests,
        "total_tokens": figures.total_tokens,
        "cost_usd": float(figures.cost_usd),
        "unpriced": figures.unpriced,
    }


def percent(share: float | None) -> float | None:
    """A share of 1 in percent, to a hundredth. All but one of a million is not 100 %."""
    return None if share is None else int(share * 10_000 + 1e-6) / 100


def rounded(milliseconds: float | None) -> float | None:
    """To a tenth."""
    return None if milliseconds is None else round(milliseconds, 1)
