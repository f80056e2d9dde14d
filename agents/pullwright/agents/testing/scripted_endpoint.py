"""A model server on the loopback that says what a script tells it to, over real HTTP and server-sent events.

For tests and demonstrations that need everything but the model: the client, its retries, cancelling, whole runs.
Requests are checked as strictly as the strictest real server does. Within a process it is a context manager; as a
program it prints its URL when it is ready::

    python -m pullwright.agents.testing.scripted_endpoint --script script.json --port 8123
"""

from __future__ import annotations

import argparse
import json
import select
import socket
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pullwright.agents.testing.endpoint_rules import JsonMapping, Refusal, Rules, check_request
from pullwright.agents.testing.endpoint_script import Script, first_user_text, in_order, read_script
from pullwright.agents.testing.endpoint_wire import STYLES, JsonObject, WireReply, unparsed
from pullwright.agents.testing.scripted_model import Reply


class FaultKind(StrEnum):
    """What can go wrong with one request."""

    NONE = "none"
    STATUS = "status"
    CUT = "cut"
    """The connection breaks in the middle of the stream."""
    NO_FINISH = "no_finish"
    """The stream ends regularly, without a finish reason."""
    ERROR_CHUNK = "error_chunk"
    """An error object in the middle of the stream."""
    PAGE = "page"
    """A proxy's HTML with status 200."""
    SLOW = "slow"
    """Nothing comes for a while."""
    STALL = "stall"
    """The stream stops for a while in the middle."""
    OUTPUT_LIMIT = "output_limit"
    """The last call is cut by ``max_tokens`` and the finish reason does not say so."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault; the endpoint uses up one per request for a reply."""

    kind: FaultKind
    status: int = 503
    message: str = "the server is busy"
    seconds: float = 60.0
    retry_after: float | None = None


class ScriptedEndpoint:
    """The server. A list of replies is used up in order; a callable sees each request."""

    def __init__(
        self,
        script: Script,
        *,
        style: str = "vllm",
        model: str = "scripted-mistral",
        window: int = 262_144,
        key: str = "",
        parser: bool = True,
        faults: Sequence[Fault] = (),
        latency: float = 0.0,
        piece: int = 8,
        port: int = 0,
    ) -> None:
        """Lay out the server; it listens from ``__enter__`` on.

        Args:
            script: What to answer.
            style: One of ``STYLES``: which server's wire habits to take on.
            model: The only model's name.
            window: Tokens of prompt and reply together.
            key: The key that must come with every request; empty for none.
            parser: Whether calls are returned as calls; else their markers stay in the text.
            faults: What goes wrong, one per request.
            latency: Seconds before the first byte of a reply.
            piece: Characters in a piece of a streamed reply.
            port: 0 for any free one.
        """
        self.model = model
        self.key = key
        self.latency = latency
        self.requests: list[JsonObject] = []
        """The bodies of all requests for a reply, refused ones too."""
        self.headers: list[Mapping[str, str]] = []
        """The headers of the same requests, names in lower case."""
        self.disconnected = threading.Event()
        """Set when a client went away before its reply was complete."""
        self._style = STYLES[style]
        self._rules = Rules(
            model=model,
            window=window,
            reasoning_field=self._style.reasoning_field,
            only_known_fields=self._style.only_known_fields,
        )
        self._answer = script if callable(script) else in_order(script)
        self._parser = parser
        self._piece = piece
        self._faults = list(faults)
        self._seen_prompts: dict[str, str] = {}
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", port), self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="scripted-endpoint")

    @property
    def url(self) -> str:
        """Base URL, with ``/v1``."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def window(self) -> int:
        """Tokens of prompt and reply together."""
        return self._rules.window

    @property
    def reports_usage_unasked(self) -> bool:
        """Whether streams end with the token counts without being asked to."""
        return self._style.only_known_fields

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.hang_up()
        self._server.server_close()
        self._thread.join()

    def take_fault(self) -> Fault:
        """Return the next fault; ``NONE`` when they are used up."""
        with self._lock:
            return self._faults.pop(0) if self._faults else Fault(FaultKind.NONE)

    def reply_to(self, request: JsonObject, headers: Mapping[str, str], fault: Fault) -> WireReply:
        """Check a request and find its reply.

        Raises:
            Refusal: The request is wrong or the script has nothing for it.
        """
        with self._lock:
            self.requests.append(request)
            self.headers.append(headers)
            prompt = json.dumps(request.get("messages"))
            check_request(request, self._rules, len(prompt) // 4)
            if fault.kind is FaultKind.STATUS:
                raise Refusal(fault.message, status=fault.status)
            reply = self._answer(request)
            usage = self._usage(request, prompt, reply)
        if fault.kind is FaultKind.OUTPUT_LIMIT:
            reply, usage["completion_tokens"] = _cut_last_call(reply), request["max_tokens"]
        return WireReply(
            reply=reply if self._parser else unparsed(reply),
            style=self._style,
            model=self.model,
            usage=usage,
            piece=self._piece,
        )

    def _usage(self, request: JsonMapping, prompt: str, reply: Reply) -> JsonObject:
        """Count tokens; what an earlier prompt of the conversation shares is cached, as a real engine does."""
        conversation = first_user_text(request)
        shared = _common_length(self._seen_prompts.get(conversation, ""), prompt)
        self._seen_prompts[conversation] = prompt[:-1]  # without the bracket that the next turn moves
        spoken = len(reply.text) + len(json.dumps(list(reply.calls)))
        return {
            "prompt_tokens": len(prompt) // 4,
            "prompt_tokens_details": {"cached_tokens": shared // 4},
            "completion_tokens": (spoken + len(reply.reasoning)) // 4 + 1,
            "completion_tokens_details": {"reasoning_tokens": len(reply.reasoning) // 4},
        }


def _common_length(left: str, right: str) -> int:
    if right.startswith(left):
        return len(left)
    return next((index for index, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), len(right))


def _cut_last_call(reply: Reply) -> Reply:
    *calls, (name, arguments) = reply.calls
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return Reply(reply.text, reply.reasoning, (*calls, (name, text[: len(text) // 2])), "tool_calls")


class _Server(ThreadingHTTPServer):
    daemon_threads = False

    def __init__(self, address: tuple[str, int], endpoint: ScriptedEndpoint) -> None:
        super().__init__(address, _Handler)
        self.endpoint = endpoint
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
    server: _Server

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""

    def do_GET(self) -> None:
        endpoint = self.server.endpoint
        if not self._authorized():
            return
        if self.path == "/v1/models":
            entry = {"id": endpoint.model, "object": "model", "owned_by": "scripted", "max_model_len": endpoint.window}
            self._send_json(200, {"object": "list", "data": [entry]})
        else:
            self._send_json(404, {"detail": "Not Found"})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self._authorized():
            return
        if self.path != "/v1/chat/completions":
            self._send_json(404, {"detail": "Not Found"})
            return
        fault = self.server.endpoint.take_fault()
        request = json.loads(body)
        try:
            reply = self.server.endpoint.reply_to(request, self._lower_headers(), fault)
        except Refusal as refusal:
            self._refuse(refusal, fault)
            return
        try:
            self._answer(request, reply, fault)
        except OSError:
            self.close_connection = True
            if not self.server.closing:
                self.server.endpoint.disconnected.set()

    def _lower_headers(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.headers.items()}

    def _authorized(self) -> bool:
        key = self.server.endpoint.key
        if not key or self.headers["Authorization"] == f"Bearer {key}":
            return True
        self._send_json(401, {"error": "Unauthorized"})
        return False

    def _refuse(self, refusal: Refusal, fault: Fault) -> None:
        error = {
            "message": refusal.message,
            "type": "BadRequestError" if refusal.status < 500 else "InternalServerError",
            "param": refusal.param,
            "code": refusal.status,
        }
        headers = {} if fault.retry_after is None else {"Retry-After": f"{fault.retry_after:g}"}
        self._send_json(refusal.status, {"error": error}, headers)

    def _answer(self, request: JsonMapping, reply: WireReply, fault: Fault) -> None:
        self._wait(self.server.endpoint.latency + (fault.seconds if fault.kind is FaultKind.SLOW else 0.0))
        if fault.kind is FaultKind.PAGE:
            self._send(200, b"<html>It works!</html>", {"Content-Type": "text/html"})
        elif request.get("stream"):
            self._stream(reply, fault, with_usage=self._reports_usage(request))
        else:
            self._send_json(200, reply.whole())

    def _stream(self, reply: WireReply, fault: Fault, *, with_usage: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in self._events(list(reply.chunks(with_usage=with_usage)), fault):
            block = f"data: {event}\n\n".encode()
            self.wfile.write(b"%x\r\n%b\r\n" % (len(block), block))
        if not self.close_connection:
            self.wfile.write(b"0\r\n\r\n")

    def _reports_usage(self, request: JsonMapping) -> bool:
        return bool(request.get("stream_options")) or self.server.endpoint.reports_usage_unasked

    def _events(self, chunks: list[JsonObject], fault: Fault) -> Iterator[str]:
        middle = len(chunks) // 2
        for position, chunk in enumerate(chunks):
            if position == middle and fault.kind in (FaultKind.CUT, FaultKind.NO_FINISH):
                self.close_connection = fault.kind is FaultKind.CUT
                return
            if position == middle and fault.kind is FaultKind.ERROR_CHUNK:
                yield json.dumps({"error": {"message": fault.message, "type": "InternalServerError"}})
                break
            if position == middle and fault.kind is FaultKind.STALL:
                self._wait(fault.seconds)
            yield json.dumps(chunk, separators=(",", ":"))
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


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve a script until the process is ended."""
    parser = argparse.ArgumentParser(description="Serve a scripted model on the loopback.")
    parser.add_argument("--script", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--style", choices=sorted(STYLES), default="vllm")
    parser.add_argument("--model", default="scripted-mistral")
    parser.add_argument("--window", type=int, default=262_144)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--piece", type=int, default=8)
    options = vars(parser.parse_args(arguments))
    with ScriptedEndpoint(read_script(options.pop("script")), **options) as endpoint:
        sys.stdout.write(f"listening on {endpoint.url}\n")
        sys.stdout.flush()
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
