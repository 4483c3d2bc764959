"""Who an identity lets in: by the provider's list of services, then by the role and what is known here."""

from dataclasses import replace

from accounts.models import User
from accounts.oidc.errors import NoAccess
from accounts.oidc.exchange import check_access
from accounts.oidc.people import bring_up_to_date, enter
from accounts.oidc.provider import provider
from accounts.oidc.tokens import Identity


def admit(identity: Identity, access_token: str) -> User:
    """The user, brought up to date. Raises NoAccess and SwitchedOff.

    Somebody whom the provider's list shuts out loses the role here as well, so that the keys stop with the pages.
    """
    try:
        check_access(provider(), identity, access_token)
    except NoAccess:
        bring_up_to_date(replace(identity, role=""))
        raise
    return enter(identity)
