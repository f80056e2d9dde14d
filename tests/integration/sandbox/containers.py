"""A container of a given spec, and what a command in it says: by the engine alone, without a runner."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from pullwright.sandbox.container_spec import ContainerSpec, labels
from pullwright.sandbox.docker_engine import DockerEngine
from pullwright.sandbox.image import SandboxImage

LOCKS = Path(tempfile.gettempdir()) / "pullwright-test-locks"


async def plain_spec(engine: DockerEngine, *, root: bool = False, runtime: str = "") -> ContainerSpec:
    """A container of the sandbox image, as an agent gets it."""
    image = await SandboxImage(engine, lock_folder=LOCKS).ensure(print)
    own = labels(instance="test-containers", kind="agent")
    return ContainerSpec(image=image, kind="agent", mounts=(), labels=own, root=root, runtime=runtime)


@asynccontextmanager
async def running(engine: DockerEngine, spec: ContainerSpec) -> AsyncIterator[str]:
    name = f"pullwright-test-{secrets.token_hex(6)}"
    await engine.create_container(name, spec.config())
    try:
        await engine.call(f"start {name!r}", lambda client: client.start(name))
        yield name
    finally:
        with anyio.CancelScope(shield=True):
            await engine.call(f"remove {name!r}", lambda client: client.remove_container(name, force=True, v=True))


async def said(
    engine: DockerEngine, container: str, argv: Sequence[str], environment: Mapping[str, str] | None = None
) -> str:
    """Return what a command printed on its standard output; what it said on standard error fails the test."""
    async with await engine.exec_stream(container, argv, environment or {}) as stream:
        output = b"".join([chunk async for chunk in stream])
        assert stream.stderr == ""
    return output.decode()
