"""Removes what an installation keeps on the engine: containers and volumes with its label, and nothing else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from pullwright.sandbox.container_spec import LABEL_INSTANCE, LABEL_TASK
from pullwright.sandbox.docker_engine import DockerEngine
from pullwright.sandbox.docker_sandbox import remove_container, remove_volume


async def prune(engine: DockerEngine, instance: str) -> int:
    """Remove every container and volume of an instance, running tasks included, and return how many there were.

    Raises:
        SandboxUnavailable: No engine answers.
    """

    async def nothing_lives(task: str) -> bool:
        return False

    return await _remove(engine, instance, nothing_lives, bases=True)


async def reap(engine: DockerEngine, instance: str, alive: Callable[[str], Awaitable[bool]]) -> int:
    """Remove containers and volumes of tasks that are not ``alive`` (asked with the task's label) any more.

    Clean bases and the containers that fill them belong to no task and stay.

    Raises:
        SandboxUnavailable: No engine answers.
    """
    return await _remove(engine, instance, alive, bases=False)


async def _remove(engine: DockerEngine, instance: str, alive: Callable[[str], Awaitable[bool]], *, bases: bool) -> int:
    label = {"label": f"{LABEL_INSTANCE}={instance}"}
    removed = 0
    for container in await engine.call("list containers", lambda client: client.containers(all=True, filters=label)):
        task = container["Labels"].get(LABEL_TASK, "")
        if (task or bases) and not await alive(task):
            await remove_container(engine, str(container["Id"]))
            removed += 1
    listed = await engine.call("list volumes", lambda client: client.volumes(filters=label))
    # A workspace holds the layer below it until it is gone itself.
    for volume in sorted(listed["Volumes"] or (), key=lambda volume: "workspace" not in str(volume["Name"])):
        task = volume["Labels"].get(LABEL_TASK, "")
        if (task or bases) and not await alive(task):
            await remove_volume(engine, str(volume["Name"]))
            removed += 1
    return removed
