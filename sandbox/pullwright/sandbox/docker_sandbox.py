"""A container with a runner in it: started, spoken to, and gone at the end of the block."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from pullwright.agents.errors import ProtocolViolation, SandboxGone, SandboxUnavailable
from pullwright.sandbox.bootstrap import RUNNER_ARGV
from pullwright.sandbox.container_spec import HOME, WORKSPACE, ContainerSpec
from pullwright.sandbox.docker_engine import DockerEngine, ExecStream, ObjectBusy, ObjectMissing
from pullwright.sandbox.runner_client import RunnerClient

if TYPE_CHECKING:
    from pullwright.sandbox.egress import EgressSession

CLEANUP_LIMIT = 60
"""Seconds that clean-up may take when the work around it was canceled."""

BUSY_SECONDS = 0.1
"""Between two looks at a container that somebody else removes."""


def object_name(kind: str, task: str = "") -> str:
    """Return a new name for a container or volume."""
    clean = re.sub(r"[^A-Za-z0-9_.-]+", "-", task)[:40]
    return "-".join(part for part in ("pullwright", kind, clean, secrets.token_hex(6)) if part)


async def remove_container(engine: DockerEngine, name: str) -> None:
    """Kill and remove a container; one that is gone already, or that somebody else removes, is no error."""
    with anyio.move_on_after(CLEANUP_LIMIT, shield=True):
        while True:
            try:
                await engine.call(
                    f"remove container {name!r}", lambda client: client.remove_container(name, force=True, v=True)
                )
            except ObjectMissing:
                return
            except ObjectBusy:  # it is gone only when that is done, and its volumes are free only then
                await anyio.sleep(BUSY_SECONDS)
            else:
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


class PythonMissing(SandboxUnavailable):
    """The image has no Python, so the runner can not run in it."""


@asynccontextmanager
async def started_container(engine: DockerEngine, spec: ContainerSpec, *, task: str = "") -> AsyncIterator[str]:
    """Run a container for the length of a block.

    Raises:
        SandboxUnavailable: The engine refused it.
    """
    async with created_container(engine, spec, task=task) as name:
        await engine.call(f"start container {name!r}", lambda client: client.start(name))
        yield name


@asynccontextmanager
async def open_runner(
    engine: DockerEngine,
    spec: ContainerSpec,
    *,
    task: str = "",
    session: EgressSession | None = None,
    variables: Mapping[str, str] | None = None,
) -> AsyncIterator[RunnerClient]:
    """Start a container and a runner in it; at the end of the block both are gone, and all processes with them.

    Args:
        engine: Where.
        spec: The container.
        task: The task, for the container's name.
        session: What it may reach; None for nothing.
        variables: Added to the environment of every command.

    Raises:
        PythonMissing: The image has no Python.
        SandboxUnavailable: The container did not start, or its Python is too old.
    """
    ports = session.ports if session else {}
    environment = {**(session.variables if session else {}), **(variables or {})}
    async with AsyncExitStack() as stack:
        name = await stack.enter_async_context(started_container(engine, spec, task=task))
        stream = await stack.enter_async_context(await engine.exec_stream(name, RUNNER_ARGV, {"HOME": HOME}))
        opening = RunnerClient.open(
            stream, workspace=WORKSPACE, home=HOME, ports=ports, variables=environment, end_all=True
        )
        try:
            runner = await stack.enter_async_context(opening)
        except (SandboxGone, ProtocolViolation) as exc:
            raise await _no_runner(engine, stream, spec) from exc
        yield runner


async def _no_runner(engine: DockerEngine, stream: ExecStream, spec: ContainerSpec) -> SandboxUnavailable:
    if await engine.exec_code(stream.exec_id) in (126, 127):  # what an engine says of a program that is not there
        return PythonMissing(f"image {spec.image!r} could not start the runner: it has no python3")
    hint = f" ({stream.stderr.splitlines()[-1]})" if stream.stderr else ""
    return SandboxUnavailable(f"image {spec.image!r} could not start the runner{hint}: it needs python3 3.8 or newer")
