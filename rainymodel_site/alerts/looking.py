"""One look at all rules: what begins to fire or ends is written down together with its messages, so that neither
another worker nor a restart tells it again.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

import structlog
from django.db import DatabaseError, connection, transaction
from django.db.models import Q

from rainymodel_site.alert_models import AlertFiring, AlertMessage, AlertRule
from rainymodel_site.alerts.firing import FIRING, REMINDER, RESOLVED, Habits, Known, Plan, Trouble, plan
from rainymodel_site.alerts.judging import is_quiet
from rainymodel_site.alerts.troubles import calm_of, find
from rainymodel_site.alerts.words import document

LOCK = 7_262_031  # any number that nothing else in this database locks on
LOOK_EVERY = 30.0  # seconds
# Several workers ask, a little apart from each other; the first does it for all.
FRESH = timedelta(seconds=LOOK_EVERY * 0.8)
log = structlog.get_logger("rainymodel.alerts")


def look(now: datetime) -> bool:
    """Look at every enabled rule that nobody has just looked at; False when another worker is at it."""
    with transaction.atomic():
        if not locked():
            return False
        AlertFiring.objects.filter(rule__enabled=False).delete()
        due = AlertRule.objects.filter(Q(looked_at=None) | Q(looked_at__lte=now - FRESH), enabled=True)
        done = [rule.pk for rule in due if look_at(rule, now)]
        AlertRule.objects.filter(pk__in=done).update(looked_at=now)
    return True


def locked() -> bool:
    """Take the lock until the transaction ends; False when somebody else has it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        (taken,) = cursor.fetchone()
    return bool(taken)


def look_at(rule: AlertRule, now: datetime) -> bool:
    """One rule; False when its figures cannot be read now. It stays as it was then, and the others go on."""
    try:
        with transaction.atomic():
            carry_out(rule, find(rule, now), now)
    except DatabaseError as error:
        log.warning("an alert rule could not be looked at", rule=rule.pk, error=type(error).__name__)
        return False
    except Exception:
        log.exception("an alert rule could not be looked at", rule=rule.pk)
        return False
    return True


def carry_out(rule: AlertRule, found: Mapping[str, Trouble], now: datetime) -> None:
    """Write down what fires now and what is to be told."""
    rows = {row.identity: row for row in rule.firings.all()}
    known = [Known(row.identity, row.seen_at, row.told_at) for row in rows.values()]
    decided = plan(known, found, habits_of(rule, now), now)
    ended = {name: trouble_of(rows[name]) for name in decided.resolved}
    write(rule, found, rows, decided, now)
    tell(rule, FIRING, [found[name] for name in decided.begun], now)
    tell(rule, REMINDER, [found[name] for name in decided.reminded], now)
    tell(rule, RESOLVED, list(ended.values()), now)


def habits_of(rule: AlertRule, now: datetime) -> Habits:
    """The rule's manners at this moment."""
    quiet = is_quiet(now, rule.quiet_from, rule.quiet_to, rule.zone)
    remind = timedelta(hours=rule.remind_hours) if rule.remind_hours else None
    return Habits(quiet, calm_of(rule), remind)


def trouble_of(row: AlertFiring) -> Trouble:
    """What was found when it was last seen."""
    return Trouble(row.identity, row.subject, row.sentence, row.link)


def write(
    rule: AlertRule,
    found: Mapping[str, Trouble],
    rows: Mapping[str, AlertFiring],
    decided: Plan,
    now: datetime,
) -> None:
    """Keep the rows of what fires, and let go of what is over."""
    heard = rule.channels.filter(enabled=True).exists()
    told = {*decided.begun, *decided.reminded} if heard else set()
    for name, trouble in found.items():
        row = rows.get(name) or AlertFiring(rule=rule, identity=name, began_at=now)
        row.subject, row.sentence, row.link = trouble.subject, trouble.sentence, trouble.link
        row.seen_at, row.ended_at = now, None
        row.told_at = now if name in told else row.told_at
        row.save()
    rule.firings.filter(identity__in=decided.awaiting, ended_at=None).update(ended_at=now)
    rule.firings.filter(identity__in=(*decided.resolved, *decided.forgotten)).delete()


def tell(rule: AlertRule, event: str, troubles: list[Trouble], now: datetime) -> None:
    """One message for each of the rule's channels; none about nothing."""
    if not troubles:
        return
    told = document(event, rule, troubles, now)
    AlertMessage.objects.bulk_create(
        AlertMessage(rule=rule, channel=channel, event=event, document=told, made_at=now)
        for channel in rule.channels.filter(enabled=True)
    )
