"""What the command says on standard error, with every secret taken out."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, unquote, urlsplit

from pullwright.cli.render import printable

if TYPE_CHECKING:
    from pullwright.integrations.redaction import Redactor

SECRET_VARIABLES: Final = (
    "AGENT_GITHUB_TOKEN",
    "AGENT_GITHUB_APP_PRIVATE_KEY",
    "AGENT_ENDPOINT_KEY",
    "AGENT_API_TOKEN",
    "PGPASSWORD",
)
"""What is known before the settings are read, which may fail."""

_PASSWORD: Final = re.compile(r"(\bpassword=)[^\s&'\"]+")
"""Among the parameters of a database, wherever it came from; the redactor knows it before the @ of a URL."""

_WEBHOOKS: Final = re.compile(r"\"((?:[^\"\\]|\\.)+)\"")
"""In the list of webhook secrets."""

_KEY: Final = re.compile(r"\"key\"\s*:\s*\"([^\"]+)\"")
"""In the list of endpoints."""


def complain(text: object) -> None:
    """Say one line on standard error."""
    print(f"agent: {masked(printable(str(text)))}", file=sys.stderr)  # noqa: T201 - the command's own voice


def set_up_logging() -> None:
    """Send warnings and worse to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_RedactingFormatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


class _RedactingFormatter(logging.Formatter):
    """Tracebacks included."""

    def format(self, record: logging.LogRecord) -> str:
        return masked(super().format(record))


def masked(text: str) -> str:
    """Return a text without our secrets, tokens and passwords."""
    return _PASSWORD.sub(r"\1[redacted]", _redactor()(text))


def keep_quiet_about(secrets: Iterable[str]) -> None:
    """Take these out of everything that is said from now on: what the settings hold, wherever they have it from."""
    _kept.update(filter(None, secrets))
    _redactor.cache_clear()


_kept: Final[set[str]] = set()


@cache
def _redactor() -> Redactor:
    from pullwright.integrations.redaction import Redactor

    return Redactor((*_secrets(), *_kept))


def _secrets() -> Iterator[str]:
    yield from (os.environ.get(name, "") for name in SECRET_VARIABLES)
    yield from _KEY.findall(os.environ.get("AGENT_ENDPOINTS", ""))
    yield from _WEBHOOKS.findall(os.environ.get("AGENT_GITHUB_WEBHOOK_SECRETS", ""))
    with suppress(ValueError):
        database = urlsplit(os.environ.get("AGENT_DATABASE_URL", ""))
        yield unquote(database.password or "")
        yield from parse_qs(database.query).get("password", [])
