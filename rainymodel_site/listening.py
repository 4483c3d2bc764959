"""The listening socket: opened once, by the process that starts the workers, who all accept from it."""

import errno
import os
import socket

BACKLOG = 2048
REASONS = {
    errno.EADDRINUSE: "it is already in use: stop the other program, or set PORT to a free port",
    errno.EACCES: "ports below 1024 need more rights: set PORT to a higher one",
    errno.EADDRNOTAVAIL: "this machine has no such address: set HOST to one of its own",
}


class CannotListen(Exception):
    """The address cannot be listened on; a sentence that says why and what to do."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on `host` (a name, IPv4 or IPv6) and `port`; raises CannotListen."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    both = host == "::" and socket.has_dualstack_ipv6()
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG, dualstack_ipv6=both)
    except OSError as error:
        number = error.errno or 0
        if number < 0:  # a failed look-up, which create_server passes on without its class
            raise CannotListen(f"HOST names {host!r}, which is no address of this machine.") from None
        reason = REASONS.get(number) or os.strerror(number)
        raise CannotListen(f"Cannot listen on {address_text(host, port)}: {reason}.") from None


def address_text(host: str, port: int) -> str:
    """host:port as in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def visit_url(listener: socket.socket) -> str:
    """The URL at which a browser on this machine reaches the socket."""
    host, port = listener.getsockname()[:2]
    wildcard = host in {"0.0.0.0", "::"}
    return f"http://{address_text('localhost' if wildcard else host, port)}"
