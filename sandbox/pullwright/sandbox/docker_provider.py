"""Makes workspaces on a container engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import anyio

from pullwright.agents.errors import SandboxError, SandboxUnavailable
from pullwright.agents.ports.sandbox import Base, Workspace
from pullwright.sandbox.base_volume import BaseVolume, BaseVolumes
from pullwright.sandbox.container_spec import (
    LABEL_BASE,
    LAYER,
    PRISTINE,
    WORKSPACE,
    ContainerLimits,
    Mount,
    labels,
    overlay_options,
)
from pullwright.sandbox.docker_engine import DockerEngine
from pullwright.sandbox.docker_sandbox import (
    create_volume,
    created_container,
    object_name,
    open_runner,
    remove_volume,
)
from pullwright.sandbox.docker_workspace import DockerWorkspace, TaskContainers
from pullwright.sandbox.image import SandboxImage

COPY_LIMIT = 600.0
"""Seconds that copying a base may take where overlays are refused."""


class DockerProvider:
    """The ``SandboxProvider`` port on Docker.

    Args:
        engine: The engine; the caller closes it.
        instance: A name for this installation; objects of other instances on the same engine are left alone.
        image: The sandbox image; by default the one that is built on first use.
        limits: What each container may use up.
        overlay: False copies the base for each task even where overlays would work.
        progress: Told one line at a time when something takes long.
    """

    def __init__(
        self,
        engine: DockerEngine,
        *,
        instance: str = "default",
        image: SandboxImage | None = None,
        limits: ContainerLimits | None = None,
        overlay: bool = True,
        progress: Callable[[str], None] | None = None,
    ) -> None:
        self._engine = engine
        self._instance = instance
        self._image = image or SandboxImage(engine)
        self._limits = limits or ContainerLimits()
        self._progress = progress or (lambda line: None)
        self._bases = BaseVolumes(engine, instance=instance, limits=self._limits)
        self._overlay: bool | None = None if overlay else False
        self._probing = anyio.Lock()

    @asynccontextmanager
    async def open(self, base: Base, *, task_id: str) -> AsyncIterator[Workspace]:
        """Lay out the base's files for one task; see the port."""
        image = await self._image.ensure(self._progress)
        containers = TaskContainers(
            engine=self._engine, image=image, instance=self._instance, task=task_id, limits=self._limits
        )
        async with AsyncExitStack() as stack:
            pristine, layer = await self._claim_base(stack, containers, base)
            volume = await self._lay_out(stack, containers, pristine, layer)
            yield DockerWorkspace(containers, base=base, pristine=pristine, volume=volume)

    async def _claim_base(
        self, stack: AsyncExitStack, containers: TaskContainers, base: Base
    ) -> tuple[BaseVolume, str]:
        """Return a base and this task's layer over it; the layer is what keeps the base from being pruned."""
        for _ in range(3):
            pristine = await self._bases.ensure(base, containers.image)
            layer = object_name("layer", containers.task)
            stack.push_async_callback(remove_volume, self._engine, layer)
            async with self._bases.guarded(base):
                if await self._bases.exists(pristine):
                    await create_volume(self._engine, layer, self._labels(containers, "layer", pristine))
                    return pristine, layer
        raise SandboxUnavailable(f"base volume for {base.sha[:12]!r} vanished while it was being used: try again")

    async def _lay_out(
        self, stack: AsyncExitStack, containers: TaskContainers, pristine: BaseVolume, layer: str
    ) -> str:
        async with self._probing:
            if self._overlay is not False:
                volume = await self._overlay_volume(stack, containers, pristine, layer)
                if volume:
                    return volume
                self._progress("this engine refuses overlay volumes: copying the files for each task instead")
                self._overlay = False
        return await self._copied_volume(stack, containers, pristine)

    async def _overlay_volume(
        self, stack: AsyncExitStack, containers: TaskContainers, pristine: BaseVolume, layer: str
    ) -> str | None:
        # Creating a container, without starting it, fills a new volume from the image: upper and work folder with
        # the agent's user as their owner, which no other call of the engine's API can make.
        async with created_container(self._engine, containers.spec("layer", Mount(volume=layer, target=LAYER))):
            info = await self._engine.call(f"find volume {layer!r}", lambda client: client.inspect_volume(layer))
        options = overlay_options(pristine.mountpoint, str(info["Mountpoint"]))
        if options is None:
            return None
        volume = object_name("workspace", containers.task)
        stack.push_async_callback(remove_volume, self._engine, volume)
        await create_volume(self._engine, volume, self._labels(containers, "workspace", pristine), options)
        if self._overlay is None:
            self._overlay = await self._mounts(containers, volume)
        return volume if self._overlay else None

    async def _mounts(self, containers: TaskContainers, volume: str) -> bool:
        try:
            async with created_container(
                self._engine, containers.spec("layer", Mount(volume=volume, target=WORKSPACE))
            ):
                return True
        except SandboxUnavailable as exc:
            if "mount" in str(exc):
                return False
            raise

    async def _copied_volume(self, stack: AsyncExitStack, containers: TaskContainers, pristine: BaseVolume) -> str:
        volume = object_name("workspace", containers.task)
        stack.push_async_callback(remove_volume, self._engine, volume)
        await create_volume(self._engine, volume, self._labels(containers, "workspace", pristine))
        mounts = (
            Mount(volume=volume, target=WORKSPACE),
            Mount(volume=pristine.volume, target=PRISTINE, read_only=True),
        )
        async with open_runner(self._engine, containers.spec("copy", *mounts), task=containers.task) as runner:
            result = await runner.exec(f"cp -a {PRISTINE}/. {WORKSPACE}/", timeout=COPY_LIMIT, cwd="/")
        if result.exit_code != 0:
            raise SandboxError(f"workspace could not be copied: {result.stderr.text.strip()[:300]}")
        return volume

    def _labels(self, containers: TaskContainers, kind: str, pristine: BaseVolume) -> dict[str, str]:
        return {
            **labels(instance=containers.instance, kind=kind, task=containers.task),
            LABEL_BASE: pristine.volume,
        }
