"""What signals do to a command that drains."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence

import anyio
import pytest

from pullwright.cli.runtime import drainable

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("sent", "drains", "code"),
    [([signal.SIGTERM], True, 0), ([signal.SIGTERM, signal.SIGTERM], False, 130), ([signal.SIGINT], False, 130)],
    ids=["told once", "told twice", "interrupted"],
)
async def test_a_command_drains_first_and_is_canceled_then(
    sent: Sequence[signal.Signals], drains: bool, code: int
) -> None:
    told = anyio.Event()

    async def work() -> int:
        for number in sent:
            os.kill(os.getpid(), number)
            await anyio.sleep(0.05)
        await (told.wait() if drains else anyio.sleep_forever())
        return 0

    assert await drainable(work, told.set) == code
    assert told.is_set() == (signal.SIGTERM in sent)
