"""One connection to PostgreSQL, and statements that are prepared on it.

psycopg opens the connection; statements go through ``psycopg.pq``, its documented face of libpq, because adapting every
value through its cursors costs four times the processor time of all the rest, and claims and appends are what a busy
worker does all day. Calls block and let other threads run, but for one that awaits the answer on the event loop. What
they know of types is what our tables have.
"""

from __future__ import annotations

import re
import secrets
import select
from collections.abc import Callable, Generator, Mapping, Sequence
from functools import cache
from itertools import count
from typing import Final, cast

import anyio
import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo

from pullwright.agents.errors import StoreError
from pullwright.agents.queue.database import Again, Row, Value, plain

SETTINGS: Final = (
    "SET idle_in_transaction_session_timeout = '15s';"  # a frozen process must not hold everybody up
    "SET lock_timeout = '20s'; SET synchronous_commit = 'on'; SET jit = off; SET client_encoding = 'UTF8';"
    "SET default_transaction_isolation = 'read committed'"  # what is read after a lock has to be what is there then
)

KEEPALIVE: Final[Mapping[str, int]] = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""A host that has gone without a word is noticed after about ten seconds (all in seconds, the last in milliseconds)."""

_ABOUT: Final = """
SELECT pg_backend_pid() AS pid, extract(epoch FROM greatest(pg_postmaster_start_time(), stats_reset))::float8 AS started
FROM pg_stat_bgwriter"""

Statement = tuple[str, Mapping[str, Value]]
"""SQL with ``:name`` for values, and the values."""

_Exchange = Generator[int, None, Sequence[pq.abc.PGresult]]
"""A round trip: yields the events of the socket that it has to wait for, as ``poll`` names them."""

_NAME = re.compile(r"(?<!:):(\w+)")

_PASSING: Final = ("08", "53", "57P", "40001", "40P01", "55P03", "25P03", "25P04", "25006", "58")
"""SQLSTATEs, or their beginnings, of what passes: connections, resources, shutdown, deadlock, failover."""

_OTHER_SCHEMA: Final = ("42P01", "42703", "42P10", "23502")

_FINE: Final = (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK)

_BYTES: Final = 17
_DECODERS: Final[Mapping[int, Callable[[bytes], Value]]] = {
    16: lambda value: value == b"t",
    _BYTES: lambda value: bytes.fromhex(value[2:].decode()),
    20: int,
    21: int,
    23: int,
    700: float,
    701: float,
}


class ConnectionLost(Again):
    """The connection ended; what was under way may have happened."""


class InTheFuture(Exception):
    """The server has not given a transaction number away yet, or not any more since it crashed."""


class OtherSchema(Exception):
    """The tables are not those of this release."""


class PostgresLink:
    """One connection; used by one thread at a time."""

    def __init__(self, conninfo: str) -> None:
        try:
            self._connection = psycopg.connect(make_conninfo(conninfo, **KEEPALIVE), autocommit=True)
        except psycopg.OperationalError as exc:
            raise ConnectionLost(_first_line(str(exc))) from exc
        self._pg = self._connection.pgconn
        self._prepared: dict[str, bytes] = {}
        self._numbers = count(1)
        self._shapes: dict[str, _Shape] = {}
        self._socket = self._pg.socket
        self._ready = select.poll()
        self._ready.register(self._socket)
        self.name = secrets.token_hex(8)
        """Different for every connection there ever was."""
        self.commits = 0
        """How many of its transactions had to leave a witness."""
        self.simply(SETTINGS)
        # A pooler gives its own number away; behind one nothing that lives longer than a transaction works.
        about = self.rows(_ABOUT)[0]
        self.pooled = about["pid"] != self._pg.backend_pid
        self.server_start: float = about["started"]
        """When the server was started, or got up after one of its processes crashed, in seconds since 1970.

        All connections end with a crash, but the first process and the time of its start stay; statistics are reset.
        """

    @property
    def connection(self) -> psycopg.Connection[tuple[object, ...]]:
        """The connection itself, for notifications."""
        return self._connection

    @property
    def broken(self) -> bool:
        """Whether the connection is of no more use."""
        return self._pg.status != pq.ConnStatus.OK or self._pg.transaction_status != pq.TransactionStatus.IDLE

    def simply(self, sql: str) -> Sequence[bytes]:
        """Run statements without values and return the first row of the last one."""
        result = self._checked(self._pg.exec_(sql.encode()))
        return [result.get_value(0, column) or b"" for column in range(result.nfields)] if result.ntuples else []

    def rows(self, sql: str, values: Mapping[str, Value] | None = None) -> Sequence[Row]:
        """Run one statement and return its rows."""
        return self.rows_of(sql, self.execute((sql, values or {}))[0])

    def rows_of(self, sql: str, result: pq.abc.PGresult) -> Sequence[Row]:
        """Return the rows of a statement's result."""
        if not result.ntuples:
            return []
        shape = self._shapes.get(sql) or self._shapes.setdefault(sql, _Shape(result))
        return [shape.row(result, index) for index in range(result.ntuples)]

    def execute(self, *statements: Statement) -> Sequence[pq.abc.PGresult]:
        """Run statements in one round trip, each prepared from its second time on; the first error ends them.

        A round trip wakes two processes, which costs more than most of our statements do.
        """
        exchange = self._exchange(statements)
        try:
            while True:
                self._ready.modify(self._socket, next(exchange))
                self._ready.poll()
        except StopIteration as done:
            return _results(done)

    async def ask(self, statements: Sequence[str], values: Mapping[str, Value]) -> Sequence[Row]:
        """Run statements in a transaction and return the last one's rows; not to be cancelled meanwhile.

        What goes out together without a ``BEGIN`` is one transaction. The answer is waited for on the event loop: the
        hand-over to a thread and back costs more than all else that the client does for a short statement.
        """
        exchange = self._exchange([(sql, values) for sql in statements])
        try:
            while True:
                if next(exchange) & select.POLLOUT:
                    await anyio.wait_writable(self._socket)
                else:
                    await anyio.wait_readable(self._socket)
        except StopIteration as done:
            return self.rows_of(statements[-1], _results(done)[-1])

    def notices(self) -> Sequence[str]:
        """Return what was notified, without waiting.

        Raises:
            ConnectionLost: The connection ended.
        """
        try:
            self._pg.consume_input()
        except psycopg.OperationalError as exc:
            raise ConnectionLost(_first_line(str(exc))) from exc
        found = []
        while (notice := self._pg.notifies()) is not None:
            found.append(notice.extra.decode(errors="replace"))
        return found

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def _send(self, sql: str, values: Mapping[str, Value]) -> Sequence[str]:
        """Send one statement; returns for each result that comes of it the SQL that it prepares, or ""."""
        query, names = _translated(sql)
        parameters = [_encoded(values[name]) for name in names]
        formats = [isinstance(values[name], bytes) for name in names]
        name = self._prepared.get(sql)
        if name:
            self._pg.send_query_prepared(name, parameters, formats)
            return [""]
        if name is None or self.pooled:
            self._prepared[sql] = b""
            self._pg.send_query_params(query, parameters, param_formats=formats)
            return [""]
        self._prepared[sql] = name = b"s%d" % next(self._numbers)
        self._pg.send_prepare(name, query)
        self._pg.send_query_prepared(name, parameters, formats)
        return [sql, ""]

    def _exchange(self, statements: Sequence[Statement]) -> _Exchange:
        try:
            self._pg.enter_pipeline_mode()
            try:
                sent = [part for statement in statements for part in self._send(*statement)]
                self._pg.pipeline_sync()
                results = yield from self._received()
            finally:
                if self._pg.status == pq.ConnStatus.OK:
                    self._pg.exit_pipeline_mode()
        except psycopg.OperationalError as exc:
            raise ConnectionLost(_first_line(str(exc))) from exc
        for result in results:
            if result.status not in _FINE:
                self._prepared.update(dict.fromkeys(filter(None, sent), b""))  # what came behind was not even looked at
                raise self._error(result)
        return [result for result, preparing in zip(results, sent, strict=True) if not preparing]

    def _received(self) -> _Exchange:
        """Return the results of everything that was sent."""
        while self._pg.flush():
            yield select.POLLIN | select.POLLOUT
            self._pg.consume_input()
        results: list[pq.abc.PGresult] = []
        while True:
            while self._pg.is_busy():
                yield select.POLLIN
                self._pg.consume_input()
            result = self._pg.get_result()
            if result is None:
                continue  # the end of one statement's results
            if result.status == pq.ExecStatus.PIPELINE_SYNC:
                return results
            if self._pg.status != pq.ConnStatus.OK:
                raise self._error(result)
            results.append(result)

    def _checked(self, result: pq.abc.PGresult) -> pq.abc.PGresult:
        if result.status in _FINE:
            return result
        raise self._error(result)

    def _error(self, result: pq.abc.PGresult) -> Exception:
        state = (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
        text = (result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or b"").decode(errors="replace")
        text = text or _first_line(self._pg.get_error_message())
        if self._pg.status != pq.ConnStatus.OK:
            return ConnectionLost(text)
        if state.startswith(_PASSING):
            return Again(text)
        if state == "22023":
            return InTheFuture(text)
        if state.startswith(_OTHER_SCHEMA):
            return OtherSchema(text)
        return StoreError(f"the database refused a statement: {text} ({state})")


class _Shape:
    """Names and types of a statement's columns."""

    def __init__(self, result: pq.abc.PGresult) -> None:
        self._columns = [
            (column, (result.fname(column) or b"").decode(), _DECODERS.get(result.ftype(column), bytes.decode))
            for column in range(result.nfields)
        ]

    def row(self, result: pq.abc.PGresult, index: int) -> Row:
        value_at = result.get_value
        return {
            name: None if (value := value_at(index, column)) is None else decode(value)
            for column, name, decode in self._columns
        }


@cache
def _translated(sql: str) -> tuple[bytes, tuple[str, ...]]:
    names = tuple(dict.fromkeys(_NAME.findall(sql)))
    return _NAME.sub(lambda match: f"${names.index(match[1]) + 1}", sql).encode(), names


def _encoded(value: Value) -> bytes:
    if isinstance(value, str):
        return str(plain(value)).encode()
    if isinstance(value, bool):
        return b"t" if value else b"f"
    return value if isinstance(value, bytes) else repr(value).encode()


def _results(done: StopIteration) -> Sequence[pq.abc.PGresult]:
    return cast("Sequence[pq.abc.PGresult]", done.value)


def _first_line(text: str) -> str:
    return (text.strip().splitlines() or ["no answer"])[0]
