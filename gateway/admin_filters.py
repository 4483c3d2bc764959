"""The filters of the request log: none of them counts or scans the whole log to draw itself."""

from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter, RangeDateTimeFilter
from unfold.utils import parse_datetime_str

from gateway.models import RequestLog
from gateway.uuid7 import EPOCH, id_floor
from gateway.visible import visible_line

RECENT_ROWS = 2_000
Rows = QuerySet[RequestLog]


class RecentValueFilter(DropdownFilter):  # type: ignore[misc]  # unfold has no types
    """Offers the values that the newest rows have; a value from the address bar is offered too."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The values, in order."""
        recent = RequestLog.objects.order_by("-id").values_list(self.parameter_name, flat=True)[:RECENT_ROWS]
        chosen = request.GET.get(self.parameter_name, "")
        return [(value, visible_line(value)) for value in sorted({*recent, chosen} - {""})]

    def has_output(self) -> bool:
        """Shown also when there is nothing to offer yet."""
        return True

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        """The rows with that value."""
        return queryset.filter(**{self.parameter_name: self.value()}) if self.value() else queryset


class TierFilter(RecentValueFilter):
    """By the tier that answered."""

    title, parameter_name = "tier", "tier"


class ProviderFilter(RecentValueFilter):
    """By the provider that answered."""

    title, parameter_name = "provider", "provider"


class ChoiceFilter(DropdownFilter):  # type: ignore[misc]
    """A short list of choices, each with the condition it stands for."""

    choices_offered: ClassVar[dict[str, str]] = {}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The choices."""
        return list(self.choices_offered.items())


class FallbackFilter(ChoiceFilter):
    """Whether another deployment had to step in, or would have had to."""

    title, parameter_name = "fallback", "fallback"
    choices_offered: ClassVar[dict[str, str]] = {"yes": "With a fallback", "no": "Without"}

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        """The rows with or without a fallback reason."""
        match self.value():
            case "yes":
                return queryset.exclude(fallback_reason="")
            case "no":
                return queryset.filter(fallback_reason="")
        return queryset


class StreamFilter(ChoiceFilter):
    """By the form of the answer."""

    title, parameter_name = "form of answer", "stream"
    choices_offered: ClassVar[dict[str, str]] = {"yes": "Stream", "no": "JSON"}

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        """The rows of that form."""
        if self.value() not in self.choices_offered:
            return queryset
        return queryset.filter(stream=self.value() == "yes")


class RecentFilter(ChoiceFilter):
    """The last so many minutes, hours or days."""

    title, parameter_name = "recent time", "last"
    choices_offered: ClassVar[dict[str, str]] = {
        "15m": "Last 15 minutes",
        "1h": "Last hour",
        "1d": "Last 24 hours",
        "7d": "Last 7 days",
    }
    spans: ClassVar[dict[str, timedelta]] = {
        "15m": timedelta(minutes=15),
        "1h": timedelta(hours=1),
        "1d": timedelta(days=1),
        "7d": timedelta(days=7),
    }

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        """The rows since then."""
        span = self.spans.get(self.value() or "")
        return queryset if span is None else queryset.filter(id__gte=id_floor(datetime.now(UTC) - span))


class TimeRangeFilter(RangeDateTimeFilter):  # type: ignore[misc]
    """From and to, turned into ids: they are the partitions' bounds, so other days are not even opened."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = "time (UTC)"

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        """The rows of that time; a bound that cannot be read is none. A day without a time is its start."""
        for end, lookup in (("from", "id__gte"), ("to", "id__lt")):
            moment = self._moment(end)
            if moment is not None:
                queryset = queryset.filter(**{lookup: id_floor(max(moment, EPOCH))})
        return queryset

    def _moment(self, end: str) -> datetime | None:
        day, time = (self.used_parameters.get(f"{self.parameter_name}_{end}_{part}") for part in (0, 1))
        moment = parse_datetime_str(f"{day} {time or '00:00:00'}") if day else None
        return None if moment is None else moment.replace(tzinfo=UTC)
