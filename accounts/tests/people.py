"""People and keys for the tests of this app."""

from typing import Any

from django.test import Client

from accounts.issue import issue_key
from accounts.models import ApiKey, Role, User


def person(name: str = "ada", role: str = Role.RESEARCHER, **fields: Any) -> User:
    """A user with this role."""
    return User.objects.create(username=name, role=role, **fields)


def key_of(owner: User, label: str = "Lamino", **limits: Any) -> tuple[ApiKey, str]:
    """A stored key and its text."""
    row, new = issue_key(owner, label, **limits)
    return row, new.text


def signed_in(user: User) -> Client:
    """A browser in which this user is signed in."""
    client = Client()
    client.force_login(user)
    return client
