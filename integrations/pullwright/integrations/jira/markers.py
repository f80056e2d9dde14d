"""The property of a comment by which the bot finds it again. Pure.

People do not see properties of comments, and can not write them without the API. The property holds a keyed digest
over the task, the step and the ticket, so it can not be made up without the key, and a copy on another ticket does
not fit; whoever looks for a comment also compares its author with the bot.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pullwright.agents.errors import ConfigError

PROPERTY: Final = "pullwright"
_KEY_BYTES: Final = 16
_DIGITS: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """Which task or delivery wrote something, and as which of its texts."""

    task_id: str
    step: str
    """Such as ``status``; a task writes at most one text for each."""


class MarkerKey:
    """Makes and checks markers; one key for a whole installation of the agent."""

    def __init__(self, key: bytes) -> None:
        """Raise ConfigError for a key of less than 16 bytes."""
        if len(key) < _KEY_BYTES:
            raise ConfigError(f"the key for markers has {len(key)} bytes; use at least {_KEY_BYTES} random ones")
        self._key = key

    def make(self, marker: Marker, *, work_key: str) -> dict[str, str]:
        """Return the property's value for a text that belongs to a piece of work."""
        return {"task": marker.task_id, "step": marker.step, "key": self._digest(marker, work_key)}

    def fits(self, value: object, marker: Marker, *, work_key: str) -> bool:
        """Whether a property's value was made with this key for this text."""
        if not isinstance(value, Mapping) or (value.get("task"), value.get("step")) != (marker.task_id, marker.step):
            return False
        given = value.get("key")
        return isinstance(given, str) and hmac.compare_digest(
            self._digest(marker, work_key).encode(), given.encode("utf-8", "replace")
        )

    def _digest(self, marker: Marker, work_key: str) -> str:
        content = "\n".join((marker.task_id, marker.step, work_key)).encode("utf-8", "surrogatepass")
        return hmac.new(self._key, content, hashlib.sha256).hexdigest()[:_DIGITS]
