"""One task's files: an overlay over a base volume, or a copy of it where the engine refuses overlays."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from pullwright.agents.errors import SandboxError
from pullwright.agents.ports.sandbox import Base, Sandbox
from pullwright.sandbox.base_volume import BaseVolume
from pullwright.sandbox.container_spec import (
    PRISTINE,
    SCRATCH,
    WORKSPACE,
    ContainerLimits,
    ContainerSpec,
    Mount,
    labels,
)
from pullwright.sandbox.docker_engine import DockerEngine
from pullwright.sandbox.docker_sandbox import open_runner
from pullwright.sandbox.extractor import apply_patch, extract_patch


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskContainers:
    """What the containers of one task have in common."""

    engine: DockerEngine
    image: str
    instance: str
    task: str
    limits: ContainerLimits = field(default_factory=ContainerLimits)

    def spec(self, kind: str, *mounts: Mount) -> ContainerSpec:
        """Return the container of one kind."""
        own = labels(instance=self.instance, kind=kind, task=self.task)
        return ContainerSpec(image=self.image, kind=kind, mounts=mounts, labels=own, limits=self.limits)


class DockerWorkspace:
    """The ``Workspace`` port on volumes; made by ``DockerProvider``."""

    def __init__(self, containers: TaskContainers, *, base: Base, pristine: BaseVolume, volume: str) -> None:
        self._containers = containers
        self._base = base
        self._pristine = pristine
        self._volume = volume
        self._open = False

    @property
    def base(self) -> Base:
        """The commit that the files started from."""
        return self._base

    @asynccontextmanager
    async def open_sandbox(self) -> AsyncIterator[Sandbox]:
        """Start a container on the files; see the port."""
        spec = self._containers.spec("agent", Mount(volume=self._volume, target=WORKSPACE))
        async with self._alone(), open_runner(self._containers.engine, spec, task=self._containers.task) as runner:
            yield runner

    async def extract(self, *, limit: int) -> bytes:
        """Return the difference to the base as a patch; see the port."""
        mounts = (
            Mount(volume=self._volume, target=WORKSPACE, read_only=True),
            Mount(volume=self._pristine.volume, target=PRISTINE, read_only=True),
        )
        spec = self._containers.spec("extract", *mounts)
        async with self._alone(), open_runner(self._containers.engine, spec, task=self._containers.task) as runner:
            return await extract_patch(
                runner, self._base, workspace=WORKSPACE, pristine=PRISTINE, scratch=SCRATCH, limit=limit
            )

    async def apply(self, patch: bytes) -> None:
        """Bring a patch onto the files; see the port."""
        spec = self._containers.spec("apply", Mount(volume=self._volume, target=WORKSPACE))
        async with self._alone(), open_runner(self._containers.engine, spec, task=self._containers.task) as runner:
            await apply_patch(runner, self._base, patch, workspace=WORKSPACE, scratch=SCRATCH)

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        if self._open:
            raise SandboxError(f"workspace {self._volume!r} has an open sandbox: close it first")
        self._open = True
        try:
            yield
        finally:
            self._open = False
