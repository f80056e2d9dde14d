"""Commands that two stores get one after the other, and everything that people and workers see of them afterwards."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from pullwright.agents.budget import DayLimits, Limit, Spent
from pullwright.agents.change import RepositoryRef
from pullwright.agents.errors import PullwrightError
from pullwright.agents.events import ChangePublished, RunEvent, TaskMoved, UserSaid
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.lease import Terms, Worker
from pullwright.agents.ports.store import SignalKind
from pullwright.agents.task import Task, TaskStatus, WaitReason
from pullwright.agents.testing.contracts_store import a_reply, a_spec, asked, finished
from pullwright.agents.testing.fake_clock import FakeClock

Command = tuple[Any, ...]

_task = st.integers(0, 5)
_worker = st.sampled_from(["w0", "w1", "w2"])
_lane = st.sampled_from(["a", "b", "c"])

commands = st.lists(
    st.one_of(
        st.tuples(st.just("create"), _lane, st.integers(0, 2), st.sampled_from(["", "", "k1", "k2"]), st.booleans()),
        st.tuples(st.just("create_here"), _lane),
        st.tuples(st.just("claim"), _worker),
        st.tuples(st.just("claim"), _worker),
        st.tuples(st.just("claim_on_terms"), _worker, st.sampled_from(["", "here"]), st.booleans()),
        st.tuples(st.just("claim_named"), _worker, _task),
        st.tuples(st.just("append"), _task, st.integers(0, 6)),
        st.tuples(st.just("publish"), _task),
        st.tuples(st.just("consume"), _task),
        st.tuples(st.just("finish"), _task, st.sampled_from([one.value for one in TaskStatus])),
        st.tuples(st.just("park"), _task),
        st.tuples(st.just("release"), _task),
        st.tuples(st.just("retry"), _task),
        st.tuples(st.just("cancel"), _task),
        st.tuples(st.just("reject"), _task),
        st.tuples(st.just("send"), _task, st.booleans(), st.sampled_from(["", "", "key"])),
        st.tuples(st.just("confirm"), _task),
        st.tuples(st.just("intend"), _task, st.sampled_from(["x", "y"])),
        st.tuples(st.just("settle"), _task, st.sampled_from(["x", "y"])),
        st.tuples(st.just("put"), _task, st.binary(max_size=9)),
        st.tuples(st.just("forget"), _task),
        st.tuples(st.just("beat"), _worker),
        st.tuples(st.just("enlist"), _worker),
        st.tuples(st.just("drain"), _worker),
        st.tuples(st.just("retire"), _worker),
        st.tuples(st.just("set_lane"), _lane, st.sampled_from([0.5, 1.0, 3.0]), st.integers(0, 3), st.booleans()),
        st.tuples(st.just("tend")),
        st.tuples(st.just("tend")),
    ),
    min_size=5,
    max_size=60,
)
"""What the stores are told to do; between commands time goes on in jumps (see ``jumps``)."""

jumps = st.sampled_from([0, 0, 0, 0, 6, 16, 31])


class Side:
    """One of two stores that get the same commands: its tasks, and every claim of each, the last one last."""

    def __init__(self, store: DurableStore, clock: FakeClock) -> None:
        self.store = store
        self._clock = clock
        self.ids: list[str] = []
        self.claims: dict[str, list[Task]] = {}

    async def do(self, command: Command) -> object:
        """Do a command and return what can be compared of its answer."""
        name, *arguments = command
        act: Callable[..., Awaitable[object]] = getattr(self, f"_{name}")
        try:
            return self._known(await act(*arguments))
        except (PullwrightError, LookupError) as exc:
            return type(exc).__name__

    async def seen(self, *, times: bool) -> object:
        """Return everything that can be seen of the store."""
        tasks = [self._known(await self.store.get(task_id), times=times) for task_id in self.ids]
        journals = [
            [(one.seq, one.attempt, _timeless(one.event)) for one in await self.store.journal(i)] for i in self.ids
        ]
        attempts = [
            [(one.number, one.worker_id, one.outcome) for one in await self.store.attempts(i)] for i in self.ids
        ]
        signals = [[(one.kind, one.text) for one in await self.store.signals(i)] for i in self.ids]
        effects = [[replace(one, task_id="") for one in await self.store.effects(i)] for i in self.ids]
        listed = [self.ids.index(one.id) for one in await self.store.list()]
        waiting = await self.store.list(statuses=[TaskStatus.WAITING, TaskStatus.RUNNING, TaskStatus.CANCELED])
        workers = [(one.id, one.draining, one.running) for one in await self.store.workers()]
        return {
            "tasks": tasks,
            "journals": journals,
            "attempts": attempts,
            "signals": signals,
            "effects": effects,
            "listed": [listed, [self.ids.index(one.id) for one in waiting]],
            "lanes": await self.store.lanes(),
            "spent": [await self.store.spent(lane=f"h/o/{lane}") for lane in ("a", "b", "c")],
            "workers": sorted(workers),
            "backlog": await self.store.backlog(),
        }

    def _known(self, answer: object, *, times: bool = False) -> object:
        match answer:
            case Task():
                shown = replace(answer, id=str(self.ids.index(answer.id)))
                if times:
                    return shown
                run_at, lease = answer.run_at is None, answer.lease_until is None
                same = {"created_at": None, "updated_at": None, "run_at": None, "lease_until": None}
                return replace(shown, **same), run_at, lease  # type: ignore[arg-type]
            case list():
                return [self._known(one, times=times) for one in answer]
        return answer

    async def _create(self, lane: str, priority: int, work_key: str, later: bool) -> Task:
        repository = RepositoryRef(url="", host="h", owner="o", name=lane)
        not_before = self._clock.now() + timedelta(seconds=30) if later else None
        spec = a_spec(repository=repository, priority=priority, work_key=work_key, not_before=not_before, images=())
        task = await self.store.create(replace(spec, not_before=not_before))
        self.ids.append(task.id)
        return replace(task, spec=replace(task.spec, not_before=None))

    async def _claim(self, worker_id: str) -> Task | None:
        return self._noted(await self.store.claim(worker_id))

    async def _create_here(self, lane: str) -> Task:
        repository = RepositoryRef(url="", host="h", owner="o", name=lane)
        task = await self.store.create(a_spec(repository=repository, images=(), place="here"))
        self.ids.append(task.id)
        return task

    async def _claim_on_terms(self, worker_id: str, place: str, everything: bool) -> Task | None:
        limit = {Limit.STEPS: 3.0}
        limits = DayLimits(everything=limit) if everything else DayLimits(repository=limit)
        terms = Terms(place=place, limits=limits)
        return self._noted(await self.store.claim(worker_id, terms=terms))

    async def _claim_named(self, worker_id: str, index: int) -> Task | None:
        return self._noted(await self.store.claim(worker_id, self._id(index)))

    def _noted(self, task: Task | None) -> Task | None:
        if task is not None:
            self.claims.setdefault(task.id, []).append(task)
        return task

    async def _append(self, index: int, replies: int) -> int:
        events: list[RunEvent] = [a_reply(step) for step in range(replies)]
        spent = Spent(steps=replies, seconds=float(replies))
        return len(await self.store.append(self._attempt(index), [*events, UserSaid(step=1, content="x")], spent=spent))

    async def _publish(self, index: int) -> int:
        return len(await self.store.append(self._attempt(index), [ChangePublished(branch=f"b{index}")]))

    async def _consume(self, index: int) -> int:
        told = await self.store.signals(self._id(index))
        return len(await self.store.append(self._attempt(index), [], consumed=[one.id for one in told[:1]]))

    async def _finish(self, index: int, status: str) -> Task:
        return await self.store.finish(self._attempt(index), TaskStatus(status), finished(status), reason="r")

    async def _park(self, index: int) -> Task:
        return await self.store.park(self._attempt(index), WaitReason.INPUT_REQUIRED, asked(), question="?")

    async def _release(self, index: int) -> Task:
        return await self.store.release(self._attempt(index), reason="r")

    async def _retry(self, index: int) -> Task:
        return await self.store.retry(self._attempt(index), reason="r")

    async def _cancel(self, index: int) -> Task:
        return await self.store.cancel(self._id(index), reason="enough")

    async def _reject(self, index: int) -> Task:
        return await self.store.reject(self._id(index), reason="no")

    async def _send(self, index: int, answer: bool, key: str) -> Task:
        kind = SignalKind.ANSWER if answer else SignalKind.MESSAGE
        return await self.store.send(self._id(index), kind, "hello", key=key)

    async def _confirm(self, index: int) -> None:
        await self.store.confirm(self._attempt(index))

    async def _intend(self, index: int, key: str) -> bool:
        return (await self.store.intend(self._attempt(index), key, kind="push"))[1]

    async def _settle(self, index: int, key: str) -> str:
        return (await self.store.settle(self._attempt(index), key, external_id="7")).status.value

    async def _put(self, index: int, content: bytes) -> bytes:
        await self.store.put(self._attempt(index), "b", content)
        return await self.store.read(self._id(index), "b")

    async def _forget(self, index: int) -> int:
        return await self.store.forget(self._id(index))

    async def _beat(self, worker_id: str) -> object:
        return {self.ids.index(key): held for key, held in (await self.store.beat(worker_id)).items()}

    async def _enlist(self, worker_id: str) -> None:
        await self.store.enlist(Worker(id=worker_id, host="h"))

    async def _drain(self, worker_id: str) -> None:
        await self.store.drain(worker_id)

    async def _retire(self, worker_id: str) -> None:
        await self.store.retire(worker_id)

    async def _set_lane(self, lane: str, weight: float, max_running: int, paused: bool) -> None:
        await self.store.set_lane(f"h/o/{lane}", weight=weight, max_running=max_running, paused=paused)

    async def _tend(self) -> object:
        return sorted(self.ids.index(task.id) for task in await self.store.tend())

    def _id(self, index: int) -> str:
        return self.ids[index % len(self.ids)] if self.ids else "none"

    def _attempt(self, index: int) -> Task:
        """Return the last claim of a task, or a stale one for every sixth command."""
        made = self.claims.get(self._id(index))
        if not made:
            raise LookupError("it was never claimed")
        return made[0] if index == 5 else made[-1]


def broken_rules(before: list[Task], after: list[Task]) -> list[str]:
    """Return what must never happen between two looks at the same tasks."""
    return [
        f"{old.id}: {old.status} {old.attempt} -> {new.status} {new.attempt}"
        for old, new in zip(before, after, strict=False)
        if new.attempt < old.attempt or (old.status.terminal and (new.status, new.attempt) != (old.status, old.attempt))
    ]


def untold(journal: list[Any], status: TaskStatus) -> bool:
    """Whether a journal's last word about the status is another one than the status."""
    told = [one.event.new for one in journal if isinstance(one.event, TaskMoved)]
    return status in (TaskStatus.QUEUED, TaskStatus.RUNNING, TaskStatus.CANCELING) and told[-1] != status.value


def _timeless(event: RunEvent) -> RunEvent:
    """Return an event without the fractions of a second by which two clocks differ."""
    return replace(event, seconds=round(event.seconds)) if isinstance(event, TaskMoved) else event
