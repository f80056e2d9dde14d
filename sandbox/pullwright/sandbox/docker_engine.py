"""The container engine: the Docker SDK's blocking calls in threads, streams by our own dial, errors translated once.

A step of an agent costs no thread: the stream to a command is one that the event loop reads.
"""

from __future__ import annotations

import os
import ssl
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, TypeVar

import anyio
import docker
import docker.errors
import docker.tls
import requests
from anyio import to_thread
from anyio.abc import ByteStream

from pullwright.agents.errors import SandboxUnavailable
from pullwright.sandbox.engine_dial import CERTIFICATES, EngineAddress, dial
from pullwright.sandbox.engine_facts import EngineFacts, read_facts
from pullwright.sandbox.engine_http import EngineAnswer, ask, upgrade
from pullwright.sandbox.exec_stream import STDOUT, Demultiplexer
from pullwright.sandbox.ssh_pipe import SshAdapter

CALL_LIMIT = 120
"""Seconds after which a single call to the engine counts as unanswered."""
STDERR_KEPT = 2048
LOST = (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream)
"""What a connection to the engine can end with."""

T = TypeVar("T")


class ObjectMissing(SandboxUnavailable):
    """The engine knows no image, container or volume of that name."""


class ObjectBusy(SandboxUnavailable):
    """Something else is using or removing it."""


class ExecStream(ByteStream):
    """Standard input and output of a command in a container; its standard error is kept aside.

    Args:
        stream: The bytes that the engine sends and takes.
        exec_id: The engine's name for the command.
    """

    def __init__(self, stream: ByteStream, exec_id: str = "") -> None:
        self.exec_id = exec_id
        self._stream = stream
        self._demultiplexer = Demultiplexer()
        self._ready: deque[bytes] = deque()
        self._stderr = b""

    @property
    def stderr(self) -> str:
        """The last things that the command said on standard error, as far as ``receive`` has read."""
        return self._stderr.decode("utf-8", "replace").strip()

    async def receive(self, max_bytes: int = 65536) -> bytes:
        """Return the next bytes of standard output."""
        while not self._ready:
            for kind, piece in await self.receive_pieces(max_bytes):
                if kind == STDOUT:
                    self._ready.append(piece)
                else:
                    self._stderr = (self._stderr + piece)[-STDERR_KEPT:]
        return self._ready.popleft()

    async def receive_pieces(self, max_bytes: int = 65536) -> list[tuple[int, bytes]]:
        """Return the next bytes of both outputs, each with the number of its stream; use this or ``receive``."""
        return self._demultiplexer.feed(await self._stream.receive(max_bytes))

    async def send(self, item: bytes) -> None:
        """Write to standard input."""
        await self._stream.send(item)

    async def send_eof(self) -> None:
        """Close standard input.

        Raises:
            NotImplementedError: The engine is reached by TLS, which closes both directions or none.
        """
        await self._stream.send_eof()

    async def aclose(self) -> None:
        """Close the stream; the command's standard input ends."""
        await self._stream.aclose()


class DockerEngine:
    """One container engine, here or elsewhere.

    Args:
        url: ``unix:///path``, ``ssh://user@host`` or ``tcp://host:port``; by default what ``DOCKER_HOST`` says,
            then the usual sockets. ``DOCKER_TLS_VERIFY`` and ``DOCKER_CERT_PATH`` count as for the ``docker`` command.

    Raises:
        ConfigError: The address is none of these, or plain TCP to another host.
    """

    def __init__(self, url: str | None = None) -> None:
        self._address = EngineAddress.parse(url or os.environ.get("DOCKER_HOST") or "", os.environ)
        self.url = self._address.url
        self._limiter = anyio.CapacityLimiter(4)
        self._opening = anyio.Lock()
        self._client: docker.APIClient | None = None
        self._version = ""

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
        """Ask the engine what it is.

        Raises:
            SandboxUnavailable: No engine answers.
        """
        return read_facts(await self.call("describe itself", lambda client: {**client.version(), **client.info()}))

    async def create_container(self, name: str, config: dict[str, object]) -> None:
        """Create a container from the engine's own JSON.

        Raises:
            SandboxUnavailable: The engine refused it.
        """

        def create(client: docker.APIClient) -> None:
            client.create_container_from_config(config, name)  # type: ignore[no-untyped-call]

        await self.call(f"create container {name!r}", create)

    async def exec_stream(
        self, container: str, argv: Sequence[str], environment: Mapping[str, str], *, stdin: bool = True
    ) -> ExecStream:
        """Start a command in a running container and return its stream, which costs no thread.

        Args:
            container: Name or id.
            argv: The program and its arguments.
            environment: Variables on top of the container's own.
            stdin: Whether the stream can be written to; otherwise standard input is empty.

        Raises:
            ObjectMissing: There is no such container.
            SandboxUnavailable: The engine refused it.
        """

        def create(client: docker.APIClient) -> str:
            made = client.exec_create(container, list(argv), stdin=stdin, environment=dict(environment))
            return str(made["Id"])

        what = f"run {argv[0]!r} in container {container!r}"
        exec_id = await self.call(what, create)
        path = f"/v{self._version}/exec/{exec_id}/start"
        return ExecStream(await self._upgraded(what, path), exec_id)

    async def exec_code(self, exec_id: str) -> int | None:
        """Return the exit code of a command (128 and the number for a signal), None while it runs.

        Raises:
            SandboxUnavailable: The engine knows the command no more.
        """
        told: dict[str, Any] = await self.call("tell how a command ended", lambda client: client.exec_inspect(exec_id))
        return None if told.get("Running") or told.get("ExitCode") is None else int(told["ExitCode"])

    def new_client(self, timeout: int) -> docker.APIClient:
        """Return another client, for calls with a time limit of their own; use and close it in a thread.

        Args:
            timeout: Seconds without a byte after which a call ends.
        """
        address = self._address
        if address.scheme == "ssh":
            client = docker.APIClient(base_url="unix:///ssh", version=self._version, timeout=timeout)
            client.mount("http+docker://", SshAdapter(address.ssh_pipe(), timeout))
        else:
            tls: docker.tls.TLSConfig | bool = False
            if address.certificates is not None:
                authority, certificate, key = (str(address.certificates / name) for name in CERTIFICATES)
                tls = docker.tls.TLSConfig(client_cert=(certificate, key), ca_cert=authority, verify=True)
            client = docker.APIClient(base_url=self.url, version=self._version, timeout=timeout, tls=tls)
        # Neither a proxy nor another authority from the environment shall stand between us and the engine.
        client.trust_env = False
        return client

    async def _upgraded(self, what: str, path: str) -> ByteStream:
        with self._dialing(what), anyio.fail_after(CALL_LIMIT):
            stream = await dial(self._address)
            try:
                return await upgrade(stream, path, {"Detach": False, "Tty": False})
            except BaseException:
                await anyio.aclose_forcefully(stream)
                raise

    @contextmanager
    def _dialing(self, what: str) -> Iterator[None]:
        try:
            yield
        except EngineAnswer as exc:
            kind = ObjectMissing if exc.status == 404 else SandboxUnavailable
            raise kind(f"container engine refused to {what}: {exc}") from exc
        except LOST as exc:
            raise SandboxUnavailable(_no_answer(self.url, exc)) from exc

    async def _connected(self) -> docker.APIClient:
        async with self._opening:
            if self._client is None:
                # Asked without the SDK: it wraps the reason of a failure in several layers of text.
                self._version = await self._ask_version()
                self._client = await to_thread.run_sync(self.new_client, CALL_LIMIT, limiter=self._limiter)
            return self._client

    async def _ask_version(self) -> str:
        with self._dialing("say its version"), anyio.fail_after(CALL_LIMIT):
            async with await dial(self._address) as stream:
                told = await ask(stream, "/version")
        version = str(told.get("ApiVersion") or "")
        if not version.replace(".", "", 1).isdecimal():
            raise SandboxUnavailable(f"what answers at {self.url} does not say its API version: is it an engine?")
        return version

    def _translated(self, what: str, work: Callable[[Any], T], client: Any) -> T:
        try:
            return work(client)
        except docker.errors.NotFound as exc:
            raise ObjectMissing(f"container engine could not {what}: {_reason(exc)}") from exc
        except docker.errors.APIError as exc:
            kind = ObjectBusy if exc.status_code == 409 else SandboxUnavailable
            raise kind(f"container engine refused to {what}: {_reason(exc)}") from exc
        except requests.exceptions.ReadTimeout as exc:
            raise SandboxUnavailable(f"container engine did not {what} within {CALL_LIMIT} s: look at its log") from exc
        except (docker.errors.DockerException, requests.exceptions.RequestException, OSError) as exc:
            raise SandboxUnavailable(_no_answer(self.url, exc)) from exc


def _no_answer(url: str, exc: Exception) -> str:
    if isinstance(exc, PermissionError):
        return f"container engine at {url} may not be used by this user: add the user to the group docker"
    if isinstance(exc, ssl.SSLError):
        return f"container engine at {url} and this side do not trust each other ({exc.reason}): check DOCKER_CERT_PATH"
    if url.startswith("ssh:"):
        return f"no container engine answers at {url}: try 'docker -H {url} version', which must ask for no password"
    return f"no container engine answers at {url}: start Docker (systemctl start docker) or set DOCKER_HOST"


def _reason(exc: docker.errors.APIError) -> str:
    text = str(exc.explanation or exc)
    return " ".join(text.split())[:500]
