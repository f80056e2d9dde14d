"""What another system answered about somebody, remembered for a minute: a right that was taken away ends soon."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, TypeVar

REMEMBERED_SECONDS: Final = 60.0
_MOST: Final = 1000

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Remembered(Generic[K, V]):
    """The answers, by what was asked about; the oldest are forgotten first."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._known: OrderedDict[K, tuple[float, V]] = OrderedDict()

    async def get(self, key: K, ask: Callable[[], Awaitable[V]]) -> V:
        """Return the answer that still holds, or ask; what ``ask`` raises is raised, and is not remembered."""
        now = self._monotonic()
        if key in self._known and now - self._known[key][0] < REMEMBERED_SECONDS:
            return self._known[key][1]
        answer = await ask()
        self._known[key] = (now, answer)
        self._known.move_to_end(key)
        if len(self._known) > _MOST:
            self._known.popitem(last=False)
        return answer
