"""The library's backend with our checks in place of its own."""

from typing import Any

from django.http import HttpRequest
from mozilla_django_oidc.auth import OIDCAuthenticationBackend  # type: ignore[import-untyped]

from accounts.actor import Actor, acting, current_actor
from accounts.models import User
from accounts.oidc.admission import admit
from accounts.oidc.exchange import identify, redeem, tokens_in
from accounts.oidc.library import callback_address, library_setting
from accounts.oidc.provider import provider
from accounts.oidc.session import Tokens
from accounts.oidc.tokens import Identity
from accounts.roles import RoleBackend


class SsoBackend(RoleBackend, OIDCAuthenticationBackend):
    """Signs in by a code; permissions are the role's, as for everybody. Raises SignInRefused."""

    request: HttpRequest
    get_settings = staticmethod(library_setting)

    def get_token(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Redeem the code; the tokens wait at the request for the session that may come of it."""
        answer = redeem(provider(), {**payload, "redirect_uri": callback_address(self.request)})
        self.request.sso_tokens = tokens_in(answer)  # type: ignore[attr-defined]
        return answer

    def verify_token(self, token: Any, **_: Any) -> Identity:
        """The identity in the ID token."""
        return identify(provider(), token)

    def store_tokens(self, access_token: Any, id_token: Any) -> None:
        """The view does, once there is a session for them."""

    def get_or_create_user(self, access_token: Any, id_token: Any, payload: Identity) -> User:
        """The user of the identity, as its own actor in the audit."""
        tokens: Tokens = self.request.sso_tokens  # type: ignore[attr-defined]
        address = current_actor().address
        with acting(lambda: Actor(payload.email, address)):
            return admit(payload, tokens.access)
