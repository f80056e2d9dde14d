"""SQLite: one file on one host, one writer at a time.

Writers of several processes queue at a lock file, because SQLite's own waiting starves some of them, and because two
connections that write or checkpoint at once can damage the file in releases before 3.51.3. A transaction that starts
as a reader and becomes a writer fails at once when another process writes, whatever the busy time-out says; hence
``BEGIN IMMEDIATE``.
"""

from __future__ import annotations

import fcntl
import os
import re
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from typing import Final, TypeVar, cast

import anyio
from anyio import CapacityLimiter, to_thread

from pullwright.agents.background import beside
from pullwright.agents.errors import ConfigError, StoreError, StoreUnavailable
from pullwright.agents.ports.clock import Clock
from pullwright.agents.ports.lease import Worker
from pullwright.agents.queue import duties, inbox
from pullwright.agents.queue.bell import WORK, Bell
from pullwright.agents.queue.claims import HOLDERS
from pullwright.agents.queue.database import Again, Row, Transaction, Value, patiently, plain
from pullwright.agents.queue.migrations import require_unchanged
from pullwright.agents.queue.steady import Steady

T = TypeVar("T")

PATIENCE: Final = 60.0
"""Seconds until a database that others keep busy is given up."""

QUEUE_SECONDS: Final = 1.0
"""How long one try stands at the lock file; between tries the caller can be cancelled."""

STAND_SECONDS: Final = 0.001
"""How often it looks whether the lock file is free. The same for everybody, always: so nobody starves."""

LOOK_SECONDS: Final = 0.015
"""How often those who wait look for what other processes wrote; a look takes microseconds."""

_LOCKING = re.compile(r"\s+FOR UPDATE( SKIP LOCKED)?")

_OTHER_SCHEMA = re.compile("no such (table|column)|has no column named|NOT NULL constraint failed")


class SqliteTransaction:
    """A transaction on one connection."""

    def __init__(self, connection: sqlite3.Connection, now: float) -> None:
        self._connection = connection
        self.now = now
        self.topics: set[str] = set()

    def rows(self, sql: str, **values: Value) -> Sequence[Row]:
        return cast("list[Row]", self._execute(sql, values).fetchall())

    def run(self, sql: str, **values: Value) -> int:
        return self._execute(sql, values).rowcount

    def together(self, statements: tuple[str, ...], **values: Value) -> None:
        for statement in statements:
            self._execute(statement, values)

    def wrote(self, task_id: str, seq: int) -> None:
        del seq
        self.topics.add(task_id)

    def ring(self, topic: str = WORK) -> None:
        self.topics.add(topic)

    def _execute(self, sql: str, values: dict[str, Value]) -> sqlite3.Cursor:
        return self._connection.execute(_translated(sql), {name: plain(value) for name, value in values.items()})


class SqliteDatabase:
    """A database file; open it with ``open_sqlite``."""

    def __init__(self, path: Path, clock: Clock, patience: float) -> None:
        self.bell = Bell()
        self._path = path
        self._clock = clock
        self._patience = patience
        self._steady = Steady(at_first=False)  # this host's own clock; who is dead, the kernel knows
        self._writing, self._reading = CapacityLimiter(1), CapacityLimiter(1)
        self._lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._lines: dict[str, int] = {}
        try:
            self._writer = connect(path)
            self._reader = connect(path, read_only=True)
        except BaseException:
            os.close(self._lock)
            raise

    async def read(self, work: Callable[[Transaction], T]) -> T:
        return await self._patiently(partial(self._read, work), self._reading)

    async def write(self, work: Callable[[Transaction], T]) -> T:
        result, topics = await self._patiently(partial(self._write, work), self._writing)
        self.bell.ring(topics)
        return result

    async def enlist(self, worker: Worker) -> None:
        if worker.id not in self._lines:
            self._lines[worker.id] = await to_thread.run_sync(_hold, self._line(worker.id))
        await to_thread.run_sync(self._tidy_up, await self.read(_holders))

    def _tidy_up(self, holders: Collection[str]) -> None:
        """Remove the files of dead workers; that of one who still holds something tells that it is dead."""
        needed = {self._line(worker_id) for worker_id in holders}
        for line in self._line("").parent.glob("*.lock"):
            if line not in needed:
                _remove_if_free(line)

    async def retire(self, worker_id: str) -> None:
        line = self._lines.pop(worker_id, None)
        if line is not None:
            await to_thread.run_sync(_let_go, self._line(worker_id), line)

    def dead(self, tx: Transaction, worker_ids: Collection[str]) -> Collection[str]:
        del tx  # the kernel knows; a file that is not here belongs to another host
        return {worker_id for worker_id in worker_ids if _is_free(self._line(worker_id))}

    def unsure(self, now: float) -> bool:
        return self._steady.unsure(now)

    async def look(self) -> None:
        """Ring for what other processes wrote, for ever."""
        known = await self._version()
        while True:
            await self.bell.somebody()
            found = await self._version()
            if found != known:
                known = found
                self.bell.ring_all()
            await anyio.sleep(LOOK_SECONDS)

    def close(self) -> None:
        """Let everything go; the last one to close writes the log back into the file."""
        with suppress(Again), self._turn():
            self._writer.close()
        self._writer.close()
        self._reader.close()
        for line in self._lines.values():
            os.close(line)  # the files stay, free: whoever did not retire looks dead, and is
        os.close(self._lock)

    async def _version(self) -> int:
        """Return a number that changes with what other connections commit; -1 when the file does not tell."""
        with suppress(sqlite3.Error):
            if not self._writing.borrowed_tokens:  # nobody writes, and microseconds are not worth a thread
                return self._version_now()
            return await to_thread.run_sync(self._version_now, limiter=self._writing)
        return -1

    def _version_now(self) -> int:
        return int(self._writer.execute("PRAGMA data_version").fetchone()[0])

    async def _patiently(self, work: Callable[[], T], limiter: CapacityLimiter) -> T:
        what = f"the database {str(self._path)!r}"
        return await patiently(lambda: to_thread.run_sync(work, limiter=limiter), self._patience, what)

    def _read(self, work: Callable[[Transaction], T]) -> T:
        with self._translated_errors():
            return work(SqliteTransaction(self._reader, self._now()))

    def _write(self, work: Callable[[Transaction], T]) -> tuple[T, Collection[str]]:
        with self._translated_errors(), self._turn():
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                tx = SqliteTransaction(self._writer, self._now())
                result = work(tx)
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise
            return result, tx.topics

    def _now(self) -> float:
        now = self._clock.now().timestamp()
        self._steady.note(now, self._clock.monotonic())
        return now

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Stand at the lock file until it is free, and hold it for the length of a block."""
        with turn(self._lock):
            yield

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as exc:
            raise _translated_error(exc, self._path) from exc

    def _line(self, worker_id: str) -> Path:
        return self._path.parent / "workers" / f"{re.sub(r'[^0-9A-Za-z-]', '_', worker_id)}.lock"


@asynccontextmanager
async def open_sqlite(path: Path, clock: Clock, patience: float = PATIENCE) -> AsyncIterator[SqliteDatabase]:
    """Open a database file whose tables are there.

    Raises:
        ConfigError: The file can not be used.
    """
    database = await to_thread.run_sync(SqliteDatabase, path, clock, patience)
    try:
        async with beside(database.look):
            yield database
    finally:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(database.close)


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open a connection that begins no transaction by itself.

    Raises:
        ConfigError: The file can not be used.
    """
    where = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
    try:
        connection = sqlite3.connect(
            where, uri=True, timeout=QUEUE_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        connection.row_factory = sqlite3.Row
        if not read_only:
            for pragma in ("journal_mode=WAL", "synchronous=NORMAL"):
                connection.execute(f"PRAGMA {pragma}")
        connection.execute("SELECT count(*) FROM sqlite_master").close()
    except sqlite3.Error as exc:
        raise ConfigError(f"the database {str(path)!r} can not be used ({exc}); set AGENT_HOME elsewhere") from exc
    return connection


@contextmanager
def turn(lock: int) -> Iterator[None]:
    """Hold a locked file for the length of a block; stands in line for ``QUEUE_SECONDS``.

    Raises:
        Again: Others had it all the time.
    """
    until = time.monotonic() + QUEUE_SECONDS
    while not _try(lock, fcntl.LOCK_EX):
        if time.monotonic() > until:
            raise Again("another process writes")
        time.sleep(STAND_SECONDS)
    try:
        yield
    finally:
        fcntl.flock(lock, fcntl.LOCK_UN)


def _try(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _hold(line: Path) -> int:
    line.parent.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + QUEUE_SECONDS
    while True:
        descriptor = os.open(line, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if _try(descriptor, fcntl.LOCK_EX) and _is_at(line, descriptor):
            return descriptor
        os.close(descriptor)  # somebody asks whether it is free, or has found it so and removed it
        if time.monotonic() > until:
            raise ConfigError(f"another process is the worker {line.stem!r}; each needs an id of its own")
        time.sleep(STAND_SECONDS)


def _is_at(line: Path, descriptor: int) -> bool:
    """Say whether an open file is still the one that has the name."""
    try:
        return os.path.samestat(line.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _remove_if_free(line: Path) -> None:
    """Remove a worker's file unless its process lives; whoever takes it meanwhile looks again and makes a new one."""
    try:
        descriptor = os.open(line, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return
    with closing(os.fdopen(descriptor)):
        if _try(descriptor, fcntl.LOCK_EX) and _is_at(line, descriptor):
            line.unlink(missing_ok=True)


def _holders(tx: Transaction) -> Collection[str]:
    """Return who holds tasks, deliveries or a duty."""
    held = ((HOLDERS, "worker_id"), (inbox.HOLDERS, "taken_by"), (duties.HOLDERS, "holder"))
    return {row[column] for statement, column in held for row in tx.rows(statement)}


def _let_go(line: Path, descriptor: int) -> None:
    line.unlink(missing_ok=True)
    os.close(descriptor)


def _is_free(line: Path) -> bool:
    """Say whether the file is there and nobody holds it; askers share the lock, so they do not mistake each other."""
    try:
        descriptor = os.open(line, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    with closing(os.fdopen(descriptor)):
        return _try(descriptor, fcntl.LOCK_SH)


@cache
def _translated(sql: str) -> str:
    return _LOCKING.sub("", sql)


def _translated_error(exc: sqlite3.Error, path: Path) -> Exception:
    """Say what an error of SQLite means to a person, or that it is to be tried again."""
    code = getattr(exc, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Again(str(exc))
    if _OTHER_SCHEMA.search(str(exc)):
        require_unchanged(f"sqlite:///{path}")
        return StoreError(f"the database {str(path)!r} has other tables than this release needs ({exc})")
    if code == sqlite3.SQLITE_CONSTRAINT:
        return StoreError(f"the database {str(path)!r} refused a statement ({exc})")
    if code == sqlite3.SQLITE_FULL:
        return StoreUnavailable(f"the disk of the database {str(path)!r} is full; make room, then try again")
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CANTOPEN):
        return ConfigError(f"the database {str(path)!r} can not be used ({exc}); look at the file, or restore it")
    return StoreUnavailable(f"the database {str(path)!r} did not do what was asked ({exc})")
