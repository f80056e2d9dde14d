"""Runs git by GitPython, on our own bare mirrors: exact environment, fixed argument lists, dead when canceled."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import anyio
from anyio import to_thread

from pullwright.agents.errors import ChangeError, ConfigError
from pullwright.sandbox.git_errors import first_reason

try:
    import git
except ImportError as exc:  # GitPython looks for the git program when it is imported
    raise ConfigError("git is not installed on this host: apt-get install git") from exc

STDERR_KEPT = 16_384

APPLY_KIB = 1 << 20
"""Memory that reading a patch may take, in KiB: a short one can say that it stands for a file of many gigabytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """How a git process ended."""

    code: int
    stdout: bytes
    stderr: str

    @property
    def text(self) -> str:
        """Standard output as stripped text."""
        return self.stdout.decode("utf-8", "replace").strip()


class GitRunner:
    """Starts git processes; at most four at once that use the network, and four that do not."""

    def __init__(self) -> None:
        self._local = anyio.CapacityLimiter(4)
        self._network = anyio.CapacityLimiter(4)

    async def run(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        *,
        stdin: bytes = b"",
        cwd: Path | None = None,
        network: bool = False,
        output_limit: int | None = None,
        memory_kib: int | None = None,
        deadline: float = 300,
    ) -> Completed:
        """Run git and return how it ended; a failing git is a result.

        Args:
            arguments: Everything after ``git``. Never a secret: other users of the host can read it.
            environment: All of the process's environment.
            stdin: What it reads.
            cwd: Where it runs; the bare mirrors need none.
            network: Whether it talks to another host.
            output_limit: Stop it when it has written so many bytes.
            memory_kib: Most memory that it may take, in KiB.
            deadline: Seconds after which it is killed.

        Raises:
            TimeoutError: It was killed at its deadline.
        """
        limiter = self._network if network else self._local
        with tempfile.TemporaryFile() as source:
            if stdin:
                await to_thread.run_sync(_fill, source.fileno(), stdin, limiter=limiter)
            command = [*_limited(memory_kib), "git", *arguments]
            process = await to_thread.run_sync(_start, command, dict(environment), source, cwd, limiter=limiter)
            try:
                with anyio.fail_after(deadline):
                    # The thread is left behind only for as long as the killed process takes to go.
                    return await to_thread.run_sync(
                        _finish, process, output_limit, limiter=limiter, abandon_on_cancel=True
                    )
            except BaseException:
                _kill(process)
                raise

    async def done(self, arguments: Sequence[str], environment: Mapping[str, str], *, stdin: bytes = b"") -> Completed:
        """Run git on a mirror and return how it ended, which must be well.

        Raises:
            ChangeError: It failed.
        """
        completed = await self.run(arguments, environment, stdin=stdin)
        if completed.code:
            raise ChangeError(f"git {arguments[0]} failed in a mirror: {first_reason(completed.stderr)}")
        return completed


def _limited(memory_kib: int | None) -> list[str]:
    return [] if memory_kib is None else ["sh", "-c", f'ulimit -d {memory_kib}; exec "$@"', "sh"]


def _fill(descriptor: int, content: bytes) -> None:
    with os.fdopen(os.dup(descriptor), "wb") as file:
        file.write(content)
    os.lseek(descriptor, 0, os.SEEK_SET)


def _start(program: list[str], environment: dict[str, str], source: object, cwd: Path | None) -> git.Git.AutoInterrupt:
    # GitPython adds our variables to those of this process; the others are taken away by name.
    command = ["env", *(f"--unset={name}" for name in os.environ if name not in environment), *program]
    started = git.Git(cwd or "/").execute(
        command,
        istream=source,  # type: ignore[call-overload]
        env=environment,
        as_process=True,
        start_new_session=True,
    )
    return cast("git.Git.AutoInterrupt", started)


def _finish(process: git.Git.AutoInterrupt, output_limit: int | None) -> Completed:
    running = process.proc
    if running is None or running.stdout is None or running.stderr is None:
        raise ConfigError("git could not be started: check that it is installed")
    if output_limit is None:
        stdout, stderr = running.communicate()
    else:
        stdout = running.stdout.read(output_limit)
        running.stdout.close()
        stderr = running.stderr.read()
        running.stderr.close()
    code = running.wait()
    return Completed(code=code, stdout=stdout, stderr=stderr[-STDERR_KEPT:].decode("utf-8", "replace"))


def _kill(process: git.Git.AutoInterrupt) -> None:
    if process.proc is not None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.proc.pid, signal.SIGKILL)
