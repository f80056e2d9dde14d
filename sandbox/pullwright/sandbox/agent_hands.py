"""What acts in an agent's container: the runner, or, where the image has no Python, one engine call per command."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from pullwright.sandbox.container_spec import HOME, WORKSPACE, ContainerSpec
from pullwright.sandbox.docker_engine import DockerEngine
from pullwright.sandbox.docker_sandbox import PythonMissing, open_runner, started_container
from pullwright.sandbox.exec_sandbox import ExecSandbox, open_exec_sandbox
from pullwright.sandbox.exec_scripts import KEEPER
from pullwright.sandbox.runner_client import RunnerClient

if TYPE_CHECKING:
    from pullwright.sandbox.egress import EgressSession

WITHOUT_PYTHON = "the environment's image has no Python: commands are slower, and nothing can be reached"


class AgentHands:
    """Opens containers of agents on one engine, and remembers which images have no Python.

    Args:
        engine: The engine.
    """

    def __init__(self, engine: DockerEngine) -> None:
        self._engine = engine
        self._bare: set[str] = set()

    @asynccontextmanager
    async def open(
        self, spec: ContainerSpec, *, task: str, session: EgressSession | None, variables: Mapping[str, str]
    ) -> AsyncIterator[RunnerClient | ExecSandbox]:
        """Start a container; at the end of the block it is gone, and all processes with it.

        Args:
            spec: The container.
            task: The task, for the container's name.
            session: What it may reach; nothing in an image without Python.
            variables: Added to the environment of every command.

        Raises:
            SandboxUnavailable: The container did not start, or has neither Python nor a shell.
        """
        async with AsyncExitStack() as stack:
            if spec.image not in self._bare:
                try:
                    opening = open_runner(self._engine, spec, task=task, session=session, variables=variables)
                    yield await stack.enter_async_context(opening)
                    return
                except PythonMissing:
                    self._bare.add(spec.image)
            kept = replace(spec, command=KEEPER, init=False)
            name = await stack.enter_async_context(started_container(self._engine, kept, task=task))
            yield await stack.enter_async_context(
                open_exec_sandbox(self._engine, name, workspace=WORKSPACE, home=HOME, variables=variables)
            )
