"""Who makes things on the engine: every process has a name of its own, so that what it leaves can be told apart."""

from __future__ import annotations

import secrets
from functools import cache


@cache
def owner() -> str:
    """Return the name of this process on everything it makes on an engine."""
    return secrets.token_hex(8)
