"""How e-mail is sent, from the environment; where EMAIL_HOST is not set, none is."""

from rainymodel_site import env

WAYS = ("starttls", "tls", "none")


def read_security() -> str:
    """`starttls`, `tls` or `none`; anything else ends the start."""
    way = env.text("EMAIL_TLS").lower()
    if way not in WAYS:
        raise env.ConfigurationError(f"EMAIL_TLS must be starttls, tls or none, but it is {way[:40]!r}.")
    return way


def read_sender() -> str:
    """Who e-mails come from; needed once there is a server for them."""
    sender = env.text("EMAIL_FROM")
    if env.text("EMAIL_HOST") and "@" not in sender:
        raise env.ConfigurationError("EMAIL_FROM must be an address, such as rainymodel@example.com.")
    return sender or "rainymodel@localhost"
