"""What the contract of engines does not say: leases that run out, lost answers, slots that are wanted back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import anyio
import pytest
from anyio import create_task_group, fail_after

from pullwright.agents.clock import SystemClock
from pullwright.agents.errors import ChangeRefused, LeaseLost, StoreUnavailable
from pullwright.agents.events import RunFinished, TaskMoved
from pullwright.agents.ports.engine import SEGMENT_STEPS, Segment
from pullwright.agents.ports.lease import ANY_TASK, AttemptOutcome, Held, Terms
from pullwright.agents.queue.memory import MemoryStore
from pullwright.agents.task import Task, TaskStatus
from pullwright.agents.testing.contracts_engine import Runs, end, serving, until, until_status, work
from pullwright.agents.worker.queue_engine import QueueEngine, Rhythm, this_worker

pytestmark = pytest.mark.anyio

QUICK = Rhythm(beat=0.02, patience=5.0, tend=0.02, idle=0.03)
IMPATIENT = replace(QUICK, patience=0.2)


class ShakyStore(MemoryStore):
    """A store in memory that can be out of reach, and whose answers can get lost."""

    def __init__(self) -> None:
        super().__init__(SystemClock())
        self.away = False
        self.hangs = False
        self.lost_answers = 0
        self.beats = 0

    async def _reach(self) -> None:
        if self.hangs:
            await anyio.sleep_forever()
        if self.away:
            raise StoreUnavailable("the database does not answer")

    async def claim(self, worker_id: str, task_id: str | None = None, *, terms: Terms = ANY_TASK) -> Task | None:
        await self._reach()
        task = await super().claim(worker_id, task_id, terms=terms)
        if task is not None and self.lost_answers:
            self.lost_answers -= 1
            raise StoreUnavailable("the answer got lost")
        return task

    async def beat(self, worker_id: str) -> Mapping[str, Held]:
        self.beats += 1
        await self._reach()
        return await super().beat(worker_id)


@pytest.fixture
def store() -> ShakyStore:
    return ShakyStore()


@pytest.fixture
def runs(store: ShakyStore) -> Runs:
    return Runs(store)


def engine_on(store: ShakyStore, slots: int = 1, *, rhythm: Rhythm = QUICK, drain_seconds: float = 60) -> QueueEngine:
    return QueueEngine(store, this_worker(slots=slots), rhythm=rhythm, drain_seconds=drain_seconds)


@pytest.mark.parametrize("trouble", ["away", "hangs"])
async def test_without_a_heartbeat_every_run_stops_and_goes_on_when_the_database_is_back(
    store: ShakyStore, runs: Runs, trouble: str
) -> None:
    engine = engine_on(store, 2, rhythm=IMPATIENT)
    tasks = [await engine.submit(work(number)) for number in range(2)]

    async def hang_at_first(segment: Segment) -> None:
        await (runs.hang if segment.task.attempt == 1 else runs.finish)(segment)

    async with serving(engine, hang_at_first):
        await until(lambda: runs.at_once == 2)
        setattr(store, trouble, True)
        if trouble == "hangs":
            await until(lambda: len(runs.stopped) == 2)
            return  # a beat that never comes back can not be repeated
        await until(lambda: len(runs.stopped) == 2)
        for task in tasks:
            assert await store.status(task.id) is TaskStatus.RUNNING, "nothing was written"
        store.away = False
        for task in tasks:
            done = await until_status(store, task.id, TaskStatus.SUCCEEDED)
            assert done.attempt == 2


async def test_a_short_silence_stops_nothing(store: ShakyStore, runs: Runs) -> None:
    engine = engine_on(store)
    await engine.submit(work())
    async with serving(engine, runs.hang):
        await until(lambda: runs.at_once == 1)
        store.away = True
        tried = store.beats
        await until(lambda: store.beats >= tried + 2)
        store.away = False
        tried = store.beats
        await until(lambda: store.beats >= tried + 12)
        assert runs.stopped == []


async def test_a_claim_whose_answer_got_lost_is_given_back(store: ShakyStore, runs: Runs) -> None:
    store.lost_answers = 1
    engine = engine_on(store)
    task = await engine.submit(work())
    async with serving(engine, runs.finish):
        done = await until_status(store, task.id, TaskStatus.SUCCEEDED)
    assert done.attempt == 2
    assert [attempt.outcome for attempt in await store.attempts(task.id)] == [
        AttemptOutcome.YIELDED,
        AttemptOutcome.FINISHED,
    ]


async def test_an_attempt_that_was_left_open_is_given_back(store: ShakyStore, runs: Runs) -> None:
    async def forget(segment: Segment) -> None:
        if segment.task.attempt > 1:
            await runs.finish(segment)

    engine = engine_on(store)
    task = await engine.submit(work())
    async with serving(engine, forget):
        assert (await until_status(store, task.id, TaskStatus.SUCCEEDED)).attempt == 2


async def test_a_drain_does_not_wait_for_ever(store: ShakyStore, runs: Runs) -> None:
    engine = engine_on(store, drain_seconds=0.05)
    task = await engine.submit(work())
    with fail_after(5):
        async with create_task_group() as group:
            group.start_soon(engine.serve, runs.hang)
            await until(lambda: runs.at_once == 1)
            engine.stop()
    assert runs.stopped == [task.id]
    assert await store.status(task.id) is TaskStatus.QUEUED


async def test_a_worker_that_drains_says_so_and_claims_nothing_more(store: ShakyStore, runs: Runs) -> None:
    engine = engine_on(store, 2)
    first = await engine.submit(work())
    async with serving(engine, runs.hang):
        await until(lambda: runs.at_once == 1)
        engine.stop()
        await anyio.sleep(0.05)
        assert [worker.draining for worker in await store.workers()] == [True]
        await engine.submit(work(1))
        await anyio.sleep(0.1)
        assert runs.began == [first.id]


async def test_a_run_yields_when_it_had_its_share_and_another_waits(store: ShakyStore, runs: Runs) -> None:
    engine = engine_on(store)
    told: list[int] = []

    async def greedy(segment: Segment) -> None:
        if segment.task.attempt > 1 or segment.task.spec.instruction != "task 0":
            await runs.finish(segment)
            return
        for step in range(100_000):
            if segment.must_yield(step):
                told.append(step)
                break
            await anyio.sleep(0.001)
        await store.release(segment.task, reason="others wait")

    long = await engine.submit(work(0))
    async with serving(engine, greedy):
        await until_status(store, long.id, TaskStatus.RUNNING)
        await anyio.sleep(0.15)
        assert not told, "nobody waits"
        short = await engine.submit(work(1, lane="other"))
        await until_status(store, short.id, TaskStatus.SUCCEEDED)
        await until_status(store, long.id, TaskStatus.SUCCEEDED)
    assert told[0] >= SEGMENT_STEPS


async def test_only_one_task_is_served_when_that_was_asked_for(store: ShakyStore, runs: Runs) -> None:
    other, mine = await store.create(work(0)), await store.create(work(1))
    engine = QueueEngine(store, only=mine.id, rhythm=QUICK)
    with fail_after(5):
        await engine.serve(runs.finish)
    assert runs.began == [mine.id]
    assert await store.status(other.id) is TaskStatus.QUEUED


async def test_serving_one_task_ends_when_somebody_else_ends_it(store: ShakyStore, runs: Runs) -> None:
    mine = await store.create(work())
    elsewhere = await store.claim("somebody else", mine.id)
    assert elsewhere
    await store.enlist(this_worker())
    engine = QueueEngine(store, only=mine.id, rhythm=QUICK)
    with fail_after(5):
        async with create_task_group() as group:
            group.start_soon(engine.serve, runs.finish)
            await anyio.sleep(0.05)
            await end(store, elsewhere)
    assert runs.began == []


async def test_expected_trouble_that_comes_out_of_a_run_is_the_reason(store: ShakyStore) -> None:
    async def refuse(segment: Segment) -> None:
        async with create_task_group():
            raise ChangeRefused("the change holds a link")

    engine = engine_on(store)
    task = await engine.submit(work())
    async with serving(engine, refuse):
        failed = await until_status(store, task.id, TaskStatus.FAILED)
    assert failed.status_reason == "the change holds a link"
    assert isinstance((await store.journal(task.id))[-1].event, RunFinished)


async def test_a_fenced_run_is_quiet(store: ShakyStore, runs: Runs, caplog: pytest.LogCaptureFixture) -> None:
    async def fenced(segment: Segment) -> None:
        await store.release(segment.task, reason="taken")
        if segment.task.attempt == 1:
            async with create_task_group():
                raise LeaseLost("attempt 1 is over")

    engine = engine_on(store)
    task = await engine.submit(work())
    async with serving(engine, fenced):
        await until(lambda: any(moved(entry.event) for entry in store._record(task.id).journal))
    assert "Traceback" not in caplog.text
    assert (await store.get(task.id)).status is not TaskStatus.FAILED


def moved(event: object) -> bool:
    return isinstance(event, TaskMoved) and event.new == TaskStatus.QUEUED and event.reason == "taken"


async def test_a_task_is_begun_again_only_when_its_older_attempt_has_cleaned_up(store: ShakyStore, runs: Runs) -> None:
    cleaned: list[int] = []

    async def slow_to_stop(segment: Segment) -> None:
        if segment.task.attempt > 1:
            assert cleaned == [1]
            await runs.finish(segment)
            return
        try:
            with runs.counted(segment.task.id):
                await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.1)
            cleaned.append(1)

    engine = engine_on(store, 2)
    task = await engine.submit(work())
    async with serving(engine, slow_to_stop):
        await until(lambda: runs.at_once == 1)
        held = await store.get(task.id)
        await store.release(held, reason="by hand")
        assert (await until_status(store, task.id, TaskStatus.SUCCEEDED)).attempt == 2
    assert runs.together == []


async def test_leases_are_kept_while_cancelled_runs_clean_up(store: ShakyStore) -> None:
    beats: list[int] = []

    async def slow_to_stop(segment: Segment) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            before = store.beats
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.2)
            beats.append(store.beats - before)

    engine = engine_on(store)
    task = await engine.submit(work())
    async with serving(engine, slow_to_stop):
        await until_status(store, task.id, TaskStatus.RUNNING)
        await anyio.sleep(0.02)
    assert beats
    assert beats[0] >= 3
    assert await store.status(task.id) is TaskStatus.QUEUED


async def test_a_scheduled_task_is_begun_when_it_is_due(store: ShakyStore, runs: Runs) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=0.1)
    engine = engine_on(store)
    task = await engine.submit(replace(work(), not_before=soon))
    assert task.status is TaskStatus.SCHEDULED
    async with serving(engine, runs.finish):
        await until_status(store, task.id, TaskStatus.SUCCEEDED)
    assert datetime.now(UTC) >= soon
