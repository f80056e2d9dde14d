"""A sandbox without processes: files in memory, commands answered by a function. For tests of everything around it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from posixpath import join, normpath

from pullwright.agents.egress import EgressDecision
from pullwright.agents.environment import PLAIN, Environment
from pullwright.agents.errors import ChangeRefused, EmptyChange, PatchTooLarge, SandboxError, ServiceError
from pullwright.agents.ports.sandbox import OUTPUT_LIMIT, Base, ExecResult, Output, Sandbox, ServiceState, Workspace

WORKSPACE = "/workspace"

_MAGIC = b"pullwright fake patch\n"


class FakeSandbox:
    """Files in memory, commands and services by a handler."""

    def __init__(self, files: dict[str, bytes], handler: Handler, pristine: Mapping[str, bytes]) -> None:
        self.files = files
        """Content by absolute path; handlers may change it."""
        self.services: dict[str, ExecResult] = {}
        """What the handler answered to each service's command line, by the service's name."""
        self._pristine = dict(pristine)
        self._last = self._pristine
        self.cwd = WORKSPACE
        self.commands: list[str] = []
        """Every command line so far."""
        self._handler = handler

    async def exec(
        self, command: str, *, timeout: float, cwd: str | None = None, output_limit: int = OUTPUT_LIMIT
    ) -> ExecResult:
        """Ask the handler; see the port."""
        self.commands.append(command)
        if cwd is not None:
            self.cwd = _absolute(cwd)
        result = await self._handler(command, self)
        self.cwd = result.cwd or self.cwd
        return result

    async def read_file(self, path: str, *, offset: int = 0, limit: int = 1 << 20) -> bytes:
        """Read a part of a file; see the port."""
        place = _absolute(path)
        if self._is_folder(place):
            raise IsADirectoryError(21, "Is a directory", path)
        if place not in self.files:
            raise FileNotFoundError(2, "No such file or directory", path)
        return self.files[place][offset : offset + limit]

    async def write_file(self, path: str, content: bytes) -> None:
        """Write a file whole; see the port."""
        place = _absolute(path)
        if self._is_folder(place):
            raise IsADirectoryError(21, "Is a directory", path)
        parts = place.split("/")
        if any("/".join(parts[:end]) in self.files for end in range(2, len(parts))):
            raise NotADirectoryError(20, "Not a directory", path)
        self.files[place] = content

    async def start_service(self, name: str, command: str, *, cwd: str | None = None) -> None:
        """Ask the handler; the service counts as running until it is stopped. See the port."""
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name) or name in self.services:
            raise ServiceError(f"service name {name!r} is malformed, or taken")
        self.commands.append(command)
        self.services[name] = await self._handler(command, self)

    async def read_service(self, name: str, *, limit: int = OUTPUT_LIMIT) -> ServiceState:
        """Return the handler's output as the log; see the port."""
        log = self._service(name).stdout
        return ServiceState(name=name, running=True, log=Output(head=log.head[:limit]))

    async def stop_service(self, name: str) -> ServiceState:
        """Forget it; see the port."""
        log = self._service(name).stdout
        del self.services[name]
        return ServiceState(name=name, running=False, log=log)

    async def delta(self, *, whole: bool, limit: int) -> bytes | None:
        """Return what changed, in a form that only ``apply`` of a fake reads; see the port."""
        patch = _patch(self._pristine if whole else self._last, self.files, limit)
        self._last = dict(self.files)
        return patch

    def _service(self, name: str) -> ExecResult:
        if name not in self.services:
            raise ServiceError(f"there is no service {name!r}: start it first")
        return self.services[name]

    def _is_folder(self, place: str) -> bool:
        return place in (WORKSPACE, "/") or any(name.startswith(f"{place}/") for name in self.files)


Handler = Callable[[str, FakeSandbox], Awaitable[ExecResult]]
"""Answers a command line; may look at and change the sandbox's files."""


def output(stdout: str = "", *, exit_code: int | None = 0, stderr: str = "", timed_out: bool = False) -> ExecResult:
    """Return a result for a handler to give."""
    return ExecResult(
        exit_code=exit_code,
        timed_out=timed_out,
        stdout=Output(head=stdout.encode()),
        stderr=Output(head=stderr.encode()),
    )


async def no_commands(command: str, sandbox: FakeSandbox) -> ExecResult:
    """Answer every command as a shell that has no programs."""
    return output(stderr=f"{command.split(' ')[0]}: command not found\n", exit_code=127)


class FakeWorkspace:
    """The ``Workspace`` port in memory."""

    def __init__(self, base: Base, pristine: Mapping[str, bytes], handler: Handler) -> None:
        self._base = base
        self._pristine = {_absolute(path): content for path, content in pristine.items()}
        self.files = dict(self._pristine)
        """Content by absolute path; survives the sandboxes."""
        self.sandboxes: list[FakeSandbox] = []
        """Every sandbox that was opened."""
        self._handler = handler
        self._open = False
        self.applying: SandboxError | None = None
        """What ``apply`` raises."""
        self.notices: tuple[str, ...] = ()
        self.setup_egress: tuple[EgressDecision, ...] = ()

    @property
    def base(self) -> Base:
        """The commit that the files started from."""
        return self._base

    @asynccontextmanager
    async def open_sandbox(self) -> AsyncIterator[Sandbox]:
        """Open a sandbox on the files; see the port."""
        self._check_closed()
        sandbox = FakeSandbox(self.files, self._handler, self._pristine)
        self.sandboxes.append(sandbox)
        self._open = True
        try:
            yield sandbox
        finally:
            self._open = False

    async def extract(self, *, limit: int) -> bytes:
        """Return the difference to the base, in a form that only ``apply`` of a fake reads; see the port."""
        self._check_closed()
        patch = _patch(self._pristine, self.files, limit)
        if patch is None:
            raise EmptyChange(f"nothing differs from the base {self._base.sha[:12]!r}")
        return patch

    async def apply(self, patch: bytes) -> None:
        """Bring a patch of a fake onto the files; see the port."""
        self._check_closed()
        if self.applying is not None:
            raise self.applying
        if not patch.startswith(_MAGIC):
            raise ChangeRefused(f"patch does not apply on base {self._base.sha[:12]!r}: not made by a fake workspace")
        change: dict[str, list[str | None]] = json.loads(patch[len(_MAGIC) :])
        for path, (before, _) in change.items():
            if _digest(self.files.get(path)) != before:
                raise ChangeRefused(f"patch does not apply on base {self._base.sha[:12]!r}: {path!r} differs")
        for path, (_, after) in change.items():
            self.files.pop(path, None)
            if after is not None:
                self.files[path] = base64.b64decode(after)

    def _check_closed(self) -> None:
        if self._open:
            raise SandboxError("workspace has an open sandbox: close it first")


class FakeProvider:
    """The ``SandboxProvider`` port in memory.

    Args:
        files: What every workspace starts with, by path relative to the workspace.
        handler: Answers commands.
        failure: Raised by ``open`` instead of making a workspace.
        files_at: Says for each base what a workspace starts with, instead of ``files``.
    """

    def __init__(
        self,
        files: Mapping[str, bytes] | None = None,
        handler: Handler = no_commands,
        *,
        failure: SandboxError | None = None,
        files_at: Callable[[Base], Mapping[str, bytes]] | None = None,
    ) -> None:
        self._files = dict(files or {})
        self._files_at = files_at or (lambda _: self._files)
        self._handler = handler
        self._failure = failure
        self.workspaces: list[FakeWorkspace] = []
        """Every workspace that was made."""
        self.task_ids: list[str] = []
        """The tasks they were made for."""
        self.environments: list[Environment] = []
        """The environments they were asked for with; nothing else is done with them."""
        self.open_now = 0
        """How many are in use."""
        self.applying: SandboxError | None = None
        """What the next ``apply`` of a workspace raises."""

    @asynccontextmanager
    async def open(self, base: Base, *, task_id: str, environment: Environment = PLAIN) -> AsyncIterator[Workspace]:
        """Make a workspace; see the port."""
        if self._failure is not None:
            raise self._failure
        workspace = FakeWorkspace(base, self._files_at(base), self._handler)
        workspace.applying, self.applying = self.applying, None
        self.workspaces.append(workspace)
        self.task_ids.append(task_id)
        self.environments.append(environment)
        self.open_now += 1
        try:
            yield workspace
        finally:
            self.open_now -= 1


def _patch(before: Mapping[str, bytes], after: Mapping[str, bytes], limit: int) -> bytes | None:
    change = {
        path: [_digest(before.get(path)), _text(after.get(path))]
        for path in sorted({*before, *after})
        if path.startswith(f"{WORKSPACE}/") and before.get(path) != after.get(path)
    }
    if not change:
        return None
    patch = _MAGIC + json.dumps(change).encode()
    if len(patch) > limit:
        raise PatchTooLarge(f"change is larger than {limit} bytes: remove generated files")
    return patch


def _absolute(path: str) -> str:
    return normpath(join(WORKSPACE, path))


def _digest(content: bytes | None) -> str | None:
    return None if content is None else hashlib.sha256(content).hexdigest()


def _text(content: bytes | None) -> str | None:
    return None if content is None else base64.b64encode(content).decode("ascii")
