"""One line for each provider that serves or was asked."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse

from gateway.narrative import FAILED, duration, plain
from gateway.traffic.figures import Figures, Point, Step
from gateway.traffic.reading import ProviderFigures
from gateway.upstream.classify import next_window
from rainymodel_site.console.board import Group
from rainymodel_site.overview.figures import NOTHING, percent, short, took

MOST_WORDS = 4
WIDTH, HEIGHT = 120.0, 24.0


@dataclass(frozen=True, slots=True)
class Health:
    """What is known of a provider in the period; `tone` is good, warn or bad. `trend` is a path in WIDTH × HEIGHT."""

    slug: str
    link: str
    state: str
    tone: str
    story: str
    requests: str
    success: str
    failures: tuple[str, ...]
    skipped: str
    first_content: str
    slow: str
    speed: str
    at_once: str
    quota_window: str
    quota_begins: datetime | None
    trend: str
    trend_told: str


def health(
    groups: Iterable[Group],
    found: Iterable[ProviderFigures],
    steps: Sequence[Step],
    points: Sequence[Point],
    now: datetime,
) -> tuple[Health, ...]:
    """Every provider of the serving catalogue, and those that were asked and are gone; the busiest first."""
    known = {group.slug: group for group in groups}
    figures = {one.provider: one for one in found}
    words, trends = words_of(steps), trends_of(points)
    names = sorted({*known, *figures}, key=lambda slug: (-asked(figures.get(slug)), slug))
    return tuple(
        line(slug, known.get(slug), figures.get(slug), words[slug], trends[slug], now) for slug in names
    )


def line(
    slug: str,
    group: Group | None,
    one: ProviderFigures | None,
    words: Counter[str],
    trend: Mapping[datetime, float],
    now: datetime,
) -> Health:
    """One provider."""
    figures = one.figures if one else Figures()
    state, tone, story = standing(group)
    window = group.quota_window if group else None
    failed = [f"{plain(FAILED, word)} {count:,}×" for word, count in words.most_common(MOST_WORDS)]
    return Health(
        slug=slug,
        link=reverse("admin:routing_provider_change", args=[group.pk]) if group and group.pk else "",
        state=state,
        tone=tone,
        story=story,
        requests=f"{figures.requests:,}",
        success=NOTHING if one is None or one.success_share is None else share(one),
        failures=tuple(failed),
        skipped=f"{one.skipped:,}" if one and one.skipped else "",
        first_content=took(figures.first_content.percentile(0.5)),
        slow=took(figures.first_content.percentile(0.95)),
        speed=speed(figures),
        at_once=at_once(group),
        quota_window=window or "",
        quota_begins=next_window(now, window) if window else None,
        trend=path(trend),
        trend_told=range_of(trend),
    )


def standing(group: Group | None) -> tuple[str, str, str]:
    """State, tone and sentence: the worst of its deployments."""
    if group is None:
        return "Gone", "warn", "is not in the serving catalogue any more"
    if not any(each.enabled for each in group.lines):
        return "Off", "", "no deployment of it is switched on" if group.lines else "it has no deployment"
    troubled = [
        (each.slug, opinion) for each in group.lines for opinion in each.opinions if opinion.tone != "good"
    ]
    if not troubled:
        return "Healthy", "good", ""
    slug, worst = min(troubled, key=lambda one: one[1].tone != "bad")
    more = f", and {len(troubled) - 1} more" if len(troubled) > 1 else ""
    return worst.name, worst.tone, f"{slug}: {worst.story}{more}"


def at_once(group: Group | None) -> str:
    """`3 of 8`: requests on their way there, of those that may be; without a limit the number alone."""
    if group is None:
        return NOTHING
    return (
        f"{group.running:,} of {group.concurrency_limit:,}"
        if group.concurrency_limit
        else f"{group.running:,}"
    )


def words_of(steps: Iterable[Step]) -> defaultdict[str, Counter[str]]:
    """Provider → how its attempts failed, and how often."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for step in steps:
        if not step.skipped:
            found[step.provider][step.word] += step.count
    return found


def trends_of(points: Iterable[Point]) -> defaultdict[str, dict[datetime, float]]:
    """Provider → its median time to first content over time."""
    found: defaultdict[str, dict[datetime, float]] = defaultdict(dict)
    for point in points:
        if (median := point.figures.first_content.percentile(0.5)) is not None:
            found[point.name][point.at] = median
    return found


def path(trend: Mapping[datetime, float]) -> str:
    """The line of an SVG path, from the first to the last moment and from nothing to the highest value."""
    if len(trend) < 2:
        return ""
    times = sorted(trend)
    span, top = (times[-1] - times[0]).total_seconds(), max(trend.values()) or 1.0
    places = (
        (WIDTH * (at - times[0]).total_seconds() / span, HEIGHT - 1 - (HEIGHT - 2) * trend[at] / top)
        for at in times
    )
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)


def range_of(trend: Mapping[datetime, float]) -> str:
    """`between 340 ms and 2.1 s`."""
    if not trend:
        return ""
    return f"between {duration(min(trend.values()))} and {duration(max(trend.values()))}"


def speed(figures: Figures) -> str:
    """Output tokens for each second of an answer, over all of them."""
    seconds = figures.latency.total_us / 1_000_000
    return f"{short(round(figures.output_tokens / seconds))}/s" if seconds >= 1 else NOTHING


def share(one: ProviderFigures) -> str:
    """How many of its attempts were whole answers."""
    answered = one.figures.ok
    return percent(answered, answered + one.figures.truncated + one.failed)


def asked(one: ProviderFigures | None) -> int:
    """How often it was asked."""
    return one.figures.requests + one.failed if one else 0
