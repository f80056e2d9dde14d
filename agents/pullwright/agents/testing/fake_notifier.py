"""Targets in memory; they break where a test wants them to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import anyio

from pullwright.agents.ports.notice import Moment, Notice


def _nothing(target: str, point: str) -> None:
    del target, point


@dataclass
class FakeNotifier:
    """Implements ``Notifier``."""

    told: list[tuple[str, Notice]] = field(default_factory=list)
    """Every notice that arrived, with its target."""
    tried: list[str] = field(default_factory=list)
    """The targets that were tried."""
    trouble: Callable[[str, str], None] = _nothing
    """Called with a target, and with ``send`` before a notice arrives there and ``after send`` when it has."""

    def moments(self, target: str, task_id: str = "") -> list[Moment]:
        """Return what a target was told, in order."""
        found = [notice for to, notice in self.told if to == target]
        return [notice.moment for notice in found if task_id in ("", notice.task_id)]

    async def send(self, target: str, notice: Notice) -> None:
        await anyio.lowlevel.checkpoint()
        self.tried.append(target)
        self.trouble(target, "send")
        self.told.append((target, notice))
        self.trouble(target, "after send")
