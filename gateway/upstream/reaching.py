"""Why a connection could not be made: a moment of weakness over there, or something that somebody has to put right."""

import errno

import aiohttp
import structlog

from gateway.upstream import classify
from routing.engine.outcome import Fault, Outcome

log = structlog.get_logger("gateway.upstream")
MISCONFIGURED = Outcome(Fault.CONFIGURATION, "configuration")
TOO_OLD = frozenset({"UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "WRONG_VERSION_NUMBER"})


def not_reached(error: Exception) -> Outcome:
    """The outcome of a connection that failed. A certificate, a version of TLS or an address that is refused here does
    not heal by itself: it counts as configuration, and operators read why.
    """
    if not isinstance(error, aiohttp.ClientConnectorError) or not (why := refused_here(error)):
        return classify.unreachable()
    log.warning("an upstream was not connected to", host=error.host, port=error.port, why=why)
    return MISCONFIGURED


def refused_here(error: aiohttp.ClientConnectorError) -> str:
    """What this side did not accept of the other; empty when the other side was the one that failed."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        found = error.certificate_error
        return f"its certificate is not valid: {getattr(found, 'verify_message', '') or type(found).__name__}"
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        reason = getattr(error.os_error, "reason", None)
        return "it speaks no TLS of today" if reason in TOO_OLD else ""
    if error.os_error.errno == errno.EACCES:
        return "its address is not allowed for its class"
    return ""
