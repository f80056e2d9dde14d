"""The hidden line in what the bot writes, by which it finds its own comments again. Pure.

Two questions, two answers. "Is this text from a bot of ours, so that we must not react?" is asked of ``holds_marker``,
which takes any marker, forged ones as well: a forger only silences themselves. "Is this the comment that task T wrote
here?" is asked of ``MarkerKey.find``: it wants a keyed digest over the task, the step and the place, so a marker can
not be made up without the key, and one that was copied from another issue does not fit. A copy in the same place does;
so whoever looks for a comment to edit also compares its author with the bot.
"""

from __future__ import annotations

import re

from pullwright.integrations.markers import DIGITS, Digests, Marker

_TASK = re.compile(r"[A-Za-z0-9_.:-]{1,100}", re.ASCII)
_ANY = re.compile(r"<!--\s{0,9}(?:pullwright|agent):task=", re.IGNORECASE)
_MARKER = re.compile(
    rf"<!-- pullwright:task=(?P<task>[A-Za-z0-9_.:-]{{1,100}}) step=(?P<step>[a-z0-9-]{{1,40}}) "
    rf"key=(?P<key>[0-9a-f]{{{DIGITS}}}) -->",
    re.ASCII,
)
_STEP = re.compile(r"[a-z0-9-]{1,40}", re.ASCII)


class MarkerKey:
    """Makes and finds markers; one key for a whole installation of the agent."""

    def __init__(self, key: bytes) -> None:
        """Raise ConfigError for a key of less than 16 bytes."""
        self._digests = Digests(key)

    def make(self, marker: Marker, *, work_key: str) -> str:
        """Return the hidden line for a text that belongs to a piece of work.

        Raises:
            ValueError: The task or the step has signs that a marker can not hold.
        """
        if not _TASK.fullmatch(marker.task_id) or not _STEP.fullmatch(marker.step) or "--" in marker.task_id:
            raise ValueError(f"a marker can not hold task {marker.task_id!r} with step {marker.step!r}")
        digest = self._digests.of(marker, work_key)
        return f"<!-- pullwright:task={marker.task_id} step={marker.step} key={digest} -->"

    def find(self, text: str, *, work_key: str) -> Marker | None:
        """Return the last marker of a text that was made with this key for this piece of work."""
        for found in reversed(list(_MARKER.finditer(text))):
            marker = Marker(task_id=found["task"], step=found["step"])
            if self._digests.fits(found["key"], marker, work_key):
                return marker
        return None


def holds_marker(text: str) -> bool:
    """Whether a text holds anything that looks like a marker of ours."""
    return _ANY.search(text) is not None
