"""How often the same place is answered."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

MOST: Final = 3
WITHIN_SECONDS: Final = 3600.0
_PLACES: Final = 1000
"""How many places are remembered; the one that was longest quiet is forgotten first."""


class Sparing:
    """Allows a few answers an hour in one place, so that nobody makes the bot flood an issue."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._places: OrderedDict[str, dict[str, float]] = OrderedDict()

    def allows(self, place: str, answer: str) -> bool:
        """Say whether an answer is all right, and count it if it is; one that was allowed stays allowed."""
        now = self._monotonic()
        recent = {key: since for key, since in self._places.pop(place, {}).items() if now - since < WITHIN_SECONDS}
        if allowed := answer in recent or len(recent) < MOST:
            recent.setdefault(answer, now)
        self._places[place] = recent
        if len(self._places) > _PLACES:
            self._places.popitem(last=False)
        return allowed
