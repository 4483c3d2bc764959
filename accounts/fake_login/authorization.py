"""The browser's side: authorize, the login page, the portal."""

import secrets
from urllib.parse import urlencode

from accounts.fake_login import pages
from accounts.fake_login.attacks import ERROR_TEXT, state_sent_back
from accounts.fake_login.people import Person
from accounts.fake_login.provider import SESSION_COOKIE, Grant, Provider
from accounts.fake_login.wire import Reply, Request, html_reply, redirect

CONTINUE = "/oauth2/authorize?"
FORGOTTEN = "/oauth2/authorize/continue"  # today's login page is told so, and ends on the portal nevertheless


def authorize(provider: Provider, request: Request) -> Reply:
    """Back to the client with a code or an error, or to the login page, or a page that says why not.

    An address that is not the client's is never redirected to.
    """
    fields = request.fields
    if fields.get("client_id") != provider.client_id:
        return html_reply(pages.refusal("This client is not known here.", "Check OIDC_CLIENT_ID."), 400)
    if not provider.knows_redirect(fields.get("redirect_uri", "")):
        return html_reply(pages.refusal("This redirect_uri is not the client's.", "Check the address."), 400)
    provider.states.append(fields.get("state", ""))
    if provider.attack == "error_page":
        return send_back(provider, request, error="access_denied", error_description=ERROR_TEXT)
    if provider.conforming and (problem := bad_request(fields)):
        return send_back(provider, request, error="invalid_request", error_description=problem)
    person = provider.signed_in(request)
    if person is None:
        return ask_to_sign_in(provider, request)
    if not provider.lets_through(person):
        return html_reply(pages.no_access(person, provider.client_id), 403)
    return send_back(provider, request, code=make_code(provider, person, fields))


def bad_request(fields: dict[str, str]) -> str:
    """What a conforming provider has against the request; nothing when it is fine."""
    if fields.get("response_type") != "code":
        return "response_type must be code"
    if "openid" not in fields.get("scope", "").split():
        return "scope must contain openid"
    if fields.get("code_challenge") and fields.get("code_challenge_method") != "S256":
        return "code_challenge_method must be S256"
    return ""


def ask_to_sign_in(provider: Provider, request: Request) -> Reply:
    """To the login page; a conforming provider first looks at `prompt` and keeps where to go on."""
    if not provider.conforming:
        return redirect(f"/login?{urlencode({'redirect': FORGOTTEN})}")
    if request.fields.get("prompt") == "none":
        return send_back(provider, request, error="login_required")
    return redirect(f"/login?{urlencode({'next': request.target})}")


def make_code(provider: Provider, person: Person, fields: dict[str, str]) -> str:
    """A fresh code for this person."""
    code = secrets.token_urlsafe(32)
    provider.codes[code] = Grant(
        email=person.email,
        redirect_uri=fields["redirect_uri"],
        scope=fields.get("scope", ""),
        nonce=fields.get("nonce", ""),
        challenge=fields.get("code_challenge", ""),
        made_at=provider.clock(),
    )
    return code


def send_back(provider: Provider, request: Request, **answer: str) -> Reply:
    """To the client's redirect_uri, with the answer and the state."""
    given = request.fields.get("state", "")
    state = state_sent_back(given, provider.states, provider.attack)
    query = urlencode({**answer, "state": state} if state else answer)
    uri = request.fields["redirect_uri"]
    return redirect(f"{uri}{'&' if '?' in uri else '?'}{query}")


def login(provider: Provider, request: Request) -> Reply:
    """The page with a button for everybody; pressed, a session, and on to where the provider's part leads."""
    if request.method != "POST":
        return html_reply(pages.login(list(provider.people.values()), request.target))
    email = request.fields.get("email", "")
    if email not in provider.people:
        return html_reply(pages.refusal("There is no such person here.", "Go back and choose one."), 400)
    cookie = f"{SESSION_COOKIE}={provider.sign_in(email)}; Path=/; HttpOnly; SameSite=Lax"
    return redirect(after_login(provider, request), ("Set-Cookie", cookie))


def after_login(provider: Provider, request: Request) -> str:
    """The portal; for a conforming provider the address of authorize that led here, never one elsewhere."""
    wanted = request.fields.get("next", "")
    return wanted if provider.conforming and wanted.startswith(CONTINUE) else "/"


def logout(provider: Provider, request: Request) -> Reply:
    """End the session and show the portal."""
    provider.sessions.pop(request.cookie(SESSION_COOKIE), None)
    return redirect("/", ("Set-Cookie", f"{SESSION_COOKIE}=; Path=/; Max-Age=0"))


def portal(provider: Provider, request: Request) -> Reply:
    """Who is signed in; where today's login ends."""
    return html_reply(pages.portal(provider.signed_in(request)))
