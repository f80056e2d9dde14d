"""One task's files in a volume, and the containers that are opened on them one after another."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial

import anyio

from pullwright.agents.egress import EgressDecision
from pullwright.agents.errors import SandboxError
from pullwright.agents.ports.sandbox import Base, Sandbox
from pullwright.sandbox.agent_hands import WITHOUT_PYTHON, AgentHands
from pullwright.sandbox.base_volume import BaseVolume
from pullwright.sandbox.checkpointer import Checkpointer
from pullwright.sandbox.container_spec import PRISTINE, SCRATCH, WORKSPACE, Mount
from pullwright.sandbox.disk_guard import DiskGuard, DiskLimit
from pullwright.sandbox.disk_usage import disk_usage
from pullwright.sandbox.docker_sandbox import open_runner
from pullwright.sandbox.egress import EgressSession
from pullwright.sandbox.environments import Prepared
from pullwright.sandbox.exec_sandbox import ExecSandbox
from pullwright.sandbox.extractor import apply_patch, exclude_lines, extract_patch
from pullwright.sandbox.guarded_sandbox import GuardedSandbox
from pullwright.sandbox.runner_client import RunnerClient
from pullwright.sandbox.task_containers import TaskContainers


class DockerWorkspace:
    """The ``Workspace`` port on volumes; made by ``DockerProvider``.

    Args:
        containers: Makes the task's containers.
        base: The commit that the files started from.
        pristine: The untouched base.
        volume: Where the files are.
        written: The volume that holds what is written into it.
        prepared: The image of the agent's containers, and what set-up added to the files.
        variables: Added to the environment of every command of an agent.
        session: Opens the egress of one sandbox; None when nothing may be reached.
        hands: Opens the agent's containers.
        notices: What the environment asked for and did not get.
    """

    def __init__(
        self,
        containers: TaskContainers,
        *,
        base: Base,
        pristine: BaseVolume,
        volume: str,
        written: str,
        prepared: Prepared,
        variables: Mapping[str, str],
        session: Callable[[], EgressSession] | None,
        hands: AgentHands,
        notices: tuple[str, ...],
    ) -> None:
        self._containers = containers
        self._base = base
        self._volume = volume
        self._written = written
        self._pristine = Mount(volume=pristine.volume, target=PRISTINE, read_only=True)
        self._prepared = prepared
        self._paths = prepared.snapshot.paths if prepared.snapshot else ()
        self._variables = variables
        self._session = session
        self._hands = hands
        self._notices = notices
        self._open = False
        self._fresh = True

    @property
    def base(self) -> Base:
        """The commit that the files started from."""
        return self._base

    @property
    def notices(self) -> tuple[str, ...]:
        """What the environment asked for and did not get; see the port."""
        return self._notices

    @property
    def setup_egress(self) -> tuple[EgressDecision, ...]:
        """What the set-up reached; see the port."""
        return self._prepared.egress

    @asynccontextmanager
    async def open_sandbox(self) -> AsyncIterator[Sandbox]:
        """Start a container on the files; see the port."""
        files = Mount(volume=self._volume, target=WORKSPACE)
        spec = self._containers.spec("agent", files, self._pristine, image=self._prepared.image)
        session = self._session() if self._session else None
        async with (
            self._alone(),
            self._hands.open(spec, task=self._containers.task, session=session, variables=self._variables) as hands,
        ):
            if isinstance(hands, ExecSandbox):
                self._notices = tuple(dict.fromkeys((*self._notices, WITHOUT_PYTHON)))
            await self._exclude_prepared(hands)
            checkpointer = Checkpointer(
                hands, self._base, workspace=WORKSPACE, pristine=PRISTINE, scratch=SCRATCH, prepared=self._paths
            )
            sandbox = GuardedSandbox(
                hands,
                checkpointer=checkpointer,
                drain=session.drain if session else tuple,
                disk=self._disk_guard(hands) if isinstance(hands, RunnerClient) else None,
            )
            async with sandbox.watched():
                yield sandbox

    async def extract(self, *, limit: int) -> bytes:
        """Return the difference to the base as a patch; see the port."""
        files = Mount(volume=self._volume, target=WORKSPACE, read_only=True)
        spec = self._containers.spec("extract", files, self._pristine)
        async with self._alone(), open_runner(self._containers.engine, spec, task=self._containers.task) as runner:
            return await extract_patch(
                runner,
                self._base,
                workspace=WORKSPACE,
                pristine=PRISTINE,
                scratch=SCRATCH,
                limit=limit,
                prepared=self._paths,
            )

    async def apply(self, patch: bytes) -> None:
        """Bring a patch onto the files; see the port."""
        spec = self._containers.spec("apply", Mount(volume=self._volume, target=WORKSPACE))
        async with self._alone(), open_runner(self._containers.engine, spec, task=self._containers.task) as runner:
            await apply_patch(runner, self._base, patch, workspace=WORKSPACE, scratch=SCRATCH)

    async def _exclude_prepared(self, hands: RunnerClient | ExecSandbox) -> None:
        """Keep what set-up made out of the agent's own ``git status``, once: from then on the folder is the agent's."""
        if self._fresh and self._paths:
            lines = "".join(f"{line}\n" for line in exclude_lines(self._paths))
            await hands.write_file(f"{WORKSPACE}/.git/info/exclude", lines.encode())
        self._fresh = False

    def _disk_guard(self, runner: RunnerClient) -> DiskGuard:
        return DiskGuard(
            DiskLimit(megabytes=self._containers.limits.disk_mib),
            free=runner.ping,
            measure=partial(disk_usage, self._containers, self._written),
            sleep=anyio.sleep,
        )

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        if self._open:
            raise SandboxError(f"workspace {self._volume!r} has an open sandbox: close it first")
        self._open = True
        try:
            yield
        finally:
            self._open = False
