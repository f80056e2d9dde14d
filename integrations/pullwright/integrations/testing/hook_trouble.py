"""What can go wrong between a code host and a receiver of its hooks, decided by a seed."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class HookTrouble(Generic[T]):
    """Shares between 0 and 1 of what goes wrong; the same seed and the same deliveries give the same trouble."""

    seed: int = 0
    lost: float = 0.0
    """Never sent; the log says that nothing answered."""
    duplicated: float = 0.0
    """Sent twice, with the same id."""
    reordered: float = 0.0
    """Sent after the next one."""
    delayed: float = 0.0
    """Sent after up to ``delay`` later ones, or when somebody asks for what was held."""
    delay: int = 8
    _random: random.Random = field(init=False)
    _held: list[tuple[int, T]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def _hits(self, share: float) -> bool:
        return self._random.random() < share

    def put(self, item: T, lose: Callable[[T], None]) -> list[T]:
        """Take one delivery and return what is to be sent now, in this order."""
        if self._hits(self.lost):
            lose(item)
            now: list[T] = []
        elif self._hits(self.reordered):
            self._held.append((2, item))
            now = []
        elif self._hits(self.delayed):
            self._held.append((1 + self._random.randint(1, self.delay), item))
            now = []
        else:
            now = [item, item] if self._hits(self.duplicated) else [item]
        self._held = [(left - 1, held) for left, held in self._held]
        due = [held for left, held in self._held if left <= 0]
        self._held = [(left, held) for left, held in self._held if left > 0]
        return now + due

    @property
    def holds(self) -> bool:
        """Whether something is held."""
        return bool(self._held)

    def release(self) -> list[T]:
        """Return everything that was held."""
        held, self._held = [item for _, item in self._held], []
        return held
