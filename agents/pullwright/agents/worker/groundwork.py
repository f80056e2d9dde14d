"""Groundwork: what an attempt stands on: the run's base, and the files and the point of its journal to go on from."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from anyio import to_thread

from pullwright.agents.environment import Environment
from pullwright.agents.errors import NotFound
from pullwright.agents.events import CheckpointMade, EgressDecided, RunStarted
from pullwright.agents.ports.mirror import Credential
from pullwright.agents.ports.sandbox import Base, Workspace
from pullwright.agents.recorder import RunRecorder
from pullwright.agents.resumption import ResumePoint, resume_points
from pullwright.agents.tools.base import Toolbox
from pullwright.agents.worker.briefing import AGENTS_BYTES, AGENTS_FILE, brief
from pullwright.agents.worker.parts import Parts
from pullwright.agents.worker.restore import RESTORE_BYTES, UNUSABLE, Restorer, base_of_run

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class GoingOn:
    """Where a later attempt goes on."""

    point: ResumePoint
    reason: str = ""
    """Why it is not the last checkpoint, if it is not."""


class Groundwork:
    """Lays the ground for one attempt."""

    def __init__(self, parts: Parts, recorder: RunRecorder) -> None:
        self._parts = parts
        self._recorder = recorder
        self._spec = recorder.task.spec
        self._restorer = Restorer(mirror=parts.mirror, blobs=parts.store)

    async def base(self) -> Base:
        """Return the base: that of the first attempt, whatever became of the branch since."""
        started = self._recorder.state.started
        if started is None:
            return await self._sync(self._spec.base_ref)
        return await base_of_run(self._parts.mirror, self._spec.repository, started, self._credential())

    async def prepare(self, workspace: Workspace, environment: Environment, toolbox: Toolbox) -> GoingOn | None:
        """Bring the run's files into a clean workspace; return where it goes on, None when it begins.

        Raises:
            ChangeRefused: What the run is to start with does not fit its base.
            NotFound: It is not there any more.
        """
        if self._recorder.state.started is not None:
            going_on = await self._restored(workspace, toolbox)
        else:
            await self._lay_start(workspace)
            await self._begin(workspace.base, environment)
            going_on = None
        if workspace.setup_egress:
            step = self._recorder.state.steps
            await self._recorder.record(EgressDecided(step=step, phase="setup", decisions=workspace.setup_egress))
        return going_on

    async def _sync(self, ref: str) -> Base:
        return await self._parts.mirror.sync(self._spec.repository, ref, self._credential())

    def _credential(self) -> Credential | None:
        host = self._parts.code_host(self._spec.repository)
        return host.credential() if host else None

    async def _begin(self, base: Base, environment: Environment) -> None:
        agents_file = await self._parts.mirror.read_file(base, AGENTS_FILE, limit=AGENTS_BYTES + 1)
        described = replace(environment, checks=self._spec.checks or environment.checks)
        system, user = await to_thread.run_sync(brief, self._spec, base, agents_file, described)
        await self._recorder.record(
            RunStarted(
                model=self._parts.model.name,
                effort=self._parts.effort.value,
                base_ref=base.ref,
                base_sha=base.sha,
                system_prompt=system,
                user_prompt=user,
            )
        )

    async def _restored(self, workspace: Workspace, toolbox: Toolbox) -> GoingOn:
        folded = self._recorder.folded
        known = {made.number: made for made in folded.checkpoints}
        damage: list[str] = []
        for point in resume_points(folded, toolbox.changes_files):
            if point.checkpoint is None:
                break
            try:
                await self._lay_checkpoint(workspace, point.checkpoint, known)
            except UNUSABLE as exc:
                logger.warning("%s", exc, extra={"task": self._recorder.task.id})
                damage.append(str(exc))
                continue
            return GoingOn(point=point, reason="; ".join(damage))
        await self._lay_start(workspace)
        return GoingOn(point=point, reason="; ".join(damage))

    async def _lay_checkpoint(
        self, workspace: Workspace, made: CheckpointMade, known: dict[int, CheckpointMade]
    ) -> None:
        patch = await self._restorer.patch(workspace.base, made, known, task_id=self._recorder.task.id)
        if patch:
            await workspace.apply(patch)

    async def _lay_start(self, workspace: Workspace) -> None:
        """Bring what the task starts with: the files of another task's checkpoint, if it names one."""
        if not self._spec.start:
            return
        base = workspace.base
        old = self._spec.start_base or base.sha
        try:
            patch = await self._parts.mirror.difference(base, old, self._spec.start, limit=RESTORE_BYTES)
        except NotFound:
            await self._fetch_start(old)
            patch = await self._parts.mirror.difference(base, old, self._spec.start, limit=RESTORE_BYTES)
        if patch:
            await workspace.apply(patch)

    async def _fetch_start(self, old: str) -> None:
        """Make the checkpoint that the task starts with again; it was made on another host."""
        base = await self._sync(old)
        parent = self._spec.parent_id
        while parent:  # a task that was tried again names the one before it, which may have started from there too
            journal = await self._parts.store.journal(parent)
            known = {entry.event.number: entry.event for entry in journal if isinstance(entry.event, CheckpointMade)}
            made = next((one for one in known.values() if one.sha == self._spec.start), None)
            if made is not None:
                await self._restorer.restore(base, made, known, task_id=parent)
                return
            parent = (await self._parts.store.get(parent)).spec.parent_id
