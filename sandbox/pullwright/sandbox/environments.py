"""The environments of one instance: what a repository asked for, turned into an image and prepared files."""

from __future__ import annotations

import hashlib
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Final

import anyio

from pullwright.agents.egress import EgressDecision, EgressMode, EgressPolicy
from pullwright.agents.environment import Environment
from pullwright.agents.errors import SandboxUnavailable, SetupFailed
from pullwright.agents.file_lock import file_lock, try_file_lock
from pullwright.agents.ports.sandbox import Base
from pullwright.sandbox.base_commit import tracked_files
from pullwright.sandbox.base_volume import BaseVolume
from pullwright.sandbox.docker_engine import DockerEngine
from pullwright.sandbox.docker_sandbox import create_volume, object_name, remove_volume
from pullwright.sandbox.environment_setup import EnvironmentSetup
from pullwright.sandbox.environment_store import IMAGE_REPOSITORY, EnvironmentStore, cache_volume, environment_key
from pullwright.sandbox.image import Progress
from pullwright.sandbox.prepared_files import collides
from pullwright.sandbox.task_containers import TaskContainers
from pullwright.sandbox.workspace_volume import Snapshot

FAILED_SECONDS: Final = 3600.0
"""Seconds for which a set-up that failed, and may, is not tried again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What a task starts from."""

    image: str
    snapshot: Snapshot | None = None
    notices: tuple[str, ...] = ()
    """One line each about what was asked for and not done."""
    egress: tuple[EgressDecision, ...] = ()
    """What the set-up reached; empty when an earlier one was reused."""


class Environments:
    """Finds snapshots, and has them made.

    Args:
        engine: The engine.
        store: Keeps them.
        setup: Makes them.
        open_egress: Whether a repository may have the mode ``open``.
        progress: Told one line at a time when something takes long.
    """

    def __init__(
        self,
        engine: DockerEngine,
        *,
        store: EnvironmentStore,
        setup: EnvironmentSetup,
        open_egress: bool,
        progress: Progress,
    ) -> None:
        self._engine = engine
        self._store = store
        self._setup = setup
        self._open_egress = open_egress
        self._progress = progress
        self._failures: dict[str, tuple[float, str]] = {}

    async def ensure(
        self,
        stack: AsyncExitStack,
        base: Base,
        pristine: BaseVolume,
        environment: Environment,
        *,
        image: str,
        containers: TaskContainers,
    ) -> Prepared:
        """Return what a task starts from, running the set-up on first use; it stays until the stack is closed.

        Raises:
            SetupFailed: The set-up failed, and the repository says that it must not.
            SandboxUnavailable: The engine refused something.
        """
        if not environment.setup.strip():
            return Prepared(image=image)
        for _ in range(3):
            prepared = await self._ensure(base, pristine, environment, image, containers)
            if prepared.snapshot is None:
                return prepared
            claim = await self._store.claim(base, prepared.snapshot, containers.labels("claim"))
            if claim is not None:
                stack.push_async_callback(remove_volume, self._engine, claim)
                return prepared
        raise SandboxUnavailable(f"environment for {base.sha[:12]!r} vanished while it was being used: try again")

    async def _ensure(
        self, base: Base, pristine: BaseVolume, environment: Environment, image: str, containers: TaskContainers
    ) -> Prepared:
        tracked = await tracked_files(base)
        key = environment_key(image, environment, tracked)
        own = hashlib.sha256(f"{key} {base.sha}".encode()).hexdigest()[:24]
        keys = (own if environment.commit else key, own)
        found, _ = await self._find(base, keys, tracked)
        if found is not None:
            return Prepared(image=found.image, snapshot=found)
        lock = base.mirror / "pullwright-setup.lock"
        async with try_file_lock(lock) as free:
            if not free:
                self._progress("another task sets up an environment of this repository: waiting for it")
        async with file_lock(lock):
            found, key = await self._find(base, keys, tracked)
            if found is not None:
                return Prepared(image=found.image, snapshot=found)
            if environment.setup_required:
                return await self._make(base, pristine, environment, image, key, containers)
            return await self._try(base, pristine, environment, image, key, containers)

    async def _try(
        self,
        base: Base,
        pristine: BaseVolume,
        environment: Environment,
        image: str,
        key: str,
        containers: TaskContainers,
    ) -> Prepared:
        """Run a set-up that may fail; one that did is not tried again for a while: a task opens several sandboxes."""
        again, notice = self._failures.get(key, (0.0, ""))
        if anyio.current_time() >= again:
            try:
                return await self._make(base, pristine, environment, image, key, containers)
            except SetupFailed as exc:
                notice = f"{exc}; the task ran without it"
                self._failures[key] = (anyio.current_time() + FAILED_SECONDS, notice)
                self._progress(notice)
        return Prepared(image=image, notices=(notice,))

    async def _find(
        self, base: Base, keys: tuple[str, str], tracked: dict[bytes, bytes]
    ) -> tuple[Snapshot | None, str]:
        """Return a usable snapshot, or the key that a new one is to have.

        The second key is for commits that track a file where the snapshot of the first one has added something, and
        for those that nobody has reviewed yet: what a set-up makes of an open pull request serves no other commit.
        """
        for key in keys:
            found = await self._store.find(base, key)
            if found is None:
                return None, key
            if not collides(found.paths, tracked):
                return found, key
        return None, keys[1]

    async def _make(
        self,
        base: Base,
        pristine: BaseVolume,
        environment: Environment,
        image: str,
        key: str,
        containers: TaskContainers,
    ) -> Prepared:
        self._progress(f"setting up the environment of {environment.source} (once; it is kept for later tasks)")
        started = anyio.current_time()
        volume, name = object_name("environment"), f"{IMAGE_REPOSITORY}:{key}"
        egress, notices = limited(environment.setup_egress, self._open_egress, "set-up")
        snapshot: Snapshot | None = None
        try:
            await create_volume(self._engine, volume, self._store.labels(base, "environment"))
            paths, reached = await self._setup.run(
                containers,
                pristine,
                environment,
                image=image,
                egress=egress,
                caches=await self._caches(base, environment),
                volume=volume,
                name=name,
                labels=self._store.labels(base, "environment"),
            )
            snapshot = await self._store.keep(base, key, image=name, volume=volume, paths=paths)
        finally:
            if snapshot is None:
                await self._store.discard(image=name, volume=volume)
        self._progress(f"set up the environment in {anyio.current_time() - started:.0f} s")
        return Prepared(image=snapshot.image, snapshot=snapshot, notices=notices, egress=reached)

    async def _caches(self, base: Base, environment: Environment) -> dict[str, str]:
        """Return the volumes that this set-up may use; one that runs on what nobody reviewed leaves nothing behind."""
        caches: dict[str, str] = {}
        for folder in () if environment.commit else environment.caches:
            caches[folder], own = cache_volume(base, folder, self._store.labels(base, "cache"))
            await create_volume(self._engine, caches[folder], own)
        return caches


def limited(policy: EgressPolicy, open_egress: bool, whose: str) -> tuple[EgressPolicy, tuple[str, ...]]:
    """Return what of a policy this instance allows, and a notice about the rest.

    Args:
        policy: What a repository asks for.
        open_egress: Whether it may have the mode ``open``.
        whose: Who asks, for the notice.
    """
    if policy.mode is not EgressMode.OPEN or open_egress:
        return policy, ()
    notice = f"{whose} may reach package registries only: open egress is not allowed here (set AGENT_OPEN_EGRESS=true)"
    return replace(policy, mode=EgressMode.PACKAGES, hosts=()), (notice,)
