"""Trouble that strikes single requests of a ``ScriptedEndpoint``, one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FaultKind(StrEnum):
    """What can go wrong with one request."""

    NONE = "none"
    STATUS = "status"
    CUT = "cut"
    """The connection breaks in the middle of the stream."""
    NO_FINISH = "no_finish"
    """The stream ends regularly, without a finish reason."""
    ERROR_CHUNK = "error_chunk"
    """An error object in the middle of the stream."""
    PAGE = "page"
    """A proxy's HTML with status 200."""
    SLOW = "slow"
    """Nothing comes for a while."""
    STALL = "stall"
    """The stream stops for a while in the middle."""
    OUTPUT_LIMIT = "output_limit"
    """The last call is cut by ``max_tokens`` and the finish reason does not say so."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault; the endpoint uses up one per request for a reply."""

    kind: FaultKind
    status: int = 503
    message: str = "the server is busy"
    seconds: float = 60.0
    retry_after: float | None = None
