"""Single-use sign-in links for local operators; only the hash of a link's token is kept."""

import secrets
from datetime import timedelta
from hashlib import sha256

from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from accounts.actor import current_actor
from accounts.audit import record
from accounts.errors import LinkExpired, LinkUnknown, LinkUsed
from accounts.models import Role, SignInLink, User

LOCAL_OPERATOR = "operator"
LINK_MINUTES = 30
KEPT = timedelta(days=1)  # so that an old link can still say what became of it


def make_link(user: User, minutes: float = LINK_MINUTES) -> str:
    """The path of a fresh link that signs this user in once."""
    token, now = secrets.token_urlsafe(32), timezone.now()
    with transaction.atomic():
        SignInLink.objects.filter(expires_at__lt=now - KEPT).delete()
        expires_at = now + timedelta(minutes=minutes)
        SignInLink.objects.create(token_hash=hash_token(token), user=user, expires_at=expires_at)
        actor = current_actor()
        record(actor.name, "made sign-in link", user, {"expires": (None, expires_at)}, actor.address)
    return reverse("sign_in_link", args=[token])


def find_link(token: str) -> SignInLink:
    """The link with this token, unused and in time. Raises LinkUnknown, LinkUsed or LinkExpired."""
    link = SignInLink.objects.select_related("user").filter(token_hash=hash_token(token)).first()
    if link is None or not link.user.is_active:
        raise LinkUnknown
    if link.used_at is not None:
        raise LinkUsed
    if link.expires_at <= timezone.now():
        raise LinkExpired
    return link


@transaction.atomic
def use_link(token: str) -> User:
    """The user to sign in; the link is spent. Raises like find_link; of two uses at once one wins."""
    link, now = find_link(token), timezone.now()
    if not SignInLink.objects.filter(pk=link.pk, used_at=None).update(used_at=now):
        raise LinkUsed
    User.objects.filter(pk=link.user_id).update(last_sign_in=now)
    record(link.user.get_username(), "signed in", link.user, {}, current_actor().address)
    return link.user


def ensure_local_operator() -> User:
    """The local operator: an admin without a password, made when missing. One that was shut out stays so."""
    return User.objects.get_or_create(username=LOCAL_OPERATOR, defaults={"role": Role.ADMIN})[0]


def hash_token(token: str) -> bytes:
    """What is stored of a token; its 256 random bits need no slower hash."""
    return sha256(token.encode("utf-8", "surrogatepass")).digest()
