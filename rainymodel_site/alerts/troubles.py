"""What a rule finds now: figures from the roll-ups, everything else from what the overview already looks for."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import chain

from django.urls import reverse

from gateway.states.standing import HALF_OPEN, HELD, OPEN
from gateway.traffic.figures import Figures, together
from gateway.traffic.reading import by, by_provider
from gateway.traffic.window import Window, floor
from rainymodel_site.alert_models import AlertRule
from rainymodel_site.alerts.firing import Trouble
from rainymodel_site.alerts.judging import Counts, share_reached, spend_reached
from rainymodel_site.overview.attention import (
    Notice,
    behind_workers,
    keys_near_their_budget,
    silent_workers,
    upstreams_in_trouble,
)

Kind = AlertRule.Kind
REFUSED = ("quota_exhausted", "credential_refused")


def find(rule: AlertRule, now: datetime) -> Mapping[str, Trouble]:
    """The rule's troubles by their identities. Raises django.db.Error."""
    return {trouble.identity: trouble for trouble in FINDERS[Kind(rule.kind)](rule, now)}


def calm_of(rule: AlertRule) -> timedelta:
    """How long a trouble must be gone to be over: figures are smooth by themselves, states come and go."""
    smooth = rule.kind in (*AlertRule.SHARES, Kind.SPEND)
    return timedelta(0) if smooth else timedelta(minutes=rule.minutes)


def errors(rule: AlertRule, now: datetime) -> Iterator[Trouble]:
    """Failed requests; of a provider, failed attempts."""
    window = Window(now - timedelta(minutes=rule.minutes))
    if rule.scope == AlertRule.Scope.PROVIDER:
        counts = attempts_at(rule.scope_name, window)
    else:
        figures = figures_of(rule, window)
        counts = Counts(figures.ok + figures.errors, figures.errors, "requests failed")
    yield from share(rule, counts)


def attempts_at(provider: str, window: Window) -> Counts:
    """How attempts at one provider ended."""
    one = next((one for one in by_provider(window) if one.provider == provider), None)
    bad = one.failed + one.figures.truncated if one else 0
    return Counts(bad + (one.figures.ok if one else 0), bad, "attempts failed")


def fallbacks(rule: AlertRule, now: datetime) -> Iterator[Trouble]:
    """Requests that the deployment asked first did not answer."""
    figures = figures_of(rule, Window(now - timedelta(minutes=rule.minutes)))
    yield from share(rule, Counts(figures.requests, figures.fallbacks, "requests fell back"))


def spend(rule: AlertRule, now: datetime) -> Iterator[Trouble]:
    """What this day has cost so far."""
    spent = figures_of(rule, Window(floor(now, "day"))).cost_usd
    yield from about(rule, spend_reached(spent, rule.threshold or Decimal(0)))


def share(rule: AlertRule, counts: Counts) -> Iterator[Trouble]:
    """A share against the rule."""
    yield from about(
        rule, share_reached(counts, rule.threshold or Decimal(0), rule.least_requests, rule.minutes)
    )


def figures_of(rule: AlertRule, window: Window) -> Figures:
    """All requests in the rule's scope."""
    groups = by(window, rule.scope or "provider")
    return together(group.figures for group in groups if rule.scope_name in ("", group.names[0]))


def about(rule: AlertRule, sentence: str) -> Iterator[Trouble]:
    """The trouble that a sentence tells; none without one."""
    if sentence:
        subject = rule.scope_name or "All requests"
        yield Trouble(
            f"{rule.kind} {rule.scope} {rule.scope_name}", subject, sentence, reverse("console:health")
        )


def budgets(rule: AlertRule, now: datetime) -> Iterator[Trouble]:
    """Keys near what they may spend."""
    share = rule.threshold or Decimal(100)
    for notice in keys_near_their_budget(now, near=share):
        period = notice.sentence.rsplit(" ", 1)[-1]  # "today" or "month": a key may be near both
        yield Trouble(f"{rule.kind} {notice.link} {period}", notice.subject, notice.sentence, notice.link)


def circuits(rule: AlertRule, now: datetime) -> Iterator[Trouble]:
    """Open circuits; a half-open one was open and has not shown yet that it is well."""
    yield from noticed(rule, upstreams_in_trouble(now, (OPEN, HALF_OPEN), provider=rule.scope_name))


def held(rule: AlertRule, now: datetime) -> Iterator[Trouble]:
    """Upstreams that refused our credential or said that our quota is used up."""
    yield from noticed(rule, upstreams_in_trouble(now, (HELD,), holds=REFUSED, provider=rule.scope_name))


def workers(rule: AlertRule, now: datetime) -> Iterator[Trouble]:
    """Workers that say nothing, and those that serve an old revision."""
    yield from noticed(rule, chain(silent_workers(now), behind_workers(now)))


def noticed(rule: AlertRule, notices: Iterable[Notice]) -> Iterator[Trouble]:
    """Notices of the overview as troubles; the same thing at the same place is the same trouble."""
    for notice in notices:
        identity = f"{rule.kind} {notice.link} {notice.subject}"
        yield Trouble(identity, notice.subject, notice.sentence, notice.link)


FINDERS: Mapping[AlertRule.Kind, Callable[[AlertRule, datetime], Iterator[Trouble]]] = {
    Kind.ERRORS: errors,
    Kind.FALLBACKS: fallbacks,
    Kind.SPEND: spend,
    Kind.BUDGET: budgets,
    Kind.CIRCUIT: circuits,
    Kind.HELD: held,
    Kind.WORKER: workers,
}
