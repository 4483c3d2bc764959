"""Wires the audit: every request knows its actor, and every save or delete of what operators edit leaves an entry."""

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import structlog
from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.apps import apps
from django.conf import settings
from django.db import models
from django.db.models.signals import post_delete, post_save, pre_save
from django.http import HttpRequest, HttpResponse

from accounts.actor import Actor, acting, current_actor
from accounts.audit import Changes, plain_address, record
from routing.events import deeds, is_rehearsal

log = structlog.get_logger("audit")
WATCHED = (
    "routing.Tier",
    "routing.Provider",
    "routing.ProviderSecret",
    "routing.Deployment",
    "routing.Price",
    "routing.TierPolicy",
    "routing.PolicyStep",
    "routing.Alias",
    "routing.Route",
    "routing.PublishingSwitch",
    "accounts.ApiKey",
    "accounts.Ceiling",
    "accounts.User",
    "rainymodel_site.AlertChannel",
    "rainymodel_site.AlertRule",
)
SECRET = frozenset({"password", "sealed", "secret_hash"})
# These change by use or follow from another field; an entry about them would say nothing.
BY_USE = frozenset({"created_at", "is_staff", "last_login", "last_sign_in", "last_used_at", "set_at"})
EMPTY: tuple[Any, ...] = (None, "", [], {})

_quiet: ContextVar[Counter[str] | None] = ContextVar("quiet_audit", default=None)


class ActorMiddleware:
    """Within a request, the audit's actor is its user at its client's address. Works for sync and async servers."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        """Answer the request with its actor known."""
        if self._is_async:
            return self._answer(request)
        with acting(lambda: actor_of(request)):
            return self.get_response(request)

    async def _answer(self, request: HttpRequest) -> HttpResponse:
        with acting(lambda: actor_of(request)):
            return await self.get_response(request)


def actor_of(request: HttpRequest) -> Actor:
    """The request's user and address."""
    user = getattr(request, "user", None)
    name = user.get_username() if user is not None and user.is_authenticated else "anonymous"
    return Actor(name=name, address=client_address(request))


def client_address(request: HttpRequest) -> str | None:
    """The n-th address from the right of X-Forwarded-For behind n trusted proxies, else the peer's own."""
    proxies = settings.TRUSTED_PROXIES
    hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    if proxies and len(hops) >= proxies:
        return plain_address(hops[-proxies].strip())
    return plain_address(request.META.get("REMOTE_ADDR"))


@contextmanager
def quiet(summary: str) -> Iterator[None]:
    """Within the block, saves and deletes are only counted; at its end one entry called `summary` tells how many."""
    counts: Counter[str] = Counter()
    token = _quiet.set(counts)
    try:
        yield
    finally:
        _quiet.reset(token)
        if counts:
            append("loaded", summary, {name: (None, count) for name, count in sorted(counts.items())})


def connect() -> None:
    """Watch the models; called once when Django is ready."""
    for label in WATCHED:
        model = apps.get_model(label)
        pre_save.connect(remember, sender=model, dispatch_uid="audit")
        post_save.connect(record_save, sender=model, dispatch_uid="audit")
        post_delete.connect(record_delete, sender=model, dispatch_uid="audit")
    deeds.connect(record_deed, dispatch_uid="audit")


def record_deed(action: str, subject: str, author: str, facts: dict[str, Any], **_: Any) -> None:
    """What somebody did with the catalogue as a whole; `author` did it, also where a worker carries it out later."""
    try:
        changes = {name: (None, value) for name, value in facts.items()}
        record(author, action, subject, changes, current_actor().address)
    except Exception:
        log.exception("an audit entry could not be written", action=action)


def remember(sender: type[models.Model], instance: models.Model, **_: Any) -> None:
    """Before a save: keep the row as it is stored."""
    if instance.pk is not None and _quiet.get() is None and not is_rehearsal():
        instance._audited = stored(sender, instance.pk)  # type: ignore[attr-defined]


def record_save(instance: models.Model, created: bool, update_fields: Any = None, **_: Any) -> None:
    """After a save: one entry with what is different now; none when nothing is."""
    if count("created" if created else "changed", instance):
        return
    before = instance.__dict__.pop("_audited", None)
    changes = compare(instance, None if created else before, update_fields)
    if created or changes:
        append("created" if created else "changed", instance, changes)


def record_delete(instance: models.Model, **_: Any) -> None:
    """After a delete: one entry with what the row held."""
    if not count("deleted", instance):
        held = compare(instance, None, None)
        append("deleted", instance, {name: (after, before) for name, (before, after) in held.items()})


def compare(instance: models.Model, before: dict[str, Any] | None, update_fields: Any) -> Changes:
    """What is different now; when that cannot be told, the entry says so and the save goes on."""
    try:
        return difference(type(instance), before, values_of(instance), update_fields)
    except Exception:
        log.exception("the audit could not compare a row", model=type(instance).__name__, pk=str(instance.pk))
        return {"values": (None, "could not be compared")}


def append(action: str, subject: models.Model | str, changes: Changes) -> None:
    """Record an entry; a failure is ours to find in the log, the change itself goes through."""
    try:
        actor = current_actor()
        record(actor.name, action, subject, changes, actor.address)
    except Exception:
        log.exception("an audit entry could not be written", action=action)


def count(action: str, instance: models.Model) -> bool:
    """True when a quiet block is on, which only counts, or a rehearsal, of which nothing is told."""
    if is_rehearsal():
        return True
    counts = _quiet.get()
    if counts is None:
        return False
    counts[f"{instance._meta.verbose_name_plural} {action}"] += 1
    return True


def stored(sender: type[models.Model], pk: Any) -> dict[str, Any] | None:
    """The row's values in the database."""
    return sender._base_manager.filter(pk=pk).values().first()


def values_of(instance: models.Model) -> dict[str, Any]:
    """The row's values in memory."""
    return {field.attname: getattr(instance, field.attname) for field in instance._meta.concrete_fields}


def difference(
    sender: type[models.Model], before: dict[str, Any] | None, after: dict[str, Any], update_fields: Any
) -> dict[str, tuple[Any, Any]]:
    """Field → (before, after) for what changed; `update_fields` limits it to what was really written."""
    changes: dict[str, tuple[Any, Any]] = {}
    for field in sender._meta.concrete_fields:
        skipped = field.primary_key or field.name in BY_USE
        if skipped or (update_fields is not None and not {field.name, field.attname} & set(update_fields)):
            continue
        old, new = (before or {}).get(field.attname), cleaned(field, after[field.attname])
        if old != new and not (old in EMPTY and new in EMPTY):
            changes[field.name] = (shown(field, old), shown(field, new))
    return changes


def cleaned(field: Any, value: Any) -> Any:
    """A value as the database gives it back: code may have assigned "3" where the row holds 3."""
    if value is None or field.is_relation:
        return value
    return bytes(value) if isinstance(field, models.BinaryField) else field.to_python(value)


def shown(field: Any, value: Any) -> Any:
    """A value as an operator may read it; of a secret only that it is there."""
    if value in EMPTY:
        return None
    if field.name in SECRET or isinstance(field, models.BinaryField):
        return "changed"
    if field.is_relation:
        related = field.related_model._base_manager.filter(pk=value).first()
        return str(value if related is None else related)
    return json.dumps(value, sort_keys=True) if isinstance(value, dict) else value
