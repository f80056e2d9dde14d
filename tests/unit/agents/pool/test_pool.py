from __future__ import annotations

import anyio
import pytest

from pullwright.agents.errors import (
    ConfigError,
    ContextTooLong,
    EndpointMisconfigured,
    MalformedReply,
    ModelError,
    ModelUnavailable,
    RateLimited,
)
from pullwright.agents.llm.failure import AttemptFailed, Failure, FailureKind, Place, to_error
from pullwright.agents.pool.breaker import BreakerState
from pullwright.agents.pool.endpoint import Endpoint, Replica
from pullwright.agents.pool.placement import rendezvous
from pullwright.agents.pool.pool import EndpointPool, PoolLimits
from pullwright.agents.testing.fake_clock import FakeClock
from pullwright.agents.testing.scripted_model import Reply, ScriptedModel, ScriptItem
from tests.unit.agents.pool.scene import Hanging, asked, hosting, replica, request, requests

pytestmark = [pytest.mark.anyio]

FIRST, SECOND = rendezvous("task", ["a", "b"])
"""The names in the order in which the conversation ``task`` prefers them."""


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def pair(first: list[ScriptItem], second: list[ScriptItem]) -> tuple[EndpointPool, Replica, Replica, FakeClock]:
    clock = FakeClock()
    one, other = replica(FIRST, *first), replica(SECOND, *second, profile="mistral")
    return EndpointPool([one, other], clock=clock), one, other, clock


def refused(kind: FailureKind) -> ModelError:
    failure = Failure(kind=kind, status=401)
    error = to_error(failure, Place(url="http://a.test/v1", model="m"))
    error.__cause__ = AttemptFailed(failure)
    return error


async def test_r28_a_conversation_stays_where_it_began() -> None:
    pool, one, other, _ = pair([Reply(text=str(turn)) for turn in range(5)], [])
    for turn in range(5):
        assert (await pool.complete(request())).message.content == str(turn)
    assert (asked(one), asked(other)) == (5, 0)


@pytest.mark.parametrize("error", [ModelUnavailable("down"), RateLimited("slow", 30.0), MalformedReply("empty")])
async def test_r30_a_failed_call_is_tried_on_another_server_at_once_and_stays_there(error: ModelError) -> None:
    pool, one, other, clock = pair([error], [Reply(text="there"), Reply(text="still there")])
    assert (await pool.complete(request())).message.content == "there"
    assert (await pool.complete(request())).message.content == "still there"
    assert (asked(one), asked(other), clock.slept) == (1, 2, [])


async def test_r30_the_other_server_gets_the_canonical_messages_unchanged() -> None:
    pool, one, other, _ = pair([ModelUnavailable("down")], [Reply(text="there")])
    sent = request()
    await pool.complete(sent)
    assert requests(one) == requests(other) == [sent]


async def test_a_reply_is_never_asked_for_twice() -> None:
    pool, one, other, _ = pair([Reply(text="once")], [])
    deltas: list[str] = []
    await pool.complete(request(), lambda delta: deltas.append(delta.text))
    assert (asked(one), asked(other), deltas) == (1, 0, ["once"])


async def test_a_conversation_that_is_too_long_is_too_long_everywhere() -> None:
    pool, _, other, _ = pair([ContextTooLong("too long")], [])
    with pytest.raises(ContextTooLong):
        await pool.complete(request())
    assert asked(other) == 0


async def test_an_endpoint_that_refuses_the_key_is_stopped_and_the_reason_shown() -> None:
    pool, one, other, _ = pair([refused(FailureKind.AUTH)], [Reply(text="there"), Reply(text="there")])
    await pool.complete(request())
    pool.release("task")
    await pool.complete(request())
    assert (asked(one), asked(other)) == (1, 2)
    assert "key" in pool.status()[0].stopped


async def test_a_refused_request_does_not_stop_the_endpoint() -> None:
    pool, _, _, _ = pair([refused(FailureKind.REFUSED), Reply(text="back")], [Reply(text="there")])
    await pool.complete(request())
    pool.release("task")
    assert (await pool.complete(request())).message.content == "back"
    assert pool.status()[0].stopped == ""


async def test_when_nobody_can_do_it_the_error_comes_out_at_once() -> None:
    pool, _, _, clock = pair([refused(FailureKind.AUTH)], [refused(FailureKind.GONE)])
    with pytest.raises(EndpointMisconfigured):
        await pool.complete(request())
    with pytest.raises(EndpointMisconfigured, match="no endpoint is left"):
        await pool.complete(request())
    assert clock.slept == []


async def test_endpoints_that_vanish_for_a_while_lose_no_turn() -> None:
    pool, one, other, clock = pair([ModelUnavailable("down")], [ModelUnavailable("down"), Reply(text="back")])
    assert (await pool.complete(request())).message.content == "back"
    assert (asked(one), asked(other)) == (1, 2)
    assert clock.elapsed == 5.0


async def test_one_budget_holds_for_all_replicas() -> None:
    down: list[ScriptItem] = [ModelUnavailable("down")] * 200
    pool, one, other, clock = pair(list(down), list(down))
    with pytest.raises(ModelUnavailable, match="down"):
        await pool.complete(request())
    assert PoolLimits().failover_seconds < clock.elapsed <= PoolLimits().failover_seconds + 2
    assert (asked(one), asked(other)) == (2, 2)  # then the breakers were open
    assert {status.breaker for status in pool.status()} == {BreakerState.OPEN}


async def test_r27_an_open_breaker_keeps_calls_away() -> None:
    pool, one, other, _ = pair([ModelUnavailable("down")] * 2, [Reply(text="there")] * 3)
    for _ in range(3):
        pool.release("task")
        await pool.complete(request())
    assert (asked(one), asked(other)) == (2, 3)


async def test_a_server_that_asked_for_less_gets_no_new_conversation_for_that_time() -> None:
    pool, one, other, clock = pair([RateLimited("slow", 60.0), Reply(text="back")], [Reply(text="there")] * 2)
    await pool.complete(request())
    pool.release("task")
    await pool.complete(request())
    assert (asked(one), asked(other)) == (1, 2)
    clock.advance(60.0)
    pool.release("task")
    assert (await pool.complete(request())).message.content == "back"


async def test_r29_a_new_conversation_waits_for_room_and_gives_up_after_a_while() -> None:
    clock = FakeClock()
    full = replica("a", Reply(text="first"), Reply(text="second"), kv_tokens=40_000)
    pool = EndpointPool([full], clock=clock, limits=PoolLimits(queue_seconds=60.0))
    await pool.complete(request("old"))
    with pytest.raises(ModelUnavailable, match=r"no endpoint took .*'new'.*a: full.*add a replica"):
        await pool.complete(request("new"))
    assert asked(full) == 1
    pool.release("old")
    assert (await pool.complete(request("new"))).message.content == "second"


async def test_r25_cancellation_reaches_the_replica_and_nothing_is_tried_again() -> None:
    hanging = Hanging()
    other = replica(SECOND)
    pool = EndpointPool([hosting(FIRST, hanging), other], clock=FakeClock())
    async with anyio.create_task_group() as group:
        group.start_soon(pool.complete, request())
        await hanging.asked.wait()
        group.cancel_scope.cancel()
    assert hanging.canceled
    assert asked(other) == 0
    assert pool.status()[0].breaker is BreakerState.CLOSED


async def test_the_status_tells_what_lives_where() -> None:
    pool, _, _, _ = pair([Reply(text="hello")], [])
    await pool.complete(request())
    first, second = pool.status()
    assert (first.endpoint.name, second.endpoint.name) == (FIRST, SECOND)
    assert first.committed_tokens > 0 == second.committed_tokens
    assert pool.name == FIRST


async def test_a_pool_needs_endpoints_with_names_of_their_own() -> None:
    with pytest.raises(ConfigError):
        EndpointPool([])
    with pytest.raises(ConfigError):
        EndpointPool([replica("a"), replica("a")])


@pytest.mark.parametrize("url", ["localhost:8000/v1", "", "http:///v1", "http://[::1/v1", "http://127.0.0.1:99999/v1"])
async def test_an_endpoint_has_a_url_that_can_be_right(url: str) -> None:
    with pytest.raises(ConfigError, match="no usable URL"):
        Endpoint(name="a", url=url)


async def test_an_endpoint_has_a_profile_that_is_known() -> None:
    with pytest.raises(ConfigError, match="profile"):
        Endpoint(name="a", url="http://localhost:8000/v1", profile="tgi")


async def test_a_reply_says_which_replica_gave_it() -> None:
    pool, *_ = pair([Reply(text="one"), ModelUnavailable("down")], [Reply(text="two")])
    assert [(await pool.complete(request())).endpoint for _ in range(2)] == [FIRST, SECOND]


async def test_the_window_is_the_smallest_of_those_that_may_be_called_and_known() -> None:
    clock = FakeClock()
    small = hosting(FIRST, ScriptedModel([refused(FailureKind.AUTH)], window=1_000))
    large = hosting(SECOND, ScriptedModel([Reply(text="there")], window=2_000))
    silent = hosting("c", ScriptedModel([]))
    pool = EndpointPool([small, large, silent], clock=clock)
    assert pool.window == 1_000
    pool._members[FIRST].stopped = "the key is refused"
    assert pool.window == 2_000
    assert EndpointPool([silent], clock=clock).window == 0


async def test_a_released_conversation_is_forgotten_by_every_client() -> None:
    pool, one, other, _ = pair([Reply(text="one")], [])
    await pool.complete(request())
    pool.release("task")
    assert pool.status()[0].committed_tokens == pool.status()[1].committed_tokens == 0
    for kept in (one, other):
        assert isinstance(kept.model, ScriptedModel)
        assert kept.model.released == ["task"]
