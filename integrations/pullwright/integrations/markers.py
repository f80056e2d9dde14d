"""By what the bot finds again what it wrote: which text it is, and a digest that nobody makes up. Pure.

The digest is over the text's name and the place, so a copy in another place does not fit; a copy in the same place
does, so whoever looks for a comment also compares its author with the bot.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final

from pullwright.agents.errors import ConfigError

DIGITS: Final = 32
_KEY_BYTES: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """Which task or delivery wrote something, and as which of its texts."""

    task_id: str
    step: str
    """Such as ``status``; a task writes at most one text for each."""


def reply_to(delivery_id: str) -> Marker:
    """Return the name of what is said to a delivery."""
    return Marker(task_id=delivery_id, step="reply")


def status_of(task_id: str, number: int) -> Marker:
    """Return the name of a task's comment; a task that is taken up again has one with the next number."""
    return Marker(task_id=task_id, step="status" if number == 1 else f"status-{number}")


class Digests:
    """Makes and checks digests; one key for a whole installation of the agent."""

    def __init__(self, key: bytes) -> None:
        """Raise ConfigError for a key of less than 16 bytes."""
        if len(key) < _KEY_BYTES:
            raise ConfigError(f"the key for markers has {len(key)} bytes; use at least {_KEY_BYTES} random ones")
        self._key = key

    def of(self, marker: Marker, work_key: str) -> str:
        """Return the digest of a text that belongs to a piece of work: 32 hexadecimal digits."""
        content = "\n".join((marker.task_id, marker.step, work_key)).encode("utf-8", "surrogatepass")
        return hmac.new(self._key, content, hashlib.sha256).hexdigest()[:DIGITS]

    def fits(self, given: str, marker: Marker, work_key: str) -> bool:
        """Whether it is the digest of that text."""
        return hmac.compare_digest(self.of(marker, work_key).encode(), given.encode("utf-8", "replace"))
