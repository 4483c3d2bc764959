"""Messages: one JSON document each, which every channel tells in its own form."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.urls import reverse

from accounts.text import visible
from rainymodel_site.alert_models import AlertRule
from rainymodel_site.alerts.firing import FIRING, REMINDER, RESOLVED, Trouble

TEST = "test"
HEADS = {FIRING: "Alert", RESOLVED: "Resolved", REMINDER: "Still firing", TEST: "Test"}
MOST = 20  # troubles in one message
Document = dict[str, Any]


def document(event: str, rule: AlertRule, troubles: Iterable[Trouble], now: datetime) -> Document:
    """What a webhook is sent. `at` is UTC; links are whole where RAINYMODEL_PUBLIC_URL is set."""
    told = [described(trouble) for trouble in troubles]
    return {
        "event": event,
        "rule": visible(rule.name),
        "kind": rule.kind,
        "at": now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "link": whole(reverse("admin:rainymodel_site_alertrule_change", args=[rule.pk])),
        "troubles": told[:MOST],
        "more": max(0, len(told) - MOST),
    }


def trial_document(name: str, now: datetime) -> Document:
    """A message that says that it is none."""
    return {
        "event": TEST,
        "rule": visible(name),
        "kind": TEST,
        "at": now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "link": whole(reverse("admin:rainymodel_site_alertrule_changelist")),
        "troubles": [{"subject": "This is a test:", "sentence": "nothing is wrong.", "link": ""}],
        "more": 0,
    }


def described(trouble: Trouble) -> dict[str, str]:
    """A trouble as messages have it."""
    link = whole(trouble.link) if trouble.link else ""
    return {"subject": visible(trouble.subject), "sentence": visible(trouble.sentence), "link": link}


def whole(path: str) -> str:
    """The path at this installation's address, where that is known."""
    return f"{settings.PUBLIC_URL}{path}"


def headline(told: Mapping[str, Any]) -> str:
    """`Alert: Errors`."""
    return f"{HEADS[told['event']]}: {told['rule']}"


def as_text(told: Mapping[str, Any]) -> str:
    """The message as lines."""
    lines = [f"{headline(told)} – {told['at']}"]
    lines += [f"• {one['subject']} {one['sentence']}".rstrip() for one in told["troubles"]]
    lines += [f"• and {told['more']} more"] if told["more"] else []
    return "\n".join([*lines, told["link"]])


def for_slack(told: Mapping[str, Any]) -> dict[str, str]:
    """The message as Slack and what copies it take it; names in it cannot call anybody."""
    text = as_text(told).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return {"text": text}
