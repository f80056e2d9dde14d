"""Groundwork: what an attempt stands on: the run's base, and the files and the point of its journal to go on from."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from anyio import to_thread

from pullwright.agents.environment import Environment
from pullwright.agents.errors import NotFound
from pullwright.agents.events import CheckpointMade, EgressDecided, RunStarted
from pullwright.agents.ports.code_host import Access
from pullwright.agents.ports.mirror import Credential
from pullwright.agents.ports.sandbox import Base, Workspace
from pullwright.agents.recorder import RunRecorder
from pullwright.agents.resumption import ResumePoint, resume_points
from pullwright.agents.tools.base import Toolbox
from pullwright.agents.worker.briefing import AGENTS_BYTES, AGENTS_FILE, PriorWork, brief
from pullwright.agents.worker.landing import UNCHANGED
from pullwright.agents.worker.parts import Parts
from pullwright.agents.worker.prior import Prior
from pullwright.agents.worker.restore import RESTORE_BYTES, UNUSABLE, Restorer, base_of_run
from pullwright.agents.worker.signed_in import signed_in

UP_TO_DATE: Final = f"{UNCHANGED}: {{branch}} is up to date with {{ref}} at {{sha}}"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class GoingOn:
    """Where a later attempt goes on."""

    point: ResumePoint
    reason: str = ""
    """Why it is not the last checkpoint, if it is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """The commits that a run stands on."""

    base: Base
    """What its files are made from."""
    rules: Base
    """What says how the agent works here: the base, or the branch that the pull request goes to."""


class Groundwork:
    """Lays the ground for one attempt."""

    def __init__(self, parts: Parts, recorder: RunRecorder) -> None:
        self._parts = parts
        self._recorder = recorder
        self._spec = recorder.task.spec
        self._restorer = Restorer(mirror=parts.mirror, blobs=parts.store)
        self._prior = Prior(parts.mirror, self._spec.continues) if self._spec.continues else None
        self._ground: Ground

    async def ground(self) -> Ground:
        """Return what the run stands on: that of the first attempt, whatever became of the branches since.

        Raises:
            Outdated: The branch that the task goes on with is not where it was.
        """
        started = self._recorder.state.started
        if started is None:
            rules = await self._sync(self._rules_ref)
            self._ground = Ground(base=await self._begins_at(rules), rules=rules)
        else:
            base = await self._of_run(started)
            other = replace(started, base_sha=started.rules_sha, base_ref=self._rules_ref)
            self._ground = Ground(base=base, rules=await self._of_run(other) if started.rules_sha else base)
        return self._ground

    async def needless(self) -> str:
        """Return why there is nothing to do, before anything was; empty when there is."""
        continues, base = self._spec.continues, self._ground.base
        if self._prior is None or continues is None or not continues.rebase or self._recorder.state.started:
            return ""
        if not await self._prior.up_to_date(base):
            return ""
        return UP_TO_DATE.format(branch=continues.branch, ref=base.ref, sha=base.sha[:12])

    async def prepare(self, workspace: Workspace, environment: Environment, toolbox: Toolbox) -> GoingOn | None:
        """Bring the run's files into a clean workspace; return where it goes on, None when it begins.

        Raises:
            ChangeRefused: What the run is to start with does not fit its base.
            NotFound: It is not there any more.
        """
        if self._recorder.state.started is not None:
            going_on = await self._restored(workspace, toolbox)
        else:
            fits = await self._lay_start(workspace)
            await self._begin(workspace.base, environment, fits=fits)
            going_on = None
        if workspace.setup_egress:
            step = self._recorder.state.steps
            await self._recorder.record(EgressDecided(step=step, phase="setup", decisions=workspace.setup_egress))
        return going_on

    async def _sync(self, ref: str) -> Base:
        return await self._signed_in(partial(self._parts.mirror.sync, self._spec.repository, ref))

    async def _signed_in(self, fetch: Callable[[Credential | None], Awaitable[Base]]) -> Base:
        host = self._parts.code_host(self._spec.repository)
        return await signed_in(host, self._spec.repository, Access.READ, fetch)

    @property
    def _rules_ref(self) -> str:
        return self._spec.continues.base_ref if self._spec.continues else self._spec.base_ref

    async def _of_run(self, started: RunStarted) -> Base:
        return await self._signed_in(partial(base_of_run, self._parts.mirror, self._spec.repository, started))

    async def _begins_at(self, rules: Base) -> Base:
        """Return the commit that the files of a new run are made from."""
        continues = self._spec.continues
        if continues is None or self._prior is None:
            return rules
        head = await self._sync(continues.branch)
        self._prior.require_head(head)
        return rules if continues.rebase else head

    async def _begin(self, base: Base, environment: Environment, *, fits: bool) -> None:
        rules = self._ground.rules
        agents_file = await self._parts.mirror.read_file(rules, AGENTS_FILE, limit=AGENTS_BYTES + 1)
        described = replace(environment, checks=self._spec.checks or environment.checks)
        prior = await self._told(base, fits)
        system, user = await to_thread.run_sync(brief, self._spec, base, agents_file, described, prior)
        await self._recorder.record(
            RunStarted(
                model=self._parts.model.name,
                effort=self._parts.effort.value,
                base_ref=base.ref,
                base_sha=base.sha,
                system_prompt=system,
                user_prompt=user,
                rules_sha="" if rules.sha == base.sha else rules.sha,
            )
        )

    async def _told(self, base: Base, fits: bool) -> PriorWork | None:
        if self._prior is None or self._spec.continues is None:
            return None
        head = self._spec.continues.head_sha if self._spec.continues.rebase else base.sha
        return await self._prior.told(self._ground.rules, head, fits=fits)

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

    async def _lay_start(self, workspace: Workspace) -> bool:
        """Bring what the task starts with, if it names something; return False where that does not fit its base."""
        patch = await (self._start(workspace.base) if self._spec.start else self._rebased(workspace.base))
        if patch:
            await workspace.apply(patch)
        return patch is not None

    async def _rebased(self, base: Base) -> bytes | None:
        """Return what is to be made again on the base, for a rebase; None where it conflicts."""
        continues = self._spec.continues
        if continues is None or self._prior is None or not continues.rebase:
            return b""
        try:
            await self._sync(continues.head_sha)
        except NotFound:  # not every host hands out a commit by its id, but it came with its branch
            await self._sync(continues.branch)
        return await self._prior.onto(base)

    async def _start(self, base: Base) -> bytes:
        """Return the files of another task's checkpoint."""
        old = self._spec.start_base or base.sha
        try:
            return await self._parts.mirror.difference(base, old, self._spec.start, limit=RESTORE_BYTES)
        except NotFound:
            await self._fetch_start(old)
            return await self._parts.mirror.difference(base, old, self._spec.start, limit=RESTORE_BYTES)

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
