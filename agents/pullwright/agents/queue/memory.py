"""The store in memory: the fake that unit tests trust because it passes the same contract as the real ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

import anyio

from pullwright.agents.budget import NOTHING, Spent
from pullwright.agents.errors import DuplicateTask, IllegalTransition, LeaseLost, TaskNotFound
from pullwright.agents.events import JournalEntry, ModelReplied, RunEvent, TaskMoved
from pullwright.agents.ports.clock import Clock
from pullwright.agents.ports.lease import ANY_TASK, Attempt, AttemptOutcome, Held, LaneStats, Terms, Worker
from pullwright.agents.ports.outbox import Holder
from pullwright.agents.ports.store import Signal, SignalKind
from pullwright.agents.queue import life as rules
from pullwright.agents.queue.codec import outcome_of
from pullwright.agents.queue.fair import Lane, after_claim, changed_lane, next_lane, on_return, stats_of
from pullwright.agents.queue.life import Life
from pullwright.agents.queue.memory_inbox import MemoryInbox
from pullwright.agents.queue.memory_keep import MemoryKeep, Spendings
from pullwright.agents.queue.memory_schedules import MemorySchedules
from pullwright.agents.queue.task_ids import TaskIds
from pullwright.agents.task import LIVE, Task, TaskSpec, TaskStatus, WaitReason


@dataclass(slots=True)
class _Record:
    """Everything of one task."""

    task: Task
    life: Life
    journal: list[JournalEntry] = field(default_factory=list)
    signals: list[Signal] = field(default_factory=list)
    told: int = 0
    """How many signals there ever were."""
    attempts: list[Attempt] = field(default_factory=list)

    def shown(self) -> Task:
        life = self.life
        return replace(
            self.task,
            status=life.status,
            status_reason=life.reason,
            attempt=life.attempt,
            wait=life.wait,
            run_at=_moment(life.run_at),
            worker_id=life.worker_id,
            lease_until=_moment(life.lease_until),
            losses=life.losses,
            retries=life.retries,
        )


class MemoryStore(MemoryKeep, MemoryInbox, MemorySchedules):
    """Keeps everything until the process ends. Implements every role of the store."""

    def __init__(self, clock: Clock) -> None:
        MemoryKeep.__init__(self)
        MemoryInbox.__init__(self, clock, TaskIds())
        MemorySchedules.__init__(self)
        self._records: dict[str, _Record] = {}
        self._lanes: dict[str, Lane] = {}
        self._workers: dict[str, Worker] = {}
        self._keys: dict[str, str] = {}
        self._spendings = Spendings()
        self._changed = anyio.Event()

    # Tasks

    async def create(self, spec: TaskSpec) -> Task:
        await anyio.lowlevel.checkpoint()
        return self._create(spec)

    def _create(self, spec: TaskSpec) -> Task:
        key = spec.work_key
        if key and any(one.task.spec.work_key == key and not one.life.status.terminal for one in self._all()):
            raise DuplicateTask(f"a live task for {key!r} exists; see `agent list`")
        now = self._clock.now()
        life = rules.submitted(now.timestamp(), spec.not_before.timestamp() if spec.not_before else 0.0)
        task_id = self._ids.new(now)
        task = Task(id=task_id, spec=spec, status=life.status, created_at=now, updated_at=now)
        record = _Record(task, life)
        self._records[task_id] = record
        self._count(spec.lane, None, life.status)
        self._write(record, [TaskMoved(old="", new=life.status.value, seconds=life.pause(now.timestamp()))])
        return record.shown()

    async def get(self, task_id: str) -> Task:
        await anyio.lowlevel.checkpoint()
        found = [one for key, one in self._records.items() if task_id and key.startswith(task_id.lower())]
        if len(found) != 1:
            problem = "several tasks start" if found else "no task starts"
            raise TaskNotFound(f"{problem} with the id {task_id!r}; see `agent list`")
        return found[0].shown()

    async def status(self, task_id: str) -> TaskStatus:
        await anyio.lowlevel.checkpoint()
        return self._record(task_id).life.status

    async def list(self, *, limit: int = 50, statuses: Collection[TaskStatus] | None = None) -> Sequence[Task]:
        await anyio.lowlevel.checkpoint()
        found = [one.shown() for one in self._all() if statuses is None or one.life.status in statuses]
        return sorted(found, key=lambda task: task.id, reverse=True)[:limit]

    async def cancel(self, task_id: str, *, reason: str) -> Task:
        return self._cancel((await self.get(task_id)).id, reason)

    def _cancel(self, task_id: str, reason: str) -> Task:
        record = self._record(task_id)
        return self._move(record, rules.canceled(record.life, reason))

    async def reject(self, task_id: str, *, reason: str) -> Task:
        record = self._records[(await self.get(task_id)).id]
        return self._move(record, rules.rejected(record.life, reason))

    async def send(self, task_id: str, kind: SignalKind, text: str, *, author: str = "", key: str = "") -> Task:
        await anyio.lowlevel.checkpoint()
        return self._send(task_id, kind, text, author, key)

    def _send(self, task_id: str, kind: SignalKind, text: str, author: str, key: str) -> Task:
        record = self._record(task_id)
        if key and key in self._keys:
            return record.shown()
        after = rules.answered(record.life) if kind is SignalKind.ANSWER else record.life
        if after.status.terminal:
            raise IllegalTransition(f"task {task_id!r} is {after.status.value} and hears nothing any more")
        record.told += 1
        number = f"{task_id}-{record.told:06d}"
        self._keys[key] = number
        now = self._clock.now()
        signal = Signal(id=number, task_id=task_id, kind=kind, text=text, author=author, created_at=now)
        record.signals.append(signal)
        return self._move(record, after)

    async def signals(self, task_id: str) -> Sequence[Signal]:
        await anyio.lowlevel.checkpoint()
        return list(self._record(task_id).signals)

    # Journals

    async def append(
        self, task: Task, events: Sequence[RunEvent], *, consumed: Collection[str] = (), spent: Spent = NOTHING
    ) -> Sequence[JournalEntry]:
        await anyio.lowlevel.checkpoint()
        record = self._held(task)
        self._spendings.add(record.task.spec.lane, self._clock.now().date(), spent)
        record.signals = [signal for signal in record.signals if signal.id not in consumed]
        return self._write(record, events)

    async def spent(self, *, lane: str = "", day: date | None = None) -> Spent:
        await anyio.lowlevel.checkpoint()
        return self._spendings.of(lane, day or self._clock.now().date())

    async def journal(self, task_id: str, *, after: int = 0) -> Sequence[JournalEntry]:
        await anyio.lowlevel.checkpoint()
        record = self._records.get(task_id)
        return record.journal[after:] if record else []

    async def wait(self, task_id: str, *, after: int) -> None:
        changed = self._changed
        if len(self._record(task_id).journal) <= after:
            await changed.wait()

    # Leases

    async def claim(self, worker_id: str, task_id: str | None = None, *, terms: Terms = ANY_TASK) -> Task | None:
        await anyio.lowlevel.checkpoint()
        record = self._named(task_id, terms) if task_id is not None else self._next(terms)
        if record is None:
            return None
        lane = self._lanes[record.task.spec.lane]
        self._lanes[lane.key] = replace(lane, vtime=after_claim(lane))
        task = self._move(record, rules.claimed(record.life, worker_id, self._now()), worker_id=worker_id)
        started = Attempt(task_id=task.id, number=task.attempt, worker_id=worker_id, started_at=self._clock.now())
        record.attempts.append(started)
        return task

    async def beat(self, worker_id: str) -> Mapping[str, Held]:
        await anyio.lowlevel.checkpoint()
        leased = (one for one in self._all() if one.life.leased and one.life.lease_until)
        held = {one.task.id: one for one in leased if one.life.worker_id == worker_id}
        for record in held.values():
            record.life = replace(record.life, lease_until=self._now() + rules.LEASE_SECONDS)
        if worker_id in self._workers:
            self._workers[worker_id] = replace(self._workers[worker_id], seen_at=self._clock.now())
        return {
            key: Held(attempt=one.life.attempt, status=one.life.status, signals=len(one.signals))
            for key, one in held.items()
        }

    async def confirm(self, task: Holder) -> None:
        await anyio.lowlevel.checkpoint()
        if not isinstance(task, Task):
            self._confirm_turn(task)
        elif self._held(task).life.lease_until <= self._now():
            raise LeaseLost(f"the lease of attempt {task.attempt} of task {task.id!r} has run out")

    async def finish(self, task: Task, status: TaskStatus, event: RunEvent, *, reason: str = "") -> Task:
        await anyio.lowlevel.checkpoint()
        record = self._held(task)
        life = rules.finished(record.life, status, reason)
        self._write(record, [event])
        return self._end(record, life, AttemptOutcome.FINISHED, told=True)

    async def park(self, task: Task, wait: WaitReason, event: RunEvent, *, question: str) -> Task:
        await anyio.lowlevel.checkpoint()
        record = self._held(task)
        life = rules.parked(record.life, wait, question)
        self._write(record, [event])
        return self._end(record, life, AttemptOutcome.WAITING, told=life.status is TaskStatus.WAITING)

    async def release(self, task: Task, *, reason: str) -> Task:
        await anyio.lowlevel.checkpoint()
        record = self._held(task)
        return self._end(record, rules.released(record.life, reason), AttemptOutcome.YIELDED)

    async def retry(self, task: Task, *, reason: str) -> Task:
        await anyio.lowlevel.checkpoint()
        record = self._held(task)
        return self._end(record, rules.retried(record.life, self._now(), reason), AttemptOutcome.RETRIED)

    async def backlog(self, terms: Terms = ANY_TASK) -> bool:
        await anyio.lowlevel.checkpoint()
        return self._next(terms) is not None

    async def tend(self) -> Sequence[Task]:
        await anyio.lowlevel.checkpoint()
        for record in self._all():
            after = rules.due(record.life, self._now())
            if after != record.life:
                self._move(record, after)
        gone = [one for one in self._all() if rules.silent(one.life, self._now())]
        return [self._end(one, rules.lost(one.life), AttemptOutcome.LOST, worker_id=one.life.worker_id) for one in gone]

    async def wait_for_work(self, seconds: float) -> None:
        changed = self._changed
        with anyio.move_on_after(seconds):
            await changed.wait()

    async def enlist(self, worker: Worker) -> None:
        await anyio.lowlevel.checkpoint()
        now = self._clock.now()
        self._workers[worker.id] = replace(worker, started_at=now, seen_at=now)

    async def drain(self, worker_id: str) -> None:
        await anyio.lowlevel.checkpoint()
        if worker_id in self._workers:
            self._workers[worker_id] = replace(self._workers[worker_id], draining=True)

    async def retire(self, worker_id: str) -> None:
        await anyio.lowlevel.checkpoint()
        self._workers.pop(worker_id, None)
        self._free(worker_id)
        for record in self._all():
            if record.life.leased and record.life.worker_id == worker_id:
                record.life = replace(record.life, lease_until=0.0)

    async def workers(self) -> Sequence[Worker]:
        await anyio.lowlevel.checkpoint()
        held = [one.life.worker_id for one in self._all() if one.life.leased]
        alive = self._clock.now() - timedelta(seconds=rules.LEASE_SECONDS)
        return [
            replace(worker, running=held.count(worker.id))
            for worker in self._workers.values()
            if worker.seen_at is not None and worker.seen_at > alive
        ]

    async def attempts(self, task_id: str) -> Sequence[Attempt]:
        await anyio.lowlevel.checkpoint()
        return list(self._record(task_id).attempts)

    async def lanes(self) -> Sequence[LaneStats]:
        await anyio.lowlevel.checkpoint()
        return [stats_of(lane) for _, lane in sorted(self._lanes.items())]

    async def set_lane(
        self, key: str, *, weight: float | None = None, max_running: int | None = None, paused: bool | None = None
    ) -> None:
        await anyio.lowlevel.checkpoint()
        self._lanes[key] = changed_lane(self._lane(key), weight=weight, max_running=max_running, paused=paused)
        self._announce()

    async def recount(self) -> int:
        await anyio.lowlevel.checkpoint()
        return 0

    # What they are made of

    def _all(self) -> tuple[_Record, ...]:
        return tuple(self._records.values())

    def _record(self, task_id: str) -> _Record:
        if task_id not in self._records:
            raise TaskNotFound(f"there is no task {task_id!r}; see `agent list`")
        return self._records[task_id]

    def _held(self, task: Task) -> _Record:
        record = self._records.get(task.id)
        if record is None or record.life.attempt != task.attempt or not record.life.leased:
            raise LeaseLost(f"attempt {task.attempt} of task {task.id!r} is over; nothing was written")
        return record

    def _fence(self, task: Holder) -> None:
        if not isinstance(task, Task):
            self._fence_turn(task)
        else:
            self._held(task)

    def _tasks(self) -> Sequence[Task]:
        return [record.shown() for record in self._all()]

    def _named(self, task_id: str, terms: Terms) -> _Record | None:
        record = self._records.get(task_id)
        if record is None or record.life.status is not TaskStatus.QUEUED:
            return None
        return record if record.task.spec.place in ("", terms.place) else None

    def _next(self, terms: Terms) -> _Record | None:
        lane = next_lane(lane for lane in self._lanes.values() if self._allowed(lane.key, terms))
        return (
            min(self._allowed(lane.key, terms), key=lambda one: (-one.task.spec.priority, one.task.id))
            if lane
            else None
        )

    def _allowed(self, lane: str, terms: Terms) -> Sequence[_Record]:
        """Return the queued tasks of a lane that the terms allow to be claimed."""
        begun_only = self._spendings.over(lane, self._clock.now().date(), terms.limits)
        queued = [one for one in self._all() if one.task.spec.lane == lane and one.life.status is TaskStatus.QUEUED]
        here = [one for one in queued if one.task.spec.place in ("", terms.place)]
        return [one for one in here if one.life.attempt or not begun_only]

    def _move(self, record: _Record, life: Life, *, worker_id: str = "", told: bool = False) -> Task:
        old, record.life = record.life, life
        if old.status is not life.status:
            self._count(record.task.spec.lane, old.status, life.status)
            record.task = replace(record.task, updated_at=self._clock.now())
            moved = TaskMoved(
                old=old.status.value,
                new=life.status.value,
                reason=life.reason,
                worker_id=worker_id,
                seconds=life.pause(self._now()),
            )
            self._write(record, [] if told else [moved])
        if rules.leaves_words(life.status):
            unheard = {signal.id for signal in record.signals}
            self._decide_again({key for key, number in self._keys.items() if number in unheard})
            self._keys = {key: number for key, number in self._keys.items() if number not in unheard}
        self._announce()
        return record.shown()

    def _end(
        self, record: _Record, life: Life, outcome: AttemptOutcome, *, told: bool = False, worker_id: str = ""
    ) -> Task:
        record.attempts[-1] = replace(record.attempts[-1], ended_at=self._clock.now(), outcome=outcome)
        return self._move(record, life, told=told, worker_id=worker_id)

    def _write(self, record: _Record, events: Sequence[RunEvent]) -> Sequence[JournalEntry]:
        now = self._clock.now()
        entries = [
            JournalEntry(task_id=record.task.id, seq=seq, attempt=record.life.attempt, at=now, event=event)
            for seq, event in enumerate(events, start=len(record.journal) + 1)
        ]
        record.journal.extend(entries)
        for event in events:
            record.task = replace(record.task, **outcome_of(event))  # type: ignore[arg-type]  # texts only
        replies = sum(isinstance(event, ModelReplied) for event in events)
        record.life = replace(record.life, steps=record.life.steps + replies)
        self._announce()
        return entries

    def _lane(self, key: str) -> Lane:
        return self._lanes.get(key) or Lane(key=key)

    def _count(self, key: str, old: TaskStatus | None, new: TaskStatus) -> None:
        lane = self._lane(key)
        if new is TaskStatus.QUEUED and lane.queued == 0:
            lane = replace(lane, vtime=on_return(lane, self._lanes.values()))
        queued = lane.queued + (new is TaskStatus.QUEUED) - (old is TaskStatus.QUEUED)
        running = lane.running + (new in LIVE) - (old in LIVE)
        if (queued, running) != (lane.queued, lane.running):
            self._lanes[key] = replace(lane, queued=queued, running=running)

    def _now(self) -> float:
        return self._clock.now().timestamp()

    def _announce(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


def _moment(seconds: float) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds else None
