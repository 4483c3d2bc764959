"""The address under which people reach this server, what follows from the settings, a request line that works."""

from django.conf import settings

from accounts.pausing import Pausing
from rainymodel_site import env

EXAMPLE = """curl {address}/v1/chat/completions \\
  -H "Authorization: Bearer {key}" \\
  -H "Content-Type: application/json" \\
  -d '{{"model": "rainymodel/auto",
       "messages": [{{"role": "user", "content": "Hello"}}]}}'"""


def site_address() -> str:
    """RAINYMODEL_PUBLIC_URL, or the address the server listens on; never with a slash at the end."""
    if settings.PUBLIC_URL:
        return str(settings.PUBLIC_URL)
    host = env.text("HOST")
    shown = "localhost" if host in {"127.0.0.1", "0.0.0.0", "::", "::1"} else host
    return f"http://{shown}:{env.text('PORT')}"


def pausing() -> Pausing:
    """When the keys of people pause here."""
    return Pausing(
        days=settings.KEY_PAUSE_DAYS,
        sso=bool(settings.OIDC_CLIENT_SECRET),
        address=f"{site_address()}{settings.LOGIN_URL}",
    )


def example_request(key: str, address: str) -> str:
    """A curl line that asks the default model with this key."""
    return EXAMPLE.format(address=address, key=key)
