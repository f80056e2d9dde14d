from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import pytest
from anyio import create_task_group

from pullwright.agents.errors import ModelUnavailable
from pullwright.agents.pool.late_model import LateModel
from pullwright.agents.pool.pool import EndpointPool
from pullwright.agents.ports.model import Model
from pullwright.agents.testing.fake_clock import FakeClock
from pullwright.agents.testing.scripted_model import Reply, ScriptedModel
from tests.unit.agents.pool.scene import hosting, replica, request

pytestmark = [pytest.mark.anyio]


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@dataclass
class Server:
    """What a late model connects to."""

    up: bool = True
    connections: int = 0
    open_now: int = 0
    model: ScriptedModel = field(default_factory=lambda: ScriptedModel([Reply("One."), Reply("Two.")], window=9))

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Model]:
        self.connections += 1
        await anyio.lowlevel.checkpoint()
        if not self.up:
            raise ModelUnavailable("down")
        self.open_now += 1
        try:
            yield self.model
        finally:
            self.open_now -= 1


async def test_it_connects_once_however_many_ask_and_closes_at_the_end() -> None:
    server = Server()
    async with LateModel.open(server.open) as late:
        assert (late.name, late.window, server.connections) == ("", 0, 0)
        late.release("nobody")
        async with create_task_group() as group:
            for number in range(2):
                group.start_soon(late.complete, request(str(number)))
        assert (late.name, late.window, server.connections, server.open_now) == ("scripted", 9, 1, 1)
        late.release("0")
    assert (server.open_now, server.model.released) == (0, ["0"])


async def test_what_could_not_be_opened_is_tried_again_at_the_next_call() -> None:
    server = Server(up=False)
    async with LateModel.open(server.open) as late:
        for _ in range(2):
            with pytest.raises(ModelUnavailable):
                await late.complete(request())
        server.up = True
        assert (await late.complete(request())).message.content == "One."
    assert server.connections == 3


async def test_a_pool_goes_on_without_it_until_it_is_there() -> None:
    server = Server(up=False)
    async with LateModel.open(server.open) as late:
        there = replica("b", *[Reply("From b.")] * 4)
        pool = EndpointPool([hosting("a", late), there], clock=FakeClock())
        assert (pool.name, pool.window) == ("b", 0), "what is not connected has neither"
        replies = [await pool.complete(request(str(number))) for number in range(4)]
        assert {reply.endpoint for reply in replies} == {"b"}
        server.up = True
        await late.connect()
        assert pool.window == 9
