"""Whose turn it is: stride scheduling over lanes, as pure functions.

Each claim moves its lane on by ``1 / weight`` of virtual time, and the lane that is furthest behind goes next. A lane
that comes back from being empty starts where the others are, so that nobody saves up turns.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from pullwright.agents.errors import ConfigError
from pullwright.agents.ports.lease import LaneStats

DEFAULT_RUNNING: Final = 4
"""How many runs of one lane may be in flight at once, unless the owner says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """The queue of one repository."""

    key: str
    weight: float = 1.0
    """Its share of the turns, next to the other lanes that have work."""
    max_running: int = DEFAULT_RUNNING
    paused: bool = False
    queued: int = 0
    running: int = 0
    vtime: float = 0.0
    place: str = ""
    """The only installation that can work on its tasks; empty where any can."""

    @property
    def open(self) -> bool:
        """Whether a task of it may be claimed now."""
        return self.queued > 0 and self.running < self.max_running and not self.paused


def next_lane(lanes: Iterable[Lane]) -> Lane | None:
    """Return the lane whose turn it is, or None when none may go."""
    return min((lane for lane in lanes if lane.open), key=lambda lane: (lane.vtime, lane.key), default=None)


def after_claim(lane: Lane) -> float:
    """Return the lane's virtual time after one more claim."""
    return lane.vtime + 1.0 / lane.weight


def on_return(lane: Lane, others: Iterable[Lane]) -> float:
    """Return the virtual time at which an empty lane gets its first task: not behind those that have work."""
    behind = min((other.vtime for other in others if other.queued > 0 and other.key != lane.key), default=lane.vtime)
    return max(lane.vtime, behind)


def changed_lane(
    lane: Lane, *, weight: float | None = None, max_running: int | None = None, paused: bool | None = None
) -> Lane:
    """Return the lane with other settings; None leaves one as it is.

    Raises:
        ConfigError: ``weight`` is not above 0, or ``max_running`` is below 0.
    """
    if weight is not None and not 0 < weight < float("inf"):
        raise ConfigError(f"the weight of lane {lane.key!r} must be above 0, not {weight}")
    if max_running is not None and max_running < 0:
        raise ConfigError(f"lane {lane.key!r} can not run {max_running} tasks at once; give 0 or more")
    return replace(
        lane,
        weight=lane.weight if weight is None else weight,
        max_running=lane.max_running if max_running is None else max_running,
        paused=lane.paused if paused is None else paused,
    )


def stats_of(lane: Lane) -> LaneStats:
    """Return a lane as people see it."""
    return LaneStats(
        key=lane.key,
        weight=lane.weight,
        max_running=lane.max_running,
        paused=lane.paused,
        queued=lane.queued,
        running=lane.running,
    )
