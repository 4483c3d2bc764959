"""Certificates for tests: an authority of their own, and servers' certificates that it has signed, or has not."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Signed:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def name(text: str) -> x509.Name:
    """A name that holds nothing but itself."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def make(text: str, by: Signed | None = None, *, days: int = 1, is_authority: bool = False) -> Signed:
    """A certificate for a host's name, signed `by` an authority or by itself; with negative `days` it has expired."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    issuer, signer = (by.certificate.subject, by.key) if by else (name(text), key)
    built = (
        x509.CertificateBuilder()
        .subject_name(name(text))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 10 * DAY)
        .not_valid_after(now + days * DAY)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(text)]), critical=False)
        .sign(signer, hashes.SHA256())
    )
    return Signed(built, key)


def write(signed: Signed, path: Path) -> Path:
    """The certificate and its key as one PEM file."""
    key = signed.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(signed.certificate.public_bytes(serialization.Encoding.PEM) + key)
    return path


def serving_with(signed: Signed, path: Path, *, tls_1_0: bool = False) -> ssl.SSLContext:
    """What a server needs to serve with a certificate; `tls_1_0`: it speaks nothing newer."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(write(signed, path))
    if tls_1_0:
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1
    return context


@contextmanager
def handshakes_with(context: ssl.SSLContext) -> Iterator[tuple[int, list[str]]]:
    """A port where nothing but handshakes happen, alerts included, and what became of each of them."""
    seen: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                try:
                    with context.wrap_socket(connection, server_side=True) as secured:
                        seen.append(str(secured.version()))
                except OSError:
                    seen.append("refused")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1], seen
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(5)
