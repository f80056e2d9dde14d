"""A request whose sender was killed in the middle of it never reaches the rehearsal, as it reaches no server."""

from __future__ import annotations

import socket
import ssl
from urllib.parse import urlsplit

import pytest

from pullwright.integrations.testing.forge import AGENT_TOKEN, RehearsalForge

HEAD = (
    "POST {path}/repos/acme/shop/issues HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n{length}\r\n\r\n"
)


@pytest.mark.parametrize(
    ("length", "body"),
    [
        ("Content-Length: 20", b""),
        ("Content-Length: 20", b'{"title": "x'),
        ("Transfer-Encoding: chunked", b""),
        ("Transfer-Encoding: chunked", b'14\r\n{"title": "x'),
        ("Transfer-Encoding: chunked", b'c\r\n{"title": "x\r\n'),
    ],
)
def test_a_request_that_is_cut_short_is_not_one(length: str, body: bytes) -> None:
    with RehearsalForge() as forge:
        forge.create_repository("acme", "shop", {"a.txt": "one\n"})
        address = urlsplit(forge.api_url)
        trust = ssl.create_default_context(cafile=str(forge.ca_file))
        head = HEAD.format(path=address.path, host=address.netloc, token=AGENT_TOKEN, length=length)
        plain = socket.create_connection((str(address.hostname), address.port or 443))
        with trust.wrap_socket(plain, server_hostname=address.hostname) as connection:
            connection.sendall(head.encode() + body)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                """Until the other side hangs up, too."""
    assert forge.violations == []
    assert [entry for entry in forge.requests if entry.method == "POST"] == []
