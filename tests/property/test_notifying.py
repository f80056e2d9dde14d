"""Whatever happens to tasks and whoever dies over telling it: every moment is told, of each task in order.

Two tasks live through random lives while the messenger looks now and then. It dies before or after anything that it
sends or writes, and another one follows when its time has run out. Without deaths everything is told once.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pullwright.agents.budget import Usage
from pullwright.agents.events import ChangePublished, QuestionAsked, RunFinished
from pullwright.agents.intake.moments import moment_of
from pullwright.agents.intake.notifying import LOOK_SECONDS, Messenger
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.notice import Moment, Route, Target, Telling
from pullwright.agents.ports.outbox import Effect
from pullwright.agents.ports.report import DUTY_SECONDS
from pullwright.agents.ports.store import SignalKind
from pullwright.agents.queue.memory import MemoryStore
from pullwright.agents.queue.open import open_store
from pullwright.agents.task import TaskStatus, WaitReason
from pullwright.agents.testing.contracts_store import a_spec
from pullwright.agents.testing.fake_clock import FakeClock
from pullwright.agents.testing.fake_notifier import FakeNotifier

EXAMPLES = int(os.environ.get("AGENT_EXAMPLES", "40"))

ACTS = ["claim", "ask", "answer", "release", "publish", "succeed", "fail", "cancel"]
lives = st.lists(st.one_of(st.tuples(st.integers(0, 1), st.sampled_from(ACTS)), st.just((0, "look"))), max_size=30)
deaths = st.lists(st.integers(0, 15), max_size=10)
"""How many points are passed alive before each death."""

TARGETS = [
    Target(key="all", label="all", routes=(Route(about=frozenset(Moment)),)),
    Target(key="some", label="some", routes=(Route(about=frozenset([Moment.QUESTION, Moment.FAILED])),)),
]


class Died(Exception):
    """The process that tells is gone."""


class Fate:
    """Says when a process dies: after so many of the points where it could."""

    def __init__(self, deaths: Sequence[int]) -> None:
        self._deaths = list(deaths)

    def pass_by(self, *point: str) -> None:
        del point
        if self._deaths and self._deaths[0] == 0:
            self._deaths.pop(0)
            raise Died
        if self._deaths:
            self._deaths[0] -= 1


class Witness:
    """A store in front of which, and behind which, processes die."""

    def __init__(self, store: DurableStore, fate: Fate) -> None:
        self._store = store
        self._fate = fate

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    async def intend(self, holder: Telling, key: str, *, kind: str) -> tuple[Effect, bool]:
        self._fate.pass_by("intend")
        found = await self._store.intend(holder, key, kind=kind)
        self._fate.pass_by("after intend")
        return found

    async def settle(self, holder: Telling, key: str, *, external_id: str = "", url: str = "") -> Effect:
        self._fate.pass_by("settle")
        effect = await self._store.settle(holder, key, external_id=external_id, url=url)
        self._fate.pass_by("after settle")
        return effect


class DyingMessenger(Messenger):
    """Does not survive."""

    async def _failed(self, line: object, waiting: object, error: Exception) -> None:
        raise error


class Messengers:
    """One process after the other."""

    def __init__(self, store: DurableStore, notifier: FakeNotifier, clock: FakeClock, fate: Fate) -> None:
        self._store = store
        self._notifier = notifier
        self._clock = clock
        self._fate = fate
        self._number = 0
        self._next()

    def _next(self) -> None:
        witness = Witness(self._store, self._fate)
        self._messenger = DyingMessenger(witness, self._notifier, TARGETS, clock=self._clock)  # type: ignore[arg-type]  # see there
        self._number += 1

    async def look(self) -> int:
        """Look once; a death counts as something that waits."""
        self._clock.advance(LOOK_SECONDS)
        died = False
        left = 1
        try:
            left = await self._messenger.tell_all(f"n{self._number}")
        except* Died:
            died = True
        if died:
            self._clock.advance(DUTY_SECONDS + 1)
            self._next()
        return left


@settings(max_examples=EXAMPLES)
@given(lives, deaths)
def test_in_memory(life: list[tuple[int, str]], dying: list[int]) -> None:
    anyio.run(compare, "", life, dying)


@settings(max_examples=EXAMPLES)
@given(lives, deaths)
def test_on_sqlite(life: list[tuple[int, str]], dying: list[int]) -> None:
    with TemporaryDirectory() as folder:
        anyio.run(compare, f"sqlite:///{Path(folder) / 'x.db'}", life, dying)


async def compare(url: str, life: list[tuple[int, str]], dying: list[int]) -> None:
    clock = FakeClock()
    if not url:
        await live(MemoryStore(clock), clock, life, dying)
        return
    clock.advance(time.time() + 1000 - clock.now().timestamp())
    async with open_store(url, clock, skew=lambda: clock.now().timestamp() - time.time()) as store:
        await live(store, clock, life, dying)


async def live(store: DurableStore, clock: FakeClock, life: list[tuple[int, str]], dying: list[int]) -> None:
    notifier = FakeNotifier()
    await Messengers(store, notifier, clock, Fate([])).look()  # the targets are known
    clock.advance(DUTY_SECONDS + 1)
    fate = Fate(dying)
    notifier.trouble = fate.pass_by
    messengers = Messengers(store, notifier, clock, fate)
    tasks = [(await store.create(a_spec(work_key=""))).id for _ in range(2)]
    for number, act in life:
        if act == "look":
            await messengers.look()
        else:
            await happen(store, tasks[number], act)
    while await messengers.look():
        pass
    for task_id in tasks:
        for target in TARGETS:
            expected = await moments(store, task_id, target)
            told = notifier.moments(target.key, task_id)
            if dying:
                assert collapsed(told) == collapsed(expected)
                assert len(told) >= len(expected)
            else:
                assert told == expected


async def moments(store: DurableStore, task_id: str, target: Target) -> list[Moment]:
    """Return what a target is to be told of a task."""
    task = await store.get(task_id)
    found = [moment_of(entry) for entry in await store.journal(task_id)]
    return [
        moment
        for moment in found
        if moment is not None
        and target.wants(moment, task.spec.repository.slug)
        and not (moment is Moment.DONE and task.pull_request_url)
    ]


def collapsed(told: Sequence[Moment]) -> list[Moment]:
    """Return a sequence without what is repeated at once."""
    return [moment for moment, _ in groupby(told)]


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
        case "release", (TaskStatus.RUNNING | TaskStatus.CANCELING):
            await store.release(task, reason="others go first")
        case "publish", TaskStatus.RUNNING if not task.pull_request_url:
            await store.append(task, [ChangePublished(branch="agent/7", pull_request_url="https://x/pull/1")])
        case (("succeed" | "fail"), TaskStatus.RUNNING):
            status = TaskStatus.SUCCEEDED if act == "succeed" else TaskStatus.FAILED
            last = RunFinished(status=status.value, reason="so it is", usage=Usage(), steps=1)
            await store.finish(task, status, last, reason="so it is")
        case "cancel", status if not status.terminal and status is not TaskStatus.CANCELING:
            await store.cancel(task_id, reason="ann asked to stop")


@pytest.fixture(autouse=True)
def _patience(request: pytest.FixtureRequest) -> None:
    request.node.add_marker(pytest.mark.timeout(600))
