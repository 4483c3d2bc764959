"""Fills a live gateway's database for the walk over all addresses: `python -m rainymodel_site.tests.access_people`
prints a session for each role, a key, and a row of each kind as JSON.
"""

import json
import uuid
from typing import Any

import django

SERVED_ROLES = ("viewer", "researcher", "developer", "admin")


def main() -> dict[str, Any]:
    """People of every role, each signed in, and rows that belong to none of them."""
    django.setup()
    from accounts.issue import issue_key
    from accounts.models import Ceiling, User
    from gateway.models import DeadLetter, RequestLog
    from gateway.uuid7 import new_id
    from rainymodel_site.alert_models import AlertChannel, AlertRule

    people = {role: User.objects.create(username=f"a-{role}", role=role) for role in SERVED_ROLES}
    owner = User.objects.create(username="somebody-else", role="researcher")
    key, _ = issue_key(owner, "of somebody else")
    Ceiling.objects.create(scope="paid", usd_per_day=1000)
    RequestLog.objects.create(id=new_id(), started_at=django.utils.timezone.now(), state="ok")
    DeadLetter.objects.create(id=uuid.uuid4(), row="{}", reason="for the walk")
    AlertRule.objects.create(name="for the walk", threshold=50)
    AlertChannel.objects.create(name="for the walk", kind="email", recipients="ops@example.com")
    _, caller = issue_key(people["researcher"], "for the walk")
    return {
        "sessions": {role: session_of(person) for role, person in people.items()},
        "key": caller.text,
        "rows": {**first_rows(), "accounts/user": str(owner.pk), "accounts/apikey": str(key.pk)},
    }


def session_of(person: Any) -> str:
    """The key of a session in which this person is signed in."""
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore

    session = SessionStore()
    session[SESSION_KEY] = str(person.pk)
    session[BACKEND_SESSION_KEY] = "accounts.roles.RoleBackend"
    session[HASH_SESSION_KEY] = person.get_session_auth_hash()
    session.create()
    return str(session.session_key)


def first_rows() -> dict[str, str]:
    """app/model → the id of some row, for every model in the admin."""
    from django.contrib import admin

    rows = {}
    for model in admin.site._registry:
        row = model._default_manager.order_by("pk").first()
        rows[f"{model._meta.app_label}/{model._meta.model_name}"] = str(row.pk if row else 1)
    return rows


if __name__ == "__main__":
    print(json.dumps(main()))
