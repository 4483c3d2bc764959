"""A sign-in provider to sign in at without the real one: for tests, and by hand in development.

It speaks OpenID Connect on a loopback socket and plays two parts: `today` has the oddities of login.orcest.ai,
`conforming` keeps to the specifications. An attack makes it send what a sign-in must survive. Nothing that
serves customers imports it; `manage.py fake_login` runs it by hand.

    wire           bytes → request, reply → bytes        authorization  authorize, login page, portal
    server         listens, from a thread                exchange       codes and refresh tokens → tokens
    provider       people, keys, codes, sessions         endpoints      path → reply; the smaller endpoints
    tokens         claims → signed or forged tokens      attacks        what can be wrong, by name
"""

from accounts.fake_login.attacks import ATTACKS
from accounts.fake_login.people import Person
from accounts.fake_login.provider import CONFORMING, TODAY, Seen
from accounts.fake_login.server import FakeLogin, fake_login

__all__ = ["ATTACKS", "CONFORMING", "TODAY", "FakeLogin", "Person", "Seen", "fake_login"]
