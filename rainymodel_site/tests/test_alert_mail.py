"""E-mails of alerts: what the environment must say, and a message that a mail server really takes."""

import socketserver
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from bench.ports import free_port
from rainymodel_site.alert_models import AlertChannel
from rainymodel_site.alerts.sending import NotDelivered, deliver
from rainymodel_site.alerts.words import trial_document
from rainymodel_site.env import ConfigurationError
from rainymodel_site.mail_settings import read_security, read_sender
from rainymodel_site.tests.alert_receiver import AT_HOME

CHANNEL = AlertChannel(name="ops", kind="email", recipients="a@b.example,\nc@d.example")
TEST = trial_document("ops\r\nBcc: x@y.example", datetime(2026, 6, 1, tzinfo=UTC))


class MailServer(socketserver.ThreadingTCPServer):
    """Takes every message, except for recipients that it refuses."""

    daemon_threads = allow_reuse_address = True
    refused: bytes = b"@nowhere"

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), MailSession)
        self.lines: list[bytes] = []


class MailSession(socketserver.StreamRequestHandler):
    """The few words of SMTP that a client needs."""

    server: MailServer

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        for line in self.rfile:
            self.server.lines.append(line)
            word = line[:4].upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                self.server.lines += iter(self.rfile.readline, b".\r\n")
            refused = word == b"RCPT" and self.server.refused in line
            self.wfile.write(
                b"550 unknown\r\n" if refused else b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n"
            )
            if word == b"QUIT":
                return


@pytest.fixture
def server(settings) -> Iterator[MailServer]:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_USE_TLS, settings.DEFAULT_FROM_EMAIL = (
        "127.0.0.1",
        False,
        "rm@b.example",
    )
    with MailServer() as running:
        settings.EMAIL_PORT = running.server_address[1]
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def test_a_mail_server_gets_one_message_for_all_recipients(server: MailServer):
    assert deliver(CHANNEL, TEST, AT_HOME) == "the mail server took it for a@b.example, c@d.example"
    sent = b"".join(server.lines)

    assert b"mail FROM:<rm@b.example>" in sent
    assert b"rcpt TO:<a@b.example>" in sent and b"rcpt TO:<c@d.example>" in sent
    assert b"nothing is wrong." in sent
    assert b"\r\nBcc:" not in sent.partition(b"\r\n\r\n")[0]


def test_what_a_mail_server_refuses_is_said(server: MailServer):
    channel = AlertChannel(kind="email", recipients="x@nowhere.example")
    with pytest.raises(NotDelivered, match="The mail server refused the message"):
        deliver(channel, TEST, AT_HOME)


def test_a_mail_server_that_is_not_there_is_said(server: MailServer, settings):
    settings.EMAIL_PORT = free_port()
    with pytest.raises(NotDelivered, match="The mail server could not be reached"):
        deliver(CHANNEL, TEST, AT_HOME)


def test_how_mail_travels_must_be_a_known_way(monkeypatch):
    monkeypatch.setenv("EMAIL_TLS", "TLS")
    assert read_security() == "tls"
    monkeypatch.setenv("EMAIL_TLS", "ssl")
    with pytest.raises(ConfigurationError, match="EMAIL_TLS must be"):
        read_security()


def test_a_mail_server_needs_a_sender(monkeypatch):
    assert read_sender()
    monkeypatch.setenv("EMAIL_HOST", "mail.b.example")
    with pytest.raises(ConfigurationError, match="EMAIL_FROM must be"):
        read_sender()
    monkeypatch.setenv("EMAIL_FROM", "rm@b.example")
    assert read_sender() == "rm@b.example"
