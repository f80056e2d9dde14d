"""Adds up what a sandbox has written, in a container of its own that reads every folder whatever its mode."""

from __future__ import annotations

from pullwright.agents.errors import SandboxError
from pullwright.sandbox.container_spec import LAYER, Mount
from pullwright.sandbox.docker_sandbox import open_runner
from pullwright.sandbox.task_containers import TaskContainers

MEASURE_LIMIT = 120.0
"""Seconds that adding up may take."""


async def disk_usage(containers: TaskContainers, volume: str) -> int:
    """Return the bytes that a volume holds on the disk.

    Raises:
        SandboxError: They could not be added up.
    """
    spec = containers.spec("measure", Mount(volume=volume, target=LAYER, read_only=True), root=True)
    async with open_runner(containers.engine, spec, task=containers.task) as runner:
        result = await runner.exec(f"du -sx --block-size=1 {LAYER}", timeout=MEASURE_LIMIT, cwd="/")
    size = result.stdout.text.split()
    if not size or not size[0].isdecimal():
        raise SandboxError(f"volume {volume!r} could not be measured: {result.stderr.text.strip()[:200]}")
    return int(size[0])
