"""An engine behind ``ssh``: each connection is one ``ssh HOST docker system dial-stdio`` on a pair of sockets.

To the program above it is a socket like any other, with time limits and half-closing; the SDK gets it by an adapter
in place of its own, which reads from pipes without a limit and wants another ssh library installed.
"""

from __future__ import annotations

import socket
import subprocess
from dataclasses import dataclass

import anyio
from anyio import to_thread
from anyio.abc import ByteStream, UNIXSocketStream
from docker.transport.unixconn import UnixHTTPAdapter, UnixHTTPConnection, UnixHTTPConnectionPool

CONNECT_LIMIT = 30
"""Seconds that ssh may take to reach the host."""
END_LIMIT = 5
"""Seconds that ssh may take to end after its connection was closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SshPipe:
    """The command that reaches an engine, with the keys and the configuration of whoever runs this program."""

    host: str
    port: int | None
    user: str

    @property
    def command(self) -> list[str]:
        """The program and its arguments. It never asks for anything: nobody is there to answer."""
        port = ["-p", str(self.port)] if self.port else []
        user = ["-l", self.user] if self.user else []
        options = ["-T", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT_LIMIT}"]
        return ["ssh", *options, *port, *user, "--", self.host, "docker", "system", "dial-stdio"]

    def start(self) -> tuple[socket.socket, subprocess.Popen[bytes]]:
        """Start it and return our end of its standard input and output. Blocks for a moment.

        Raises:
            OSError: There is no ssh program.
        """
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                fd = theirs.fileno()
                process = subprocess.Popen(
                    self.command, stdin=fd, stdout=fd, stderr=subprocess.DEVNULL, start_new_session=True
                )
        except OSError:
            ours.close()
            raise
        return ours, process


def end(process: subprocess.Popen[bytes]) -> None:
    """End an ssh whose connection was closed. Blocks for up to ``END_LIMIT`` seconds."""
    process.terminate()
    try:
        process.wait(END_LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class SshStream(ByteStream):
    """One connection to the engine, for the event loop."""

    def __init__(self, stream: UNIXSocketStream, process: subprocess.Popen[bytes]) -> None:
        self._stream = stream
        self._process = process

    @classmethod
    async def open(cls, pipe: SshPipe) -> SshStream:
        """Start ssh. That the host answers is known when it says something.

        Raises:
            OSError: There is no ssh program.
        """
        with anyio.CancelScope(shield=True):  # a moment; a process that nobody holds yet would live on
            ours, process = await to_thread.run_sync(pipe.start)
            ours.setblocking(False)
            stream = await UNIXSocketStream.from_socket(ours)
        return cls(stream, process)

    async def receive(self, max_bytes: int = 65536) -> bytes:
        """Return the next bytes."""
        return await self._stream.receive(max_bytes)

    async def send(self, item: bytes) -> None:
        """Send bytes."""
        await self._stream.send(item)

    async def send_eof(self) -> None:
        """End what we send."""
        await self._stream.send_eof()

    async def aclose(self) -> None:
        """Close the connection and end ssh."""
        with anyio.CancelScope(shield=True):
            await anyio.aclose_forcefully(self._stream)
            await to_thread.run_sync(end, self._process)


class _SshConnection(UnixHTTPConnection):
    def __init__(self, pipe: SshPipe, timeout: int) -> None:
        super().__init__("http+docker://localhost", "", timeout)
        self._pipe = pipe
        self._process: subprocess.Popen[bytes] | None = None

    def connect(self) -> None:
        self.sock, self._process = self._pipe.start()
        self.sock.settimeout(self.timeout)

    def close(self) -> None:
        super().close()
        process, self._process = self._process, None
        if process is not None:
            end(process)


class _SshPool(UnixHTTPConnectionPool):
    def __init__(self, url: str, pipe: SshPipe, timeout: int) -> None:
        super().__init__(url, "", timeout)
        self._pipe = pipe
        self._seconds = timeout

    def _new_conn(self) -> _SshConnection:  # type: ignore[override]  # typeshed's base class has fewer methods
        return _SshConnection(self._pipe, self._seconds)


class SshAdapter(UnixHTTPAdapter):
    """Lets the SDK's requests go through ssh.

    Args:
        pipe: How the host is reached.
        timeout: Seconds without a byte after which a call ends.
    """

    def __init__(self, pipe: SshPipe, timeout: int) -> None:
        super().__init__("", timeout)
        self._pipe = pipe

    def get_connection(self, url: str | bytes, proxies: object = None) -> _SshPool:
        """Return the connections to the engine."""
        with self.pools.lock:
            pool = self.pools.get(url)
            if pool is None:
                pool = self.pools[url] = _SshPool(str(url), self._pipe, self.timeout)
        return pool
