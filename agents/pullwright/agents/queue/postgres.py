"""PostgreSQL: many hosts, one queue.

Transactions are READ COMMITTED and lock the rows that they decide on. When a connection dies while it commits, nobody
was told whether it did: the server is asked about the transaction's number afterwards, so that nothing is done twice
and nothing is lost. A transaction of one round trip has no number that is known in time; whoever sends one finds out by
what it writes.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Final, Generic, TypeVar, cast

import anyio
from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import checkpoint_if_cancelled

from pullwright.agents.background import beside
from pullwright.agents.errors import ConfigError, StoreError
from pullwright.agents.ports.lease import Worker
from pullwright.agents.queue.address import Address, hopeless
from pullwright.agents.queue.bell import Bell
from pullwright.agents.queue.database import Again, Row, Transaction, Value, one, patiently
from pullwright.agents.queue.life import LEASE_SECONDS
from pullwright.agents.queue.migrations import require_unchanged
from pullwright.agents.queue.postgres_link import (
    ConnectionLost,
    InTheFuture,
    OtherSchema,
    PostgresLink,
)
from pullwright.agents.queue.postgres_transaction import PostgresTransaction
from pullwright.agents.queue.postgres_watch import CHANNEL, PostgresWatch
from pullwright.agents.queue.steady import Steady

T = TypeVar("T")

PATIENCE: Final = 120.0
"""Seconds until a server that does not answer is given up."""

OPEN_SECONDS: Final = 10.0
"""The same while the store is opened, when a person waits."""

CONNECTIONS: Final = 6
"""Transactions at once; each takes about a millisecond, so that more of them only wait for each other."""

_NOTIFY: Final = f"""
SELECT pg_notify('{CHANNEL}', :payload),
extract(epoch FROM clock_timestamp())::float8 + CAST(:skew AS float8) AS updated_at"""
_FATE: Final = "SELECT pg_xact_status(CAST(:xid AS xid8)) AS fate"
_WITNESS: Final = "SELECT number FROM witness WHERE connection = :connection AND number >= :number"
_ENTRY: Final = """
SELECT seq FROM event WHERE task_id = :task_id AND seq = :seq AND at = CAST(:at AS float8)
AND xmin = CAST(CAST(:xid AS xid8) AS xid)"""
_DEAD: Final = """
SELECT worker.id FROM worker WHERE worker.lock_key <> 0 AND worker.id = ANY(CAST(:ids AS text[]))
AND worker.database_start = extract(epoch FROM pg_postmaster_start_time())::float8
AND NOT EXISTS (
    SELECT FROM pg_stat_bgwriter WHERE stats_reset > pg_postmaster_start_time()
    AND stats_reset > clock_timestamp() - CAST(:lease AS float8) * interval '1 second'
)
AND NOT EXISTS (
    SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (classid::bigint << 32 | objid::bigint) = worker.lock_key
)"""


class Unanswered(Again):
    """The connection ended during a commit."""

    def __init__(self, xid: str, tx: PostgresTransaction, outcome: object) -> None:
        super().__init__("the connection was lost during a commit")
        self.xid = xid
        self.tx = tx
        self.outcome = outcome


class _Attempts(Generic[T]):
    """The tries of one transaction: it is not repeated before it is known that it was not committed."""

    def __init__(self, database: PostgresDatabase, work: Callable[[Transaction], T]) -> None:
        self._database = database
        self._work = work
        self._last: Unanswered | None = None

    def __call__(self) -> tuple[T, Collection[str]]:
        if self._last is not None:
            if self._database.committed(self._last):
                return cast("tuple[T, Collection[str]]", self._last.outcome)
            self._last = None
        try:
            return self._database.run_once(self._work)
        except Unanswered as exc:
            self._last = exc
            raise


class PostgresDatabase:
    """A database on a server; open it with ``open_postgres``."""

    def __init__(self, address: Address, patience: float, skew: Callable[[], float]) -> None:
        self.bell = Bell()
        self._address = address
        self._patience = patience
        self._skew = skew
        self._links: list[PostgresLink] = []
        self._limiter = CapacityLimiter(CONNECTIONS)
        self._steady = Steady()
        self._watch = PostgresWatch(address.conninfo, self.bell, self._notify)
        self._server_start = 0.0

    async def read(self, work: Callable[[Transaction], T]) -> T:
        return await self._patiently(partial(self._read, work))

    async def write(self, work: Callable[[Transaction], T]) -> T:
        result, topics = await self._patiently(_Attempts(self, work))
        self.tell(topics)
        return result

    async def at_once(self, *statements: str, **values: Value) -> Row | None:
        """Run a transaction in one round trip, without a thread; returns the first row of its last statement.

        That one gets ``:skew`` besides its values, and its row says in ``updated_at`` when it happened; it alone
        changes anything. None says that nothing happened, for whatever reason, and that the long way is to be taken.

        Raises:
            ConnectionLost: Nobody knows whether it happened.
        """
        try:
            self._limiter.acquire_nowait()
        except anyio.WouldBlock:
            await self._limiter.acquire()
        try:
            skew = self._skew()
            row = await self._asked(statements, {**values, "skew": skew})
        finally:
            self._limiter.release()
        if row is not None:
            self._steady.note(row["updated_at"] - skew, time.monotonic())
        return row

    async def _asked(self, statements: Sequence[str], values: Mapping[str, Value]) -> Row | None:
        await checkpoint_if_cancelled()
        try:
            link = self._links.pop()
        except IndexError:
            return None  # connecting takes a while
        try:
            with anyio.CancelScope(shield=True):
                return one(await link.ask(statements, values))
        except ConnectionLost:
            raise
        except (Again, InTheFuture, OtherSchema, StoreError):
            pass
        finally:
            self._put_back(link)
        return None

    def tell(self, topics: Collection[str]) -> None:
        """Wake those who wait for something, here and elsewhere."""
        self.bell.ring(topics)
        self._watch.tell(topics)

    async def enlist(self, worker: Worker) -> None:
        await self._watch.enlist(worker.id)

    async def retire(self, worker_id: str) -> None:
        await self._watch.retire(worker_id)

    def dead(self, tx: Transaction, worker_ids: Collection[str]) -> Collection[str]:
        if self._steady.unsure(tx.now) or not worker_ids:
            return ()
        ids = "{" + ",".join(f'"{_escaped(worker_id)}"' for worker_id in worker_ids) + "}"
        return {row["id"] for row in tx.rows(_DEAD, ids=ids, lease=LEASE_SECONDS)}

    def unsure(self, now: float) -> bool:
        return self._steady.unsure(now) or now < self._server_start + LEASE_SECONDS

    async def attend(self) -> None:
        """Hear and tell what happens, until cancelled."""
        await self._watch.attend()

    async def check(self) -> None:
        """Connect for the first time.

        Raises:
            ConfigError: The server refuses us for good.
            StoreUnavailable: It does not answer.
        """
        await patiently(partial(to_thread.run_sync, self._try_once), OPEN_SECONDS, self._what)

    def close(self) -> None:
        """End all connections."""
        with suppress(IndexError):
            while True:
                self._links.pop().close()

    @property
    def _what(self) -> str:
        return f"the database {self._address.shown!r}"

    async def _patiently(self, work: Callable[[], T]) -> T:
        async def attempt() -> T:
            return await to_thread.run_sync(work, limiter=self._limiter)

        try:
            return await patiently(attempt, self._patience, self._what)
        except OtherSchema as exc:
            await to_thread.run_sync(require_unchanged, self._address.url)
            raise StoreError(f"{self._what} has other tables than this release needs ({exc})") from exc

    def _try_once(self) -> None:
        try:
            self._put_back(self._take())
        except ConnectionLost as exc:
            if hopeless(str(exc)):
                raise ConfigError(f"{self._what} can not be used ({exc}); look at AGENT_DATABASE_URL") from exc
            raise

    def _read(self, work: Callable[[Transaction], T]) -> T:
        link = self._take()
        try:
            return work(PostgresTransaction(link, self._skewed, writes=False))
        finally:
            self._put_back(link)

    def run_once(self, work: Callable[[Transaction], T]) -> tuple[T, Collection[str]]:
        """Run a function in a transaction, once."""
        link = self._take()
        try:
            tx = PostgresTransaction(link, self._noted, writes=True)
            try:
                result = work(tx)
            except BaseException:
                self._undo(link)
                raise
            self._commit(link, tx, result)
            return result, tx.topics
        finally:
            self._put_back(link)

    def _commit(self, link: PostgresLink, tx: PostgresTransaction, result: object) -> None:
        try:
            tx.commit()
        except ConnectionLost as exc:
            if tx.xid:
                raise Unanswered(tx.xid, tx, (result, tx.topics)) from exc
            raise
        except BaseException:
            self._undo(link)
            raise

    def _undo(self, link: PostgresLink) -> None:
        if not link.connection.closed and link.broken:
            with suppress(Again, StoreError):
                link.simply("ROLLBACK")

    def committed(self, last: Unanswered) -> bool:
        """Find out what became of a transaction whose commit was not answered.

        A server that crashed may have given the number to another transaction since, so that "committed" means nothing
        without what this one wrote: an entry of a journal at its moment, or the row of its connection.

        Raises:
            Again: The server does not know yet.
        """
        link = self._take()
        try:
            fate = link.rows(_FATE, {"xid": last.xid})[0]["fate"]
            if fate == "in progress":
                raise Again("a commit is not finished")
            return fate != "aborted" and _left_its_mark(link, last)
        except InTheFuture:
            return False
        finally:
            self._put_back(link)

    async def _notify(self, payload: str) -> None:
        if await self.at_once(_NOTIFY, payload=payload) is None:
            await to_thread.run_sync(self._notify_in_thread, payload)

    def _notify_in_thread(self, payload: str) -> None:
        link = self._take()
        try:
            link.execute((_NOTIFY, {"payload": payload, "skew": 0.0}))
        finally:
            self._put_back(link)

    def _noted(self, now: float) -> float:
        self._steady.note(now, time.monotonic())
        return now + self._skew()

    def _skewed(self, now: float) -> float:
        return now + self._skew()

    def _take(self) -> PostgresLink:
        try:
            return self._links.pop()
        except IndexError:
            pass
        try:
            link = PostgresLink(self._address.conninfo)
        except Again:
            self._steady.trouble()
            raise
        self._server_start = link.server_start
        return link

    def _put_back(self, link: PostgresLink) -> None:
        if not link.broken:
            self._links.append(link)
            return
        self._steady.trouble()
        link.close()
        self.close()  # what else lies idle was connected to the same server


def _left_its_mark(link: PostgresLink, last: Unanswered) -> bool:
    tx = last.tx
    if tx.entry is not None:
        task_id, seq = tx.entry
        return bool(link.rows(_ENTRY, {"task_id": task_id, "seq": seq, "at": tx.now, "xid": last.xid}))
    # One that changed nothing may as well be made again.
    return bool(tx.number and link.rows(_WITNESS, {"connection": tx.connection, "number": tx.number}))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


@asynccontextmanager
async def open_postgres(
    address: Address, patience: float = PATIENCE, skew: Callable[[], float] = float
) -> AsyncIterator[PostgresDatabase]:
    """Open a database whose tables are there.

    Args:
        address: Where it is.
        patience: Seconds until a server that does not answer is given up.
        skew: Returns seconds that the server's time is moved by; for tests.

    Raises:
        ConfigError: The server refuses us for good.
        StoreUnavailable: It does not answer.
    """
    database = PostgresDatabase(address, patience, skew)
    try:
        await database.check()
        async with beside(database.attend):
            yield database
    finally:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(database.close)
