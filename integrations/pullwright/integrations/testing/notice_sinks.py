"""Where notices arrive in tests: a server for JSON and one for mail, with real sockets on loopback."""

from __future__ import annotations

import json
import socketserver
import threading
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from pullwright.integrations.testing.certificate import make_certificate
from pullwright.integrations.testing.web_server import Request, Response, WebServer, json_response


class NoticeSink:
    """Takes what Apprise sends to ``jsons://`` until it is closed."""

    def __init__(self, folder: Path, *, path: str = "/hooks") -> None:
        """Begin.

        Args:
            folder: Gets the certificate.
            path: Of its address.
        """
        certificate = make_certificate(folder)
        self.ca_file = certificate.certificate
        self.status = 200
        """What it answers."""
        self._path = path
        self._lock = threading.Lock()
        self._bodies: list[bytes] = []
        self._server = WebServer(self._receive, certificate.server_context())

    @property
    def url(self) -> str:
        """What Apprise is told."""
        return f"jsons://127.0.0.1:{self._server.port}{self._path}"

    @property
    def received(self) -> bytes:
        """Every byte that arrived."""
        with self._lock:
            return b"\n".join(self._bodies)

    @property
    def notices(self) -> list[dict[str, Any]]:
        """Every notice that arrived, whatever was answered."""
        with self._lock:
            return [json.loads(body) for body in self._bodies]

    @property
    def titles(self) -> list[str]:
        """Their titles."""
        return [str(notice["title"]) for notice in self.notices]

    def close(self) -> None:
        """Stop."""
        self._server.close()

    def _receive(self, request: Request) -> Response:
        with self._lock:
            self._bodies.append(request.content())
        return json_response({}, status=self.status)


class MailSink:
    """Takes mail (RFC 5321, as much of it as a client that only sends needs) until it is closed."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        sink = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self._say("220 sink")
                while line := self.rfile.readline():
                    verb = line[:4].upper()
                    if verb == b"DATA":
                        self._say("354 go on")
                        sink.mails.append(message_from_bytes(self._mail(), policy=policy.default))
                    self._say("221 bye" if verb == b"QUIT" else "250 ok")
                    if verb == b"QUIT":
                        return

            def _mail(self) -> bytes:
                lines: list[bytes] = []
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    lines.append(line.removeprefix(b"."))
                return b"".join(lines)

            def _say(self, line: str) -> None:
                self.wfile.write(f"{line}\r\n".encode())

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that the system chose."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
