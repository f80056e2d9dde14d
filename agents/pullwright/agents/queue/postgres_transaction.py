"""One transaction on PostgreSQL, in as few round trips as its statements allow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Final

from psycopg import pq

from pullwright.agents.queue.bell import WORK
from pullwright.agents.queue.database import Row, Value
from pullwright.agents.queue.postgres_link import PostgresLink, Statement

_BEGIN: Final = "BEGIN"
_COMMIT: Final = "COMMIT"
_BEGUN: Final = """
SELECT extract(epoch FROM clock_timestamp())::float8 AS now, CAST(pg_current_xact_id() AS text) AS xid"""
_WITNESS: Final = """
INSERT INTO witness (connection, number, at) VALUES (:connection, :number, :at)
ON CONFLICT (connection) DO UPDATE SET number = :number, at = :at"""
_FORGET: Final = "DELETE FROM witness WHERE at < :at"
_READS: Final = "SELECT"
KEPT_SECONDS: Final = 86_400.0
"""For how long a witness is kept; nobody tries a commit for so long."""

_NOW: Final = "SELECT extract(epoch FROM clock_timestamp())::float8 AS now"


class PostgresTransaction:
    """Statements on one connection. They go out together: the first with ``BEGIN``, the last with ``COMMIT``."""

    def __init__(self, link: PostgresLink, noted: Callable[[float], float], *, writes: bool) -> None:
        self._link = link
        self._noted = noted
        self._writes = writes
        self._now: float | None = None
        self._later: list[Statement] = []
        self.xid = ""
        self.topics: set[str] = set()
        self.entry: tuple[str, int] | None = None
        """An entry of a journal that this transaction wrote: it bears witness that it was committed."""
        self.number = 0
        """Where there is no entry and something was changed, what the row of ``witness`` says then."""
        self._changes = False

    @property
    def now(self) -> float:
        if self._now is None and self._writes:
            self._execute()
        elif self._now is None:
            self._now = self._noted(float(self._link.rows(_NOW)[0]["now"]))
        assert self._now is not None  # whatever begins a transaction asks for it
        return self._now

    @property
    def connection(self) -> str:
        """The name of the connection, as in ``witness``."""
        return self._link.name

    def rows(self, sql: str, **values: Value) -> Sequence[Row]:
        self._changes |= not sql.lstrip().startswith(_READS)
        return self._link.rows_of(sql, self._execute((sql, values))[-1])

    def run(self, sql: str, **values: Value) -> int:
        changed = self._execute((sql, values))[-1].command_tuples or 0
        self._changes |= changed > 0
        return changed

    def together(self, statements: tuple[str, ...], **values: Value) -> None:
        self._changes = True
        self._later.append((_joined(statements), values))

    def wrote(self, task_id: str, seq: int) -> None:
        self.topics.add(task_id)
        self.entry = task_id, seq

    def ring(self, topic: str = WORK) -> None:
        self.topics.add(topic)

    def commit(self) -> None:
        """Make it durable, if it has begun; ``xid`` is known by then."""
        if self._later and not self.xid:
            self._execute()
        if self.xid:
            self._execute(*self._testimony(), (_COMMIT, {}))

    def _testimony(self) -> Sequence[Statement]:
        if self.entry is not None or not self._changes:
            return ()
        self._link.commits += 1
        self.number = self._link.commits
        row: dict[str, Value] = {"connection": self._link.name, "number": self.number, "at": self.now}
        forgets: list[Statement] = [(_FORGET, {"at": self.now - KEPT_SECONDS})] if self.number == 1 else []
        return [*forgets, (_WITNESS, row)]

    def _execute(self, *statements: Statement) -> Sequence[pq.abc.PGresult]:
        """Run what was put off and these statements, and begin first if that was not done yet."""
        begins = self._writes and not self.xid
        head: list[Statement] = [(_BEGIN, {}), (_BEGUN, {})] if begins else []
        later, self._later = self._later, []
        results = self._link.execute(*head, *later, *statements)
        if begins:
            (begun,) = self._link.rows_of(_BEGUN, results[1])
            self.xid, self._now = begun["xid"], self._noted(begun["now"])
        return results


@cache
def _joined(statements: tuple[str, ...]) -> str:
    """Make one statement of several: each a part of a ``WITH`` that runs whether it is read or not."""
    *others, last = statements
    parts = ",\n".join(f"part{number} AS ({statement})" for number, statement in enumerate(others))
    return f"WITH {parts}\n{last}" if parts else last
