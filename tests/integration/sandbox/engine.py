"""A provider on the real engine, in an instance of its own that leaves nothing behind."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pullwright.sandbox.container_spec import LABEL_INSTANCE, LABEL_KIND, ContainerLimits
from pullwright.sandbox.docker_engine import DockerEngine
from pullwright.sandbox.docker_provider import DockerProvider
from pullwright.sandbox.docker_sandbox import remove_volume
from pullwright.sandbox.image import SandboxImage

LOCKS = Path(tempfile.gettempdir()) / "pullwright-test-locks"


@asynccontextmanager
async def docker_provider(
    *, instance: str = "", overlay: bool = True, limits: ContainerLimits | None = None
) -> AsyncIterator[DockerProvider]:
    name = instance or f"test-{secrets.token_hex(4)}"
    async with DockerEngine() as engine:
        image = SandboxImage(engine, lock_folder=LOCKS)
        try:
            yield DockerProvider(engine, instance=name, image=image, overlay=overlay, limits=limits)
        finally:
            for volume in (await left_behind(engine, name))["base"]:
                await remove_volume(engine, volume)


async def left_behind(engine: DockerEngine, instance: str) -> dict[str, list[str]]:
    """Return the names of an instance's containers, of its base volumes, and of its other volumes."""
    label = {"label": f"{LABEL_INSTANCE}={instance}"}
    containers = await engine.call("list containers", lambda client: client.containers(all=True, filters=label))
    volumes = (await engine.call("list volumes", lambda client: client.volumes(filters=label)))["Volumes"] or []
    bases = [volume["Name"] for volume in volumes if volume["Labels"][LABEL_KIND].startswith("base")]
    others = [volume["Name"] for volume in volumes if volume["Name"] not in bases]
    return {"containers": [item["Names"][0] for item in containers], "base": bases, "volumes": others}
