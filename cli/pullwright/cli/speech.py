"""What the command says on standard error, with every secret taken out."""

from __future__ import annotations

import logging
import os
import sys
from functools import cache
from typing import TYPE_CHECKING

from pullwright.cli.render import printable

if TYPE_CHECKING:
    from pullwright.integrations.redaction import Redactor

SECRET_VARIABLES = ("AGENT_GITHUB_TOKEN", "AGENT_ENDPOINT_KEY", "AGENT_API_TOKEN")


def complain(text: object) -> None:
    """Say one line on standard error."""
    print(f"agent: {_redactor()(printable(str(text)))}", file=sys.stderr)  # noqa: T201 - the command's own voice


def set_up_logging() -> None:
    """Send warnings and worse to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_RedactingFormatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


class _RedactingFormatter(logging.Formatter):
    """Tracebacks included."""

    def format(self, record: logging.LogRecord) -> str:
        return _redactor()(super().format(record))


@cache
def _redactor() -> Redactor:
    from pullwright.integrations.redaction import Redactor

    return Redactor(os.environ.get(name, "") for name in SECRET_VARIABLES)
