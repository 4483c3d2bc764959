"""Single-use sign-in links for local operators; only the hash of a link's token is kept.

Two kinds: of `signin_link`, in development mode only, and of `breakglass`, for production while single sign-on is away.
"""

import secrets
from datetime import timedelta
from hashlib import sha256

from django.conf import settings
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


def make_link(user: User, minutes: float = LINK_MINUTES, *, break_glass: bool = False) -> str:
    """The path of a fresh link that signs this user in once; on record, as what it is."""
    token, now = secrets.token_urlsafe(32), timezone.now()
    with transaction.atomic():
        SignInLink.objects.filter(expires_at__lt=now - KEPT).delete()
        expires_at = now + timedelta(minutes=minutes)
        fields = {"user": user, "expires_at": expires_at, "break_glass": break_glass}
        SignInLink.objects.create(token_hash=hash_token(token), **fields)
        actor, kind = current_actor(), "break-glass" if break_glass else "sign-in"
        record(actor.name, f"made {kind} link", user, {"expires": (None, expires_at)}, actor.address)
    return reverse("sign_in_link", args=[token])


def find_link(token: str) -> SignInLink:
    """The link with this token, unused and in time. Raises LinkUnknown, LinkUsed or LinkExpired."""
    link = SignInLink.objects.select_related("user").filter(token_hash=hash_token(token)).first()
    if link is None or not link.user.is_active or (settings.IS_PRODUCTION and not link.break_glass):
        raise LinkUnknown
    if link.used_at is not None:
        raise LinkUsed
    if link.expires_at <= timezone.now():
        raise LinkExpired
    return link


@transaction.atomic
def use_link(token: str) -> SignInLink:
    """The link whose user to sign in; it is spent. Raises like find_link; of two uses at once one wins."""
    link, now = find_link(token), timezone.now()
    if not SignInLink.objects.filter(pk=link.pk, used_at=None).update(used_at=now):
        raise LinkUsed
    User.objects.filter(pk=link.user_id).update(last_sign_in=now)
    action = "signed in by break-glass" if link.break_glass else "signed in"
    record(link.user.get_username(), action, link.user, {}, current_actor().address)
    return link


def ensure_local_operator() -> User:
    """The local operator: an admin without a password, made when missing. One that was shut out stays so."""
    return User.objects.get_or_create(username=LOCAL_OPERATOR, defaults={"role": Role.ADMIN})[0]


def home_of(user: User) -> str:
    """Where somebody who signed in begins: the admin, their keys, or the page that says who is signed in."""
    own = reverse("keys:list") if user.may_call else settings.LOGIN_URL
    return str(settings.LOGIN_REDIRECT_URL if user.is_staff else own)


def way_on(user: User, wanted: str | None) -> str:
    """Where somebody goes on to: the page that was wanted, unless it is the admin and not for this role."""
    for_others = not user.is_staff and (wanted or "").startswith(settings.LOGIN_REDIRECT_URL)
    return wanted if wanted and not for_others else home_of(user)


def hash_token(token: str) -> bytes:
    """What is stored of a token; its 256 random bits need no slower hash."""
    return sha256(token.encode("utf-8", "surrogatepass")).digest()
