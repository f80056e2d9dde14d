"""What a store needs of a database, the same on every engine: short transactions, and a bell.

Statements are constant SQL that both engines understand, with ``:name`` for values. ``FOR UPDATE [SKIP LOCKED]`` is
left out on SQLite, where one transaction writes at a time anyway. Work inside a transaction is a plain function that
runs in a thread: it may run again from its start when the database has undone it, so it touches nothing but its
transaction.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar

import anyio

from pullwright.agents.errors import StoreUnavailable
from pullwright.agents.ports.lease import Worker
from pullwright.agents.queue.bell import WORK, Bell

T = TypeVar("T")

Value = str | int | float | bytes
Row = Mapping[str, Any]

FIRST_PAUSE: Final = 0.02
LONGEST_PAUSE: Final = 2.0


class Transaction(Protocol):
    """One transaction, for the length of one function."""

    @property
    def now(self) -> float:
        """The database's time when the transaction began, in seconds since 1970."""
        ...

    def rows(self, sql: str, **values: Value) -> Sequence[Row]:
        """Run one statement and return its rows."""
        ...

    def run(self, sql: str, **values: Value) -> int:
        """Run one statement and return how many rows it changed."""
        ...

    def together(self, statements: tuple[str, ...], **values: Value) -> None:
        """Run statements that change different rows and return nothing, on a server in one round trip."""
        ...

    def wrote(self, task_id: str, seq: int) -> None:
        """Note that a journal has got an entry: those who watch it are woken, here and elsewhere, after the commit."""
        ...

    def ring(self, topic: str = WORK) -> None:
        """Note that there may be something for workers: they are woken, here and elsewhere, after the commit."""
        ...


class Database(Protocol):
    """A database that is open."""

    bell: Bell

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run a function that changes nothing; readers do not wait for writers."""
        ...

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run a function in a transaction of its own: all of it or nothing.

        Raises:
            StoreUnavailable: The database did not answer for a while.
            Whatever ``work`` raises, after everything was undone.
        """
        ...

    async def enlist(self, worker: Worker) -> None:
        """Hold the life line of a worker until the database is closed, and write down what others need to check it."""
        ...

    async def retire(self, worker_id: str) -> None:
        """Let a life line go."""
        ...

    def dead(self, tx: Transaction, worker_ids: Collection[str]) -> Collection[str]:
        """Return those of these workers whose life line is known to be cut."""
        ...

    def unsure(self, now: float) -> bool:
        """Say whether leases may have run out only because workers could not reach the database, or a clock jumped."""
        ...


def one(rows: Sequence[Row]) -> Row | None:
    """Return the first row, or None."""
    return rows[0] if rows else None


class Again(Exception):  # not an error that anybody sees
    """The database has undone the transaction, or was not reached; the same may work in a moment."""


async def patiently(attempt: Callable[[], Awaitable[T]], seconds: float, what: str) -> T:
    """Try until it works, with growing pauses.

    Args:
        attempt: Raises ``Again`` when it is to be tried again.
        seconds: How long to go on.
        what: Names the database in the error.

    Raises:
        StoreUnavailable: It never worked.
    """
    until = anyio.current_time() + seconds
    pause = FIRST_PAUSE
    while True:
        try:
            return await attempt()
        except Again as exc:
            if anyio.current_time() + pause > until:
                raise StoreUnavailable(
                    f"{what} did not answer for {seconds:g} s ({exc}); look whether it runs, then try again"
                ) from exc
        await anyio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)


def plain(value: Value) -> Value:
    """Return a value that every engine can keep: text without NUL and without half characters."""
    if not isinstance(value, str) or (value.isascii() and "\x00" not in value):
        return value
    return value.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
