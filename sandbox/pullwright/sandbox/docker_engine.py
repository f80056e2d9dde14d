"""The container engine, by the Docker SDK: blocking calls in threads, vendor errors translated once.

A step of an agent costs no thread: the exec stream is taken out of the SDK as a socket that the event loop reads.
"""

from __future__ import annotations

import os
import socket
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import anyio
import docker
import docker.errors
import requests
from anyio import to_thread
from anyio.abc import ByteStream, UNIXSocketStream

from pullwright.agents.errors import ConfigError, SandboxUnavailable
from pullwright.sandbox.exec_stream import STDOUT, Demultiplexer

DEFAULT_SOCKET = "/var/run/docker.sock"
CALL_LIMIT = 120
"""Seconds after which a single call to the engine counts as unanswered."""
STDERR_KEPT = 2048

T = TypeVar("T")


class ObjectMissing(SandboxUnavailable):
    """The engine knows no image, container or volume of that name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFacts:
    """What an engine says about itself."""

    version: str
    storage_driver: str
    cgroup_version: str
    security: tuple[str, ...]


class ExecStream(ByteStream):
    """Standard input and output of a command in a container; its standard error is kept aside."""

    def __init__(self, stream: UNIXSocketStream) -> None:
        self._stream = stream
        self._demultiplexer = Demultiplexer()
        self._ready: deque[bytes] = deque()
        self._stderr = b""

    @property
    def stderr(self) -> str:
        """The last things that the command said on standard error."""
        return self._stderr.decode("utf-8", "replace").strip()

    async def receive(self, max_bytes: int = 65536) -> bytes:
        """Return the next bytes of standard output."""
        while not self._ready:
            for kind, piece in self._demultiplexer.feed(await self._stream.receive(max_bytes)):
                if kind == STDOUT:
                    self._ready.append(piece)
                else:
                    self._stderr = (self._stderr + piece)[-STDERR_KEPT:]
        return self._ready.popleft()

    async def send(self, item: bytes) -> None:
        """Write to standard input."""
        await self._stream.send(item)

    async def send_eof(self) -> None:
        """Close standard input."""
        await self._stream.send_eof()

    async def aclose(self) -> None:
        """Close the stream; the command's standard input ends."""
        await self._stream.aclose()


class DockerEngine:
    """One engine behind a unix socket.

    Args:
        url: ``unix:///path``; by default what ``DOCKER_HOST`` says, then the usual places.
    """

    def __init__(self, url: str | None = None) -> None:
        self.url = url or os.environ.get("DOCKER_HOST") or f"unix://{_usual_socket()}"
        if not self.url.startswith("unix://"):
            raise ConfigError(
                f"container engine {self.url!r} is not a unix socket: forward it to one"
                " (ssh -nNT -L /tmp/docker.sock:/var/run/docker.sock HOST) and set DOCKER_HOST to unix:///tmp/docker.sock"
            )
        self._limiter = anyio.CapacityLimiter(4)
        self._opening = anyio.Lock()
        self._client: docker.APIClient | None = None

    async def __aenter__(self) -> DockerEngine:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections to the engine; a later call opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(client.close, limiter=self._limiter)

    async def call(self, what: str, work: Callable[[docker.APIClient], T]) -> T:
        """Run a blocking call in a thread.

        Args:
            what: The action, for messages: ``start container 'x'``.
            work: What to do with the client.

        Raises:
            ObjectMissing: The engine knows no such object.
            SandboxUnavailable: No engine answers, or it refuses.
        """
        client = await self._connected()
        return await to_thread.run_sync(self._translated, what, work, client, limiter=self._limiter)

    async def facts(self) -> EngineFacts:
        """Ask the engine what it is."""
        info: dict[str, Any] = await self.call("describe itself", lambda client: client.info())
        return EngineFacts(
            version=str(info.get("ServerVersion", "")),
            storage_driver=str(info.get("Driver", "")),
            cgroup_version=str(info.get("CgroupVersion", "")),
            security=tuple(str(option) for option in info.get("SecurityOptions") or ()),
        )

    async def create_container(self, name: str, config: dict[str, object]) -> None:
        """Create a container from the engine's own JSON.

        Raises:
            SandboxUnavailable: The engine refused it.
        """

        def create(client: docker.APIClient) -> None:
            client.create_container_from_config(config, name)  # type: ignore[no-untyped-call]

        await self.call(f"create container {name!r}", create)

    async def exec_stream(self, container: str, argv: Sequence[str], environment: Mapping[str, str]) -> ExecStream:
        """Start a command in a running container and return its stream, a plain socket without a thread.

        Raises:
            SandboxUnavailable: The engine refused it.
        """

        def start(client: docker.APIClient) -> socket.socket:
            command = client.exec_create(container, list(argv), stdin=True, environment=dict(environment))
            raw = client.exec_start(command["Id"], socket=True)
            # The duplicate outlives the SDK's response object, which closes its own descriptor when it is collected.
            # Nothing is lost in the SDK's read buffer: the runner is silent until we speak.
            if not isinstance(raw, socket.SocketIO):
                raise ConfigError(f"container engine {self.url!r} gives no plain socket: use a unix:// address")
            theirs: socket.socket = raw._sock  # type: ignore[attr-defined]
            own = theirs.dup()
            raw.close()
            theirs.close()
            own.setblocking(False)
            return own

        sock = await self.call(f"run the runner in container {container!r}", start)
        with anyio.CancelScope(shield=True):  # a moment; a socket that nobody holds yet would leak
            stream = await UNIXSocketStream.from_socket(sock)
        return ExecStream(stream)

    async def _connected(self) -> docker.APIClient:
        async with self._opening:
            if self._client is None:
                self._client = await to_thread.run_sync(
                    self._translated, "say its version", self._connect, None, limiter=self._limiter
                )
            return self._client

    def _connect(self, _: None) -> docker.APIClient:
        # Asked plainly first: the SDK wraps the reason in several layers of text, and leaks the socket.
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(CALL_LIMIT)
            probe.connect(self.url.removeprefix("unix://"))
        return docker.APIClient(base_url=self.url, version="auto", timeout=CALL_LIMIT)

    def _translated(self, what: str, work: Callable[[Any], T], client: Any) -> T:
        try:
            return work(client)
        except docker.errors.NotFound as exc:
            raise ObjectMissing(f"container engine could not {what}: {_reason(exc)}") from exc
        except docker.errors.APIError as exc:
            raise SandboxUnavailable(f"container engine refused to {what}: {_reason(exc)}") from exc
        except requests.exceptions.ReadTimeout as exc:
            raise SandboxUnavailable(f"container engine did not {what} within {CALL_LIMIT} s: look at its log") from exc
        except (docker.errors.DockerException, requests.exceptions.RequestException, OSError) as exc:
            raise SandboxUnavailable(_no_answer(self.url, exc)) from exc


def _usual_socket() -> str:
    rootless = Path(os.environ.get("XDG_RUNTIME_DIR", "/nonexistent"), "docker.sock")
    return DEFAULT_SOCKET if Path(DEFAULT_SOCKET).exists() or not rootless.exists() else str(rootless)


def _no_answer(url: str, exc: Exception) -> str:
    if isinstance(exc, PermissionError):
        return f"container engine at {url} may not be used by this user: add the user to the group docker"
    return f"no container engine answers at {url}: start Docker (systemctl start docker) or set DOCKER_HOST"


def _reason(exc: docker.errors.APIError) -> str:
    text = str(exc.explanation or exc)
    return " ".join(text.split())[:500]
