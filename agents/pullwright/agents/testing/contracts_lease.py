"""What every ``LeaseStore`` must do; see ``contracts_store``."""

from __future__ import annotations

from datetime import timedelta

import pytest
from anyio import create_task_group

from pullwright.agents.errors import LeaseLost
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.lease import AttemptOutcome, Held, Worker
from pullwright.agents.ports.store import SignalKind
from pullwright.agents.queue.life import LEASE_SECONDS, MAX_LOSSES, MAX_RETRIES, PRODUCTIVE_STEPS
from pullwright.agents.task import Task, TaskStatus, WaitReason
from pullwright.agents.testing.contracts_store import (
    a_reply,
    a_running_task,
    a_spec,
    a_waiting_task,
    asked,
    finished,
    moves,
)
from pullwright.agents.testing.fake_clock import FakeClock

TOO_LATE = LEASE_SECONDS + 1


class LeaseStoreContract:
    """The contract, as tests; ``contracts_lanes`` has the rest of it."""

    pytestmark = pytest.mark.anyio

    async def test_one_task_is_claimed_once(self, store: DurableStore, other: DurableStore) -> None:
        await store.create(a_spec())
        claimed: list[Task | None] = []

        async def claim(where: DurableStore) -> None:
            claimed.append(await where.claim("w"))

        async with create_task_group() as group:
            for number in range(8):
                group.start_soon(claim, (store, other)[number % 2])
        winners = [task for task in claimed if task is not None]
        assert [(task.status, task.attempt, task.worker_id) for task in winners] == [(TaskStatus.RUNNING, 1, "w")]

    async def test_as_many_are_claimed_as_there_are(self, store: DurableStore, other: DurableStore) -> None:
        await store.set_lane(a_spec().lane, max_running=99)
        filed = {(await store.create(a_spec())).id for _ in range(10)}
        claimed: list[str] = []

        async def claim(where: DurableStore) -> None:
            while (task := await where.claim("w")) is not None:
                claimed.append(task.id)

        async with create_task_group() as group:
            for number in range(4):
                group.start_soon(claim, (store, other)[number % 2])
        assert sorted(claimed) == sorted(filed)

    async def test_a_named_task_is_claimed_and_no_other(self, store: DurableStore) -> None:
        first, second = await store.create(a_spec()), await store.create(a_spec())
        claimed = await store.claim("w", second.id)
        assert claimed is not None
        assert claimed.id == second.id
        assert await store.get(second.id) == claimed
        assert await store.claim("w", second.id) is None
        assert await store.claim("w", "nobody") is None
        assert await store.status(first.id) is TaskStatus.QUEUED

    async def test_a_heartbeat_extends_every_lease_and_says_what_is_held(
        self, store: DurableStore, clock: FakeClock
    ) -> None:
        task, doomed = await a_running_task(store), await a_running_task(store)
        await a_running_task(store, "somebody else")
        clock.advance(LEASE_SECONDS - 1)
        await store.cancel(doomed.id, reason="x")
        await store.send(task.id, SignalKind.MESSAGE, "x")
        assert await store.beat("w") == {
            task.id: Held(attempt=1, status=TaskStatus.RUNNING, signals=1),
            doomed.id: Held(attempt=1, status=TaskStatus.CANCELING),
        }
        clock.advance(LEASE_SECONDS - 1)
        await store.confirm(task)
        assert await store.beat("nobody") == {}

    async def test_a_silent_worker_loses_its_tasks(self, store: DurableStore, clock: FakeClock) -> None:
        task, kept = await a_running_task(store, "dead"), await a_running_task(store, "alive")
        clock.advance(TOO_LATE)
        await store.beat("alive")
        with pytest.raises(LeaseLost):
            await store.confirm(task)
        assert [one.id for one in await store.tend()] == [task.id]
        assert await store.tend() == []
        lost = await store.get(task.id)
        assert (lost.status, lost.losses, lost.worker_id) == (TaskStatus.QUEUED, 1, "")
        with pytest.raises(LeaseLost):
            await store.append(task, [])
        again = await store.claim("heir")
        assert again is not None
        assert (again.id, again.attempt) == (task.id, 2)
        outcomes = [(one.number, one.worker_id, one.outcome) for one in await store.attempts(task.id)]
        assert outcomes == [(1, "dead", AttemptOutcome.LOST), (2, "heir", None)]
        await store.confirm(kept)

    async def test_a_task_that_kills_its_workers_fails(self, store: DurableStore, clock: FakeClock) -> None:
        task = await a_running_task(store, "w0")
        for number in range(1, MAX_LOSSES):
            clock.advance(TOO_LATE)
            await store.tend()
            assert (await store.claim(f"w{number}", task.id)) is not None
        clock.advance(TOO_LATE)
        (failed,) = await store.tend()
        assert (failed.status, failed.losses) == (TaskStatus.FAILED, MAX_LOSSES)
        assert "in a row" in failed.status_reason

    async def test_losses_are_forgiven_to_a_task_that_gets_on(self, store: DurableStore, clock: FakeClock) -> None:
        task = await a_running_task(store)
        for _ in range(MAX_LOSSES + 1):
            await store.append(task, [a_reply(step) for step in range(PRODUCTIVE_STEPS)])
            clock.advance(TOO_LATE)
            await store.tend()
            again = await store.claim("w", task.id)
            assert again is not None
            assert again.losses == 1
            task = again

    async def test_a_canceled_task_ends_when_its_worker_is_gone(self, store: DurableStore, clock: FakeClock) -> None:
        task = await a_running_task(store)
        await store.cancel(task.id, reason="enough")
        clock.advance(TOO_LATE)
        (ended,) = await store.tend()
        assert (ended.status, ended.status_reason) == (TaskStatus.CANCELED, "enough")

    async def test_a_parked_task_holds_nothing(self, store: DurableStore) -> None:
        task = await a_waiting_task(store)
        assert (task.status, task.wait, task.status_reason) == (
            TaskStatus.WAITING,
            WaitReason.INPUT_REQUIRED,
            "which?",
        )
        assert (task.worker_id, task.lease_until) == ("", None)
        assert await store.get(task.id) == task
        assert [(lane.queued, lane.running) for lane in await store.lanes()] == [(0, 0)]
        assert (await store.attempts(task.id))[0].outcome is AttemptOutcome.WAITING
        assert await moves(store, task) == [("", "queued"), ("queued", "running")]

    async def test_every_end_of_an_attempt_ends_a_task_that_is_to_be_canceled(self, store: DurableStore) -> None:
        async def end(task: Task, how: str) -> Task:
            match how:
                case "park":
                    return await store.park(task, WaitReason.INPUT_REQUIRED, asked(), question="?")
                case "release":
                    return await store.release(task, reason="r")
            return await store.retry(task, reason="r")

        for how in ("park", "release", "retry"):
            task = await a_running_task(store)
            await store.cancel(task.id, reason="enough")
            ended = await end(task, how)
            assert (ended.status, ended.status_reason) == (TaskStatus.CANCELED, "enough")
            assert (await moves(store, task))[-1] == ("canceling", "canceled")

    async def test_a_released_task_stands_in_the_queue_again(self, store: DurableStore) -> None:
        task = await a_running_task(store)
        released = await store.release(task, reason="others wait")
        assert (released.status, released.status_reason) == (TaskStatus.QUEUED, "others wait")
        again = await store.claim("w2")
        assert again is not None
        assert (again.attempt, again.losses) == (2, 0)
        assert [one.outcome for one in await store.attempts(task.id)] == [AttemptOutcome.YIELDED, None]

    async def test_trouble_is_retried_with_growing_pauses_and_then_given_up(
        self, store: DurableStore, clock: FakeClock
    ) -> None:
        task = await a_running_task(store)
        pauses = []
        for _ in range(MAX_RETRIES):
            waiting = await store.retry(task, reason="no endpoint")
            assert (waiting.status, waiting.run_at is None) == (TaskStatus.SCHEDULED, False)
            assert await store.claim("w", task.id) is None
            assert waiting.run_at is not None
            pauses.append((waiting.run_at - waiting.updated_at).total_seconds())
            clock.advance(pauses[-1] + 1)
            await store.tend()
            again = await store.claim("w", task.id)
            assert again is not None
            task = again
        assert pauses == pytest.approx([15.0 * 2**number for number in range(MAX_RETRIES)])
        failed = await store.retry(task, reason="no endpoint")
        assert failed.status is TaskStatus.FAILED
        assert "no endpoint" in failed.status_reason

    async def test_a_task_waits_for_its_moment(self, store: DurableStore, clock: FakeClock) -> None:
        task = await store.create(a_spec(not_before=clock.now() + timedelta(hours=1)))
        if task.status is TaskStatus.QUEUED:
            pytest.skip("this database's time is not the clock's")
        await store.tend()
        assert await store.claim("w") is None
        clock.advance(3601)
        assert await store.tend() == []
        claimed = await store.claim("w")
        assert claimed is not None
        assert (claimed.id, claimed.run_at) == (task.id, None)

    async def test_attempts_are_told(self, store: DurableStore) -> None:
        task = await a_running_task(store)
        await store.finish(task, TaskStatus.FAILED, finished("failed"))
        (attempt,) = await store.attempts(task.id)
        assert (attempt.number, attempt.outcome, attempt.worker_id) == (1, AttemptOutcome.FINISHED, "w")
        assert attempt.ended_at is not None
        assert attempt.ended_at >= attempt.started_at


class WorkerContract:
    """Workers that come and go, as tests; a part of ``LeaseStore``."""

    pytestmark = pytest.mark.anyio

    async def test_a_worker_is_listed_while_it_lives(
        self, store: DurableStore, other: DurableStore, clock: FakeClock
    ) -> None:
        await store.enlist(Worker(id="w", name="n", host="h", pid=7, version="1", slots=3))
        await a_running_task(store)
        (worker,) = await other.workers()
        assert (worker.id, worker.name, worker.host, worker.pid, worker.version) == ("w", "n", "h", 7, "1")
        assert (worker.slots, worker.running, worker.draining) == (3, 1, False)
        await other.drain("w")
        assert (await store.workers())[0].draining
        clock.advance(TOO_LATE)
        assert await store.workers() == []
        await store.beat("w")
        assert len(await store.workers()) == 1
        await store.retire("w")
        assert await store.workers() == []

    async def test_a_worker_that_ended_gives_its_tasks_back_at_once(self, store: DurableStore) -> None:
        await store.enlist(Worker(id="w"))
        task = await a_running_task(store)
        await store.retire("w")
        assert [one.id for one in await store.tend()] == [task.id]
        assert await store.status(task.id) is TaskStatus.QUEUED

    async def test_a_worker_that_lives_loses_nothing(self, store: DurableStore, other: DurableStore) -> None:
        await store.enlist(Worker(id="w"))
        task = await a_running_task(store)
        assert await other.tend() == []
        await store.confirm(task)

    async def test_unknown_workers_are_no_trouble(self, store: DurableStore) -> None:
        await store.drain("nobody")
        await store.retire("nobody")
        assert await store.workers() == []
