"""Setbacks: what goes wrong with telling other systems something, and when it is tried again."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from math import inf
from typing import Final

from pullwright.agents.errors import (
    AuthFailed,
    ConfigError,
    LeaseLost,
    NotFound,
    PullwrightError,
    RemoteRateLimited,
    RemoteRejected,
    StoreError,
)
from pullwright.agents.ports.clock import Clock

logger = logging.getLogger(__name__)

SHOW_SECONDS: Final = 60.0
"""How long telling one thing may take."""

FIRST_PAUSE: Final = 5.0
LONGEST_PAUSE: Final = 21_600.0
"""Seconds until what could not be told is tried again; they double each time."""

MAX_PUT_OFF: Final = 15
"""How often that is tried in a row; it is about a day."""


@dataclass(slots=True)
class Tried:
    """How it went so far with one thing that is told of a task."""

    task_id: str
    not_before: float = -inf
    put_off: int = 0


class Setbacks:
    """Knows which sources want to be left alone, and how long each thing that failed waits."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._quiet: dict[str, float] = {}
        """Until when a source is left alone."""

    def allow(self, tried: Tried, source: str) -> bool:
        """Say whether it is time; ``source`` is empty while it is not known."""
        return self._clock.monotonic() >= max(tried.not_before, self._quiet.get(source, -inf))

    def count(self, tried: Tried, source: str, error: Exception) -> str:
        """Let what went wrong wait, and log it; return why nothing more is to be tried, or nothing."""
        now = self._clock.monotonic()
        pause = min(FIRST_PAUSE * 2**tried.put_off, LONGEST_PAUSE)
        tried.not_before = now + pause
        match error:
            case LeaseLost():
                logger.info("task %s is reported on elsewhere: %s", tried.task_id, error)
            case StoreError():
                logger.warning("the report on task %s waits for the database: %s", tried.task_id, error)
            case RemoteRateLimited():
                logger.info("%s is left alone: %s", source, error)
                tried.put_off += 1
                self._quiet[source] = now + max(error.retry_after, pause)
            case NotFound() | RemoteRejected():
                return str(error)
            case _:
                _log(tried.task_id, error)
                tried.put_off += 1
                return _reason(error) if tried.put_off >= MAX_PUT_OFF else ""
        return ""


def _reason(error: Exception) -> str:
    if isinstance(error, PullwrightError):
        return str(error)
    if isinstance(error, TimeoutError):
        return f"it took longer than {SHOW_SECONDS:g} s"
    return "internal error; the traceback is in the log, please report it"


def _log(task_id: str, error: Exception) -> None:
    match error:
        case AuthFailed() | ConfigError():
            logger.error("the report on task %s waits, somebody has to act: %s", task_id, error)
        case PullwrightError() | TimeoutError():
            logger.warning("the report on task %s is put off: %s", task_id, _reason(error))
        case _:
            logger.error("the report on task %s ran into a bug", task_id, exc_info=error)
