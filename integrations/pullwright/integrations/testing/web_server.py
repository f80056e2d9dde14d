"""An HTTPS server on loopback in threads; what it answers is one function from request to response."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import IO, Any
from urllib.parse import parse_qsl, unquote, urlsplit

_logger = logging.getLogger(__name__)
_SPOOL = 1 << 20
_IDLE_SECONDS = 120


class CloseConnection(Exception):
    """Raised by a responder that wants the connection to end without an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request whose body has been read."""

    method: str
    path: str
    """Decoded, without the query."""
    query_string: str
    headers: Message
    body: IO[bytes]
    raw_path: str = ""
    """As it was sent, which tells a slash in a name from one between names."""

    @property
    def query(self) -> dict[str, str]:
        """The query's last value for each name."""
        return dict(parse_qsl(self.query_string, keep_blank_values=True))

    def content(self) -> bytes:
        """Return the whole body."""
        self.body.seek(0)
        return self.body.read()


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An answer; a body that is an iterator is sent as it comes."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Iterator[bytes] = b""


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a response with a JSON body."""
    body = json.dumps(value).encode()
    kind = {"Content-Type": "application/json; charset=utf-8"}
    return Response(status=status, headers={**kind, **(headers or {})}, body=body)


Responder = Callable[[Request], Response]


class WebServer:
    """Serves one responder over TLS on a free loopback port until it is closed."""

    def __init__(self, responder: Responder, context: ssl.SSLContext) -> None:
        self._server = _Server(responder, context)
        self._thread = threading.Thread(target=self._serve, name="rehearsal-server", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that the system chose."""
        return int(self._server.server_address[1])

    def _serve(self) -> None:
        self._server.serve_forever(poll_interval=0.02)

    def close(self) -> None:
        """Stop listening, end every connection and wait for their threads."""
        self._server.shutdown()
        self._thread.join()
        self._server.end_connections()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, responder: Responder, context: ssl.SSLContext) -> None:
        self.responder = responder
        self._context = context
        self._lock = threading.Lock()
        self._open: dict[socket.socket, threading.Thread] = {}
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(target=self.process_request_thread, args=(request, client_address), daemon=True)
        with self._lock:
            self._open[request] = thread
        thread.start()

    def finish_request(self, request: Any, client_address: Any) -> None:
        # The handshake happens here, in the connection's own thread, so that a silent client blocks nobody else.
        request.settimeout(_IDLE_SECONDS)
        with contextlib.suppress(OSError), self._context.wrap_socket(request, server_side=True) as secure:
            with self._lock:
                self._open[secure] = self._open.pop(request)
            try:
                _Handler(secure, client_address, self)
            finally:
                with self._lock:
                    self._open.pop(secure, None)

    def end_connections(self) -> None:
        with self._lock:
            connections = dict(self._open)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in connections.values():
            thread.join(timeout=10)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.pop(request, None)
        # After the wrapping the plain socket is detached; closing it is all that is left.
        request.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        _logger.exception("the rehearsal could not answer a request")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        _logger.debug("%s", format % args)

    def _answer(self) -> None:
        with tempfile.SpooledTemporaryFile(_SPOOL) as body:
            if not self._read_body(body):
                self.close_connection = True  # as every server does with a request that was cut short
                return
            parts = urlsplit(self.path)
            request = Request(
                method=self.command,
                path=unquote(parts.path),
                raw_path=parts.path,
                query_string=parts.query,
                headers=self.headers,
                body=body,
            )
            try:
                response = self.server.responder(request)
            except CloseConnection:
                self.close_connection = True
                return
            self._send(response)

    do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = do_DELETE = _answer

    def _read_body(self, body: IO[bytes]) -> bool:
        """Read what belongs to the request; False when its sender went away before it was whole."""
        left = 0
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            while size := int(self.rfile.readline().split(b";")[0] or b"-1", 16):
                if size < 0 or body.write(self.rfile.read(size)) < size:
                    return False
                self.rfile.readline()
            self.rfile.readline()
        else:
            left = int(self.headers.get("Content-Length") or 0)
            while left and (block := self.rfile.read(min(left, _SPOOL))):
                body.write(block)
                left -= len(block)
        body.seek(0)
        return left == 0

    def _send(self, response: Response) -> None:
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        if isinstance(response.body, bytes):
            self.send_header("Content-Length", str(len(response.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(response.body)
            return
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for block in response.body:
            if block:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(block), block))
        self.wfile.write(b"0\r\n\r\n")
