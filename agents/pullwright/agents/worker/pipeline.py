"""Pipeline: one attempt at a task, from where the last one was to the pull request. Reads like a table of contents."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from functools import partial
from typing import Final, TypeVar

import anyio
from anyio import move_on_after

from pullwright.agents.calls import CallRunner, FinishRequest, Pause
from pullwright.agents.conversation import RunState
from pullwright.agents.environment import PLAIN, Environment
from pullwright.agents.errors import (
    ChangeRefused,
    EmptyChange,
    LeaseLost,
    ModelUnavailable,
    PullwrightError,
    PushRejected,
    RemoteUnavailable,
    SandboxGone,
    SandboxUnavailable,
    StoreUnavailable,
)
from pullwright.agents.events import ChangeCommitted, ChangePublished, ChangeVerified
from pullwright.agents.loop import AgentLoop
from pullwright.agents.ports.engine import Segment
from pullwright.agents.ports.sandbox import Sandbox, Workspace
from pullwright.agents.recorder import RunRecorder
from pullwright.agents.steering import Steering
from pullwright.agents.taking_up import TakingUp
from pullwright.agents.task import TaskStatus
from pullwright.agents.tools.registry import coding_tools
from pullwright.agents.worker.groundwork import GoingOn, Ground, Groundwork
from pullwright.agents.worker.judging import HAND_INS, Judging, first_lines
from pullwright.agents.worker.keeper import Keeper
from pullwright.agents.worker.landing import UNCHANGED
from pullwright.agents.worker.parts import Parts
from pullwright.agents.worker.publishing import HandIn, Publishing
from pullwright.agents.worker.restore import PATCH_BYTES

T = TypeVar("T")

SANDBOX_LOSSES: Final = 3
"""How many containers an attempt may lose before the run fails."""

REOPEN_SECONDS: Final = (1.0, 2.0, 4.0, 8.0, 16.0)
"""How long is waited before each further try to open a sandbox after one was lost: an engine may be restarting."""

GRACE_SECONDS: Final = 60.0
"""How long a run that ends early may take to keep its work."""

KEEP_SECONDS: Final = 10.0
"""How long a run whose worker stops may take to keep the files of its last step."""

RACES: Final = 3
"""How often a change is pushed to a branch that others push to at the same time."""

INFRASTRUCTURE: Final = (ModelUnavailable, SandboxUnavailable, RemoteUnavailable, StoreUnavailable)
"""Trouble around a run that may be over later; whatever else goes wrong would go wrong again."""


class Pipeline:
    """Runs one attempt. Make a new one for each."""

    def __init__(self, parts: Parts, recorder: RunRecorder, segment: Segment) -> None:
        self._parts = parts
        self._recorder = recorder
        self._losses = 0
        self._environment: Environment = PLAIN
        self._judging: Judging | None = None
        self._runner = CallRunner(toolbox=coding_tools(), recorder=recorder, clock=parts.clock)
        self._steering = Steering(
            store=parts.store,
            segment=segment,
            recorder=recorder,
            clock=parts.clock,
            price=self._dollars,
            limits=parts.limits,
        )

    def _dollars(self, state: RunState) -> float | None:
        dollars = self._parts.cost(state).dollars
        return None if dollars is None else float(dollars)

    @property
    def patch_path(self) -> str:
        """Where the work was saved as a patch; empty when it was not."""
        return self._judging.patch_path if self._judging else ""

    async def run(self) -> str | Pause:
        """Take the run as far as it goes: to its end (returns why it succeeded), or to a pause.

        Raises:
            PullwrightError: It can not go on. The work is saved as a patch, unless another attempt may go on.
        """
        finished = self._published()
        if finished is not None:
            return finished
        if self._recorder.state.started is None:
            await Publishing(self._parts, self._recorder).require_open()
        groundwork = Groundwork(self._parts, self._recorder)
        ground = await groundwork.ground()
        needless = await groundwork.needless()
        if needless:
            return needless
        base = ground.base
        self._environment = await self._environment_of(ground)
        self._judging = Judging(self._parts, self._recorder, base, self._environment)
        outcome: HandIn | Pause | str | None = await self._in_containers(self._judging.judged)
        if outcome is None:
            task_id = self._recorder.task.id
            async with self._parts.sandboxes.open(base, task_id=task_id, environment=self._environment) as workspace:
                outcome = await self._saving(workspace, groundwork)
        return await self._publish(outcome, self._judging) if isinstance(outcome, HandIn) else outcome

    async def _environment_of(self, ground: Ground) -> Environment:
        environment = await self._parts.environments.read(ground.rules)
        if ground.rules.sha == ground.base.sha:
            return environment
        return replace(environment, commit=ground.rules.sha)

    async def _publish(self, hand_in: HandIn, judging: Judging) -> str:
        """Publish; a branch that somebody pushes to in between is judged on again, a few times."""
        publishing = Publishing(self._parts, self._recorder)
        for left in reversed(range(RACES)):
            try:
                await publishing.publish(hand_in)
            except PushRejected:
                again = await self._judged_again(hand_in, judging) if left else None
                if again is None:
                    raise
                if isinstance(again, str):
                    return again
                hand_in = again
            else:
                break
        return hand_in.title

    async def _judged_again(self, hand_in: HandIn, judging: Judging) -> HandIn | str | None:
        try:
            return await self._in_containers(partial(judging.again, hand_in))
        except ChangeRefused as exc:  # there is no workspace any more in which the model could mend it
            raise ChangeRefused(first_lines(exc)) from exc

    def _published(self) -> str | None:
        """Return what the run ended with, if only its end is not in the journal."""
        events = [entry.event for entry in self._recorder.earlier]
        if not any(isinstance(event, ChangePublished) for event in events):
            return None
        return next((event.title for event in reversed(events) if isinstance(event, ChangeCommitted)), "")

    async def _saving(self, workspace: Workspace, groundwork: Groundwork) -> HandIn | Pause | str:
        """Work, and save what was done as a patch when the run ends before it is handed in."""
        try:
            going_on = await self._prepared(workspace, groundwork)
            return await self._work(workspace, going_on)
        except (LeaseLost, *INFRASTRUCTURE):
            raise  # another attempt goes on from the last checkpoint
        except anyio.get_cancelled_exc_class():
            if await self._status() is TaskStatus.CANCELING:
                await self._rescue(workspace)
            raise
        except BaseException:
            await self._rescue(workspace)
            raise

    async def _work(self, workspace: Workspace, going_on: GoingOn | None) -> HandIn | Pause | str:
        """Let the agent work until its change passes, it pauses, or nothing needs changing (which is said).

        Raises:
            ChangeRefused: The change still does not pass after the last hand-in.
        """
        assert self._judging is not None  # made before there is a workspace
        loop = self._loop(workspace, going_on)
        unchanged, hand_ins = 0, self._refused()
        while True:
            request = await self._advance(loop, workspace)
            if isinstance(request, Pause):
                return request
            try:
                return await self._in_containers(partial(self._judging.judge, workspace, request))
            except EmptyChange:
                unchanged += 1
                answer = await self._in_containers(partial(self._judging.doubt, unchanged))
                if not answer:
                    return UNCHANGED
            except ChangeRefused as exc:
                hand_ins += 1
                if hand_ins >= HAND_INS:
                    raise ChangeRefused(first_lines(exc)) from exc
                answer = str(exc)
            await loop.send_back(request, answer)

    def _refused(self) -> int:
        """Return how often a change was sent back in earlier attempts."""
        verdicts = [one.event for one in self._recorder.earlier if isinstance(one.event, ChangeVerified)]
        return sum(not verdict.accepted for verdict in verdicts)

    async def _advance(self, loop: AgentLoop, workspace: Workspace) -> FinishRequest | Pause:
        """Let the agent act; a sandbox that ends is replaced on the same files, a few times."""
        while True:
            try:
                async with AsyncExitStack() as stack:
                    sandbox = await self._open(stack, workspace)
                    try:
                        return await loop.advance(sandbox)
                    except anyio.get_cancelled_exc_class():
                        await self._keep(loop, sandbox)
                        raise
            except SandboxGone as exc:
                self._lost(exc)

    async def _in_containers(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do what needs containers of its own, and do it again when one of them ends meanwhile."""
        while True:
            try:
                return await work()
            except SandboxGone as exc:
                self._lost(exc)

    def _lost(self, gone: SandboxGone) -> None:
        self._losses += 1
        if self._losses > SANDBOX_LOSSES:
            raise gone

    async def _prepared(self, workspace: Workspace, groundwork: Groundwork) -> GoingOn | None:
        try:
            return await groundwork.prepare(workspace, self._environment, self._runner.toolbox)
        except SandboxGone as exc:  # the files may be half there; another attempt begins with clean ones
            raise SandboxUnavailable(f"a container ended while the run's files were brought in ({exc})") from exc

    async def _open(self, stack: AsyncExitStack, workspace: Workspace) -> Sandbox:
        for seconds in REOPEN_SECONDS if self._losses else ():
            try:
                return await stack.enter_async_context(workspace.open_sandbox())
            except SandboxUnavailable:
                await self._parts.clock.sleep(seconds)
        return await stack.enter_async_context(workspace.open_sandbox())

    async def _keep(self, loop: AgentLoop, sandbox: Sandbox) -> None:
        """Keep the files of the last step when only the worker stops."""
        with move_on_after(KEEP_SECONDS, shield=True):
            if await self._status() is TaskStatus.RUNNING:
                with suppress(PullwrightError):
                    await loop.keep_files(sandbox)

    async def _status(self) -> TaskStatus | None:
        """Return the task's status as the store has it; None when it can not be had."""
        with move_on_after(KEEP_SECONDS, shield=True), suppress(PullwrightError):
            return await self._parts.store.status(self._recorder.task.id)
        return None

    def _loop(self, workspace: Workspace, going_on: GoingOn | None) -> AgentLoop:
        parts, recorder = self._parts, self._recorder
        keeper = Keeper(mirror=parts.mirror, blobs=parts.store, recorder=recorder, base=workspace.base)
        return AgentLoop(
            model=parts.model,
            runner=self._runner,
            recorder=recorder,
            steering=self._steering,
            effort=parts.effort,
            taking_up=self._taking_up(going_on) if going_on else None,
            keep=keeper.keep,
            on_delta=parts.on_delta(recorder.task.id),
            compactor=parts.compactor() if parts.compactor else None,
        )

    def _taking_up(self, going_on: GoingOn) -> TakingUp:
        return TakingUp(
            going_on.point,
            store=self._parts.store,
            recorder=self._recorder,
            runner=self._runner,
            reason=going_on.reason,
        )

    async def _rescue(self, workspace: Workspace) -> None:
        """Save the work of a run that ends early; whatever goes wrong here must not hide why it ended."""
        assert self._judging is not None  # made before there is a workspace
        with move_on_after(GRACE_SECONDS, shield=True):
            try:
                await self._judging.save(await workspace.extract(limit=PATCH_BYTES))
            except (PullwrightError, OSError):
                return
