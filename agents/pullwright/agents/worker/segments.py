"""Segments: the runs that one worker has in hand, and why one of them is to stop."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import anyio
from anyio import CancelScope, Event

from pullwright.agents.ports.engine import SEGMENT_SECONDS, SEGMENT_STEPS
from pullwright.agents.task import Task


class Ending(StrEnum):
    """Why a segment is cancelled."""

    LOST = "lost"
    """Somebody else may have the task: nothing more is written."""
    CANCELED = "canceled"
    """Somebody wants no more of it."""
    RELEASED = "released"
    """The worker ends; another one goes on."""


class LeasedSegment:
    """One attempt in hand. Implements ``Segment``."""

    def __init__(self, task: Task, roster: Roster, heard: float) -> None:
        self._task = task
        self._roster = roster
        self._since = anyio.current_time()
        self._steps = 0
        self.heard = heard
        """When the claim or the heartbeat was sent that its lease counts from, at the earliest."""
        self.signals = True  # what came while nobody worked on it is looked for once
        self.scope = CancelScope()
        self.ending: Ending | None = None
        self.done = Event()

    @property
    def task(self) -> Task:
        return self._task

    @property
    def key(self) -> tuple[str, int]:
        """What tells this attempt from every other."""
        return self._task.id, self._task.attempt

    @property
    def over(self) -> bool:
        """Whether it has had its share, by what was last heard of it."""
        return self._steps >= SEGMENT_STEPS or anyio.current_time() - self._since >= SEGMENT_SECONDS

    def must_yield(self, steps: int) -> bool:
        self._steps = steps
        return self._roster.draining or (self.over and self._roster.others_wait)

    def stop(self, ending: Ending) -> None:
        """Cancel the run; the first reason stays, but a lost lease outweighs every other."""
        if self.ending is None or ending is Ending.LOST:
            self.ending = ending
        self.scope.cancel()


class Roster:
    """What a worker has in hand, and how much it may have."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.draining = False
        self.others_wait = False
        """Whether a task that could be claimed waits for one of these slots."""
        self.claims = 0
        """How many claims were begun; with ``claiming`` it tells whether one was under way during a heartbeat."""
        self.claiming = False
        self._segments: dict[tuple[str, int], LeasedSegment] = {}
        self._changed = Event()

    @property
    def segments(self) -> Sequence[LeasedSegment]:
        """The segments in hand, those that are being stopped too."""
        return tuple(self._segments.values())

    @property
    def full(self) -> bool:
        """Whether no slot is free."""
        return len(self._segments) >= self.slots

    def add(self, task: Task, heard: float) -> LeasedSegment:
        """Take a task in hand whose claim was sent at ``heard``."""
        segment = LeasedSegment(task, self, heard)
        self._segments[segment.key] = segment
        return segment

    def remove(self, segment: LeasedSegment) -> None:
        """Note that nothing of a segment goes on any more."""
        del self._segments[segment.key]
        segment.done.set()
        self.announce()

    def before(self, segment: LeasedSegment) -> Sequence[LeasedSegment]:
        """Return older attempts at the same task that still clean up."""
        task, attempt = segment.key
        return [one for one in self.segments if one.key[0] == task and one.key[1] < attempt]

    def stop_all(self, ending: Ending) -> None:
        """Cancel every run in hand."""
        for segment in self.segments:
            segment.stop(ending)

    def announce(self) -> None:
        """Let those look again who wait for a change."""
        self._changed.set()
        self._changed = Event()

    async def change(self) -> None:
        """Wait until a segment has ended, or the worker drains."""
        await self._changed.wait()
