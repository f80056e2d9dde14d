"""Notices when a model turns in circles: the same call with the same result, again and again."""

from __future__ import annotations

from typing import Final

from pullwright.agents.errors import NoProgress
from pullwright.agents.message import ToolCall

TELL_AFTER: Final = 2
"""Equal calls in a row after which the model is told."""

STOP_AFTER: Final = 8
"""Equal calls in a row after which the run ends."""


class ProgressWatch:
    """Counts equal calls with equal results that follow one another."""

    def __init__(self) -> None:
        self._last: tuple[str, str, str] | None = None
        self._count = 0

    def remark(self, call: ToolCall, content: str) -> str:
        """Take note of a call and its result, and return what the model should be told about it (often nothing).

        Raises:
            NoProgress: The same happened too often.
        """
        seen = (call.name, call.arguments, content)
        self._count = self._count + 1 if seen == self._last else 1
        self._last = seen
        if self._count >= STOP_AFTER:
            raise NoProgress(
                f"the model made the same {call.name!r} call {self._count} times in a row with the same result; "
                "say in the task how to go on, or use a stronger model"
            )
        if self._count < TELL_AFTER:
            return ""
        return f"\n[The same call gave the same result {self._count} times in a row. Do something else.]"
