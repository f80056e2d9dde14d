"""The store on a database: every role of it, on SQLite and on PostgreSQL. Open it with ``open_store``."""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from typing import Final

import anyio

from pullwright.agents.budget import NOTHING, Spent
from pullwright.agents.errors import DamagedTask, StoreError, StoreUnavailable
from pullwright.agents.events import JournalEntry, RunEvent
from pullwright.agents.ports.clock import Clock
from pullwright.agents.ports.lease import ANY_TASK, Attempt, AttemptOutcome, Held, LaneStats, Terms, Worker
from pullwright.agents.ports.outbox import Effect, Holder
from pullwright.agents.ports.store import Signal, SignalKind
from pullwright.agents.queue import claims, duties, filing, inbox, keeping, records, spending
from pullwright.agents.queue import life as rules
from pullwright.agents.queue.bell import WORK
from pullwright.agents.queue.database import Database, Transaction
from pullwright.agents.queue.fair import changed_lane, stats_of
from pullwright.agents.queue.rows import attempt_of, lane_of, worker_of
from pullwright.agents.queue.sql_inbox import SqlInbox
from pullwright.agents.queue.sql_notices import SqlNotices
from pullwright.agents.queue.sql_reports import SqlReports
from pullwright.agents.queue.sql_schedules import SqlSchedules
from pullwright.agents.queue.task_ids import TaskIds
from pullwright.agents.task import Task, TaskSpec, TaskStatus, WaitReason

WATCH_SECONDS: Final = 1.0
"""How long a watcher trusts that it is told of what is new."""

FORGET_SECONDS: Final = 86_400.0
"""How long a worker that fell silent is remembered."""

ATTEMPTS: Final = "SELECT * FROM attempt WHERE task_id = :task_id ORDER BY number"
LANES: Final = "SELECT * FROM lane ORDER BY key"
WORKERS: Final = """
SELECT worker.*, (SELECT count(*) FROM task WHERE task.worker_id = worker.id AND status IN ('running', 'canceling'))
AS held FROM worker WHERE seen_at > :alive ORDER BY id"""
DRAIN: Final = "UPDATE worker SET draining = :draining WHERE id = :id"
RETIRE: Final = "DELETE FROM worker WHERE id = :id"
GONE: Final = "UPDATE worker SET seen_at = 0 WHERE id = :id"
FORGET: Final = "DELETE FROM worker WHERE seen_at < :long_ago"


class SqlStore(SqlInbox, SqlReports, SqlNotices, SqlSchedules):
    """Implements every role of the store. Methods hand one function to the database, which runs it in a transaction."""

    def __init__(self, database: Database, clock: Clock, *, max_losses: int = rules.MAX_LOSSES) -> None:
        super().__init__(database, clock, TaskIds())
        self._max_losses = max_losses
        self._looked = 0

    # Tasks

    async def create(self, spec: TaskSpec) -> Task:
        return await self._database.write(partial(filing.create, spec, self._ids.new(self._clock.now())))

    async def get(self, task_id: str) -> Task:
        return await self._database.read(partial(filing.get, task_id))

    async def status(self, task_id: str) -> TaskStatus:
        return await self._database.read(partial(filing.status, task_id))

    async def list(self, *, limit: int = 50, statuses: Collection[TaskStatus] | None = None) -> Sequence[Task]:
        return await self._database.read(partial(filing.newest, limit, statuses))

    async def cancel(self, task_id: str, *, reason: str) -> Task:
        return await self._database.write(partial(filing.change, task_id, partial(rules.canceled, reason=reason)))

    async def reject(self, task_id: str, *, reason: str) -> Task:
        return await self._database.write(partial(filing.change, task_id, partial(rules.rejected, reason=reason)))

    async def send(self, task_id: str, kind: SignalKind, text: str, *, author: str = "", key: str = "") -> Task:
        return await self._database.write(partial(filing.send, task_id, kind, text, author, key))

    async def signals(self, task_id: str) -> Sequence[Signal]:
        return await self._database.read(partial(filing.signals, task_id))

    # Journals

    async def append(
        self, task: Task, events: Sequence[RunEvent], *, consumed: Collection[str] = (), spent: Spent = NOTHING
    ) -> Sequence[JournalEntry]:
        return await self._database.write(partial(_append, task, events, consumed, spent))

    async def spent(self, *, lane: str = "", day: date | None = None) -> Spent:
        return await self._database.read(partial(spending.spent, lane, day))

    async def journal(self, task_id: str, *, after: int = 0) -> Sequence[JournalEntry]:
        return await self._database.read(partial(filing.journal, task_id, after))

    async def wait(self, task_id: str, *, after: int) -> None:
        with self._database.bell.listening(task_id) as rung:
            if await self._database.read(partial(filing.last, task_id)) <= after:
                with anyio.move_on_after(WATCH_SECONDS):
                    await rung.wait()

    # Leases

    async def claim(self, worker_id: str, task_id: str | None = None, *, terms: Terms = ANY_TASK) -> Task | None:
        self._looked = self._database.bell.work
        return await self._database.write(partial(claims.claim, worker_id, task_id, terms))

    async def beat(self, worker_id: str) -> Mapping[str, Held]:
        return await self._database.write(partial(claims.beat, worker_id))

    async def confirm(self, task: Holder) -> None:
        await self._database.read(partial(claims.confirm, task))

    async def finish(self, task: Task, status: TaskStatus, event: RunEvent, *, reason: str = "") -> Task:
        def decide(life: rules.Life, now: float) -> rules.Life:
            del now
            return rules.finished(life, status, reason)

        return await self._end(task, decide, AttemptOutcome.FINISHED, event)

    async def park(self, task: Task, wait: WaitReason, event: RunEvent, *, question: str) -> Task:
        def decide(life: rules.Life, now: float) -> rules.Life:
            del now
            return rules.parked(life, wait, question)

        return await self._end(task, decide, AttemptOutcome.WAITING, event, TaskStatus.WAITING)

    async def release(self, task: Task, *, reason: str) -> Task:
        def decide(life: rules.Life, now: float) -> rules.Life:
            del now
            return rules.released(life, reason)

        return await self._end(task, decide, AttemptOutcome.YIELDED)

    async def retry(self, task: Task, *, reason: str) -> Task:
        return await self._end(task, partial(rules.retried, reason=reason), AttemptOutcome.RETRIED)

    async def backlog(self, terms: Terms = ANY_TASK) -> bool:
        return await self._database.read(partial(claims.backlog, terms))

    async def tend(self) -> Sequence[Task]:
        for task_id in await self._database.read(claims.what_is_due):
            await self._or_give_up(task_id, partial(claims.queue_due, task_id))
        taken = []
        for task_id, dead in await self._database.read(partial(claims.what_is_lost, self._database)):
            take_back = partial(claims.take_back, self._database, task_id, dead, self._max_losses)
            task = await self._or_give_up(task_id, take_back)
            taken += [task] if task else []
            if dead:
                await self._database.write(partial(_run, GONE, id=dead))
        return taken

    async def _or_give_up(self, task_id: str, work: Callable[[Transaction], Task | None]) -> Task | None:
        """Do what is due for one task; if its rows do not allow it, it fails, so that the others are not held up."""
        try:
            return await self._database.write(work)
        except StoreUnavailable:
            raise
        except (DamagedTask, StoreError) as exc:
            return await self._database.write(partial(claims.give_up, task_id, str(exc)))

    async def wait_for_work(self, seconds: float) -> None:
        with self._database.bell.listening(WORK) as rung:
            if self._database.bell.work != self._looked:
                rung.set()
            with anyio.move_on_after(seconds):
                await rung.wait()
        self._looked = self._database.bell.work

    # Workers

    async def enlist(self, worker: Worker) -> None:
        worker = replace(worker, host=worker.host or socket.gethostname())
        await self._database.write(partial(keeping.enlist, worker))
        await self._database.enlist(worker)

    async def drain(self, worker_id: str) -> None:
        await self._database.write(partial(_run, DRAIN, id=worker_id, draining=True))

    async def retire(self, worker_id: str) -> None:
        await self._database.write(partial(_retire, worker_id))
        await self._database.retire(worker_id)

    async def workers(self) -> Sequence[Worker]:
        def alive(tx: Transaction) -> Sequence[Worker]:
            return [worker_of(row) for row in tx.rows(WORKERS, alive=tx.now - rules.LEASE_SECONDS)]

        return await self._database.read(alive)

    async def attempts(self, task_id: str) -> Sequence[Attempt]:
        def all_of(tx: Transaction) -> Sequence[Attempt]:
            filing.status(task_id, tx)
            return [attempt_of(row) for row in tx.rows(ATTEMPTS, task_id=task_id)]

        return await self._database.read(all_of)

    # Lanes

    async def lanes(self) -> Sequence[LaneStats]:
        return await self._database.read(lambda tx: [stats_of(lane_of(row)) for row in tx.rows(LANES)])

    async def set_lane(
        self, key: str, *, weight: float | None = None, max_running: int | None = None, paused: bool | None = None
    ) -> None:
        changed = partial(changed_lane, weight=weight, max_running=max_running, paused=paused)
        await self._database.write(partial(claims.set_lane, key, changed))

    async def recount(self) -> int:
        keys = await self._database.read(claims.used_lanes)
        return sum([await self._database.write(partial(claims.recount, key)) for key in keys])

    # What is kept for a task

    async def intend(self, task: Holder, key: str, *, kind: str) -> tuple[Effect, bool]:
        return await self._database.write(partial(keeping.intend, task, key, kind))

    async def settle(self, task: Holder, key: str, *, external_id: str = "", url: str = "") -> Effect:
        return await self._database.write(partial(keeping.settle, task, key, external_id, url))

    async def effects(self, task_id: str) -> Sequence[Effect]:
        return await self._database.read(partial(keeping.effects, task_id))

    async def put(self, task: Task, name: str, content: bytes) -> None:
        await self._database.write(partial(keeping.put, task, name, content))

    async def read(self, task_id: str, name: str) -> bytes:
        return await self._database.read(partial(keeping.read, task_id, name))

    async def forget(self, task_id: str) -> int:
        return await self._database.write(partial(keeping.forget, task_id))

    async def _end(
        self,
        task: Task,
        decide: filing.Decide,
        outcome: AttemptOutcome,
        event: RunEvent | None = None,
        tells: TaskStatus | None = None,
    ) -> Task:
        return await self._database.write(partial(filing.end, task, decide, outcome, event, tells))


def _append(
    task: Task, events: Sequence[RunEvent], consumed: Collection[str], spent: Spent, tx: Transaction
) -> Sequence[JournalEntry]:
    return records.append(tx, task, events, consumed, spent)


def _run(statement: str, tx: Transaction, **values: str | bool) -> int:
    return tx.run(statement, **values)


def _retire(worker_id: str, tx: Transaction) -> None:
    tx.run(claims.GIVE_UP, worker_id=worker_id)
    inbox.free(worker_id, tx)
    duties.free(worker_id, tx)
    tx.run(RETIRE, id=worker_id)
    tx.run(FORGET, long_ago=tx.now - FORGET_SECONDS)
