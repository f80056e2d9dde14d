"""The volume that a task's files are in: an overlay over the base, or a copy where the engine refuses overlays."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

import anyio

from pullwright.agents.errors import SandboxError, SandboxUnavailable
from pullwright.sandbox.base_volume import BaseVolume
from pullwright.sandbox.container_spec import LABEL_BASE, LAYER, PRISTINE, WORKSPACE, Mount
from pullwright.sandbox.docker_engine import DockerEngine
from pullwright.sandbox.docker_sandbox import (
    create_volume,
    created_container,
    object_name,
    open_runner,
    remove_volume,
)
from pullwright.sandbox.image import Progress
from pullwright.sandbox.task_containers import TaskContainers

COPY_LIMIT: Final = 600.0
"""Seconds that copying a base may take where overlays are refused."""

PREPARED: Final = "prepared"
"""Folder in the volume of a snapshot that holds what its set-up added to the workspace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What the set-up of an environment left behind."""

    image: str
    volume: str
    mountpoint: str
    """Where the engine's host has the volume."""
    paths: tuple[str, ...] = ()
    """What it added to the workspace; a folder's path ends in ``/``."""

    @property
    def files(self) -> str:
        """Where the engine's host has the added files."""
        return f"{self.mountpoint}/{PREPARED}"


class WorkspaceVolumes:
    """Lays out workspaces.

    Args:
        engine: The engine.
        overlay: False copies the base for each task even where overlays would work.
        progress: Told one line at a time when something takes long.
    """

    def __init__(self, engine: DockerEngine, *, overlay: bool, progress: Progress) -> None:
        self._engine = engine
        self._overlay: bool | None = None if overlay else False
        self._probing = anyio.Lock()
        self._progress = progress

    @property
    def copies(self) -> bool:
        """Whether the workspaces are copies; known once the first one is laid out."""
        return self._overlay is False

    async def lay_out(
        self,
        stack: AsyncExitStack,
        containers: TaskContainers,
        pristine: BaseVolume,
        layer: str,
        snapshot: Snapshot | None = None,
    ) -> str:
        """Make a workspace and return its volume, which goes with the stack.

        Args:
            stack: Removes what is made.
            containers: Whose workspace it is.
            pristine: The base.
            layer: A new volume that takes what is written.
            snapshot: What a set-up added to the base, if anything.
        """
        async with self._probing:
            if self._overlay is not False:
                volume = await self._overlay_volume(stack, containers, pristine, layer, snapshot)
                if volume:
                    return volume
                self._progress("this engine refuses overlay volumes: copying the files for each task instead")
                self._overlay = False
        return await self._copied_volume(stack, containers, pristine, snapshot)

    async def _overlay_volume(
        self,
        stack: AsyncExitStack,
        containers: TaskContainers,
        pristine: BaseVolume,
        layer: str,
        snapshot: Snapshot | None,
    ) -> str | None:
        # Creating a container, without starting it, fills a new volume from the image: upper and work folder with
        # the agent's user as their owner, which no other call of the engine's API can make.
        async with created_container(self._engine, containers.spec("layer", Mount(volume=layer, target=LAYER))):
            info = await self._engine.call(f"find volume {layer!r}", lambda client: client.inspect_volume(layer))
        lowers = [pristine.mountpoint] if snapshot is None else [snapshot.files, pristine.mountpoint]
        options = overlay_options(lowers, str(info["Mountpoint"]))
        if options is None:
            return None
        volume = await self._volume(stack, containers, pristine, options)
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

    async def _copied_volume(
        self, stack: AsyncExitStack, containers: TaskContainers, pristine: BaseVolume, snapshot: Snapshot | None
    ) -> str:
        volume = await self._volume(stack, containers, pristine)
        mounts = [
            Mount(volume=volume, target=WORKSPACE),
            Mount(volume=pristine.volume, target=PRISTINE, read_only=True),
        ]
        sources = [PRISTINE]
        if snapshot is not None:
            mounts.append(Mount(volume=snapshot.volume, target=LAYER, read_only=True))
            sources.append(f"{LAYER}/{PREPARED}")
        copy = " && ".join(f"cp -a {source}/. {WORKSPACE}/" for source in sources)
        async with open_runner(self._engine, containers.spec("copy", *mounts), task=containers.task) as runner:
            result = await runner.exec(copy, timeout=COPY_LIMIT, cwd="/")
        if result.exit_code != 0:
            raise SandboxError(f"workspace could not be copied: {result.stderr.text.strip()[:300]}")
        return volume

    async def _volume(
        self,
        stack: AsyncExitStack,
        containers: TaskContainers,
        pristine: BaseVolume,
        options: dict[str, str] | None = None,
    ) -> str:
        volume = object_name("workspace", containers.task)
        stack.push_async_callback(remove_volume, self._engine, volume)
        own = {**containers.labels("workspace"), LABEL_BASE: pristine.volume}
        await create_volume(self._engine, volume, own, options)
        return volume


def overlay_options(lowers: Sequence[str], layer: str) -> dict[str, str] | None:
    """Return the ``local`` driver's options for an overlay, or None when these paths can not be written as options.

    Args:
        lowers: The folders that are read, the uppermost first.
        layer: The folder that holds ``upper`` and ``work``.
    """
    if any(char in path for path in (*lowers, layer) for char in ",:\\"):
        return None
    folders = f"lowerdir={':'.join(lowers)},upperdir={layer}/upper,workdir={layer}/work"
    return {"type": "overlay", "device": "overlay", "o": f"{folders},nodev,nosuid"}
