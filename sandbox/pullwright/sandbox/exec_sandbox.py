"""The ``Sandbox`` port for images without Python: one exec of the engine per command, and only a POSIX shell inside.

Slower than the runner (an exec is about 100 ms of the engine's time) and without egress, but any image with ``sh`` and
the usual utilities will do. Its container needs ``KEEPER`` as its first process, and no init of the engine's.
"""

from __future__ import annotations

import errno
import os
import posixpath
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from time import monotonic

import anyio
import anyio.lowlevel

from pullwright.agents.background import beside
from pullwright.agents.errors import ProtocolViolation, SandboxGone, SandboxUnavailable
from pullwright.agents.ports.sandbox import OUTPUT_LIMIT, ExecResult, ServiceState
from pullwright.sandbox import exec_scripts as scripts
from pullwright.sandbox.answers import refused
from pullwright.sandbox.container_spec import SCRATCH
from pullwright.sandbox.docker_engine import DockerEngine
from pullwright.sandbox.exec_run import Transcript, exit_code, output
from pullwright.sandbox.exec_services import ExecServices
from pullwright.sandbox.exec_shell import ContainerShell, Ended
from pullwright.sandbox.runner.shell import ENVIRONMENT, LONG_SCRIPT, SKELETON

FILE_LIMIT = 60.0
"""Seconds that reading or writing a file may take."""
CLEANUP_LIMIT = 30.0
"""Seconds that clean-up may take when the work around it was canceled."""
STOP_LIMIT = 10.0
"""Seconds in which the output of a service that was killed ends."""
MOST_PATH = 4096

_NUMBERS = {
    scripts.NO_ENTRY: errno.ENOENT,
    scripts.IS_FOLDER: errno.EISDIR,
    scripts.NO_FOLDER: errno.ENOTDIR,
    scripts.DENIED: errno.EACCES,
    scripts.NO_FILE: errno.EINVAL,
    scripts.SHORT: errno.ENOSPC,
    128 + signal.SIGXFSZ: errno.EFBIG,
}
_COMPLAINTS = {
    "No space left": errno.ENOSPC,
    "name too long": errno.ENAMETOOLONG,
    "Read-only": errno.EROFS,
    "Permission denied": errno.EACCES,
}
"""What utilities say in the C locale, for the reasons that a shell can not find out by itself."""


@asynccontextmanager
async def open_exec_sandbox(
    engine: DockerEngine, container: str, *, workspace: str, home: str, variables: Mapping[str, str] | None = None
) -> AsyncIterator[ExecSandbox]:
    """Make a sandbox of a running container. The container is the caller's; processes in it live as long as it does.

    Args:
        engine: Where it runs.
        container: Its name. It was started with ``KEEPER`` as its command and without init.
        workspace: Where relative paths and the first command start.
        home: The home of all commands.
        variables: Added to the environment of every command and service.

    Raises:
        SandboxUnavailable: The image lacks something that is needed.
        SandboxGone: The container ended.
    """
    fixed = dict(pair.split("=") for pair in ENVIRONMENT.split())
    shell = ContainerShell(engine, container, {**fixed, "HOME": home, **(variables or {})})
    transcript = Transcript(scripts.NOISE)
    ended = await shell.run(scripts.PREPARE, (SKELETON,), transcript, seconds=FILE_LIMIT, kept=str(scripts.KEEPER_MARK))
    if ended.trailer is None:
        raise SandboxUnavailable(f"the image of container {container!r} can not run 'sh': use one with a shell")
    program, _, missing = output(transcript.stdout, scripts.NOISE).text.partition("\n")
    if missing.strip():
        needed = missing.split()[0]
        raise SandboxUnavailable(
            f"the image of container {container!r} has no {needed!r}: use one with it, or with python3"
        )
    services = ExecServices()
    async with beside(services.serve):
        yield ExecSandbox(shell, services, workspace=workspace, program=program)


class ExecSandbox:
    """The port on plain execs; made by ``open_exec_sandbox``.

    Args:
        shell: Runs scripts in the container.
        services: Its services; somebody serves them.
        workspace: Where relative paths and the first command start.
        program: The shell of commands and services.
    """

    def __init__(self, shell: ContainerShell, services: ExecServices, *, workspace: str, program: str) -> None:
        self._shell = shell
        self._services = services
        self._workspace = self._cwd = workspace
        self._program = program
        self._lock = anyio.Lock()

    async def exec(
        self, command: str, *, timeout: float, cwd: str | None = None, output_limit: int = OUTPUT_LIMIT
    ) -> ExecResult:
        """Run a shell command line; see the port."""
        if "\0" in command or not _is_text(command):
            return refused("the command holds bytes that no command line can hold: write it to a file first")
        async with self._lock:
            transcript = Transcript(output_limit)
            report = posixpath.join(SCRATCH, f".pullwright-{transcript.token}")
            folder, otherwise = self._folders(cwd)
            text = scripts.asking(report) + await self._as_argument(command, f"{report}.sh")
            arguments = (self._services.kept, folder, otherwise, self._program, text, report)
            started = monotonic()
            ended = await self._run(scripts.COMMAND, arguments, transcript, seconds=timeout)
            return await self._result(ended, folder, monotonic() - started, output_limit)

    async def read_file(self, path: str, *, offset: int = 0, limit: int = 1 << 20) -> bytes:
        """Read a part of a file; see the port."""
        # Half of what a transcript keeps is the head; a byte more shows who sends more than was asked for.
        transcript = Transcript(2 * limit + 2)
        arguments = (self._path(path), str(offset + 1), str(limit))
        async with self._lock:
            ended = await self._run(scripts.READ, arguments, transcript)
        _raise_failure(ended, path)
        content = bytes(transcript.stdout.head)
        if len(content) > limit:
            raise ProtocolViolation(f"sandbox answered with more than the {limit} bytes asked for: discard it")
        return content

    async def write_file(self, path: str, content: bytes) -> None:
        """Write a file whole; see the port."""
        async with self._lock:
            await self._write(self._path(path), content, path)

    async def start_service(self, name: str, command: str, *, cwd: str | None = None) -> None:
        """Start a command line that goes on; see the port."""
        async with self._lock:
            service = self._services.reserve(name)
            try:
                folder, otherwise = self._folders(cwd)
                arguments = (service.mark, folder, otherwise, self._program, command)
                stream = await self._shell.open(scripts.SERVICE, service.transcript.token, arguments)
                await self._services.follow(service, stream)
            except BaseException:
                self._services.forget(service)
                with anyio.move_on_after(CLEANUP_LIMIT, shield=True):
                    await self._shell.sweep("others", self._services.kept)
                raise

    async def read_service(self, name: str, *, limit: int = OUTPUT_LIMIT) -> ServiceState:
        """Return how a service is; see the port."""
        await anyio.lowlevel.checkpoint()
        service = self._services.find(name)
        await service.settle()
        return service.state(limit)

    async def stop_service(self, name: str) -> ServiceState:
        """Kill a service; see the port."""
        async with self._lock:
            service = self._services.find(name)
            await self._shell.sweep("marked", service.mark)
            with anyio.move_on_after(STOP_LIMIT):
                await service.ended.wait()
            self._services.forget(service)
            return service.state(OUTPUT_LIMIT, stopped=True)

    async def _run(
        self,
        script: str,
        arguments: tuple[str, ...],
        transcript: Transcript,
        *,
        seconds: float = FILE_LIMIT,
        stdin: bytes | None = None,
    ) -> Ended:
        kept = self._services.kept
        return await self._shell.run(script, arguments, transcript, seconds=seconds, kept=kept, stdin=stdin)

    def _folders(self, cwd: str | None) -> tuple[str, str]:
        """Return where a command starts, and where it starts if that is gone."""
        return (posixpath.join(self._workspace, cwd), "") if cwd else (self._cwd, self._workspace)

    def _path(self, path: str) -> str:
        full = posixpath.join(self._workspace, path)
        number = errno.EINVAL if "\0" in path else errno.ENAMETOOLONG if len(full) > MOST_PATH else 0
        if not number and not _is_text(path):
            number = errno.EILSEQ
        if number:
            raise OSError(number, os.strerror(number), path)
        return full

    async def _as_argument(self, command: str, file: str) -> str:
        """Return the command, or, where it is too long for an argument, one that reads it from a file."""
        content = command.encode()
        if len(content) <= LONG_SCRIPT:
            return command
        await self._write(file, content, file)
        return f". {file}"

    async def _write(self, full: str, content: bytes, path: str) -> None:
        ended = await self._run(scripts.WRITE, (full, str(len(content))), Transcript(scripts.NOISE), stdin=content)
        _raise_failure(ended, path)

    async def _result(self, ended: Ended, folder: str, seconds: float, limit: int) -> ExecResult:
        code, said = None, ""
        if ended.trailer is not None:
            code = exit_code(ended.trailer)
            said, _, where = ended.trailer.report.decode("utf-8", "surrogateescape").partition("\n")
            folder = where[:-1] if _is_folder(where) else folder
        elif not ended.timed_out:
            code = await self._shell.code_of(ended)
        self._cwd = folder
        # A shell that ended by itself has said its number; one over 128 without a word is a signal.
        number = code - 128 if code is not None and 128 < code <= 192 and said != str(code) else None
        return ExecResult(
            exit_code=None if number else code,
            signal=number,
            timed_out=ended.timed_out,
            stdout=output(ended.transcript.stdout, limit),
            stderr=ended.transcript.stderr(limit),
            seconds=seconds,
            cwd=folder,
        )


def _is_folder(line: str) -> bool:
    """Whether a line is a path that can be gone to again."""
    return line.startswith("/") and line.endswith("\n") and len(line) <= MOST_PATH and _is_text(line)


def _is_text(text: str) -> bool:
    """Whether it can be sent to the engine, which takes UTF-8 only."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _raise_failure(ended: Ended, path: str) -> None:
    if ended.timed_out:
        raise SandboxGone(f"sandbox did not read or write a file within {FILE_LIMIT:g} s: open a new one")
    code = exit_code(ended.trailer)
    if code == 0:
        return
    complaint = ended.transcript.stderr(scripts.NOISE).text
    told = next((number for text, number in _COMPLAINTS.items() if text in complaint), errno.EIO)
    number = _NUMBERS.get(code, told)
    if number == errno.ENOENT and told != errno.EIO:  # nothing is there because it could not be made
        number = told
    raise OSError(number, os.strerror(number), path)
