"""Sends one message to one channel, webhooks through the guarded connections that upstreams are reached by."""

import asyncio
import smtplib
from collections.abc import Mapping
from typing import Any

import aiohttp
import orjson
from django.conf import settings
from django.core.mail import EmailMessage, get_connection

from gateway.upstream.addresses import AddressRefused, AddressRules
from gateway.upstream.sessions import Sessions
from rainymodel_site.alert_models import AlertChannel
from rainymodel_site.alerts.address import CLASS, address_of
from rainymodel_site.alerts.words import as_text, for_slack, headline

PATIENCE = 8.0  # seconds for one message


class NotDelivered(Exception):
    """The message did not arrive; the text is a sentence for an operator, without the address."""


def deliver(channel: AlertChannel, told: Mapping[str, Any], rules: AddressRules) -> str:
    """Send it now, and say where it went. Blocks up to PATIENCE; raises NotDelivered."""
    if channel.kind == AlertChannel.Kind.EMAIL:
        return mail(channel, told)
    url = address_of(channel)
    if url is None:
        raise NotDelivered(
            "The channel's address does not open: enter it again."
            if channel.sealed
            else "The channel has no address: enter one."
        )
    body = for_slack(told) if channel.kind == AlertChannel.Kind.SLACK else told
    return asyncio.run(post(url, orjson.dumps(body), channel.host, rules))


async def post(url: str, body: bytes, host: str, rules: AddressRules) -> str:
    """POST a JSON body; only a 2xx is an arrival. Raises NotDelivered."""
    sessions = Sessions(rules)
    headers = {"Content-Type": "application/json", "User-Agent": f"RainyModel/{settings.VERSION}"}
    try:
        async with (
            asyncio.timeout(PATIENCE),
            sessions.for_class(CLASS).post(url, data=body, headers=headers, allow_redirects=False) as answer,
        ):
            if not 200 <= answer.status < 300:
                raise NotDelivered(
                    f"{host} answered with status {answer.status}. Check the channel's address."
                )
            return f"{host} took it (status {answer.status})"
    except TimeoutError:
        raise NotDelivered(f"{host} did not answer within {PATIENCE:.0f} seconds.") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise NotDelivered(broken(error, host)) from None
    finally:
        await sessions.close()


def broken(error: BaseException, host: str) -> str:
    """Why the connection did not come about; never the error's own text, which may hold the address."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, AddressRefused) or isinstance(getattr(cause, "os_error", None), AddressRefused):
            return f"{host} is a private address, and webhooks are sent to public ones only."
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"{host} has no address in DNS. Check the channel's address."
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"{host} could not be reached. Check that it is up."
    return f"{host} broke the connection off."


def mail(channel: AlertChannel, told: Mapping[str, Any]) -> str:
    """Send an e-mail to the channel's recipients. Raises NotDelivered."""
    if not settings.EMAIL_HOST:
        raise NotDelivered("E-mail is not set up here: set EMAIL_HOST and EMAIL_FROM in the environment.")
    to = recipients_of(channel)
    if not to:
        raise NotDelivered("The channel has no recipients: enter some.")
    subject = " ".join(f"[RainyModel] {headline(told)}".split())
    try:
        connection = get_connection(timeout=PATIENCE)
        EmailMessage(subject, as_text(told), to=to, connection=connection).send()
    except smtplib.SMTPAuthenticationError:
        raise NotDelivered("The mail server refused EMAIL_USER and EMAIL_PASSWORD.") from None
    except smtplib.SMTPException as error:
        raise NotDelivered(f"The mail server refused the message ({type(error).__name__}).") from None
    except OSError as error:
        raise NotDelivered(f"The mail server could not be reached ({type(error).__name__}).") from None
    return f"the mail server took it for {', '.join(to)}"


def recipients_of(channel: AlertChannel) -> list[str]:
    """The addresses of an e-mail channel."""
    return [name.strip() for name in channel.recipients.replace("\n", ",").split(",") if name.strip()]
