"""When what was told in vain is asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime

import anyio
import pytest
from anyio import create_task_group, fail_after

from pullwright.agents.intake.catch_up import EVERY_SECONDS, SOON_SECONDS, CatchUp
from pullwright.agents.ports.inbox import NewDelivery
from pullwright.agents.queue.memory import MemoryStore
from pullwright.agents.testing.fake_clock import FakeClock

pytestmark = [pytest.mark.anyio]


class Silent:
    """A source with nothing to say."""

    name = "github main"

    def __init__(self) -> None:
        self.asked = 0
        self.enough = anyio.Event()

    async def missed(self, since: datetime) -> AsyncIterator[NewDelivery]:
        self.asked += 1
        if self.asked == 3:
            self.enough.set()
            await anyio.sleep_forever()
        return
        yield  # this is a generator, of nothing


@pytest.mark.parametrize(("every", "soon"), [(EVERY_SECONDS, SOON_SECONDS), (20.0, 20.0)])
async def test_soon_after_the_start_it_looks_again(every: float, soon: float) -> None:
    clock, source = FakeClock(), Silent()
    catch_up = CatchUp(MemoryStore(clock), [source], clock=clock, every=every)
    with fail_after(5):
        async with create_task_group() as group:
            group.start_soon(catch_up.go_on)
            await source.enough.wait()
            group.cancel_scope.cancel()
    pauses = [seconds for seconds in clock.slept if seconds in (every, soon)]
    assert soon in pauses
    assert every in pauses[pauses.index(soon) + 1 :]
