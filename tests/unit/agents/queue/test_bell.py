from __future__ import annotations

import anyio
import pytest

from pullwright.agents.queue.bell import WORK, Bell
from pullwright.agents.queue.task_ids import TaskIds
from pullwright.agents.testing.fake_clock import FakeClock


@pytest.mark.anyio
async def test_a_ring_reaches_its_topic_only() -> None:
    bell = Bell()
    with bell.listening("a") as first, bell.listening("a") as second, bell.listening("b") as other:
        bell.ring(["a", "unknown"])
        assert (first.is_set(), second.is_set(), other.is_set()) == (True, True, False)
        bell.ring_all()
        assert other.is_set()
    assert bell.work == 1
    bell.ring([WORK])
    assert bell.work == 2


@pytest.mark.anyio
async def test_nobody_is_there_when_all_have_gone() -> None:
    bell = Bell()
    with bell.listening("a"):
        await bell.somebody()
    with anyio.move_on_after(0) as limit:
        await bell.somebody()
    assert limit.cancelled_caught


def test_ids_only_grow() -> None:
    ids, clock = TaskIds(), FakeClock()
    made = []
    for jump in (0, 0, 0, 1, -3600, 0):
        clock.advance(jump)
        made.append(ids.new(clock.now()))
    assert made == sorted(set(made))
