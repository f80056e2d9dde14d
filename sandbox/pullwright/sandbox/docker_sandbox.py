"""A container with a runner in it: started, spoken to, and gone at the end of the block."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from pullwright.agents.errors import ProtocolViolation, SandboxGone, SandboxUnavailable
from pullwright.sandbox.container_spec import HOME, WORKSPACE, ContainerSpec
from pullwright.sandbox.docker_engine import DockerEngine, ExecStream, ObjectMissing
from pullwright.sandbox.runner_client import RUNNER_ARGV, RunnerClient

CLEANUP_LIMIT = 60
"""Seconds that clean-up may take when the work around it was canceled."""


def object_name(kind: str, task: str = "") -> str:
    """Return a new name for a container or volume."""
    clean = re.sub(r"[^A-Za-z0-9_.-]+", "-", task)[:40]
    return "-".join(part for part in ("pullwright", kind, clean, secrets.token_hex(6)) if part)


async def remove_container(engine: DockerEngine, name: str) -> None:
    """Kill and remove a container; one that is gone already is no error."""
    with anyio.move_on_after(CLEANUP_LIMIT, shield=True):
        try:
            await engine.call(
                f"remove container {name!r}", lambda client: client.remove_container(name, force=True, v=True)
            )
        except ObjectMissing:
            return


async def remove_volume(engine: DockerEngine, name: str) -> None:
    """Remove a volume; one that is gone already is no error."""
    with anyio.move_on_after(CLEANUP_LIMIT, shield=True):
        try:
            await engine.call(f"remove volume {name!r}", lambda client: client.remove_volume(name, force=True))
        except ObjectMissing:
            return


async def create_volume(
    engine: DockerEngine, name: str, labels: dict[str, str], options: dict[str, str] | None = None
) -> None:
    """Create a volume of the ``local`` driver."""
    await engine.call(
        f"create volume {name!r}",
        lambda client: client.create_volume(name, driver="local", driver_opts=options or {}, labels=labels),
    )


@asynccontextmanager
async def created_container(engine: DockerEngine, spec: ContainerSpec, *, task: str = "") -> AsyncIterator[str]:
    """Create a container, without starting it, for the length of a block.

    Raises:
        SandboxUnavailable: The engine refused it.
    """
    name = object_name(spec.kind, task)
    config = spec.config()
    try:
        await engine.create_container(name, config)
        yield name
    finally:
        await remove_container(engine, name)


@asynccontextmanager
async def open_runner(engine: DockerEngine, spec: ContainerSpec, *, task: str = "") -> AsyncIterator[RunnerClient]:
    """Start a container and a runner in it; at the end of the block both are gone, and all processes with them.

    Raises:
        SandboxUnavailable: The container did not start, or has no Python.
    """
    async with created_container(engine, spec, task=task) as name:
        await engine.call(f"start container {name!r}", lambda client: client.start(name))
        async with await engine.exec_stream(name, RUNNER_ARGV, {"HOME": HOME}) as stream:
            yield await _start_runner(stream, spec)


async def _start_runner(stream: ExecStream, spec: ContainerSpec) -> RunnerClient:
    try:
        return await RunnerClient.start(stream, workspace=WORKSPACE, home=HOME)
    except (SandboxGone, ProtocolViolation) as exc:
        hint = f" ({stream.stderr.splitlines()[-1]})" if stream.stderr else ""
        raise SandboxUnavailable(
            f"image {spec.image!r} could not start the runner{hint}: it needs python3 3.8 or newer"
        ) from exc
