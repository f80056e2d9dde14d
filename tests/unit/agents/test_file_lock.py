from __future__ import annotations

from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from pullwright.agents.file_lock import file_lock

pytestmark = pytest.mark.anyio


async def test_one_holder_at_a_time(tmp_path: Path) -> None:
    inside: list[int] = []

    async def hold(number: int) -> None:
        async with file_lock(tmp_path / "made" / "lock"):
            inside.append(number)
            await anyio.lowlevel.checkpoint()
            assert inside == [number]
            inside.clear()

    async with anyio.create_task_group() as group:
        for number in range(4):
            group.start_soon(hold, number)


async def test_waiting_can_be_canceled_and_leaves_the_lock_alone(tmp_path: Path) -> None:
    async with file_lock(tmp_path / "lock"):
        with anyio.CancelScope() as scope:
            scope.deadline = anyio.current_time() + 0.01
            async with file_lock(tmp_path / "lock"):
                raise AssertionError("two hold the lock")
        assert scope.cancelled_caught
    with anyio.fail_after(5):
        async with file_lock(tmp_path / "lock"):
            pass
