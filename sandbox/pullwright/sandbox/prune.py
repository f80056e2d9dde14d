"""Removes what an installation keeps on the engine: containers, volumes and images with its label, and nothing else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from pullwright.agents.errors import SandboxUnavailable
from pullwright.sandbox.container_spec import LABEL_BASE, LABEL_INSTANCE, LABEL_KIND, LABEL_OWNER, LABEL_TASK
from pullwright.sandbox.docker_engine import DockerEngine, ObjectBusy
from pullwright.sandbox.docker_sandbox import remove_container, remove_volume

Judge = Callable[[Mapping[str, str]], Awaitable[bool]]
"""Says by its labels whether an object shall go."""


async def prune(engine: DockerEngine, instance: str) -> int:
    """Remove everything of an instance, running tasks included, and return how many objects there were.

    Raises:
        SandboxUnavailable: No engine answers.
    """

    async def everything(labels: Mapping[str, str]) -> bool:
        return True

    label = f"{LABEL_INSTANCE}={instance}"
    return await _remove(engine, label, everything) + await _remove_images(engine, label)


async def reap(engine: DockerEngine, instance: str, alive: Callable[[str, str], Awaitable[bool]]) -> int:
    """Remove containers and volumes of tasks that are not ``alive`` any more.

    ``alive`` is asked with the task's label and the owner's, for each container and volume. Clean bases and the
    containers that fill them belong to no task and stay.

    Raises:
        SandboxUnavailable: No engine answers.
    """

    async def of_a_dead_task(labels: Mapping[str, str]) -> bool:
        task = labels.get(LABEL_TASK, "")
        return bool(task) and not await alive(task, labels.get(LABEL_OWNER, ""))

    return await _remove(engine, f"{LABEL_INSTANCE}={instance}", of_a_dead_task)


async def reap_owner(engine: DockerEngine, owner: str) -> int:
    """Remove what a process that is gone has left, but for bases and snapshots that it had completed.

    Raises:
        SandboxUnavailable: No engine answers, or it does not let go of something.
    """
    label = f"{LABEL_OWNER}={owner}"
    markers = await engine.call("list volumes", _volumes(LABEL_BASE))
    complete = frozenset(str(marker["Labels"][LABEL_BASE]) for marker in markers if _kind(marker).endswith("-marker"))

    async def unfinished(labels: Mapping[str, str]) -> bool:
        return not labels.get(LABEL_KIND, "").endswith("-marker")

    return await _remove(engine, label, unfinished, spare=complete)


async def _remove(engine: DockerEngine, label: str, judge: Judge, *, spare: frozenset[str] = frozenset()) -> int:
    removed = 0
    filters = {"label": label}
    for container in await engine.call("list containers", lambda client: client.containers(all=True, filters=filters)):
        if await judge(container["Labels"] or {}):
            await remove_container(engine, str(container["Id"]))
            removed += 1
    volumes = [volume for volume in await engine.call("list volumes", _volumes(label)) if volume["Name"] not in spare]
    # A workspace holds the layer below it until it is gone itself.
    for volume in sorted(volumes, key=lambda volume: "workspace" not in str(volume["Name"])):
        if await judge(volume["Labels"] or {}):
            with suppress(ObjectBusy):  # whoever removes its container right now removes it, or the next look does
                await remove_volume(engine, str(volume["Name"]))
            removed += 1
    return removed


async def _remove_images(engine: DockerEngine, label: str) -> int:
    found = set(await engine.call("list images", lambda client: client.images(filters={"label": label}, quiet=True)))
    for image in found:
        with suppress(SandboxUnavailable):  # another container may run on it
            await engine.call(f"remove image {image!r}", _removing(str(image)))
    return len(found)


def _removing(image: str) -> Callable[[Any], None]:
    return lambda client: client.remove_image(image, force=True)


def _volumes(label: str) -> Callable[[Any], list[dict[str, Any]]]:
    return lambda client: client.volumes(filters={"label": label})["Volumes"] or []


def _kind(volume: Mapping[str, Any]) -> str:
    return str((volume["Labels"] or {}).get(LABEL_KIND, ""))
