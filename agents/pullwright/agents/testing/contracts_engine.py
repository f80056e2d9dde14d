"""What every ``Engine`` must do. Subclass ``EngineContract`` and give it a ``store`` and an ``open_engine`` fixture.

``open_engine`` makes an engine with so many slots; all that it makes share the ``store``. The suite takes as long as an
engine's own pauses: make them short where they can be chosen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

import anyio
import pytest
from anyio import create_task_group, fail_after

from pullwright.agents.budget import Usage
from pullwright.agents.change import RepositoryRef
from pullwright.agents.errors import LeaseLost
from pullwright.agents.events import QuestionAsked, RunFinished
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.engine import Advance, Engine, Segment
from pullwright.agents.ports.store import SignalKind
from pullwright.agents.task import Task, TaskSpec, TaskStatus, WaitReason

LIMIT = 20.0
"""Seconds after which something that should happen counts as never happening."""


class OpenEngine(Protocol):
    """Makes an engine on the store."""

    def __call__(self, slots: int = 1) -> Engine: ...


def work(number: int = 0, *, lane: str = "r", priority: int = 0) -> TaskSpec:
    """Return a specification in the lane of a repository."""
    repository = RepositoryRef(url=f"https://example.test/o/{lane}.git", host="example.test", owner="o", name=lane)
    return TaskSpec(instruction=f"task {number}", repository=repository, priority=priority)


class Runs:
    """What was advanced, as an engine's ``advance`` saw it."""

    def __init__(self, store: DurableStore) -> None:
        self.store = store
        self.began: list[str] = []
        self.stopped: list[str] = []
        self.at_once = 0
        self.most_at_once = 0
        self.together: list[str] = []
        """Tasks that were advanced twice at the same time."""
        self._now: Counter[str] = Counter()

    async def finish(self, segment: Segment) -> None:
        """Do a little and end well."""
        with self.counted(segment.task.id):
            await anyio.sleep(0.01)
            await end(self.store, segment.task)

    async def hang(self, segment: Segment) -> None:
        """Go on until cancelled, then keep quiet."""
        with self.counted(segment.task.id):
            await anyio.sleep_forever()

    async def until_told(self, segment: Segment) -> None:
        """Go on until the engine wants the slot back."""
        with self.counted(segment.task.id):
            while not segment.must_yield(1):  # noqa: ASYNC110 - the port is asked, it tells nobody
                await anyio.sleep(0.01)
            await self.store.release(segment.task, reason="told to")

    def counted(self, task_id: str) -> Counted:
        """Return a block that counts as advancing a task."""
        return Counted(self, task_id)

    def enter(self, task_id: str) -> None:
        self.began.append(task_id)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self._now[task_id] += 1
        if self._now[task_id] > 1:
            self.together.append(task_id)

    def leave(self, task_id: str, *, stopped: bool) -> None:
        self.at_once -= 1
        self._now[task_id] -= 1
        if stopped:
            self.stopped.append(task_id)


class Counted:
    """A block in which a task is advanced."""

    def __init__(self, runs: Runs, task_id: str) -> None:
        self._runs = runs
        self._task_id = task_id

    def __enter__(self) -> None:
        self._runs.enter(self._task_id)

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        stopped = kind is not None and issubclass(kind, anyio.get_cancelled_exc_class())
        self._runs.leave(self._task_id, stopped=stopped)


async def end(store: DurableStore, task: Task, status: TaskStatus = TaskStatus.SUCCEEDED) -> Task:
    """End a task as its run would."""
    event = RunFinished(status=status.value, reason="", usage=Usage(), steps=0)
    return await store.finish(task, status, event)


async def until(what: Callable[[], bool]) -> None:
    """Wait until something is so."""
    with fail_after(LIMIT):
        while not what():  # noqa: ASYNC110 - what is waited for tells nobody
            await anyio.sleep(0.005)


async def until_status(store: DurableStore, task_id: str, *statuses: TaskStatus) -> Task:
    """Wait until a task has one of these statuses."""
    with fail_after(LIMIT):
        while (await store.status(task_id)) not in statuses:  # noqa: ASYNC110 - as above
            await anyio.sleep(0.005)
    return await store.get(task_id)


@asynccontextmanager
async def serving(engine: Engine, advance: Advance) -> AsyncIterator[None]:
    """Let an engine serve for the length of a block, and cut it off at the end."""
    async with create_task_group() as group:
        group.start_soon(engine.serve, advance)
        yield
        group.cancel_scope.cancel()


class EngineContract:
    """The contract, as tests."""

    pytestmark = pytest.mark.anyio

    @pytest.fixture
    def runs(self, store: DurableStore) -> Runs:
        """What was advanced."""
        return Runs(store)

    async def test_what_is_submitted_is_advanced_once(
        self, store: DurableStore, open_engine: OpenEngine, runs: Runs
    ) -> None:
        engine = open_engine()
        async with serving(engine, runs.finish):
            tasks = [await engine.submit(work(number)) for number in range(3)]
            for task in tasks:
                done = await until_status(store, task.id, TaskStatus.SUCCEEDED)
                assert done.attempt == 1
        assert sorted(runs.began) == sorted(task.id for task in tasks)

    async def test_the_urgent_goes_first_then_the_older(
        self, store: DurableStore, open_engine: OpenEngine, runs: Runs
    ) -> None:
        engine = open_engine()
        tasks = [await engine.submit(work(number, priority=priority)) for number, priority in enumerate((0, 0, 5))]
        async with serving(engine, runs.finish):
            for task in tasks:
                await until_status(store, task.id, TaskStatus.SUCCEEDED)
        assert runs.began == [tasks[2].id, tasks[0].id, tasks[1].id]

    async def test_every_slot_is_used_and_no_more(self, open_engine: OpenEngine, runs: Runs) -> None:
        engine = open_engine(3)
        for number in range(5):
            await engine.submit(work(number, lane=f"r{number}"))
        async with serving(engine, runs.hang):
            await until(lambda: runs.at_once == 3)
            await anyio.sleep(0.05)
            assert runs.most_at_once == 3

    async def test_a_task_that_waits_goes_on_when_it_is_woken(
        self, store: DurableStore, open_engine: OpenEngine, runs: Runs
    ) -> None:
        async def ask_first(segment: Segment) -> None:
            if segment.task.attempt > 1:
                await runs.finish(segment)
                return
            asked = QuestionAsked(step=1, question="which?", wait=WaitReason.INPUT_REQUIRED.value)
            await store.park(segment.task, WaitReason.INPUT_REQUIRED, asked, question="which?")

        engine = open_engine()
        async with serving(engine, ask_first):
            task = await engine.submit(work())
            waiting = await until_status(store, task.id, TaskStatus.WAITING)
            assert (waiting.status_reason, waiting.worker_id) == ("which?", "")
            await engine.wake(task.id, SignalKind.ANSWER, "the second")
            done = await until_status(store, task.id, TaskStatus.SUCCEEDED)
        assert done.attempt == 2
        assert [signal.text for signal in await store.signals(task.id)] == ["the second"]

    async def test_words_to_a_run_reach_it(self, store: DurableStore, open_engine: OpenEngine) -> None:
        heard: list[str] = []

        async def listen(segment: Segment) -> None:
            while not heard:
                if segment.signals:
                    heard.extend(signal.text for signal in await store.signals(segment.task.id))
                await anyio.sleep(0.005)
            await end(store, segment.task)

        engine = open_engine()
        async with serving(engine, listen):
            task = await engine.submit(work())
            await until_status(store, task.id, TaskStatus.RUNNING)
            await anyio.sleep(0.05)
            await engine.wake(task.id, SignalKind.MESSAGE, "also the tests")
            await until_status(store, task.id, TaskStatus.SUCCEEDED)
        assert heard == ["also the tests"]

    async def test_a_canceled_run_stops_within_two_seconds(
        self, store: DurableStore, open_engine: OpenEngine, runs: Runs
    ) -> None:
        engine = open_engine()
        async with serving(engine, runs.hang):
            task = await engine.submit(work())
            await until(lambda: runs.began == [task.id])
            with fail_after(2):
                await engine.cancel(task.id, reason="enough")
                await until_status(store, task.id, TaskStatus.CANCELED)
        assert runs.stopped == [task.id]
        assert (await store.get(task.id)).status_reason == "enough"

    async def test_a_run_ends_its_own_cancellation(self, store: DurableStore, open_engine: OpenEngine) -> None:
        async def tidy(segment: Segment) -> None:
            try:
                await anyio.sleep_forever()
            except anyio.get_cancelled_exc_class():
                with anyio.CancelScope(shield=True):
                    await end(store, segment.task, TaskStatus.CANCELED)
                raise

        engine = open_engine()
        async with serving(engine, tidy):
            task = await engine.submit(work())
            await until_status(store, task.id, TaskStatus.RUNNING)
            await engine.cancel(task.id, reason="enough")
            await until_status(store, task.id, TaskStatus.CANCELED)
        journal = await store.journal(task.id)
        assert isinstance(journal[-1].event, RunFinished)

    async def test_a_stopped_engine_ends_at_step_boundaries(
        self, store: DurableStore, open_engine: OpenEngine, runs: Runs
    ) -> None:
        engine = open_engine(2)
        tasks = [await engine.submit(work(number)) for number in range(3)]
        with fail_after(LIMIT):
            async with create_task_group() as group:
                group.start_soon(engine.serve, runs.until_told)
                await until(lambda: runs.at_once == 2)
                engine.stop()
        assert [(await store.get(task.id)).status for task in tasks] == [TaskStatus.QUEUED] * 3
        assert len(runs.began) == 2
        assert runs.stopped == []
        assert list(await store.workers()) == []

    async def test_an_idle_engine_stops_at_once(self, open_engine: OpenEngine, runs: Runs) -> None:
        engine = open_engine()
        with fail_after(LIMIT):
            async with create_task_group() as group:
                group.start_soon(engine.serve, runs.finish)
                await anyio.sleep(0.02)
                engine.stop()

    async def test_a_run_whose_lease_is_lost_is_stopped_and_writes_nothing(
        self, store: DurableStore, open_engine: OpenEngine, runs: Runs
    ) -> None:
        engine = open_engine()
        async with serving(engine, runs.hang):
            task = await engine.submit(work())
            await until(lambda: runs.began == [task.id])
            held = await store.get(task.id)
            await store.retire(held.worker_id)
            assert [taken.id for taken in await store.tend()] in ([task.id], [])
            await until(lambda: task.id in runs.stopped)
            with pytest.raises(LeaseLost):
                await end(store, held)

    async def test_two_engines_never_advance_one_task_at_the_same_time(
        self, store: DurableStore, open_engine: OpenEngine, runs: Runs
    ) -> None:
        one, two = open_engine(2), open_engine(2)
        tasks = [await one.submit(work(number, lane=f"r{number % 5}")) for number in range(20)]
        async with serving(one, runs.finish), serving(two, runs.finish):
            for task in tasks:
                await until_status(store, task.id, TaskStatus.SUCCEEDED)
        assert runs.together == []
        assert sorted(runs.began) == sorted(task.id for task in tasks)

    async def test_what_an_engine_had_in_hand_when_it_was_cut_off_goes_on_elsewhere(
        self, store: DurableStore, open_engine: OpenEngine, runs: Runs
    ) -> None:
        first, second = open_engine(), open_engine()
        task = await first.submit(work())
        async with serving(first, runs.hang):
            await until(lambda: runs.began == [task.id])
        assert runs.stopped == [task.id]
        async with serving(second, runs.finish):
            done = await until_status(store, task.id, TaskStatus.SUCCEEDED)
        assert done.attempt == 2

    async def test_a_bug_ends_its_own_task_and_no_other(
        self, store: DurableStore, open_engine: OpenEngine, runs: Runs, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def stumble(segment: Segment) -> None:
            if segment.task.spec.instruction == "task 0":
                raise ZeroDivisionError("no such thing")
            await runs.finish(segment)

        engine = open_engine()
        bad, good = [await engine.submit(work(number)) for number in range(2)]
        async with serving(engine, stumble):
            failed = await until_status(store, bad.id, TaskStatus.FAILED)
            await until_status(store, good.id, TaskStatus.SUCCEEDED)
        assert "internal error" in failed.status_reason
        assert "no such thing" in caplog.text

    async def test_the_queue_is_counted(self, store: DurableStore, open_engine: OpenEngine, runs: Runs) -> None:
        engine = open_engine(2)
        for number in range(5):
            await engine.submit(work(number, lane=f"r{number % 2}"))
        async with serving(engine, runs.hang):
            await until(lambda: runs.at_once == 2)
            stats = await engine.stats()
            assert (stats.scheduled, stats.queued, stats.running, stats.waiting) == (0, 3, 2, 0)
            assert [(worker.slots, worker.running) for worker in stats.workers] == [(2, 2)]
            assert [(lane.queued, lane.running) for lane in stats.lanes] == [(2, 1), (1, 1)]
