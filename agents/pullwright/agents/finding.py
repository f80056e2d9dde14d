"""One line of ``agent doctor``: what was looked at, how good it is, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Mark(StrEnum):
    """How good something is."""

    OK = "ok"
    WARN = "warn"
    """Work goes on, with less than there could be."""
    MISSING = "missing"
    """Runs would fail, or a sandbox would not hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found out about one thing."""

    name: str
    mark: Mark
    text: str
    """One line of plain words; where something is missing, with what to do."""
