"""What shows a run: the role, its form for programs, and how entries and tasks look from outside."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from pullwright.agents.events import (
    JournalEntry,
    to_data,
)
from pullwright.agents.ports.model import Delta
from pullwright.agents.task import Task

if TYPE_CHECKING:
    pass

_UNSAFE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]|[\U000e0000-\U000e007f]"
)


def printable(text: str) -> str:
    """Return text that can not steer a terminal: control, bidi and invisible characters become a question mark."""
    return _UNSAFE.sub("\ufffd", text.replace("\r\n", "\n"))


def duration(seconds: float) -> str:
    """Return a duration for people, in the largest unit that leaves it at least two of."""
    for unit, size in (("days", 86_400), ("hours", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}".replace(".0 ", " ")
    return f"{seconds:.0f} s"


class View(Protocol):
    """Something that shows a run while it happens."""

    def entry(self, entry: JournalEntry) -> None:
        """Show one journal entry."""
        ...

    def delta(self, delta: Delta) -> None:
        """Show a piece of a reply that is still coming."""
        ...

    def note(self, text: str) -> None:
        """Tell the person something that is not in the journal."""
        ...


class JsonView:
    """One JSON object per line on standard output; notes go to standard error."""

    def __init__(self, say: Callable[[str], None], out: TextIO = sys.stdout) -> None:
        self._say = say
        self._out = out

    def entry(self, entry: JournalEntry) -> None:
        self._out.write(json.dumps(entry_data(entry), ensure_ascii=False) + "\n")
        self._out.flush()

    def delta(self, delta: Delta) -> None:
        del delta

    def note(self, text: str) -> None:
        self._say(text)


def entry_data(entry: JournalEntry) -> dict[str, Any]:
    """Return the outside form of a journal entry."""
    return {
        "task": entry.task_id,
        "seq": entry.seq,
        "attempt": entry.attempt,
        "at": entry.at.isoformat(),
        "type": entry.event.type,
        "data": to_data(entry.event),
    }


def task_data(task: Task) -> dict[str, Any]:
    """Return the outside form of a task."""
    return {
        "task": task.id,
        "status": task.status.value,
        "reason": task.status_reason,
        "waits_for": task.wait.value if task.wait else "",
        "attempt": task.attempt,
        "repository": task.spec.repository.slug,
        "title": task.spec.title,
        "created_at": task.created_at.isoformat(),
        "branch": task.branch,
        "run_at": task.run_at.isoformat() if task.run_at else "",
        "priority": task.spec.priority,
        "pull_request_url": task.pull_request_url,
        "patch_path": task.patch_path,
    }
