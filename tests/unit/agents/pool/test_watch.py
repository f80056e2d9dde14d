from __future__ import annotations

from itertools import pairwise

import anyio
import pytest

from pullwright.agents.errors import ModelUnavailable
from pullwright.agents.llm.profile import PROFILES
from pullwright.agents.pool.breaker import BreakerState
from pullwright.agents.pool.health import PLANS
from pullwright.agents.pool.load import Load
from pullwright.agents.pool.pool import EndpointPool, PoolLimits
from pullwright.agents.testing.scripted_model import Reply
from tests.unit.agents.pool.scene import ManualClock, ToldProber, asked, replica, request

pytestmark = [pytest.mark.anyio]


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def prober(clock: ManualClock) -> ToldProber:
    return ToldProber(clock)


def states(pool: EndpointPool) -> list[BreakerState]:
    return [status.breaker for status in pool.status()]


def test_every_profile_has_a_plan() -> None:
    assert PLANS.keys() == PROFILES.keys()


@pytest.mark.parametrize("profile", ["sglang", "nim-sglang"])
async def test_r27_sglang_is_never_asked_for_health_more_often_than_every_ten_seconds(
    profile: str, clock: ManualClock, prober: ToldProber
) -> None:
    async with EndpointPool.open([replica("a", profile=profile)], clock=clock, prober=prober) as pool:
        await clock.advance(60)
        prober.sick.add("a")
        await clock.advance(200)
        assert states(pool) == [BreakerState.OPEN]
        prober.sick.clear()
        await clock.advance(200)
        assert states(pool) == [BreakerState.CLOSED]
    times = [when for when, _ in prober.asked]
    assert len(times) > 10
    assert all(after - before >= 10 for before, after in pairwise(times))


async def test_r27_a_sick_server_gets_no_calls_until_its_health_is_back(clock: ManualClock, prober: ToldProber) -> None:
    only = replica("a", Reply(text="back"))
    prober.sick.add("a")
    async with EndpointPool.open([only], clock=clock, prober=prober) as pool:
        await clock.advance(10)
        assert states(pool) == [BreakerState.OPEN]
        async with anyio.create_task_group() as group:
            group.start_soon(pool.complete, request())
            await clock.advance(30)
            assert asked(only) == 0
            prober.sick.clear()
            await clock.advance(120)
    assert asked(only) == 1


async def test_r27_the_probe_after_failed_calls_is_a_health_request(clock: ManualClock, prober: ToldProber) -> None:
    hosted = replica("a", ModelUnavailable("down"), ModelUnavailable("down"), Reply(text="back"), profile="mistral")
    async with EndpointPool.open([hosted], clock=clock, prober=prober) as pool:
        await clock.advance(30)
        assert prober.asked == []  # a hosted API is left alone while all is well
        async with anyio.create_task_group() as group:
            group.start_soon(pool.complete, request())
            await clock.advance(60)
        assert len(prober.asked) == 1
        assert states(pool) == [BreakerState.CLOSED]
    assert asked(hosted) == 3


async def test_r29_the_load_that_engines_report_is_noted_and_forgotten(clock: ManualClock, prober: ToldProber) -> None:
    prober.loads["a"] = Load(running=2, waiting=1, kv_share=0.5, kv_tokens=1000)
    async with EndpointPool.open([replica("a")], clock=clock, prober=prober) as pool:
        await clock.advance(10)
        assert pool.status()[0].load == prober.loads["a"]
        prober.loads.clear()
        await clock.advance(10)
        assert pool.status()[0].load == Load(kv_tokens=1000)


async def test_r29_a_queue_seen_several_times_sends_new_conversations_elsewhere(
    clock: ManualClock, prober: ToldProber
) -> None:
    replicas = [replica("a", *[Reply(text="a")] * 9), replica("b", *[Reply(text="b")] * 9)]
    prober.loads["a"] = Load(waiting=3)
    async with EndpointPool.open(replicas, clock=clock, prober=prober) as pool:
        await clock.advance(20)
        for number in range(9):
            await pool.complete(request(f"task-{number}"))
    assert [asked(one) for one in replicas] == [0, 9]


async def test_what_the_block_raises_comes_out_as_it_is(clock: ManualClock, prober: ToldProber) -> None:
    with pytest.raises(ModelUnavailable, match="down"):
        async with EndpointPool.open(
            [replica("a", ModelUnavailable("down"))], clock=clock, prober=prober, limits=PoolLimits(failover_seconds=-1)
        ) as pool:
            await pool.complete(request())
