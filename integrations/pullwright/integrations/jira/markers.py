"""The property of a comment by which the bot finds it again. Pure.

People do not see properties of comments, and can not write them without the API. The property holds a keyed digest
over the task, the step and the ticket, so it can not be made up without the key, and a copy on another ticket does
not fit; whoever looks for a comment also compares its author with the bot.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pullwright.integrations.markers import Digests, Marker

PROPERTY: Final = "pullwright"


class MarkerKey:
    """Makes and checks markers; one key for a whole installation of the agent."""

    def __init__(self, key: bytes) -> None:
        """Raise ConfigError for a key of less than 16 bytes."""
        self._digests = Digests(key)

    def make(self, marker: Marker, *, work_key: str) -> dict[str, str]:
        """Return the property's value for a text that belongs to a piece of work."""
        return {"task": marker.task_id, "step": marker.step, "key": self._digests.of(marker, work_key)}

    def fits(self, value: object, marker: Marker, *, work_key: str) -> bool:
        """Whether a property's value was made with this key for this text."""
        if not isinstance(value, Mapping) or (value.get("task"), value.get("step")) != (marker.task_id, marker.step):
            return False
        given = value.get("key")
        return isinstance(given, str) and self._digests.fits(given, marker, work_key)
