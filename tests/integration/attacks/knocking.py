"""Sends bytes to a loopback port from inside a container, and says what came of it."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass

from pullwright.agents.ports.sandbox import ExecResult, Sandbox
from pullwright.agents.tools.shell import describe

SECONDS = 30

# The first piece is sent at once, each other one when an answer to the one before has begun.
CLIENT = """
import base64, json, socket, sys
port, pieces = json.loads(sys.argv[1])
answer = b""
with socket.create_connection(("127.0.0.1", port), 20) as sock:
    for number, piece in enumerate(pieces):
        if number:
            answer += sock.recv(65536)
        sock.sendall(base64.b64decode(piece))
    try:
        sock.shutdown(socket.SHUT_WR)
        while more := sock.recv(65536):
            answer += more
    except ConnectionError:
        answer += b" [reset]"
sys.stdout.buffer.write(answer[:4000])
"""

# Opens many connections and keeps them, each with the bytes that it was given.
FLOOD = """
import select, socket, sys, time
port, count, first = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3].encode().decode("unicode_escape").encode()
kept = []
for _ in range(count):
    sock = socket.socket()
    sock.setblocking(False)
    sock.connect_ex(("127.0.0.1", port))
    kept.append(sock)
deadline = time.monotonic() + 1
sent = set()
while time.monotonic() < deadline:
    for sock in select.select([], [s for s in kept if s not in sent], [], 0.05)[1] if count < 900 else kept:
        try:
            sock.send(first)
        except OSError:
            pass
        sent.add(sock)
    if len(sent) == count:
        break
open("/tmp/flooded", "w").close()
while True:
    time.sleep(0.2)
    for sock in kept[:64]:
        try:
            sock.send(b"x")
        except OSError:
            pass
"""


@dataclass(frozen=True)
class Knock:
    """One attack and its outcome."""

    result: ExecResult
    answer: str

    @property
    def told(self) -> str:
        """What the model reads."""
        return describe(self.result, SECONDS)

    @property
    def refused(self) -> list[tuple[str, str]]:
        return [(decision.target, decision.rule) for decision in self.result.egress if not decision.allowed]

    @property
    def allowed(self) -> list[tuple[str, str]]:
        return [(decision.target, decision.rule) for decision in self.result.egress if decision.allowed]


async def knock(sandbox: Sandbox, port: int, *pieces: bytes) -> Knock:
    spec = json.dumps([port, [base64.b64encode(piece).decode() for piece in pieces]])
    result = await sandbox.exec(f"python3 /tmp/knock.py '{spec}'", timeout=SECONDS, cwd="/")
    return Knock(result, result.stdout.text)


async def furnish(sandbox: Sandbox) -> None:
    await sandbox.write_file("/tmp/knock.py", CLIENT.encode())
    await sandbox.write_file("/tmp/flood.py", FLOOD.encode())


def get(target: str, *, method: str = "GET", more: str = "") -> bytes:
    return f"{method} {target} HTTP/1.1\r\nHost: packages\r\nConnection: close\r\n{more}\r\n".encode()
