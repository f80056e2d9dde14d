"""TaskStore on a SQLite file: one writing connection, one thread, short transactions that begin as writers.

A transaction that starts as a reader and becomes a writer fails at once when another process writes, whatever the busy
time-out says; hence ``BEGIN IMMEDIATE`` everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
from anyio import CapacityLimiter, to_thread
from sqlalchemy import Connection, Engine, StaticPool, create_engine, event, insert, select, text, update
from sqlalchemy.exc import DatabaseError, IntegrityError
from sqlmodel import SQLModel
from ulid import ULID

from pullwright.agents.errors import ConfigError, DuplicateTask, LeaseLost, TaskNotFound
from pullwright.agents.events import JournalEntry, RunEvent, from_data, to_data
from pullwright.agents.queue.codec import in_utc, spec_to_data, task_from_row, with_outcome
from pullwright.agents.queue.tables import SCHEMA_VERSION, EventRow, TaskRow
from pullwright.agents.task import Task, TaskSpec, TaskStatus, require_not_begun, require_transition

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pullwright.agents.ports.clock import Clock

T = TypeVar("T")

BUSY_SECONDS = 30.0
"""How long a statement waits for another process before it fails."""

LOOK_SECONDS = 0.1
"""How often a watcher looks for entries that another process wrote."""

_TASK = SQLModel.metadata.tables[str(TaskRow.__tablename__)]
_EVENT = SQLModel.metadata.tables[str(EventRow.__tablename__)]


class SqlTaskStore:
    """The store that ``agent run`` uses. Open it with ``SqlTaskStore.open``."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._thread = CapacityLimiter(1)
        self._appended = anyio.Event()

    @classmethod
    def open(cls, url: str, clock: Clock) -> AbstractAsyncContextManager[SqlTaskStore]:
        """Open the database at an SQLAlchemy URL and make its tables if they are missing.

        Raises:
            ConfigError: The URL is not SQLite, or the file can not be opened or is of a newer release.
        """
        return _open(url, clock)

    async def create(self, spec: TaskSpec) -> Task:
        return await self._write(partial(self._create, spec))

    async def get(self, task_id: str) -> Task:
        return await self._read(partial(_get, task_id))

    async def status(self, task_id: str) -> TaskStatus:
        return await self._read(partial(_status, task_id))

    async def list(self, *, limit: int = 50, statuses: Collection[TaskStatus] | None = None) -> Sequence[Task]:
        query = select(_TASK).order_by(_TASK.c.id.desc()).limit(limit)
        if statuses is not None:
            query = query.where(_TASK.c.status.in_([status.value for status in statuses]))
        return await self._read(lambda connection: [task_from_row(row) for row in connection.execute(query).mappings()])

    async def claim(self, task_id: str | None = None) -> Task | None:
        return await self._write(partial(self._claim, task_id))

    async def append(self, task: Task, events: Sequence[RunEvent]) -> Sequence[JournalEntry]:
        entries = await self._write(partial(self._append, task, events))
        self._announce()
        return entries

    async def finish(self, task: Task, status: TaskStatus, event: RunEvent, *, reason: str = "") -> Task:
        finished = await self._write(partial(self._finish, task, status, event, reason))
        self._announce()
        return finished

    async def cancel(self, task_id: str, *, reason: str) -> Task:
        canceled = await self._write(partial(self._cancel, task_id, reason))
        self._announce()
        return canceled

    async def reject(self, task_id: str, *, reason: str) -> Task:
        rejected = await self._write(partial(self._reject, task_id, reason))
        self._announce()
        return rejected

    async def journal(self, task_id: str, *, after: int = 0) -> Sequence[JournalEntry]:
        query = select(_EVENT).where(_EVENT.c.task_id == task_id, _EVENT.c.seq > after).order_by(_EVENT.c.seq)
        return await self._read(lambda connection: [_entry(row) for row in connection.execute(query).mappings()])

    async def wait(self, task_id: str, *, after: int) -> None:
        del task_id, after  # one event serves all watchers of this process; the poll serves other processes
        announced = self._appended
        with anyio.move_on_after(LOOK_SECONDS):
            await announced.wait()

    def _announce(self) -> None:
        self._appended.set()
        self._appended = anyio.Event()

    async def _write(self, work: Callable[[Connection], T]) -> T:
        def in_transaction() -> T:
            with self._engine.begin() as connection:
                return work(connection)

        return await to_thread.run_sync(in_transaction, limiter=self._thread)

    _read = _write

    def _create(self, spec: TaskSpec, connection: Connection) -> Task:
        now = self._clock.now()
        row = TaskRow(
            id=str(ULID.from_datetime(now)).lower(),
            work_key=spec.work_key,
            status=TaskStatus.QUEUED.value,
            spec=spec_to_data(spec),
            created_at=now,
            updated_at=now,
        ).model_dump()
        try:
            connection.execute(insert(_TASK), row)
        except IntegrityError as exc:
            raise DuplicateTask(f"a live task for {spec.work_key!r} exists; see `agent list`") from exc
        return task_from_row(row)

    def _claim(self, task_id: str | None, connection: Connection) -> Task | None:
        queued = select(_TASK.c.id).where(_TASK.c.status == TaskStatus.QUEUED.value)
        if task_id is not None:
            queued = queued.where(_TASK.c.id == task_id)
        chosen = queued.order_by(_TASK.c.id).limit(1).scalar_subquery()
        statement = (
            update(_TASK)
            .where(_TASK.c.id == chosen)
            .values(status=TaskStatus.RUNNING.value, attempt=_TASK.c.attempt + 1, updated_at=self._clock.now())
            .returning(*_TASK.c)
        )
        row = connection.execute(statement).mappings().first()
        return task_from_row(row) if row else None

    def _append(self, task: Task, events: Sequence[RunEvent], connection: Connection) -> Sequence[JournalEntry]:
        statement = (
            update(_TASK)
            .where(_TASK.c.id == task.id, _TASK.c.attempt == task.attempt, _TASK.c.status.in_(["running", "canceling"]))
            .values(next_seq=_TASK.c.next_seq + len(events))
            .returning(_TASK.c.next_seq)
        )
        following = connection.execute(statement).scalar()
        if following is None:
            raise LeaseLost(f"attempt {task.attempt} of task {task.id!r} is over; nothing was written")
        now = self._clock.now()
        first = following - len(events)
        entries = [
            JournalEntry(task_id=task.id, seq=first + index, attempt=task.attempt, at=now, event=event)
            for index, event in enumerate(events)
        ]
        connection.execute(insert(_EVENT), [_row(entry) for entry in entries])
        return entries

    def _finish(self, task: Task, status: TaskStatus, event: RunEvent, reason: str, connection: Connection) -> Task:
        self._append(task, [event], connection)
        current = _get(task.id, connection)
        require_transition(current.status, status)
        for entry in map(_entry, _journal_rows(task.id, connection)):
            current = with_outcome(current, entry.event)
        return self._change(current, status, reason, connection)

    def _cancel(self, task_id: str, reason: str, connection: Connection) -> Task:
        task = _get(task_id, connection)
        status = TaskStatus.CANCELING if task.status is TaskStatus.RUNNING else TaskStatus.CANCELED
        require_transition(task.status, status)
        return self._change(task, status, reason, connection)

    def _reject(self, task_id: str, reason: str, connection: Connection) -> Task:
        task = _get(task_id, connection)
        require_not_begun(task)
        return self._change(task, TaskStatus.REJECTED, reason, connection)

    def _change(self, task: Task, status: TaskStatus, reason: str, connection: Connection) -> Task:
        statement = (
            update(_TASK)
            .where(_TASK.c.id == task.id)
            .values(
                status=status.value,
                status_reason=reason,
                updated_at=self._clock.now(),
                branch=task.branch,
                pull_request_url=task.pull_request_url,
                patch_path=task.patch_path,
            )
            .returning(*_TASK.c)
        )
        return task_from_row(connection.execute(statement).mappings().one())


def _get(task_id: str, connection: Connection) -> Task:
    query = select(_TASK).where(_TASK.c.id.startswith(task_id.lower(), autoescape=True)).limit(2)
    rows = connection.execute(query).mappings().all() if task_id else []
    if len(rows) != 1:
        problem = "several tasks start" if rows else "no task starts"
        raise TaskNotFound(f"{problem} with the id {task_id!r}; see `agent list`")
    return task_from_row(rows[0])


def _status(task_id: str, connection: Connection) -> TaskStatus:
    status = connection.execute(select(_TASK.c.status).where(_TASK.c.id == task_id)).scalar()
    if status is None:
        raise TaskNotFound(f"there is no task {task_id!r}; see `agent list`")
    return TaskStatus(status)


def _journal_rows(task_id: str, connection: Connection) -> Sequence[Any]:
    outcome = _EVENT.c.type.in_(["change.published", "run.finished"])
    query = select(_EVENT).where(_EVENT.c.task_id == task_id, outcome).order_by(_EVENT.c.seq)
    return connection.execute(query).mappings().all()


def _entry(row: Any) -> JournalEntry:
    at: datetime = in_utc(row["at"])
    event_ = from_data(row["type"], row["data"])
    return JournalEntry(task_id=row["task_id"], seq=row["seq"], attempt=row["attempt"], at=at, event=event_)


def _row(entry: JournalEntry) -> dict[str, Any]:
    return {
        "task_id": entry.task_id,
        "seq": entry.seq,
        "attempt": entry.attempt,
        "at": entry.at,
        "type": entry.event.type,
        "data": to_data(entry.event),
    }


@asynccontextmanager
async def _open(url: str, clock: Clock) -> AsyncIterator[SqlTaskStore]:
    if not url.startswith("sqlite:///"):
        raise ConfigError(f"AGENT_DATABASE_URL {url!r} is not supported; use sqlite:////absolute/path/to/file.db")
    path = Path(url.removeprefix("sqlite:///"))
    engine = create_engine(
        url,
        poolclass=StaticPool,
        connect_args={"check_same_thread": False, "timeout": BUSY_SECONDS},
    )
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    try:
        await to_thread.run_sync(_prepare, engine, path)
        yield SqlTaskStore(engine, clock)
    finally:
        engine.dispose()


def _on_connect(driver_connection: Any, record: object) -> None:
    del record
    driver_connection.isolation_level = None  # the driver must not begin transactions by itself
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        driver_connection.execute(f"PRAGMA {pragma}")


def _on_begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _prepare(engine: Engine, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with engine.begin() as connection:
            found = connection.execute(text("PRAGMA user_version")).scalar_one()
            if found > SCHEMA_VERSION:
                raise ConfigError(f"the database {str(path)!r} was written by a newer release; update pullwright")
            if found < SCHEMA_VERSION:
                SQLModel.metadata.create_all(connection)
                connection.execute(text(f"PRAGMA user_version={SCHEMA_VERSION}"))
    except (DatabaseError, OSError) as exc:
        reason = str(exc).splitlines()[0]
        raise ConfigError(f"the database {str(path)!r} can not be used ({reason}); set AGENT_HOME elsewhere") from exc
