"""The provider's pages: plain HTML, everything from outside escaped."""

from html import escape

from accounts.fake_login.people import Person

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} – test sign-in</title>
<style>
  body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 3rem auto; padding: 0 1rem; }}
  button {{ font: inherit; display: block; width: 100%; margin: .5rem 0; padding: .6rem; text-align: left; }}
  small {{ color: #555; }}
</style>
<h1>{title}</h1>
{body}
<p><small>A provider for tests and development; nobody proves anything here.</small></p>
</html>
"""


def login(people: list[Person], target: str) -> str:
    """A button for everybody; the form goes back to the page's own address, query included."""
    buttons = "\n".join(
        f'<button name="email" value="{escape(person.email)}">Sign in as {escape(describe(person))}</button>'
        for person in people
    )
    return page("Sign in", f'<form method="post" action="{escape(target)}">\n{buttons}\n</form>')


def portal(person: Person | None) -> str:
    """Who is signed in, with a way out, or a way in."""
    if person is None:
        return page("Portal", '<p>Nobody is signed in. <a href="/login">Sign in</a></p>')
    return page(
        "Portal",
        f"<p>Signed in as {escape(describe(person))}.</p>"
        '<form method="post" action="/logout"><button>Sign out</button></form>',
    )


def no_access(person: Person, client_id: str) -> str:
    """The provider's own refusal of a person."""
    return refusal(
        f"{describe(person)} has no access to {client_id}.",
        "Today's provider lets only admins through to a client id that is not a host name.",
    )


def refusal(what: str, remedy: str) -> str:
    """What was wrong and what to do."""
    return page("Access denied", f"<p>{escape(what)}</p><p>{escape(remedy)}</p>")


def describe(person: Person) -> str:
    """E-mail and role."""
    return f"{person.email} ({person.role or 'no role'})"


def page(title: str, body: str) -> str:
    """A whole document; the body is HTML already."""
    return PAGE.format(title=escape(title), body=body)
