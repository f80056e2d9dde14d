"""The host's side of the runner: commands, files and services over any byte stream that ends in a runner."""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import asynccontextmanager

import anyio
from anyio.abc import ByteStream

from pullwright.agents.errors import SandboxGone, ServiceError
from pullwright.agents.ports.sandbox import OUTPUT_LIMIT, ExecResult, ServiceState
from pullwright.sandbox import answers
from pullwright.sandbox.answers import FreeSpace
from pullwright.sandbox.bootstrap import runner_source
from pullwright.sandbox.channels import ConnectionHandler
from pullwright.sandbox.frames import MAX_PAYLOAD, Frame, FrameType, as_json, encode, encode_meta
from pullwright.sandbox.runner_link import ANSWER_GRACE, RunnerLink

__all__ = ["FreeSpace", "RunnerClient"]

START_LIMIT = 60.0
"""Seconds a container may take to bring its runner up."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LOG = frozenset({FrameType.OUT_HEAD, FrameType.OUT_TAIL})
_FILE = frozenset({FrameType.DATA})
_OUTPUT = _LOG | {FrameType.ERR_HEAD, FrameType.ERR_TAIL}


class RunnerClient:
    """Speaks to one runner. Requests wait for each other; what breaks the protocol ends the client."""

    def __init__(self, link: RunnerLink) -> None:
        self._link = link
        self._lock = anyio.Lock()
        self._pinging = anyio.Lock()
        self.notices: tuple[str, ...] = ()
        """What could not be set up inside, one line each; the container's words."""

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        stream: ByteStream,
        *,
        workspace: str,
        home: str,
        ports: Mapping[int, ConnectionHandler] | None = None,
        variables: Mapping[str, str] | None = None,
        end_all: bool = False,
    ) -> AsyncIterator[RunnerClient]:
        """Bring the runner up behind a stream that ends in ``RUNNER_ARGV``, for the length of a block.

        The block does not close the stream; its end is what ends the runner and everything it started.

        Args:
            stream: Standard input and output of the command.
            workspace: Where relative paths and the first command start.
            home: The home of all commands.
            ports: Loopback ports that are listened on inside, and who serves their connections; each runs in a task
                of its own, and its errors, but for those of a connection that went away, come out of the block.
            variables: Added to the environment of every command and service.
            end_all: At the end of the stream kill every process of the runner's user, so that its container ends.

        Raises:
            SandboxGone: The stream ended, or nothing answered in time.
            ProtocolViolation: Something else than the runner answered.
            SandboxUnavailable: The ports can not be listened on.
        """
        link = RunnerLink(stream, ports or {})
        client = cls(link)
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(link.read, group)
                try:
                    await client._greet(workspace, home, variables or {}, end_all)
                    yield client
                finally:
                    link.fail(SandboxGone("sandbox was closed: open a new one"))
                    group.cancel_scope.cancel()
        except BaseExceptionGroup as errors:
            if len(errors.exceptions) > 1:
                raise
            # The group is ours; what came out of the block shall be seen as it is.
            raise errors.exceptions[0] from errors.exceptions[0].__cause__

    async def _greet(self, workspace: str, home: str, variables: Mapping[str, str], end_all: bool) -> None:
        setup = {"workspace": workspace, "home": home, "variables": dict(variables), "end_all": end_all}
        hello = encode_meta(FrameType.HELLO, 0, ports=self._link.channels.ports, **setup)
        with self._link.request(FrameType.READY, hello=True) as request:
            answer = await self._link.exchange(request, await runner_source() + hello, START_LIMIT)
            self.notices = tuple(answers.ready(answer).notices)

    async def ping(self) -> FreeSpace:
        """Wait until the runner answers, also while a command runs.

        Raises:
            SandboxGone: It does not.
        """
        async with self._pinging:
            with self._link.request(FrameType.PONG) as request:
                data = encode(Frame(FrameType.PING, request.id))
                return answers.free_space(await self._link.exchange(request, data, ANSWER_GRACE))

    async def exec(
        self, command: str, *, timeout: float, cwd: str | None = None, output_limit: int = OUTPUT_LIMIT
    ) -> ExecResult:
        """Run a shell command line; see the port."""
        spec = as_json(command=command, timeout=timeout, cwd=cwd, limit=output_limit)
        if len(spec) > MAX_PAYLOAD:
            return answers.refused(f"the command has more than {MAX_PAYLOAD} bytes: write it to a file first")
        async with self._lock:
            with self._link.request(FrameType.EXIT, parts=_OUTPUT, limit=2 * output_limit + 4) as request:
                data = encode(Frame(FrameType.EXEC, request.id, spec))
                return answers.exec_result(await self._link.exchange(request, data, timeout + ANSWER_GRACE))

    async def read_file(self, path: str, *, offset: int = 0, limit: int = 1 << 20) -> bytes:
        """Read a part of a file; see the port."""
        async with self._lock:
            with self._link.request(FrameType.DONE, parts=_FILE, limit=limit) as request:
                data = encode_meta(FrameType.READ, request.id, path=path, offset=offset, limit=limit)
                return answers.file_part(await self._link.exchange(request, data, START_LIMIT), path)

    async def write_file(self, path: str, content: bytes) -> None:
        """Write a file whole; see the port."""
        if len(content) > MAX_PAYLOAD:
            await self.upload(path, _slices(content))
            return
        async with self._lock:
            with self._link.request(FrameType.DONE) as request:
                data = encode_meta(FrameType.WRITE, request.id, path=path)
                data += encode(Frame(FrameType.CHUNK, request.id, content)) + encode(Frame(FrameType.END, request.id))
                answers.file_part(await self._link.exchange(request, data, START_LIMIT), path)

    async def upload(self, path: str, chunks: AsyncIterable[bytes]) -> None:
        """Write a file of any size from chunks of at most ``MAX_PAYLOAD`` bytes. Cancellation ends the client.

        Raises:
            OSError: The file system refused it.
            SandboxGone: The container or its stream ended.
        """
        async with self._lock:
            with self._link.request(FrameType.DONE) as request:
                await self._link.send(encode_meta(FrameType.WRITE, request.id, path=path))
                async for chunk in chunks:
                    await self._link.send(encode(Frame(FrameType.CHUNK, request.id, chunk)))
                end = encode(Frame(FrameType.END, request.id))
                answers.file_part(await self._link.exchange(request, end, START_LIMIT), path)

    async def start_service(self, name: str, command: str, *, cwd: str | None = None) -> None:
        """Start a background service; see the port."""
        if not _NAME.fullmatch(name):
            raise ServiceError(
                f"service name {name[:80]!r} is malformed: use up to 64 letters, digits, '.', '_' and '-'"
            )
        spec = as_json(name=name, command=command, cwd=cwd)
        if len(spec) > MAX_PAYLOAD:
            raise ServiceError(f"the command of service {name!r} is too long: write it to a file first")
        async with self._lock:
            with self._link.request(FrameType.DONE) as request:
                data = encode(Frame(FrameType.SERVICE_START, request.id, spec))
                answers.raise_service_failure(await self._link.exchange(request, data, START_LIMIT), name)

    async def read_service(self, name: str, *, limit: int = OUTPUT_LIMIT) -> ServiceState:
        """Return how a service is; see the port."""
        return await self._service(FrameType.SERVICE_READ, name, limit)

    async def stop_service(self, name: str) -> ServiceState:
        """Kill a service and forget it; see the port."""
        return await self._service(FrameType.SERVICE_STOP, name, OUTPUT_LIMIT)

    async def _service(self, kind: FrameType, name: str, limit: int) -> ServiceState:
        async with self._lock:
            with self._link.request(FrameType.SERVICE, parts=_LOG, limit=limit + 2) as request:
                data = encode_meta(kind, request.id, name=name[:80], limit=limit)
                return answers.service_state(await self._link.exchange(request, data, START_LIMIT), name)


async def _slices(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), MAX_PAYLOAD):
        yield content[start : start + MAX_PAYLOAD]
