"""The roles around untrusted code: a sandbox to act in, a workspace with the files, a verifier to believe."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pullwright.agents.change import CheckResult, Evidence
from pullwright.agents.egress import EgressDecision
from pullwright.agents.environment import PLAIN, Environment

OUTPUT_LIMIT = 32_768
"""Bytes of each output stream that are kept (head and tail) unless a caller asks for another number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """A commit in a bare mirror on this host: where a workspace starts."""

    mirror: Path
    ref: str
    sha: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One captured stream: what was kept, and how much of the middle was not."""

    head: bytes = b""
    tail: bytes = b""
    dropped: int = 0
    """Bytes between head and tail that were not kept."""

    @property
    def text(self) -> str:
        """Head and tail decoded, with a line in the middle that counts what is missing."""
        head = self.head.decode("utf-8", "replace")
        if not self.dropped:
            return head + self.tail.decode("utf-8", "replace")
        return f"{head}\n[… {self.dropped} bytes left out …]\n{self.tail.decode('utf-8', 'replace')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecResult:
    """How a command ended. A failing command is a result, not an error."""

    exit_code: int | None
    """None when the command was stopped at its time limit or by a signal."""
    signal: int | None = None
    timed_out: bool = False
    stdout: Output = Output()
    stderr: Output = Output()
    seconds: float = 0.0
    cwd: str = ""
    """Where the shell was when it ended; the next command starts there."""
    egress: tuple[EgressDecision, ...] = ()
    """What wanted to leave the sandbox since the last command ended, and what was decided."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceState:
    """A background service as it is now."""

    name: str
    running: bool
    exit_code: int | None = None
    """None while it runs, and when it was ended by a signal."""
    log: Output = Output()
    """What it has printed so far, both streams as they came; head and tail are kept."""


class Sandbox(Protocol):
    """A place to run commands. Commands of one sandbox run one after another."""

    async def exec(
        self, command: str, *, timeout: float, cwd: str | None = None, output_limit: int = OUTPUT_LIMIT
    ) -> ExecResult:
        """Run a shell command line and wait for it.

        The working directory follows the last command, the environment does not. Standard input is empty. At
        ``timeout`` seconds, and on cancellation, every process that the command started is killed, ``setsid``
        children included.

        Raises:
            SandboxGone: The container or its stream ended.
            ProtocolViolation: The container's side broke the protocol.
        """
        ...

    async def read_file(self, path: str, *, offset: int = 0, limit: int = 1 << 20) -> bytes:
        """Read up to ``limit`` bytes from byte ``offset``. Relative paths start at the workspace.

        Raises:
            FileNotFoundError: Nothing is there.
            IsADirectoryError: It is a directory.
            PermissionError: The agent's user may not read it.
            OSError: Anything else the file system said.
            SandboxGone: The container or its stream ended.
        """
        ...

    async def write_file(self, path: str, content: bytes) -> None:
        """Write a file whole, making missing folders; the mode of an existing file is kept.

        Raises:
            IsADirectoryError: A directory is in the way.
            PermissionError: The agent's user may not write there.
            OSError: Anything else the file system said (no space, name too long).
            SandboxGone: The container or its stream ended.
        """
        ...

    async def start_service(self, name: str, command: str, *, cwd: str | None = None) -> None:
        """Start a command line that keeps running when later commands end, until it is stopped.

        Everything it started ends with it, and with the sandbox.

        Args:
            name: A short name that is free: a letter or digit, then letters, digits, ``.``, ``_`` and ``-``.
            command: A shell command line.
            cwd: Where it starts; by default where the last command ended.

        Raises:
            ServiceError: The name is taken or malformed, there are too many services, or it could not be started.
            SandboxGone: The container or its stream ended.
        """
        ...

    async def read_service(self, name: str, *, limit: int = OUTPUT_LIMIT) -> ServiceState:
        """Return how a service is and what it has printed.

        Raises:
            ServiceError: There is no service of that name.
            SandboxGone: The container or its stream ended.
        """
        ...

    async def stop_service(self, name: str) -> ServiceState:
        """Kill a service with everything it started, forget it, and return how it ended.

        Raises:
            ServiceError: There is no service of that name.
            SandboxGone: The container or its stream ended.
        """
        ...

    async def delta(self, *, whole: bool, limit: int) -> bytes | None:
        """Return what changed in the files since the last call, as a binary git patch; None when nothing did.

        The first call counts from the base. It is made inside, where the agent can lie about its own files: good for
        checkpoints, never for a change that is handed in.

        Args:
            whole: Count from the base, whatever was returned before.
            limit: Most bytes that the patch may have.

        Raises:
            PatchTooLarge: The patch has more than ``limit`` bytes.
            ChangeRefused: git can not take in what is there.
            SandboxGone: The container or its stream ended.
        """
        ...


class Workspace(Protocol):
    """One task's files on a clean base. Outlives the sandboxes that are opened on it."""

    @property
    def base(self) -> Base:
        """The commit that the files started from."""
        ...

    @property
    def notices(self) -> tuple[str, ...]:
        """One line each about what the environment asked for and did not get, for people."""
        ...

    @property
    def setup_egress(self) -> tuple[EgressDecision, ...]:
        """What the environment's set-up reached; empty when an earlier one was reused."""
        ...

    def open_sandbox(self) -> AbstractAsyncContextManager[Sandbox]:
        """Start a container on the files; at the end of the block all of its processes are gone.

        At most one sandbox may be open at a time.

        Raises:
            SandboxUnavailable: The engine did not start a container.
        """
        ...

    async def extract(self, *, limit: int) -> bytes:
        """Return the difference to the base as a binary git patch, made in a throwaway container.

        Must be called while no sandbox is open. Untracked files are in it, ignored ones are not.

        Raises:
            EmptyChange: Nothing differs.
            PatchTooLarge: The patch has more than ``limit`` bytes.
            SandboxUnavailable: The engine did not start the container.
        """
        ...

    async def apply(self, patch: bytes) -> None:
        """Bring a patch made by ``extract`` onto clean files, in a throwaway container.

        Raises:
            ChangeRefused: It does not apply.
            SandboxUnavailable: The engine did not start the container.
        """
        ...


class EnvironmentSource(Protocol):
    """Says what a repository asks its sandbox to be."""

    async def read(self, base: Base) -> Environment:
        """Read the environment of a base commit; nothing that an agent or a fork wrote is looked at.

        Raises:
            ConfigError: The repository's file can not be understood; names the file and the key.
        """
        ...


class SandboxProvider(Protocol):
    """Makes workspaces."""

    def open(
        self, base: Base, *, task_id: str, environment: Environment = PLAIN
    ) -> AbstractAsyncContextManager[Workspace]:
        """Lay out the base's files for one task; at the end of the block they are gone.

        The environment is made on first use: its image is pulled or built, its set-up is run, and both are kept for
        later tasks. Cancellation inside the block removes everything before it is passed on.

        Raises:
            SandboxUnavailable: No engine answers.
            ImageError: The sandbox image could not be built or pulled.
            SetupFailed: The repository's set-up script failed.
        """
        ...


class Verifier(Protocol):
    """Says whether a change is good, by fresh containers only."""

    async def verify(
        self,
        base: Base,
        patch: bytes,
        checks: tuple[str, ...],
        *,
        chosen_by: str,
        task_id: str,
        environment: Environment = PLAIN,
    ) -> Evidence:
        """Run each check on the clean base and on base + patch, each side in its own fresh container.

        Raises:
            ChangeRefused: The patch does not apply on the base.
            SandboxUnavailable: The engine did not start a container.
        """
        ...

    async def check_base(
        self, base: Base, checks: tuple[str, ...], *, task_id: str, environment: Environment = PLAIN
    ) -> tuple[CheckResult, ...]:
        """Run each check on the clean base alone, in a fresh container.

        Raises:
            SandboxUnavailable: The engine did not start a container.
        """
        ...

    async def check_tests(
        self, base: Base, tests: bytes, checks: tuple[str, ...], *, task_id: str, environment: Environment = PLAIN
    ) -> tuple[tuple[CheckResult, ...], tuple[EgressDecision, ...]]:
        """Run each check on base + what a change does to files of tests, in a fresh container.

        Returns:
            What the checks said, and what they wanted to reach.

        Raises:
            ChangeRefused: That part of the patch does not apply on the base.
            SandboxUnavailable: The engine did not start a container.
        """
        ...
