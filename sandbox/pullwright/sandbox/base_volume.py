"""Base volumes: one clean repository per commit and image, laid out once, then only ever read.

A base is two volumes: the files, and a marker that is created when the files are complete and names them. What has no
marker is never used, so a build that was cut off, or two at once, can do no harm.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from pullwright.agents.file_lock import file_lock
from pullwright.agents.ports.sandbox import Base
from pullwright.sandbox.container_spec import (
    LABEL_BASE,
    LABEL_CREATED,
    LABEL_INSTANCE,
    LABEL_KIND,
    LABEL_REPOSITORY,
    WORKSPACE,
    ContainerLimits,
    ContainerSpec,
    Mount,
    labels,
)
from pullwright.sandbox.docker_engine import DockerEngine, ObjectMissing
from pullwright.sandbox.docker_sandbox import create_volume, object_name, open_runner, remove_volume
from pullwright.sandbox.seed import SEED_VERSION, seed_repository

KEPT = 3
"""Bases that are kept per repository; older ones go when a new one is made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseVolume:
    """A complete base."""

    volume: str
    mountpoint: str
    """Where the engine's host has the files."""


class BaseVolumes:
    """Finds, makes and prunes the bases of one instance on one engine."""

    def __init__(
        self, engine: DockerEngine, *, instance: str, limits: ContainerLimits, runtime: str = "", kept: int = KEPT
    ) -> None:
        self._engine = engine
        self._instance = instance
        self._limits = limits
        self._runtime = runtime
        self._kept = kept
        self._making = anyio.Lock()

    async def ensure(self, base: Base, image: str) -> BaseVolume:
        """Return the base for a commit, laying it out on first use.

        Raises:
            SandboxUnavailable: The engine refused a volume or container.
        """
        marker = _marker_name(self._instance, base, image)
        found = await self._find(marker)
        if found is None:
            async with self._making:
                found = await self._find(marker) or await self._make(base, image, marker)
        return found

    @asynccontextmanager
    async def guarded(self, base: Base) -> AsyncIterator[None]:
        """Keep bases of this repository from being pruned for the length of a block (short, please)."""
        async with file_lock(base.mirror / "pullwright-bases.lock"):
            yield

    async def exists(self, found: BaseVolume) -> bool:
        """Whether a base that was found is still there."""
        return await self._inspect(found.volume) is not None

    async def _find(self, marker: str) -> BaseVolume | None:
        info = await self._inspect(marker)
        if info is None:
            return None
        volume = str((info.get("Labels") or {}).get(LABEL_BASE, ""))
        files = await self._inspect(volume) if volume else None
        if files is None:
            await remove_volume(self._engine, marker)
            return None
        return BaseVolume(volume=volume, mountpoint=str(files["Mountpoint"]))

    async def _inspect(self, volume: str) -> dict[str, Any] | None:
        try:
            return await self._engine.call(f"find volume {volume!r}", lambda client: client.inspect_volume(volume))
        except ObjectMissing:
            return None

    async def _make(self, base: Base, image: str, marker: str) -> BaseVolume:
        volume = object_name("base")
        own = self._labels(base, "base")
        complete = False
        try:
            await create_volume(self._engine, volume, own)
            spec = ContainerSpec(
                image=image,
                kind="seed",
                mounts=(Mount(volume=volume, target=WORKSPACE),),
                labels=self._labels(base, "seed"),
                limits=self._limits,
                runtime=self._runtime,
            )
            async with open_runner(self._engine, spec) as runner:
                await seed_repository(runner, base)
            async with self.guarded(base):
                await create_volume(self._engine, marker, {**self._labels(base, "base-marker"), LABEL_BASE: volume})
                found = await self._find(marker)
            complete = found is not None and found.volume == volume
        finally:
            if not complete:
                await remove_volume(self._engine, volume)
        await self._prune(base, spare=volume)
        return found or await self.ensure(base, image)

    def _labels(self, base: Base, kind: str) -> dict[str, str]:
        return {**labels(instance=self._instance, kind=kind), LABEL_REPOSITORY: repository_key(base.mirror)}

    async def _prune(self, base: Base, *, spare: str) -> None:
        async with self.guarded(base):
            own = [f"{LABEL_INSTANCE}={self._instance}", f"{LABEL_REPOSITORY}={repository_key(base.mirror)}"]
            markers = await self._volumes([*own, f"{LABEL_KIND}=base-marker"])
            newest = sorted(markers, key=created, reverse=True)
            for marker in newest[self._kept :]:
                volume = marker["Labels"][LABEL_BASE]
                users = await self._volumes([f"{LABEL_KIND}=layer", f"{LABEL_BASE}={volume}"])
                if volume != spare and not users:
                    await remove_volume(self._engine, marker["Name"])
                    await remove_volume(self._engine, volume)

    async def _volumes(self, wanted: list[str]) -> list[dict[str, Any]]:
        listed: dict[str, Any] = await self._engine.call(
            "list volumes", lambda client: client.volumes(filters={"label": wanted})
        )
        return listed.get("Volumes") or []


def created(volume: dict[str, Any]) -> int:
    """Return when a volume of ours was made, in seconds since 1970; 0 when it does not say."""
    text = str((volume.get("Labels") or {}).get(LABEL_CREATED, "0"))
    return int(text) if text.isdecimal() else 0


def repository_key(mirror: Path) -> str:
    """Return a short name for the repository that a mirror is of, for labels."""
    return hashlib.sha256(str(mirror).encode()).hexdigest()[:16]


def _marker_name(instance: str, base: Base, image: str) -> str:
    parts = "\0".join((instance, str(base.mirror), base.sha, image, base.ref, SEED_VERSION))
    return "pullwright-base-ready-" + hashlib.sha256(parts.encode()).hexdigest()[:24]
