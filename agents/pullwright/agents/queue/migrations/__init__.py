"""The schema's revisions, and how a database gets to the one that this release needs.

The ordinary path is one cheap statement: SQLAlchemy and alembic are imported only when something is to be changed.

A revision is one transaction on both engines: it is there whole or not at all, and a second process that wants the same
waits and then finds nothing to do. Rules for whoever writes the next one:

* Statements of the release before must go on working, so that workers may be replaced one after the other: add tables
  and columns (with a server default), remove them one release later. Where that can not be, the old statements must
  fail rather than write something wrong (``require_unchanged`` then tells the worker why).
* A revision imports nothing of this project: it must mean the same when everything else has changed.
* Nothing is ever undone: who wants the old schema back restores the backup that was made before.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from pullwright.agents.errors import ConfigError, StoreUnavailable
from pullwright.agents.queue.address import Address, hopeless, parse

HEAD: Final = 9
"""The revision that this release needs."""

CONNECT_SECONDS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """The revision of a database, next to the one that this release needs."""

    current: int
    """0 for a database without our tables."""
    head: int

    @property
    def pending(self) -> tuple[int, ...]:
        """The revisions that are still to come."""
        return tuple(range(self.current + 1, self.head + 1))

    @property
    def newer(self) -> bool:
        """Whether a later release wrote it."""
        return self.current > self.head


def check(url: str) -> Schema:
    """Read the revision of a database; a SQLite file that is not there is not made.

    Raises:
        ConfigError: The URL is wrong, the file is not a database, or the server refuses us for good.
        StoreUnavailable: The server does not answer.
    """
    address = parse(url)
    current = _of_file(address.path) if address.engine == "sqlite" else _of_server(address)
    return Schema(current=current, head=HEAD)


def prepare(url: str) -> None:
    """Make a database ready for this release, or say who has to: the first step of opening a store.

    A SQLite file is brought up to date by itself, and so is an empty PostgreSQL. One that others use is not.

    Raises:
        ConfigError: It is of a newer release, or has to be upgraded by hand.
        StoreUnavailable: The server does not answer.
    """
    found = check(url)
    require_known(found, url)
    if not found.pending:
        return
    address = parse(url)
    if found.current and address.engine == "postgresql":
        raise ConfigError(
            f"the database {address.shown!r} has schema {found.current} and this release needs {found.head}; "
            "run `agent db upgrade`"
        )
    upgrade(url)


def upgrade(url: str) -> Schema:
    """Bring a database to this release's revision and return where it was before.

    Blocks until another process that does the same is ready. A SQLite file with something in it is first copied to
    ``<file>.schema-<revision>``.

    Raises:
        ConfigError: The database is of a newer release, or can not be used.
        StoreUnavailable: The server does not answer, or others hold its tables.
    """
    from pullwright.agents.queue.migrations.running import run

    return run(parse(url))


def require_known(found: Schema, url: str) -> None:
    """Check that this release can have written a schema.

    Raises:
        ConfigError: A newer release did.
    """
    if found.newer:
        raise ConfigError(
            f"the database {parse(url).shown!r} was written by a newer release (schema {found.current}, this one knows "
            f"{found.head}); update pullwright"
        )


def require_head(found: Schema, url: str) -> None:
    """Check that a database has the schema of this release.

    Raises:
        ConfigError: It has an older or a newer one.
    """
    require_known(found, url)
    if found.pending:
        raise ConfigError(f"the database {parse(url).shown!r} has schema {found.current}; run `agent db upgrade` first")


def require_unchanged(url: str) -> None:
    """Check the revision again, when a statement failed as it would on other tables than ours.

    Raises:
        StoreUnavailable: The schema is not the one that this process began with.
    """
    if check(url).current != HEAD:
        raise StoreUnavailable(f"the database {parse(url).shown!r} was upgraded; restart this worker")


def _of_file(path: Path) -> int:
    if not path.exists():
        return 0
    try:
        # Not read-only: a reader of a WAL file has to be able to make its index.
        connection = sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True, timeout=CONNECT_SECONDS)
        try:
            version: int = connection.execute("PRAGMA user_version").fetchone()[0]
        finally:
            connection.close()
    except sqlite3.Error as exc:
        raise ConfigError(f"the database {str(path)!r} can not be used ({exc}); set AGENT_HOME elsewhere") from exc
    return version


def _of_server(address: Address) -> int:
    import psycopg

    try:
        with psycopg.connect(address.conninfo, connect_timeout=CONNECT_SECONDS, autocommit=True) as connection:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except psycopg.errors.UndefinedTable:
        return 0
    except psycopg.Error as exc:
        reason = str(exc).strip().splitlines()[0]
        if hopeless(reason):
            raise ConfigError(
                f"the database {address.shown!r} can not be used ({reason}); look at AGENT_DATABASE_URL"
            ) from exc
        raise StoreUnavailable(f"the database {address.shown!r} does not answer ({reason})") from exc
    return int(row[0]) if row else 0
