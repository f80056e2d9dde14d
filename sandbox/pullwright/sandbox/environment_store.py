"""Keeps what set-ups made: an image and a volume each, and a marker that is created when both are complete.

What has no marker is never used, so a set-up that was cut off can do no harm.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from fnmatch import fnmatchcase
from typing import Any, Final

from pullwright.agents.environment import Environment
from pullwright.agents.errors import SandboxUnavailable
from pullwright.agents.file_lock import file_lock
from pullwright.agents.ports.sandbox import Base
from pullwright.sandbox.base_volume import created, repository_key
from pullwright.sandbox.container_spec import (
    LABEL_BASE,
    LABEL_INSTANCE,
    LABEL_KIND,
    LABEL_OWNER,
    LABEL_REPOSITORY,
    LIFETIME,
    labels,
)
from pullwright.sandbox.docker_engine import DockerEngine, ObjectMissing
from pullwright.sandbox.docker_sandbox import create_volume, object_name, remove_volume
from pullwright.sandbox.image import find_image, remove_image, tagged_images
from pullwright.sandbox.prepared_files import decode_paths
from pullwright.sandbox.workspace_volume import Snapshot

SETUP_VERSION: Final = "1"
"""Changes when set-ups are run in another way, so that older snapshots are not used."""
IMAGE_REPOSITORY: Final = "pullwright-environment"
KEPT: Final = 3
"""Snapshots that are kept per repository; older ones go when a new one is made."""
LABEL_ENVIRONMENT: Final = "pullwright.environment"
"""On what uses a snapshot: the name of the snapshot's volume."""
LABEL_IMAGE: Final = "pullwright.image"
LABEL_PATHS: Final = "pullwright.paths"

KNOWN_LOCKFILES: Final = (
    "requirements*.txt",
    "pyproject.toml",
    "poetry.lock",
    "uv.lock",
    "Pipfile.lock",
    "package.json",
    "package-lock.json",
    "pnpm-lock.yaml",
    "yarn.lock",
    "Cargo.lock",
    "go.sum",
    "Gemfile.lock",
    "composer.lock",
)
"""Names of files, in any folder, that say what a set-up installs."""


def environment_key(image: str, environment: Environment, tracked: dict[bytes, bytes]) -> str:
    """Return a name for everything that decides what a set-up makes.

    Args:
        image: The id of the image that it starts from.
        environment: The environment.
        tracked: The files of the base commit with their object ids.
    """
    digest = hashlib.sha256()
    variables = [f"{name}={value}" for name, value in environment.variables]
    for part in (SETUP_VERSION, image, environment.setup, str(len(variables)), *variables):
        digest.update(part.encode("utf-8", "surrogateescape") + b"\0")
    for path, blob in sorted(_lockfiles(environment, tracked)):
        digest.update(path + b"\0" + blob + b"\0")
    return digest.hexdigest()[:24]


def _lockfiles(environment: Environment, tracked: dict[bytes, bytes]) -> Iterator[tuple[bytes, bytes]]:
    asked = [path.encode("utf-8", "surrogateescape") for path in environment.lockfiles]
    for path, blob in tracked.items():
        name = path.rpartition(b"/")[2].decode("utf-8", "replace")
        known = not asked and any(fnmatchcase(name, pattern) for pattern in KNOWN_LOCKFILES)
        if known or any(path == one or path.startswith(one + b"/") for one in asked):
            yield path, blob


class EnvironmentStore:
    """Finds, keeps and prunes the snapshots of one instance on one engine."""

    def __init__(self, engine: DockerEngine, *, instance: str, kept: int = KEPT) -> None:
        self._engine = engine
        self._instance = instance
        self._kept = kept

    def labels(self, base: Base, kind: str) -> dict[str, str]:
        """Return the labels of something that belongs to a repository and to no task."""
        return {**labels(instance=self._instance, kind=kind), LABEL_REPOSITORY: repository_key(base.mirror)}

    @asynccontextmanager
    async def guarded(self, base: Base) -> AsyncIterator[None]:
        """Keep snapshots of this repository from being pruned for the length of a block (short, please)."""
        async with file_lock(base.mirror / "pullwright-environments.lock"):
            yield

    async def find(self, base: Base, key: str) -> Snapshot | None:
        """Return a complete snapshot. A marker whose image or volume is gone is removed.

        Raises:
            SandboxUnavailable: No engine answers.
        """
        marker = await self._inspect(_marker(base, key))
        if marker is None:
            return None
        told = marker.get("Labels") or {}
        volume = await self._inspect(str(told.get(LABEL_BASE, "")))
        image = await find_image(self._engine, str(told.get(LABEL_IMAGE, "")))
        if volume is None or image is None:
            await remove_volume(self._engine, _marker(base, key))
            return None
        return Snapshot(
            image=image,
            volume=str(volume["Name"]),
            mountpoint=str(volume["Mountpoint"]),
            paths=decode_paths(str(told.get(LABEL_PATHS, ""))),
        )

    async def keep(self, base: Base, key: str, *, image: str, volume: str, paths: str) -> Snapshot:
        """Declare a snapshot complete, remove older ones, and return it.

        Args:
            base: Its repository.
            key: What it was made for.
            image: The image's name.
            volume: The volume with the added files.
            paths: The added paths, as ``encode_paths`` writes them.

        Raises:
            SandboxUnavailable: No engine answers, or somebody removed it again.
        """
        told = {LABEL_BASE: volume, LABEL_IMAGE: image, LABEL_PATHS: paths}
        async with self.guarded(base):
            own = {**self.labels(base, "environment-marker"), **told}
            await remove_volume(self._engine, _marker(base, key))
            await create_volume(self._engine, _marker(base, key), own)
            found = await self.find(base, key)
            await self._prune(base, spare=volume)
        if found is None:
            raise SandboxUnavailable(f"environment {key!r} vanished while it was being made: try again")
        return found

    async def claim(self, base: Base, snapshot: Snapshot, own: dict[str, str]) -> str | None:
        """Keep a snapshot from being pruned: return a volume to remove when done, or None if the snapshot is gone.

        Args:
            base: Its repository.
            snapshot: What is to stay.
            own: The volume's labels.

        Raises:
            SandboxUnavailable: No engine answers.
        """
        async with self.guarded(base):
            if await self._inspect(snapshot.volume) is None or await find_image(self._engine, snapshot.image) is None:
                return None
            volume = object_name("claim")
            await create_volume(self._engine, volume, {**own, LABEL_ENVIRONMENT: snapshot.volume})
            return volume

    async def discard(self, *, image: str, volume: str) -> None:
        """Remove the parts of a snapshot; those that are gone, or in use, are no error."""
        await remove_volume(self._engine, volume)
        await remove_image(self._engine, image)

    async def _prune(self, base: Base, *, spare: str) -> None:
        own = [f"{LABEL_INSTANCE}={self._instance}", f"{LABEL_REPOSITORY}={repository_key(base.mirror)}"]
        markers = await self._volumes([*own, f"{LABEL_KIND}=environment-marker"])
        newest = sorted(markers, key=created, reverse=True)
        for marker in newest[self._kept :]:
            volume = marker["Labels"][LABEL_BASE]
            if volume != spare and not await self._volumes([f"{LABEL_ENVIRONMENT}={volume}"]):
                await remove_volume(self._engine, marker["Name"])
                await self.discard(image=marker["Labels"][LABEL_IMAGE], volume=volume)
                newest.remove(marker)
        # What a killed set-up left has no marker either; a young one may still be on its way to have one.
        complete = {marker["Labels"][LABEL_IMAGE] for marker in newest}
        for age, image in await tagged_images(self._engine, [*own, f"{LABEL_KIND}=environment"]):
            if age > LIFETIME and image not in complete:
                await remove_image(self._engine, image)

    async def _inspect(self, volume: str) -> dict[str, Any] | None:
        if not volume:
            return None
        try:
            return await self._engine.call(f"find volume {volume!r}", lambda client: client.inspect_volume(volume))
        except ObjectMissing:
            return None

    async def _volumes(self, wanted: list[str]) -> list[dict[str, Any]]:
        listed: dict[str, Any] = await self._engine.call(
            "list volumes", lambda client: client.volumes(filters={"label": wanted})
        )
        return listed.get("Volumes") or []


def cache_volume(base: Base, folder: str, own: dict[str, str]) -> tuple[str, dict[str, str]]:
    """Return name and labels of the volume that a repository's set-ups keep one folder in.

    It outlives the process that made it, so it carries no owner.
    """
    name = hashlib.sha256(f"{repository_key(base.mirror)} {folder}".encode()).hexdigest()[:24]
    return f"pullwright-cache-{name}", {key: value for key, value in own.items() if key != LABEL_OWNER}


def _marker(base: Base, key: str) -> str:
    return f"pullwright-environment-ready-{repository_key(base.mirror)}-{key}"
