"""The parts of the store in memory that keep things for a task: effects outside, blobs, and what was spent."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import anyio

from pullwright.agents.budget import DayLimits, Spent, Usage, levels
from pullwright.agents.errors import BlobMissing
from pullwright.agents.ports.outbox import Effect, EffectStatus, Holder
from pullwright.agents.queue.keeping import never_meant
from pullwright.agents.task import Task


class MemoryKeep(ABC):
    """Effects and blobs; whose lease holds is known to the class that inherits this."""

    def __init__(self) -> None:
        self._effects: dict[tuple[str, str], Effect] = {}
        self._blobs: dict[tuple[str, str], bytes] = {}

    @abstractmethod
    async def confirm(self, task: Holder) -> None: ...

    @abstractmethod
    def _fence(self, task: Holder) -> None: ...

    async def intend(self, task: Holder, key: str, *, kind: str) -> tuple[Effect, bool]:
        await self.confirm(task)
        known = self._effects.get((task.id, key))
        if known is not None:
            return known, False
        effect = Effect(task_id=task.id, key=key, kind=kind, status=EffectStatus.INTENDED)
        self._effects[task.id, key] = effect
        return effect, True

    async def settle(self, task: Holder, key: str, *, external_id: str = "", url: str = "") -> Effect:
        await anyio.lowlevel.checkpoint()
        self._fence(task)
        if (task.id, key) not in self._effects:
            raise never_meant(task.id, key)
        done = replace(self._effects[task.id, key], status=EffectStatus.DONE, external_id=external_id, url=url)
        self._effects[task.id, key] = done
        return done

    async def effects(self, task_id: str) -> Sequence[Effect]:
        await anyio.lowlevel.checkpoint()
        return [effect for effect in self._effects.values() if effect.task_id == task_id]

    async def put(self, task: Task, name: str, content: bytes) -> None:
        await anyio.lowlevel.checkpoint()
        self._fence(task)
        self._blobs[task.id, name] = content

    async def read(self, task_id: str, name: str) -> bytes:
        await anyio.lowlevel.checkpoint()
        content = self._blobs.get((task_id, name))
        if content is None:
            raise BlobMissing(f"task {task_id!r} has no blob {name!r}")
        return content

    async def forget(self, task_id: str) -> int:
        await anyio.lowlevel.checkpoint()
        names = [key for key in self._blobs if key[0] == task_id]
        for key in names:
            del self._blobs[key]
        return len(names)


class Spendings:
    """What each lane spent on each day."""

    def __init__(self) -> None:
        self._spent: dict[tuple[str, date], Spent] = {}

    def add(self, lane: str, day: date, spent: Spent) -> None:
        """Add up what a lane spent just now; of its tokens only what databases keep."""
        usage = Usage(
            prompt_tokens=spent.usage.prompt_tokens,
            cached_tokens=spent.usage.cached_tokens,
            completion_tokens=spent.usage.completion_tokens,
        )
        self._spent[lane, day] = self._spent.get((lane, day), Spent(dollars=0.0)) + replace(spent, usage=usage)

    def of(self, lane: str, day: date) -> Spent:
        """Return what a lane, or all together, spent on a day."""
        found = [spent for (key, when), spent in self._spent.items() if when == day and lane in ("", key)]
        return sum(found, Spent(dollars=0.0))

    def over(self, lane: str, day: date, limits: DayLimits) -> bool:
        """Say whether a lane, or all together, have spent what they may spend on a day."""
        both = (*levels(limits.repository, self.of(lane, day), {}), *levels(limits.everything, self.of("", day), {}))
        return any(level.reached for level in both)
