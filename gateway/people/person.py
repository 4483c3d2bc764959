"""One person and everything here that names them."""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import connection
from django.db.models import Q

from accounts.caller import token_key_id
from accounts.models import ApiKey, Role, User

COUNTED_AS = "SELECT DISTINCT key_id FROM gateway_traffic_key_day WHERE user_id = %s AND key_id <> ALL(%s)"


class NoSuchPerson(Exception):
    """The message says why, for an operator."""


@dataclass(frozen=True, slots=True)
class Person:
    """A user and the ids under which their requests are logged: their keys', and that of their access tokens."""

    user: User
    key_ids: tuple[UUID, ...]


def person_called(name: str) -> Person:
    """The person with this user name, e-mail address or id. Raises NoSuchPerson."""
    called = Q(username=name) | Q(email__iexact=name)
    found = list(User.objects.filter(called | Q(pk=int(name)) if name.isdecimal() else called)[:2])
    if not found:
        raise NoSuchPerson(
            f"Nobody here is called {name!r}. Give a user name, an e-mail address or a user's id."
        )
    if len(found) > 1:
        raise NoSuchPerson(f"More than one user is called {name!r}; give the user's id instead.")
    if found[0].role == Role.SERVICE:
        raise NoSuchPerson(f"{name!r} is a service, not a person. Revoke its keys instead.")
    return Person(found[0], tuple(ids_of(found[0])))


def ids_of(user: User) -> Iterator[UUID]:
    """See Person."""
    found = list(ApiKey.objects.filter(owner=user).order_by("created_at").values_list("pk", flat=True))
    if user.subject:
        found.append(token_key_id(user.issuer, user.subject))
    # Once the subject is forgotten, only the sums of the log know under which id access tokens were counted.
    with connection.cursor() as cursor:
        cursor.execute(COUNTED_AS, [str(user.pk), found])
        found += [row[0] for row in cursor.fetchall()]
    yield from found


def sessions_of(user: User) -> Iterator[Session]:
    """The sessions in which this person is signed in; each has to be opened to tell."""
    for session in Session.objects.iterator(chunk_size=1000):
        if session.get_decoded().get(SESSION_KEY) == str(user.pk):
            yield session
