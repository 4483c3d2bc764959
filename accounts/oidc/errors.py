"""Why somebody could not be signed in. Each is a plain page, an audit entry, and never a session.

SignInRefused             carries status, headline, advice; `detail` is for the operator, never for the page
├── NotConfigured    403  single sign-on is not set up on this server
├── StateUnknown     400  the browser did not start this sign-in, or finished it before
├── ProviderSaidNo   403  the provider sent the browser back without a code, or did not take the code
├── TokenRefused     403  the provider's answer cannot be believed
│   ├── TokenExpired      signed as it should be, and too late
│   └── SignatureRefused  none of the keys at hand signed it; newer ones may have
├── ProviderSilent   503  the provider did not answer, or not in a way that can be read
├── NoAccess         403  the person's role has nothing here
├── SwitchedOff      403  the person was shut out here
└── CheckOverdue     403  the session may read; it may not write before the provider was asked again
"""

from typing import ClassVar


class SignInRefused(Exception):
    """One refusal. `headline` and `advice` may name the provider as {provider}."""

    status: ClassVar[int] = 403
    headline: ClassVar[str] = "You could not be signed in"
    advice: ClassVar[str] = "Try again; if it happens again, tell whoever runs this server."
    again: ClassVar[bool] = True  # whether the page offers to try again
    other_account: ClassVar[bool] = False  # whether another account there could help

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail)
        self.detail = detail


class NotConfigured(SignInRefused):
    """There is no client secret, so there is no provider to ask."""

    headline = "Single sign-on is not set up here"
    advice = "Nobody can sign in this way yet. Whoever runs this server can set it up."
    again = False


class StateUnknown(SignInRefused):
    """The state is missing, unknown, used or old: somebody else's link, a second load of the page, lost cookies."""

    status = 400
    headline = "This sign-in cannot be finished"
    advice = (
        "It was not started in this browser, it was finished already, or it took longer than an hour. "
        "Start again from here; cookies have to be allowed for this site."
    )


class ProviderSaidNo(SignInRefused):
    """The provider turned the person or the code away."""

    headline = "{provider} did not let you in"
    advice = (
        "Your account there may have no access to this server, or the sign-in took too long. Try again, or ask an "
        "administrator."
    )
    other_account = True


class TokenRefused(SignInRefused):
    """A token that is not what it should be."""

    headline = "The answer of {provider} could not be trusted"
    advice = (
        "For your safety you were not signed in. Try again; if it happens again, tell whoever runs this server: "
        "the reason is in the audit."
    )


class TokenExpired(TokenRefused):
    """One of the issuer's keys signed it, and its time is over."""


class SignatureRefused(TokenRefused):
    """None of these keys signed the token."""


class ProviderSilent(SignInRefused):
    """No answer in time, or none that can be read."""

    status = 503
    headline = "{provider} does not answer"
    advice = (
        "Sign-in needs it, and it did not answer as it should. Try again in a minute. API keys keep working."
    )


class NoAccess(SignInRefused):
    """The role is viewer, unknown or missing."""

    headline = "No access with this role"
    advice = (
        "Your account at {provider} has no role that is let in here. If you should have access, ask an "
        "administrator to change your role there, then sign in again."
    )
    other_account = True


class SwitchedOff(SignInRefused):
    """The account was switched off here."""

    headline = "Your account is switched off here"
    advice = "An administrator of this server has switched it off. Ask one if that is a mistake."
    again = False
    other_account = True


class CheckOverdue(SignInRefused):
    """A write in a session whose person was last confirmed too long ago."""

    headline = "Please confirm that it is still you"
    advice = (
        "Nothing was changed. {provider} has not confirmed your sign-in for a while, so this page may be read but "
        "not changed. Sign in again, then go back and send the form once more."
    )
