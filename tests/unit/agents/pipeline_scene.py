"""A pipeline with everything around it in memory, for tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio

from pullwright.agents.budget import Budget, DayLimits
from pullwright.agents.environment import PLAIN, Environment
from pullwright.agents.events import RunEvent
from pullwright.agents.llm.prices import PriceList
from pullwright.agents.ports.code_host import ChangeReport, CommitMessage
from pullwright.agents.ports.sandbox import ExecResult
from pullwright.agents.queue.memory import MemoryStore
from pullwright.agents.task import Task
from pullwright.agents.testing.contracts_store import a_spec
from pullwright.agents.testing.fake_clock import FakeClock
from pullwright.agents.testing.fake_code_host import FakeCodeHost
from pullwright.agents.testing.fake_environments import FakeEnvironments
from pullwright.agents.testing.fake_mirror import FakeMirror
from pullwright.agents.testing.fake_sandbox import FakeProvider, FakeSandbox, output
from pullwright.agents.testing.scripted_model import Reply, ScriptedModel, ScriptItem
from pullwright.agents.worker.advance import Advancer
from pullwright.agents.worker.parts import Parts
from pullwright.sandbox.verifier import FreshVerifier

WRITE = Reply(calls=[("write", {"path": "a", "content": "new\n"})])
LOOK = Reply(calls=[("read", {"path": "a"})])


def finish(*checks: str) -> Reply:
    return Reply(calls=[("finish", {"title": "Change a", "summary": "Because.", "checks": list(checks)})])


FRESH = {"start": "", "start_base": ""}
"""Of ``a_spec``: a task that starts from its base."""


class PlainWording:
    """Wording without any of a code host's conventions."""

    def __init__(self, heard: Callable[[ChangeReport], None] = lambda _: None) -> None:
        self.heard = heard

    def branch(self, *, issue: int | None, title: str, task_id: str) -> str:
        return f"agent/{task_id}"

    def commit(
        self, *, issue: int | None, title: str, summary: str, requested_by: str = "", fixes: tuple[str, ...] = ()
    ) -> CommitMessage:
        return CommitMessage(title=title, body="\n\n".join(filter(None, [summary, *fixes, requested_by])))

    def pull_request(self, report: ChangeReport) -> str:
        self.heard(report)
        return f"{report.summary} verified={report.evidence.verified} cost={report.cost}"


async def checks_pass_when_a_is_new(command: str, sandbox: FakeSandbox) -> ExecResult:
    if "forever" in command:
        await anyio.sleep_forever()
    new = sandbox.files.get("/workspace/a") == b"new\n"
    return output("fine\n") if new else output("a is old\n", exit_code=1)


@dataclass(kw_only=True)
class Turn:
    """A segment as an engine would give it."""

    task: Task
    signals: bool = True
    steps: int | None = None
    """After how many steps the run is to yield; None for never."""

    def must_yield(self, steps: int) -> bool:
        return self.steps is not None and steps >= self.steps


@dataclass(kw_only=True)
class Scene:
    """Everything around a pipeline, in memory."""

    model: ScriptedModel
    patches: Path
    clock: FakeClock = field(default_factory=FakeClock)
    mirror: FakeMirror = field(default_factory=lambda: FakeMirror({"AGENTS.md": b"Be brief.", "a": b"old\n"}))
    environment: Environment = PLAIN
    host: FakeCodeHost | None = None
    prices: PriceList = field(default_factory=dict)
    limits: DayLimits = field(default_factory=DayLimits)
    heard: Callable[[ChangeReport], None] = lambda _: None
    """Told what each pull request says."""

    def __post_init__(self) -> None:
        self.store = MemoryStore(self.clock)
        self.provider = FakeProvider({"AGENTS.md": b"Be brief.", "a": b"old\n"}, checks_pass_when_a_is_new)

    async def file(self, **spec: Any) -> Task:
        """File a task that starts from its base and publishes nothing, unless ``spec`` says otherwise."""
        values: dict[str, Any] = {**FRESH, "checks": (), "budget": Budget(), "images": (), "publish": False}
        return await self.store.create(a_spec(**{**values, **spec}))

    async def run(self, **spec: Any) -> Task:
        """File a task and give it one attempt."""
        return await self.advance(await self.file(**spec))

    async def advance(self, task: Task, **turn: Any) -> Task:
        """Give a queued task one attempt."""
        return await self.advance_with(self.parts, task, **turn)

    async def advance_with(self, parts: Parts, task: Task, **turn: Any) -> Task:
        """Give a queued task one attempt, made of other parts."""
        claimed = await self.store.claim("w", task.id)
        assert claimed is not None
        await Advancer(parts)(Turn(task=claimed, **turn))
        assert self.provider.open_now == 0, "a workspace was left behind"
        return await self.store.get(task.id)

    @property
    def parts(self) -> Parts:
        return Parts(
            store=self.store,
            model=self.model,
            sandboxes=self.provider,
            verifier=FreshVerifier(self.provider),
            environments=FakeEnvironments(self.environment),
            mirror=self.mirror,
            code_host=lambda _: self.host,
            wording=PlainWording(self.heard),
            clock=self.clock,
            patches=self.patches,
            prices=self.prices,
            limits=self.limits,
        )

    async def events(self, task: Task) -> list[RunEvent]:
        return [entry.event for entry in await self.store.journal(task.id)]


MakeScene = Callable[[Sequence[ScriptItem]], Scene]
