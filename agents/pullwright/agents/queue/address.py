"""Where the database is: the one setting ``AGENT_DATABASE_URL``, taken apart."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pullwright.agents.errors import ConfigError

EngineName = Literal["sqlite", "postgresql"]

_PASSWORD = re.compile(r"(?<=:)[^/]*(?=@)|(?<=password=)[^&]*")

_HOPELESS = (
    "authentication failed",
    "does not exist",
    "pg_hba.conf",
    "no password supplied",
    "translate host",
    "Name or service not known",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A database that this project can use."""

    engine: EngineName
    url: str
    """For SQLAlchemy: with the driver's name."""
    path: Path = Path()
    """The file of SQLite."""
    conninfo: str = ""
    """For libpq, PostgreSQL's own client library, and so for psycopg."""

    @property
    def shown(self) -> str:
        """The address for people: without a password."""
        return str(self.path) if self.engine == "sqlite" else _PASSWORD.sub("***", self.conninfo)


def parse(url: str) -> Address:
    """Take a URL apart: ``sqlite:////absolute/file.db`` or ``postgresql://user@host/database``.

    Raises:
        ConfigError: It names neither engine.
    """
    scheme, separator, rest = url.partition("://")
    match scheme:
        case "sqlite" if rest.startswith("/") and rest not in ("/", "/:memory:"):
            return Address(engine="sqlite", url=url, path=Path(rest[1:]))
        case "postgresql" | "postgres" | "postgresql+psycopg" if separator:
            return Address(engine="postgresql", url=f"postgresql+psycopg://{rest}", conninfo=f"postgresql://{rest}")
    raise ConfigError(
        f"the database URL {_PASSWORD.sub('***', url)!r} is not supported; "
        "use sqlite:////absolute/path/to/file.db or postgresql://user@host/database"
    )


def hopeless(reason: str) -> bool:
    """Say whether a server's refusal of a connection, in its own words, is one that waiting does not change."""
    return any(words in reason for words in _HOPELESS)
