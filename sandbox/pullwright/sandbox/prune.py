"""Removes what an installation keeps on the engine: containers and volumes with its label, and nothing else."""

from __future__ import annotations

from pullwright.sandbox.container_spec import LABEL_INSTANCE
from pullwright.sandbox.docker_engine import DockerEngine
from pullwright.sandbox.docker_sandbox import remove_container, remove_volume


async def prune(engine: DockerEngine, instance: str) -> int:
    """Remove every container and volume of an instance, running tasks included, and return how many there were.

    Raises:
        SandboxUnavailable: No engine answers.
    """
    label = {"label": f"{LABEL_INSTANCE}={instance}"}
    containers = await engine.call("list containers", lambda client: client.containers(all=True, filters=label))
    for container in containers:
        await remove_container(engine, str(container["Id"]))
    listed = await engine.call("list volumes", lambda client: client.volumes(filters=label))
    # A layered volume holds the ones below it until it is gone itself.
    names = [str(volume["Name"]) for volume in listed["Volumes"] or ()]
    volumes = sorted(names, key=lambda name: "workspace" not in name)
    for volume in volumes:
        await remove_volume(engine, volume)
    return len(containers) + len(volumes)
