from __future__ import annotations

import anyio
import pytest

from pullwright.agents.background import beside
from pullwright.agents.errors import ConfigError, SandboxGone

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_the_work_runs_beside_the_block_and_ends_with_it() -> None:
    running = anyio.Event()
    ended = False

    async def work() -> None:
        nonlocal ended
        try:
            running.set()
            await anyio.sleep_forever()
        finally:
            ended = True

    with anyio.fail_after(5):
        async with beside(work):
            await running.wait()
    assert ended


async def test_errors_of_both_come_out_as_they_are() -> None:
    async def fails() -> None:
        raise SandboxGone("gone")

    with pytest.raises(ConfigError, match="wrong"):
        async with beside(anyio.sleep_forever):
            raise ConfigError("wrong")
    with pytest.raises(SandboxGone, match="gone"):
        async with beside(fails):
            await anyio.sleep_forever()


async def test_cancellation_goes_on() -> None:
    with anyio.move_on_after(0.01) as scope:
        async with beside(anyio.sleep_forever):
            await anyio.sleep_forever()
    assert scope.cancelled_caught
