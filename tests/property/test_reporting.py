"""Whatever happens to a task and whoever dies over its report: one comment, and in the end it says what is so.

A task lives through a random life while the reporter looks now and then. It dies before or after any write outside, or
before or after any write to the store, and another one follows when its time has run out. The end is compared with
that of the same life under a reporter that nothing happens to.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pullwright.agents.budget import Usage
from pullwright.agents.events import ChangePublished, ModelReplied, PlanUpdated, QuestionAsked, RunFinished
from pullwright.agents.intake.reporting import EVERY_SECONDS, Reporter
from pullwright.agents.intake.standings import standing_after
from pullwright.agents.message import AssistantMessage, ToolCall
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.report import DUTY_SECONDS, Report, Standing
from pullwright.agents.ports.store import SignalKind
from pullwright.agents.queue.memory import MemoryStore
from pullwright.agents.queue.open import open_store
from pullwright.agents.task import Task, TaskStatus, WaitReason
from pullwright.agents.testing.contracts_inbox import taken
from pullwright.agents.testing.contracts_store import a_spec
from pullwright.agents.testing.fake_clock import FakeClock
from pullwright.agents.testing.fake_reports import FakeReports

EXAMPLES = int(os.environ.get("AGENT_EXAMPLES", "40"))

ACTS = ["claim", "step", "step", "plan", "ask", "answer", "release", "publish", "look", "look", "look later"]
lives = st.lists(st.sampled_from(ACTS), max_size=25)
ends = st.sampled_from([TaskStatus.SUCCEEDED, TaskStatus.FAILED, TaskStatus.CANCELED])
deaths = st.lists(st.integers(0, 12), max_size=12)
"""How many points are passed alive before each death."""


class Died(Exception):
    """The process that reports is gone."""


@dataclass
class Fate:
    """Says when a process dies: after so many of the points where it could."""

    deaths: list[int] = field(default_factory=list)

    def pass_by(self, point: str) -> None:
        del point
        if not self.deaths:
            return
        if self.deaths[0] == 0:
            self.deaths.pop(0)
            raise Died
        self.deaths[0] -= 1


class DyingReporter(Reporter):
    """Does not survive, and may die around every write of what it showed."""

    def __init__(self, store: DurableStore, board: FakeReports, clock: FakeClock, fate: Fate) -> None:
        super().__init__(Witness(store, fate), {"github": board}, clock=clock)  # type: ignore[arg-type]  # see there

    async def _failed(self, followed: object, error: Exception) -> None:
        raise error


class Witness:
    """A store in front of which, and behind which, processes die."""

    def __init__(self, store: DurableStore, fate: Fate) -> None:
        self._store = store
        self._fate = fate

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    async def note_report(self, report: Report) -> None:
        self._fate.pass_by("note")
        await self._store.note_report(report)
        self._fate.pass_by("after note")

    async def settle(self, holder: Report, key: str, *, external_id: str = "", url: str = "") -> object:
        self._fate.pass_by("settle")
        effect = await self._store.settle(holder, key, external_id=external_id, url=url)
        self._fate.pass_by("after settle")
        return effect


@settings(max_examples=EXAMPLES)
@given(lives, ends, deaths)
def test_in_memory(life: list[str], end: TaskStatus, dying: list[int]) -> None:
    anyio.run(compare, "", life, end, dying)


@settings(max_examples=EXAMPLES)
@given(lives, ends, deaths)
def test_on_sqlite(life: list[str], end: TaskStatus, dying: list[int]) -> None:
    with TemporaryDirectory() as folder:
        anyio.run(compare, f"sqlite:///{Path(folder) / 'x.db'}", life, end, dying)


async def compare(url: str, life: list[str], end: TaskStatus, dying: list[int]) -> None:
    clock = FakeClock()
    if not url:
        await live(MemoryStore(clock), clock, life, end, dying)
        return
    clock.advance(time.time() + 1000 - clock.now().timestamp())
    async with open_store(url, clock, skew=lambda: clock.now().timestamp() - time.time()) as store:
        await live(store, clock, life, end, dying)


async def live(store: DurableStore, clock: FakeClock, life: Sequence[str], end: TaskStatus, dying: list[int]) -> None:
    task = await store.file(await taken(store), a_spec(work_key="w#1"))
    fate = Fate(list(dying))
    board = FakeReports(trouble=fate.pass_by)
    reporters = Reporters(store, board, clock, fate)
    for act in life:
        if act.startswith("look"):
            clock.advance(EVERY_SECONDS if act == "look later" else 1.0)
            await reporters.look()
            assert len(board.comments) <= 1
        else:
            await happen(store, task.id, act)
    await conclude(store, task.id, end)
    for _ in range(2 * len(dying) + 3):
        clock.advance(1.0)
        await reporters.look()
    undisturbed = standing_after(Standing(task_id=task.id, work_key="w#1"), await store.journal(task.id))
    assert board.only == undisturbed
    assert board.only.status is end
    assert len(board.numbers) == 1
    assert board.signs == {task.id: end.value}
    assert await store.open_reports(reporters.number) == []


class Reporters:
    """One process after the other."""

    def __init__(self, store: DurableStore, board: FakeReports, clock: FakeClock, fate: Fate) -> None:
        self._make = partial(DyingReporter, store, board, clock, fate)
        self._clock = clock
        self._reporter = self._make()
        self.number = 1

    async def look(self) -> None:
        died = False
        try:
            await self._reporter.show_all(f"r{self.number}")
        except* Died:
            died = True
        if died:
            self._clock.advance(DUTY_SECONDS + 1)
            self._reporter = self._make()
            self.number += 1


async def happen(store: DurableStore, task_id: str, act: str) -> None:
    """Let something happen, if it can happen to the task as it is."""
    task = await store.get(task_id)
    match act, task.status:
        case "claim", TaskStatus.QUEUED:
            await store.claim("w", task_id)
        case "answer", TaskStatus.WAITING:
            await store.send(task_id, SignalKind.ANSWER, "left")
        case "ask", TaskStatus.RUNNING:
            question = QuestionAsked(step=1, question="which?", wait=WaitReason.INPUT_REQUIRED.value)
            await store.park(task, WaitReason.INPUT_REQUIRED, question, question="which?")
        case "release", TaskStatus.RUNNING:
            await store.release(task, reason="others go first")
        case (("step" | "plan" | "publish"), TaskStatus.RUNNING):
            await work(store, task, act)


async def work(store: DurableStore, task: Task, act: str) -> None:
    number = len(await store.journal(task.id))
    call = ToolCall(id="abcdefgh1", name="bash", arguments="{}")
    message = AssistantMessage(content="", tool_calls=(call,))
    match act:
        case "step":
            reply = ModelReplied(step=number, message=message, kind="calls", usage=Usage(prompt_tokens=number))
            await store.append(task, [reply])
        case "plan":
            await store.append(task, [PlanUpdated(step=number, items=(("look", "doing"),))])
        case "publish":
            await store.append(task, [ChangePublished(branch="agent/7", pull_request_url="https://x/pull/1")])


async def conclude(store: DurableStore, task_id: str, end: TaskStatus) -> None:
    """Let the task end as it is to end."""
    if end is TaskStatus.CANCELED:
        await store.cancel(task_id, reason="ann asked to stop")
    for act in ("answer", "claim"):
        await happen(store, task_id, act)
    task = await store.get(task_id)
    if task.status is TaskStatus.CANCELING:
        await store.release(task, reason="its worker stopped")
    elif not task.status.terminal:
        last = RunFinished(status=end.value, reason="so it is", usage=Usage(), steps=1)
        await store.finish(task, end, last, reason="so it is")


@pytest.fixture(autouse=True)
def _patience(request: pytest.FixtureRequest) -> None:
    request.node.add_marker(pytest.mark.timeout(600))
