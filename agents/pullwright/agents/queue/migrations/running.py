"""What changes a schema; imported only when there is something to change.

The lock that keeps two processes apart is the transaction itself: on SQLite it begins as the file's only writer, on
PostgreSQL with an advisory lock that ends with it, which works through a pooler too.
"""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, NullPool, create_engine, event, inspect, text
from sqlalchemy.exc import DBAPIError, OperationalError

from pullwright.agents.errors import ConfigError, StoreUnavailable
from pullwright.agents.queue.address import hopeless
from pullwright.agents.queue.migrations import CONNECT_SECONDS, HEAD, Schema, require_known

if TYPE_CHECKING:
    from pullwright.agents.queue.address import Address

FIRST: Final = "0001"
"""The schema of releases that had no alembic; they noted it in SQLite's ``user_version``, which is kept up."""

LOCK_KEY: Final = 0x70756C6C
"""Of the advisory lock; any number that nobody else uses."""

WAIT_SECONDS: Final = 600.0
"""How long to wait for another process that upgrades."""

TABLE_LOCK_SECONDS: Final = 30
"""How long to wait for workers' transactions; everybody behind us waits meanwhile."""

OLDEST_SERVER: Final = 14


def run(address: Address) -> Schema:
    """Bring a database to ``HEAD`` and return where it was; see ``upgrade``."""
    with ExitStack() as stack:
        stack.enter_context(plain_errors(address, "upgraded"))
        engine = connect(address)
        stack.callback(engine.dispose)
        stack.enter_context(only_writer(address))
        connection = stack.enter_context(engine.begin())
        _in_turn(connection)
        found = Schema(current=_current(connection), head=HEAD)
        require_known(found, address.url)
        if found.pending:
            _keep_copy(address, found)
            migrate(connection)
        return found


def connect(address: Address, *, reading: bool = False) -> Engine:
    """Return an engine whose transactions hold for tables as well as for rows."""
    if address.engine == "postgresql":
        # A pooler may give each transaction another connection, without what was prepared on the last one.
        arguments: dict[str, Any] = {"prepare_threshold": None, "connect_timeout": CONNECT_SECONDS}
        return create_engine(address.url, poolclass=NullPool, connect_args=arguments)
    address.path.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(address.url, poolclass=NullPool, connect_args={"timeout": WAIT_SECONDS})
    event.listen(engine, "connect", _leave_transactions_to_us)
    begin = "BEGIN" if reading else "BEGIN IMMEDIATE"
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def migrate(connection: Connection, to: str = "head") -> None:
    """Run the revisions that a database lacks, in the transaction of the connection."""
    context = context_of(connection, to)
    if _current(connection) and not inspect(connection).has_table("alembic_version"):
        context.stamp(context.opts["script"], FIRST)
    with Operations.context(context):
        context.run_migrations()


def context_of(connection: Connection, to: str = "head") -> MigrationContext:
    """Return what alembic needs to know about a connection."""
    script = ScriptDirectory(str(Path(__file__).parent))

    def note(*, ctx: MigrationContext, step: Any, **_: Any) -> None:
        if ctx.dialect.name == "sqlite":
            connection.execute(text(f"PRAGMA user_version={int(step.up_revision_id)}"))

    return MigrationContext.configure(
        connection,
        opts={
            "fn": lambda revision, _: script._upgrade_revs(to, revision),
            "on_version_apply": (note,),
            "transactional_ddl": True,
            "script": script,
        },
    )


@contextmanager
def only_writer(address: Address) -> Iterator[None]:
    """Stand in line with the stores that write to a SQLite file (see ``queue.sqlite``) for the length of a block."""
    if address.engine != "sqlite":
        yield
        return
    with Path(f"{address.path}.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _in_turn(connection: Connection) -> None:
    """Wait for others that upgrade; a SQLite transaction has done so when it began."""
    if connection.dialect.name != "postgresql":
        return
    version = int((connection.dialect.server_version_info or (0,))[0])
    encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
    if version < OLDEST_SERVER or encoding != "UTF8":
        needed = f"PostgreSQL {OLDEST_SERVER} or later with the encoding UTF8"
        raise ConfigError(f"{needed} is needed; this one is {version} with {encoding}")
    connection.execute(text(f"SET LOCAL lock_timeout = '{WAIT_SECONDS:.0f}s'"))
    connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK_KEY})"))
    connection.execute(text(f"SET LOCAL lock_timeout = '{TABLE_LOCK_SECONDS}s'"))


def _current(connection: Connection) -> int:
    if connection.dialect.name == "sqlite":
        return int(connection.execute(text("PRAGMA user_version")).scalar_one())
    if not inspect(connection).has_table("alembic_version"):
        return 0
    return int(connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or 0)


def _keep_copy(address: Address, found: Schema) -> None:
    """Copy a SQLite file as it is; the transaction that runs has written nothing yet, and nobody else can."""
    if address.engine != "sqlite" or not found.current:
        return
    copy = address.path.with_name(f"{address.path.name}.schema-{found.current}")
    copy.unlink(missing_ok=True)  # of an upgrade that did not succeed
    with closing(sqlite3.connect(address.path, isolation_level=None)) as reader:
        reader.execute("VACUUM INTO ?", (str(copy),))


def _leave_transactions_to_us(driver_connection: Any, record: object) -> None:
    del record
    driver_connection.isolation_level = None  # the driver would commit before it changes a table


@contextmanager
def plain_errors(address: Address, done: str) -> Iterator[None]:
    """Turn what a driver says into one line: that this database can not be ``done`` (upgraded, read), and why."""
    try:
        yield
    except (DBAPIError, sqlite3.Error, OSError) as exc:
        failed = f"the database {address.shown!r} can not be {done}"
        passing = isinstance(exc, OperationalError) and not hopeless(str(exc))
        if passing and address.engine == "postgresql":
            raise StoreUnavailable(f"{failed} now ({_line(exc)}); try again, without workers if they hold it") from exc
        raise ConfigError(f"{failed} ({_line(exc)})") from exc


def _line(exc: Exception) -> str:
    cause = exc.orig if isinstance(exc, DBAPIError) and exc.orig else exc
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0]
