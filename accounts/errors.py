"""What can be wrong with a credential or a sign-in link.

KeyRefused               the credential opens nothing
├── InvalidApiKey        malformed, unknown, or the secret does not match
├── ApiKeyRevoked        the right secret, but the key or its owner was shut out
├── ApiKeyExpired        the right secret, too late
├── ApiKeyPaused         the right secret, but its owner has not signed in for long
└── AccessTokenRefused   an access token that says nothing here, and why
KeysUnavailable          the database does not answer and memory does not know the key: says nothing about it
LinkRefused              a sign-in link that does not sign in
├── LinkUnknown          never made here, or long gone
├── LinkUsed             it worked once already
└── LinkExpired          too late
"""


class KeyRefused(Exception):
    """The credential opens nothing."""


class InvalidApiKey(KeyRefused):
    """Malformed, unknown, or the secret does not match; deliberately one class."""


class ApiKeyRevoked(KeyRefused):
    """The key was revoked, or its owner may no longer call. Raised only for the right secret."""


class ApiKeyExpired(KeyRefused):
    """The key's time is over. Raised only for the right secret."""


class ApiKeyPaused(KeyRefused):
    """The key rests until its owner signs in. Raised only for the right secret."""

    def __init__(self, days: int, address: str) -> None:
        super().__init__(days, address)
        self.days, self.address = days, address

    def __str__(self) -> str:
        return (
            f"This API key is paused: its owner has not signed in for {self.days} days. "
            f"Sign in at {self.address} once and it works again."
        )


class AccessTokenRefused(KeyRefused):
    """An access token of the sign-in provider that opens nothing; its text completes “…: it has expired”."""


class KeysUnavailable(Exception):
    """The key cannot be checked now; trying again later may help."""


class LinkRefused(Exception):
    """A sign-in link that does not sign anyone in."""


class LinkUnknown(LinkRefused):
    """No such link."""


class LinkUsed(LinkRefused):
    """The link signed someone in already."""


class LinkExpired(LinkRefused):
    """The link's time is over."""
