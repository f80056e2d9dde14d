"""The sockets of a scripted endpoint."""

from __future__ import annotations

import json
import select
import socket
import struct
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain, repeat
from typing import Any

from pullwright.agents.testing.endpoint_changes import change_body, change_chunks, ends_with_done
from pullwright.agents.testing.endpoint_fault import Fault, FaultKind
from pullwright.agents.testing.endpoint_packets import KEEP_ALIVES, packets
from pullwright.agents.testing.endpoint_quirks import Quirk
from pullwright.agents.testing.endpoint_rules import JsonMapping, Refusal
from pullwright.agents.testing.endpoint_serving import Serving
from pullwright.agents.testing.endpoint_wire import JsonObject, WireReply

_RESET = struct.pack("ii", 1, 0)
_CHAT = "/v1/chat/completions"


class Server(ThreadingHTTPServer):
    """Listens, a thread for each connection."""

    daemon_threads = False
    request_queue_size = 128
    """As real servers: where five wait, the next ones to connect in the same moment try again a second later."""

    def __init__(self, address: tuple[str, int], serving: Serving) -> None:
        super().__init__(address, _Handler)
        self.serving = serving
        self._connections: set[socket.socket] = set()
        self.closing = False

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """End all connections, so that their threads end."""
        self.closing = True
        for connection in tuple(self._connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # the client was faster


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server
    _cut = False
    """Whether the connection breaks before the reply is complete."""

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""

    def do_GET(self) -> None:
        if self._authorized():
            self._guarded(self._about)

    def do_POST(self) -> None:
        size = int(self.headers["Content-Length"])
        body = self.rfile.read(size)
        if len(body) < size:
            self.close_connection = True  # whoever asked went away in the middle
            return
        if not self._authorized():
            return
        request = json.loads(body)
        if self.path != _CHAT:
            status, answer = self.server.serving.answer_count(self.path, request) or (404, {"detail": "Not Found"})
            self._send_json(status, answer)
            return
        fault, quirks = self.server.serving.take_fault(), self.server.serving.take_quirks()
        try:
            reply = self.server.serving.reply_to(request, self._lower_headers(), fault, quirks)
        except Refusal as refusal:
            self._refuse(refusal)
            return
        self._guarded(self._answer, request, reply, fault)

    def _guarded(self, act: Any, *arguments: Any) -> None:
        """Do something that a client may run away from."""
        try:
            act(*arguments)
        except OSError:
            self.close_connection = True
            if not self.server.closing:
                self.server.serving.disconnected.set()

    def _about(self) -> None:
        serving = self.server.serving
        if self.path == "/health" and Quirk.F15_SLOW_HEALTH in serving.quirks:
            self._wait(serving.seconds)
        self._send_json(*serving.answer_about(self.path))

    def _lower_headers(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.headers.items()}

    def _authorized(self) -> bool:
        key = self.server.serving.key
        if not key or self.headers["Authorization"] == f"Bearer {key}":
            return True
        self._send_json(401, {"error": "Unauthorized"})
        return False

    def _refuse(self, refusal: Refusal) -> None:
        headers = {} if refusal.retry_after is None else {"Retry-After": f"{refusal.retry_after:g}"}
        if refusal.page:
            self._send(refusal.status, refusal.page.encode(), {"Content-Type": "text/html", **headers})
        else:
            self._send_json(refusal.status, self.server.serving.error_body(refusal), headers)

    def _answer(self, request: JsonMapping, reply: WireReply, fault: Fault) -> None:
        self._wait(self._delay(reply, fault))
        if Quirk.F25_RESET_BEFORE in reply.quirks:
            self._reset()
        elif fault.kind is FaultKind.PAGE or Quirk.F25_PAGE in reply.quirks:
            self._send(200, b"<html>It works!</html>", {"Content-Type": "text/html"})
        elif request.get("stream"):
            self._stream(reply, fault, with_usage=self._reports_usage(request))
        elif Quirk.F25_RESET_AFTER in reply.quirks:
            self._begin("application/json")
            self._reset()
        else:
            self._send_json(200, change_body(reply.whole(), reply.quirks))

    def _delay(self, reply: WireReply, fault: Fault) -> float:
        slow = fault.seconds if fault.kind is FaultKind.SLOW else 0.0
        quirky = self.server.serving.seconds if reply.quirks & {Quirk.F22_SLOW_LOAD, Quirk.F27_SLOW_START} else 0.0
        return self.server.serving.latency + slow + quirky

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.close_connection = self._cut = True

    def _begin(self, content_type: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _stream(self, reply: WireReply, fault: Fault, *, with_usage: bool) -> None:
        self._begin("text/event-stream; charset=utf-8")
        if Quirk.F25_RESET_AFTER in reply.quirks:
            self._reset()
            return
        if Quirk.F6_KEEP_ALIVES in reply.quirks:
            self._keep_alive()
        chunks = change_chunks(reply.chunks(with_usage=with_usage), reply.quirks)
        for packet in packets(self._events(chunks, reply, fault), reply.quirks):
            if Quirk.F27_TRICKLE in reply.quirks:
                self._wait(self.server.serving.seconds)
            self._send_packet(packet)
        if not self._cut:
            self.wfile.write(b"0\r\n\r\n")

    def _send_packet(self, packet: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(packet), packet))

    def _keep_alive(self) -> None:
        for _ in range(KEEP_ALIVES):
            self._wait(self.server.serving.seconds / KEEP_ALIVES)
            self._send_packet(b": keep-alive\n\n")

    def _reports_usage(self, request: JsonMapping) -> bool:
        return bool(request.get("stream_options")) or self.server.serving.reports_usage_unasked

    def _events(self, chunks: list[JsonObject], reply: WireReply, fault: Fault) -> Iterator[str]:
        endless = repeat(chunks[1 if len(chunks) > 1 else 0]) if Quirk.F27_ENDLESS in reply.quirks else ()
        middle = len(chunks) // 2
        for position, chunk in enumerate(chain(chunks[:1], endless, chunks[1:])):
            if position == middle and fault.kind in (FaultKind.CUT, FaultKind.NO_FINISH):
                self.close_connection = self._cut = fault.kind is FaultKind.CUT
                return
            if position == middle and fault.kind is FaultKind.ERROR_CHUNK:
                yield json.dumps({"error": {"message": fault.message, "type": "InternalServerError"}})
                break
            if position == middle and fault.kind is FaultKind.STALL:
                self._wait(fault.seconds)
            yield json.dumps(chunk, separators=(",", ":"), ensure_ascii=False)
            if endless:
                time.sleep(0.001)
        if ends_with_done(reply.quirks):
            yield "[DONE]"

    def _wait(self, seconds: float) -> None:
        """Let time pass, but notice when the client hangs up."""
        if seconds and select.select([self.connection], [], [], seconds)[0]:
            raise ConnectionAbortedError

    def _send_json(self, status: int, body: object, headers: Mapping[str, str] | None = None) -> None:
        self._send(status, json.dumps(body).encode(), {"Content-Type": "application/json", **(headers or {})})

    def _send(self, status: int, content: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
