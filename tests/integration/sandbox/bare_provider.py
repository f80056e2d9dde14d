"""A provider whose sandboxes are ``ExecSandbox``: what the contract suite asks of it, and no more."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from pullwright.agents.environment import PLAIN, Environment
from pullwright.agents.errors import SandboxError
from pullwright.agents.ports.sandbox import Base
from pullwright.agents.testing.contracts_sandbox import CONTRACT_FILES
from pullwright.sandbox.container_spec import HOME, WORKSPACE, ContainerLimits, ContainerSpec, Mount, labels
from pullwright.sandbox.docker_engine import DockerEngine
from pullwright.sandbox.exec_sandbox import ExecSandbox, open_exec_sandbox
from pullwright.sandbox.exec_scripts import KEEPER
from tests.integration.sandbox.containers import running

BASE = Base(mirror=Path("/nonexistent"), ref="main", sha="0" * 40)
LIMITS = ContainerLimits(memory_mib=512, pids=128, tmp_mib=32, home_mib=16, file_mib=64)


class BareWorkspace:
    """A volume with sandboxes on it; a patch is taken out of, and put into, real workspaces only (their own suite)."""

    def __init__(self, engine: DockerEngine, image: str, volume: str) -> None:
        own = labels(instance="test-exec", kind="agent")
        mounts = (Mount(volume=volume, target=WORKSPACE),)
        self.base = BASE
        self._engine = engine
        self._open = False
        self._spec = ContainerSpec(
            image=image, kind="agent", mounts=mounts, labels=own, limits=LIMITS, command=KEEPER, init=False
        )

    @asynccontextmanager
    async def open_sandbox(self) -> AsyncIterator[ExecSandbox]:
        self._closed()
        self._open = True
        try:
            async with (
                running(self._engine, self._spec) as name,
                open_exec_sandbox(
                    self._engine, name, workspace=WORKSPACE, home=HOME, variables={"GREETING": "hello"}
                ) as sandbox,
            ):
                yield sandbox
        finally:
            self._open = False

    async def extract(self, *, limit: int) -> bytes:
        self._closed()
        raise SandboxError("nothing is taken out of a bare workspace")

    async def apply(self, patch: bytes) -> None:
        raise SandboxError("nothing is put into a bare workspace")

    def _closed(self) -> None:
        if self._open:
            raise SandboxError("a sandbox is open")


class BareProvider:
    def __init__(self, engine: DockerEngine, image: str) -> None:
        self._engine = engine
        self._image = image

    @asynccontextmanager
    async def open(self, base: Base, *, task_id: str, environment: Environment = PLAIN) -> AsyncIterator[BareWorkspace]:
        volume = f"pullwright-test-{secrets.token_hex(6)}"
        await self._engine.call("create a volume", lambda client: client.create_volume(volume))
        try:
            workspace = BareWorkspace(self._engine, self._image, volume)
            async with workspace.open_sandbox() as sandbox:
                for path, content in CONTRACT_FILES.items():
                    await sandbox.write_file(path, content)
            yield workspace
        finally:
            with anyio.CancelScope(shield=True):
                await self._engine.call("remove a volume", lambda client: client.remove_volume(volume, force=True))
