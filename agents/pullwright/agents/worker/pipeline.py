"""Pipeline: one attempt at a task, from the base commit to the pull request. Reads like a table of contents."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import anyio
from anyio import move_on_after, to_thread

from pullwright.agents.change import Change, CheckResult, Evidence
from pullwright.agents.compaction import Compactor, conversation_id
from pullwright.agents.environment import PLAIN
from pullwright.agents.errors import (
    ChangeRefused,
    EmptyChange,
    PullwrightError,
    SandboxGone,
    SandboxUnavailable,
    TimeLimit,
)
from pullwright.agents.events import ChangeCommitted, ChangePublished, ChangeVerified, EgressDecided, RunStarted
from pullwright.agents.llm.prices import PriceList, cost_of_run
from pullwright.agents.loop import AgentLoop, FinishRequest
from pullwright.agents.ports.clock import Clock
from pullwright.agents.ports.code_host import ChangeReport, CodeHost, Wording
from pullwright.agents.ports.mirror import CommitMeta, Mirror
from pullwright.agents.ports.model import DeltaListener, Model, ReasoningEffort
from pullwright.agents.ports.sandbox import Base, EnvironmentSource, Sandbox, SandboxProvider, Verifier, Workspace
from pullwright.agents.ports.store import TaskStore
from pullwright.agents.recorder import RunRecorder
from pullwright.agents.task import Task, TaskStatus
from pullwright.agents.tools.registry import coding_tools
from pullwright.agents.worker.briefing import AGENTS_BYTES, AGENTS_FILE, brief
from pullwright.agents.worker.keeper import Keeper

PATCH_BYTES: Final = 16 << 20
"""Largest patch that is taken out of a workspace."""

HAND_INS: Final = 3
"""How often a run may hand in work before failing checks end it."""

SANDBOX_LOSSES: Final = 3
"""How many sandboxes a run may lose before it fails."""

REOPEN_SECONDS: Final = (1.0, 2.0, 4.0, 8.0, 16.0)
"""How long is waited before each further try to open a sandbox after one was lost: an engine may be restarting."""

GRACE_SECONDS: Final = 60.0
"""How long a canceled or failed run may take to keep its work."""

_COMMIT: Final = re.compile(r"[0-9a-f]{7,64}")

UNCHANGED: Final = "nothing needed changing"

NOTHING_CHANGED = (
    "The files are the same as at the base: there is no change to hand in. If nothing needs changing, call finish "
    "again and say why in the summary; otherwise make the change first."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything a pipeline is made of; put together by the composition root."""

    store: TaskStore
    model: Model
    sandboxes: SandboxProvider
    verifier: Verifier
    environments: EnvironmentSource
    mirror: Mirror
    code_host: CodeHost | None
    wording: Wording
    clock: Clock
    patches: Path
    """Folder for patch files."""
    locks: Path
    """Folder for the life lines of running tasks."""
    ask: Callable[[str], Awaitable[str]]
    effort: ReasoningEffort = ReasoningEffort.HIGH
    on_delta: DeltaListener | None = None
    prices: PriceList = field(default_factory=dict)
    compactor: Callable[[], Compactor] | None = None
    """Makes what keeps a run's conversation within the model's window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandIn:
    """Work that passed its checks."""

    request: FinishRequest
    change: Change
    evidence: Evidence


class Pipeline:
    """Runs one claimed task. Make a new one for each."""

    def __init__(self, parts: Parts, recorder: RunRecorder) -> None:
        self._parts = parts
        self._recorder = recorder
        self._spec = recorder.task.spec
        self._patch_path = ""
        self._environment = PLAIN
        self._notices: tuple[str, ...] = ()
        self._losses = 0

    async def run(self) -> Task:
        """Take the task to its end and return it as it then stands.

        Expected trouble ends in a failed task, not in an exception. On cancellation the task becomes ``canceled``, what
        was done so far is kept as a patch, and the cancellation goes on.

        Raises:
            LeaseLost: Another attempt owns the task.
        """
        try:
            reason = await self._within_time()
        except anyio.get_cancelled_exc_class():
            with move_on_after(GRACE_SECONDS, shield=True):
                await self._finish(TaskStatus.CANCELED, "canceled")
            raise
        except PullwrightError as exc:
            with move_on_after(GRACE_SECONDS, shield=True):
                await self._finish(TaskStatus.FAILED, str(exc))
            return self._recorder.task
        finally:
            state, task_id = self._recorder.state, self._recorder.task.id
            self._parts.model.release(conversation_id(task_id, state.compactions))
        return await self._finish(TaskStatus.SUCCEEDED, reason)

    @property
    def _checks(self) -> tuple[str, ...]:
        """The commands that the owner chose, for this task or for the repository."""
        return self._spec.checks or self._environment.checks

    async def _finish(self, status: TaskStatus, reason: str) -> Task:
        return await self._recorder.finish(status, reason, patch_path=self._patch_path)

    async def _within_time(self) -> str:
        seconds = self._spec.budget.max_seconds
        try:
            with anyio.fail_after(seconds):
                return await self._steps()
        except TimeLimit:
            raise
        except TimeoutError as exc:
            raise TimeLimit(f"the run took longer than {seconds / 60:g} minutes; raise it with --max-minutes") from exc

    async def _steps(self) -> str:
        base = await self._prepare()
        task_id = self._recorder.task.id
        async with self._parts.sandboxes.open(base, task_id=task_id, environment=self._environment) as workspace:
            await self._start(base, workspace)
            try:
                hand_in = await self._work(workspace)
            except BaseException:
                await self._rescue(workspace)
                raise
        if hand_in is None:
            return UNCHANGED
        await self._publish(hand_in)
        return hand_in.request.title

    async def _prepare(self) -> Base:
        host = self._parts.code_host
        credential = host.credential() if host else None
        base = await self._parts.mirror.sync(self._spec.repository, self._spec.base_ref, credential)
        self._environment = await self._parts.environments.read(base)
        return base

    async def _start(self, base: Base, workspace: Workspace) -> None:
        mirror, spec = self._parts.mirror, self._spec
        if spec.start:
            patch = await mirror.difference(base, spec.start_base or base.sha, spec.start, limit=PATCH_BYTES)
            if patch:
                await workspace.apply(patch)
        agents_file = await mirror.read_file(base, AGENTS_FILE, limit=AGENTS_BYTES + 1)
        described = replace(self._environment, checks=self._checks)
        system, user = await to_thread.run_sync(brief, spec, base, agents_file, described)
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
        if workspace.setup_egress:
            decisions = workspace.setup_egress
            await self._recorder.record(EgressDecided(step=0, phase="setup", decisions=decisions))

    async def _work(self, workspace: Workspace) -> HandIn | None:
        """Let the agent work until its change passes, or nothing needs changing (None).

        Raises:
            ChangeRefused: The change still does not pass after the last hand-in.
        """
        loop = self._loop(workspace)
        unchanged = hand_ins = 0
        while True:
            request = await self._advance(loop, workspace)
            try:
                return await self._judge(workspace, request)
            except EmptyChange:
                unchanged += 1
                answer = await self._doubt(workspace.base, unchanged)
                if not answer:
                    return None
            except ChangeRefused as exc:
                hand_ins += 1
                if hand_ins >= HAND_INS:
                    raise ChangeRefused(_first_lines(exc)) from exc
                answer = str(exc)
            await loop.send_back(request, answer)

    async def _advance(self, loop: AgentLoop, workspace: Workspace) -> FinishRequest:
        """Let the agent act until it asks to finish; a sandbox that ends is replaced on the same files, a few times."""
        while True:
            try:
                async with AsyncExitStack() as stack:
                    return await loop.advance(await self._open(stack, workspace))
            except SandboxGone:
                self._losses += 1
                if self._losses > SANDBOX_LOSSES:
                    raise

    async def _open(self, stack: AsyncExitStack, workspace: Workspace) -> Sandbox:
        for seconds in REOPEN_SECONDS if self._losses else ():
            try:
                return await stack.enter_async_context(workspace.open_sandbox())
            except SandboxUnavailable:
                await self._parts.clock.sleep(seconds)
        return await stack.enter_async_context(workspace.open_sandbox())

    async def _doubt(self, base: Base, times: int) -> str:
        """Return what is to be said against handing in no change, or nothing when it is to be believed.

        Raises:
            ChangeRefused: The owner's checks fail on the base, and still nothing was changed.
        """
        results = await self._parts.verifier.check_base(
            base, self._checks, task_id=self._recorder.task.id, environment=self._environment
        )
        failed = [result for result in results if not result.passed]
        if failed and times >= HAND_INS:
            raise ChangeRefused(f"the model changed nothing, although {failed[0].command!r} fails on the base")
        if failed:
            return f"{NOTHING_CHANGED}\n\n{_complaint('On the base, this does not pass', failed)}"
        return NOTHING_CHANGED if times == 1 else ""

    def _loop(self, workspace: Workspace) -> AgentLoop:
        parts = self._parts
        keeper = Keeper(mirror=parts.mirror, recorder=self._recorder, base=workspace.base)
        return AgentLoop(
            model=parts.model,
            toolbox=coding_tools(),
            recorder=self._recorder,
            clock=parts.clock,
            effort=parts.effort,
            ask=parts.ask,
            keep=keeper.keep,
            on_delta=parts.on_delta,
            compactor=parts.compactor() if parts.compactor else None,
        )

    async def _judge(self, workspace: Workspace, request: FinishRequest) -> HandIn:
        """Take the change out, commit it in the mirror and have it checked.

        Raises:
            EmptyChange: There is none.
            ChangeRefused: Policy or a check says no; the text tells the model what to mend.
        """
        task = self._recorder.task
        self._notices = (*self._environment.notices, *workspace.notices)
        patch = await workspace.extract(limit=PATCH_BYTES)
        await self._save(patch)
        wording, issue = self._parts.wording, self._spec.issue_number
        message = wording.commit(issue=issue, title=request.title, summary=request.summary)
        meta = CommitMeta(
            branch=wording.branch(issue=issue, title=request.title, task_id=task.id),
            title=message.title,
            body=message.body,
        )
        change = await self._parts.mirror.commit(
            self._spec.repository, workspace.base, patch, meta, allow_paths=self._environment.allow_paths
        )
        await self._recorder.record(
            ChangeCommitted(
                branch=change.branch,
                head_sha=change.head_sha,
                title=request.title,
                summary=request.summary,
                files=change.files,
            )
        )
        evidence = await self._verify(workspace.base, patch, request)
        return HandIn(request=request, change=change, evidence=evidence)

    async def _verify(self, base: Base, patch: bytes, request: FinishRequest) -> Evidence:
        checks, chosen_by = (self._checks, "owner") if self._checks else (request.checks, "agent")
        if not checks:
            return Evidence(chosen_by="agent")
        evidence = await self._parts.verifier.verify(
            base,
            patch,
            checks,
            chosen_by=chosen_by,
            task_id=self._recorder.task.id,
            environment=self._environment,
        )
        await self._recorder.record(ChangeVerified(evidence=evidence))
        if not evidence.verified:
            failed = [result for result in evidence.after if not result.passed]
            raise ChangeRefused(_complaint("Checked in a fresh container with your change, this does not pass", failed))
        return evidence

    async def _publish(self, hand_in: HandIn) -> None:
        host = self._parts.code_host
        change = hand_in.change
        url = ""
        if self._spec.publish and host is not None:
            await self._parts.mirror.push(change, host.credential())
            if _COMMIT.fullmatch(change.base_ref):  # a pull request goes to a branch
                change = replace(change, base_ref=await host.default_branch(change.repository))
            url = (
                await host.open_pull_request(change, body=self._parts.wording.pull_request(self._report(hand_in)))
            ).url
        elif self._spec.checkout:
            await self._parts.mirror.deliver(change, Path(self._spec.checkout))
        await self._recorder.record(
            ChangePublished(branch=change.branch, pull_request_url=url, patch_path=self._patch_path)
        )

    def _report(self, hand_in: HandIn) -> ChangeReport:
        return ChangeReport(
            task_id=self._recorder.task.id,
            title=hand_in.request.title,
            summary=hand_in.request.summary,
            evidence=hand_in.evidence,
            issue_number=self._spec.issue_number,
            model=self._parts.model.name,
            steps=self._recorder.state.steps,
            usage=self._recorder.state.usage,
            cost=str(cost_of_run(self._recorder.state.spent, self._parts.prices, model=self._parts.model.name)),
            egress=self._recorder.state.egress,
            notices=(*hand_in.change.notices, *self._notices),
        )

    async def _rescue(self, workspace: Workspace) -> None:
        """Keep the work of a run that ends early; whatever goes wrong here must not hide why it ended."""
        with move_on_after(GRACE_SECONDS, shield=True):
            try:
                await self._save(await workspace.extract(limit=PATCH_BYTES))
            except (PullwrightError, OSError):
                return

    async def _save(self, patch: bytes) -> None:
        path = self._parts.patches / f"{self._recorder.task.id}.patch"

        def save() -> None:
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh = path.with_suffix(".new")
            fresh.write_bytes(patch)
            fresh.replace(path)

        await to_thread.run_sync(save)
        self._patch_path = str(path)


def _complaint(what: str, failed: Sequence[CheckResult]) -> str:
    shown = "\n\n".join(f"$ {result.command}\n{result.output}\n[{_ending(result.exit_code)}]" for result in failed)
    return f"{what}:\n\n{shown}"


def _first_lines(refusal: ChangeRefused) -> str:
    """Return the one line for people of what was told to the model at length."""
    what, _, rest = str(refusal).partition("\n\n")
    return " ".join(f"{what} {rest.partition(chr(10))[0]}".split())


def _ending(exit_code: int | None) -> str:
    return "stopped at its time limit" if exit_code is None else f"exit code {exit_code}"
