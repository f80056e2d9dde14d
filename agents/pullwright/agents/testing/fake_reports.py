"""Places where standings are shown and landings told, in memory; they break where a test wants them to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import anyio

from pullwright.agents.errors import NotFound
from pullwright.agents.ports.inbox import Delivery
from pullwright.agents.ports.report import Shown, Standing


def _nothing(point: str) -> None:
    del point


@dataclass
class FakeReports:
    """Implements ``Reports``. Comments are standings, by their external id."""

    comments: dict[str, Standing] = field(default_factory=dict)
    numbers: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Task and number of each comment, deleted ones too."""
    signs: dict[str, str] = field(default_factory=dict)
    """Status at the end, by task."""
    changes: int = 0
    """How often a comment was written or changed."""
    trouble: Callable[[str], None] = _nothing
    """Called with ``write``, ``find``, ``rewrite`` or ``sign`` before that is done, and with ``after …`` when it is."""

    @property
    def only(self) -> Standing:
        """The only comment there is."""
        [standing] = self.comments.values()
        return standing

    def delete(self) -> None:
        """Delete every comment, as a person does."""
        self.comments.clear()

    async def write(self, origin: Delivery, standing: Standing, number: int) -> Shown:
        await self._pass("write")
        comment = str(len(self.numbers) + 1)
        self.comments[comment], self.numbers[comment] = standing, (standing.task_id, number)
        self.changes += 1
        await self._pass("after write")
        return Shown(external_id=comment)

    async def find(self, origin: Delivery, standing: Standing, number: int) -> Shown | None:
        await self._pass("find")
        found = [key for key in self.comments if self.numbers[key] == (standing.task_id, number)]
        return Shown(external_id=found[-1]) if found else None

    async def rewrite(self, origin: Delivery, standing: Standing, number: int, comment: str) -> None:
        await self._pass("rewrite")
        if comment not in self.comments:
            raise NotFound("somebody has deleted it")
        self.comments[comment] = standing
        self.changes += 1
        await self._pass("after rewrite")

    async def sign(self, origin: Delivery, standing: Standing) -> None:
        await self._pass("sign")
        self.signs[standing.task_id] = standing.status.value

    async def _pass(self, point: str) -> None:
        await anyio.lowlevel.checkpoint()
        self.trouble(point)


@dataclass
class FakeLandings:
    """Implements ``Landings``: what is told twice is known once."""

    known: dict[str, bool] = field(default_factory=dict)
    """Whether it was merged, by task."""
    told: list[Standing] = field(default_factory=list)
    """Every time that it was told."""
    trouble: Callable[[str], None] = _nothing
    """Called with ``landed`` before it is known, and with ``after landed`` when it is."""

    async def landed(self, origin: Delivery, standing: Standing, *, merged: bool) -> None:
        await anyio.lowlevel.checkpoint()
        self.trouble("landed")
        self.told.append(standing)
        self.known[standing.task_id] = merged
        self.trouble("after landed")
