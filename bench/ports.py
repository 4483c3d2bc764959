"""Loopback ports for programs that start a while after their port was chosen."""

import random
import socket

# Below the range from which systems take the ports of outgoing connections (Linux 32768, others 49152), so that no
# connection of the meantime can sit on the port when its program starts.
FROM, UNTIL = 12_000, 32_000


def free_port() -> int:
    """A loopback port that nobody listens on and that no outgoing connection will be given."""
    while True:
        port = random.randrange(FROM, UNTIL)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
