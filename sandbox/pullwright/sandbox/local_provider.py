"""The same runner in a plain subprocess on this host. No isolation at all: for tests of everything but isolation."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from anyio import to_thread
from anyio.streams.stapled import StapledByteStream

from pullwright.agents.egress import EgressDecision
from pullwright.agents.environment import PLAIN, Environment
from pullwright.agents.errors import SandboxError, SandboxUnavailable
from pullwright.agents.ports.sandbox import Base, Sandbox, Workspace
from pullwright.sandbox.bootstrap import RUNNER_ARGV
from pullwright.sandbox.channels import ConnectionHandler
from pullwright.sandbox.checkpointer import Checkpointer
from pullwright.sandbox.extractor import apply_patch, extract_patch
from pullwright.sandbox.guarded_sandbox import GuardedSandbox
from pullwright.sandbox.runner_client import RunnerClient
from pullwright.sandbox.seed import seed_repository

END_LIMIT = 10
"""Seconds that a runner may take to end its commands."""


@asynccontextmanager
async def local_runner(
    workspace: Path,
    home: Path,
    *,
    ports: Mapping[int, ConnectionHandler] | None = None,
    variables: Mapping[str, str] | None = None,
) -> AsyncIterator[RunnerClient]:
    """Start a runner in a subprocess for the length of a block; see ``RunnerClient.open``.

    Raises:
        SandboxUnavailable: It did not start.
    """
    command = [sys.executable, *RUNNER_ARGV[1:]]
    environment = {"PATH": os.environ.get("PATH", os.defpath)}
    process = await anyio.open_process(command, stderr=subprocess.DEVNULL, cwd=workspace, env=environment)
    try:
        if process.stdin is None or process.stdout is None:
            raise SandboxUnavailable("local runner has no pipes: this should not happen")
        stream = StapledByteStream(process.stdin, process.stdout)
        async with RunnerClient.open(
            stream, workspace=str(workspace), home=str(home), ports=ports, variables=variables
        ) as runner:
            yield runner
    finally:
        with anyio.move_on_after(END_LIMIT, shield=True):
            # The end of its input is what tells the runner to kill its commands and go.
            if process.stdin is not None:
                await process.stdin.aclose()
            await process.wait()
        if process.returncode is None:
            process.kill()
        with anyio.CancelScope(shield=True):
            await process.aclose()


class LocalWorkspace:
    """The ``Workspace`` port on a folder of this host; made by ``LocalProvider``."""

    def __init__(self, root: Path, base: Base, variables: Mapping[str, str]) -> None:
        self._root = root
        self._base = base
        self._variables = variables
        self._open = False

    @property
    def base(self) -> Base:
        """The commit that the files started from."""
        return self._base

    @property
    def notices(self) -> tuple[str, ...]:
        """Nothing: images and set-ups are ignored here altogether."""
        return ()

    @property
    def setup_egress(self) -> tuple[EgressDecision, ...]:
        """Nothing: there is no set-up."""
        return ()

    @property
    def files(self) -> Path:
        """The folder with the files."""
        return self._root / "workspace"

    @asynccontextmanager
    async def open_sandbox(self) -> AsyncIterator[Sandbox]:
        """Start a runner on the files; see the port."""
        if self._open:
            raise SandboxError(f"workspace {str(self._root)!r} has an open sandbox: close it first")
        self._open = True
        try:
            async with local_runner(self.files, self._root / "home", variables=self._variables) as runner:
                yield GuardedSandbox(runner, checkpointer=self._checkpointer(runner))
        finally:
            self._open = False

    async def extract(self, *, limit: int) -> bytes:
        """Return the difference to the base as a patch; see the port."""
        async with self._second_runner() as runner:
            return await extract_patch(
                runner,
                self._base,
                workspace=str(self.files),
                pristine=str(self._root / "pristine"),
                scratch=str(self._root),
                limit=limit,
            )

    async def apply(self, patch: bytes) -> None:
        """Bring a patch onto the files; see the port."""
        async with self._second_runner() as runner:
            await apply_patch(runner, self._base, patch, workspace=str(self.files), scratch=str(self._root))

    def _checkpointer(self, runner: RunnerClient) -> Checkpointer:
        return Checkpointer(
            runner,
            self._base,
            workspace=str(self.files),
            pristine=str(self._root / "pristine"),
            scratch=str(self._root),
        )

    @asynccontextmanager
    async def _second_runner(self) -> AsyncIterator[RunnerClient]:
        if self._open:
            raise SandboxError(f"workspace {str(self._root)!r} has an open sandbox: close it first")
        async with local_runner(self.files, self._root / "home") as runner:
            yield runner


class LocalProvider:
    """The ``SandboxProvider`` port without a container engine.

    Of an environment only the variables count: there is no image to choose, nothing is set up, and nothing keeps a
    command from the network.

    Args:
        root: Where the temporary folders go; by default where the system puts them.
    """

    def __init__(self, root: Path | None = None) -> None:
        self._root = root

    @asynccontextmanager
    async def open(self, base: Base, *, task_id: str, environment: Environment = PLAIN) -> AsyncIterator[Workspace]:
        """Lay out the base's files; see the port."""
        root = Path(tempfile.mkdtemp(prefix=f"pullwright-{task_id[:20].replace('/', '-')}-", dir=self._root))
        try:
            for name in ("pristine", "home"):
                await anyio.Path(root, name).mkdir()
            async with local_runner(root / "pristine", root / "home") as runner:
                await seed_repository(runner, base)
                copied = await runner.exec("cp -a . ../workspace", timeout=60)
            if copied.exit_code != 0:
                raise SandboxError(f"workspace could not be copied: {copied.stderr.text.strip()[:300]}")
            yield LocalWorkspace(root, base, dict(environment.variables))
        finally:
            with anyio.move_on_after(END_LIMIT, shield=True):
                await to_thread.run_sync(lambda: shutil.rmtree(root, ignore_errors=True))
