"""A provider on the real engine, in an instance of its own that leaves nothing behind."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from pullwright.sandbox.container_spec import LABEL_INSTANCE, LABEL_KIND, ContainerLimits
from pullwright.sandbox.docker_engine import DockerEngine
from pullwright.sandbox.docker_provider import DockerProvider
from pullwright.sandbox.egress import EgressGateway
from pullwright.sandbox.image import SandboxImage
from pullwright.sandbox.prune import prune

LOCKS = Path(tempfile.gettempdir()) / "pullwright-test-locks"


@asynccontextmanager
async def docker_provider(
    *,
    instance: str = "",
    overlay: bool = True,
    limits: ContainerLimits | None = None,
    dockerfile_builds: bool = False,
    progress: Callable[[str], None] | None = None,
    gateway: EgressGateway | None = None,
    url: str | None = None,
) -> AsyncIterator[DockerProvider]:
    name = instance or f"test-{secrets.token_hex(4)}"
    async with DockerEngine(url) as engine:
        try:
            yield DockerProvider(
                engine,
                instance=name,
                image=SandboxImage(engine, lock_folder=LOCKS),
                overlay=overlay,
                limits=limits,
                dockerfile_builds=dockerfile_builds,
                progress=progress,
                gateway=gateway,
            )
        finally:
            with anyio.CancelScope(shield=True):
                await prune(engine, name)


async def left_behind(engine: DockerEngine, instance: str) -> dict[str, list[str]]:
    """Return the names of an instance's containers, of its base and snapshot volumes, of others, and of its images."""
    label = {"label": f"{LABEL_INSTANCE}={instance}"}
    containers = await engine.call("list containers", lambda client: client.containers(all=True, filters=label))
    volumes = (await engine.call("list volumes", lambda client: client.volumes(filters=label)))["Volumes"] or []
    images = await engine.call("list images", lambda client: client.images(filters=label, quiet=True))
    bases = [volume["Name"] for volume in volumes if volume["Labels"][LABEL_KIND].startswith("base")]
    snapshots = [volume["Name"] for volume in volumes if volume["Labels"][LABEL_KIND].startswith("environment")]
    others = [volume["Name"] for volume in volumes if volume["Name"] not in (*bases, *snapshots)]
    return {
        "containers": [item["Names"][0] for item in containers],
        "base": bases,
        "snapshots": snapshots,
        "volumes": others,
        "images": list(images),
    }
