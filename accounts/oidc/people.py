"""From a verified identity to a user: keyed by issuer and subject, with the role applied anew each time."""

from hashlib import sha256

from django.db import transaction
from django.utils import timezone

from accounts.models import Role, User
from accounts.oidc.errors import NoAccess, SwitchedOff
from accounts.oidc.tokens import Identity
from accounts.text import storable

ROLES = {"admin": Role.ADMIN, "developer": Role.DEVELOPER, "researcher": Role.RESEARCHER}
LONGEST_USERNAME = 150


def enter(identity: Identity) -> User:
    """The user, made or brought up to date, with this moment as the last sign-in.

    Raises NoAccess and SwitchedOff. Somebody unknown without access is not stored; somebody known loses the role.
    """
    user = bring_up_to_date(identity)
    if user is None or user.role not in ROLES.values():
        raise NoAccess(f"the role is {identity.role!r}" if identity.role else "there is no role")
    if not user.is_active:
        raise SwitchedOff
    return user


@transaction.atomic
def bring_up_to_date(identity: Identity) -> User | None:
    """The stored user with what the identity says now; None for somebody new without access."""
    role = ROLES.get(identity.role, Role.VIEWER)
    key = {"issuer": identity.issuer, "subject": identity.subject}
    user = User.objects.select_for_update().filter(**key).first()
    if user is None:
        return None if role == Role.VIEWER else make_user(identity, role, key)
    if user.is_active:
        update(user, {**profile_of(identity), "role": role})
    return user


def make_user(identity: Identity, role: Role, key: dict[str, str]) -> User:
    """A new user; of two sign-ins at once, one makes it."""
    fields = {**profile_of(identity), "role": role, "last_sign_in": timezone.now()}
    return User.objects.get_or_create(**key, defaults={**fields, "username": free_username(identity)})[0]


def update(user: User, fields: dict[str, str]) -> None:
    """Write what differs; the sign-in counts when the role has access."""
    changed = [name for name, value in fields.items() if getattr(user, name) != value]
    for name in changed:
        setattr(user, name, fields[name])
    if user.role in ROLES.values():
        user.last_sign_in = timezone.now()
        changed.append("last_sign_in")
    user.save(update_fields=changed)


def profile_of(identity: Identity) -> dict[str, str]:
    """What a user's row holds of the identity, as far as it is stated."""
    first, _, last = identity.name.partition(" ")
    names = {"first_name": storable(first, 150), "last_name": storable(last.strip(), 150)}
    return {**({"email": identity.email} if identity.email else {}), **(names if first else {})}


def free_username(identity: Identity) -> str:
    """The e-mail address; with a mark of the subject behind it when somebody else is called that."""
    name = identity.email
    if len(name) <= LONGEST_USERNAME and not User.objects.filter(username=name).exists():
        return name
    mark = sha256(f"{identity.issuer} {identity.subject}".encode()).hexdigest()[:10]
    return f"{name[: LONGEST_USERNAME - 11]}-{mark}"
