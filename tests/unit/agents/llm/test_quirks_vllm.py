from __future__ import annotations

import pytest

from pullwright.agents.errors import EndpointMisconfigured, ModelUnavailable
from pullwright.agents.ports.model import ReplyClass
from pullwright.agents.testing.contracts_model import request
from pullwright.agents.testing.fake_clock import FakeClock
from pullwright.agents.testing.scripted_endpoint import Quirk
from tests.unit.agents.llm.quirk_stage import BOTH, HELLO, LOOK, answered, commands, quirky

pytestmark = pytest.mark.anyio


async def test_f1_small_pieces_add_up() -> None:
    async with quirky([HELLO, BOTH], Quirk.F1_SMALL_PIECES) as (model, _):
        said = await model.complete(request())
        called = await model.complete(request())
    assert (said.message.content, said.message.reasoning) == (HELLO.text, HELLO.reasoning)
    assert commands(called.message) == ['{"command": "one"}', '{"command": "two"}']
    assert said.usage.prompt_tokens > 0


@pytest.mark.parametrize("streaming", [True, False])
async def test_f2_nothing_is_sent_that_a_strict_server_refuses(streaming: bool) -> None:
    async with quirky([HELLO, LOOK], Quirk.F2_STRICT_FIELDS, streaming=streaming) as (model, endpoint):
        assert (await model.complete(request(tools=()))).retries == 0
        assert (await model.complete(request())).retries == 0
    assert "tools" not in endpoint.requests[0]
    assert all("chat_template_kwargs" not in sent for sent in endpoint.requests)


async def test_f3_ids_survive_being_cut() -> None:
    async with quirky([BOTH, BOTH, HELLO], Quirk.F3_CUT_IDS) as (model, _):
        first = answered((await model.complete(request())).message)
        second = answered((await model.complete(request(*first))).message)
        last = await model.complete(request(*first, *second))
    assert last.kind is ReplyClass.TEXT


@pytest.mark.parametrize("streaming", [True, False])
async def test_f4_r20_leaked_calls_are_rescued(streaming: bool) -> None:
    async with quirky([BOTH], Quirk.F4_NO_PARSER, streaming=streaming) as (model, _):
        reply = await model.complete(request())
    assert commands(reply.message) == ['{"command": "one"}', '{"command": "two"}']
    assert reply.message.content == BOTH.text


async def test_f5_skew_is_the_servers_fault_and_not_tried_again() -> None:
    async with quirky([HELLO], Quirk.F5_SKEW) as (model, endpoint):
        with pytest.raises(EndpointMisconfigured, match="force_tool_names"):
            await model.complete(request())
    assert len(endpoint.requests) == 1


async def test_f6_comments_are_no_reply() -> None:
    async with quirky([HELLO], Quirk.F6_KEEP_ALIVES, seconds=0.05) as (model, _):
        reply = await model.complete(request())
    assert (reply.retries, reply.message.content) == (0, HELLO.text)


async def test_f7_r21_an_error_in_the_stream_discards_the_turn() -> None:
    async with quirky([HELLO, HELLO], Quirk.F7_ERROR_CHUNK) as (model, endpoint):
        reply = await model.complete(request())
    assert (reply.retries, reply.message.content) == (1, HELLO.text)
    assert endpoint.requests[0] == endpoint.requests[1]


async def test_f7_a_dead_engine_is_given_up_after_some_time() -> None:
    clock = FakeClock()
    async with quirky([], Quirk.F7_ENGINE_DEAD, clock=clock) as (model, _):
        with pytest.raises(ModelUnavailable, match="restart"):
            await model.complete(request())
    assert clock.slept


async def test_f8_r26_admission_is_waited_for() -> None:
    clock = FakeClock()
    async with quirky([HELLO], Quirk.F8_ADMISSION, clock=clock, times=6) as (model, _):
        reply = await model.complete(request())
    assert reply.retries == len(clock.slept) == 6


async def test_f8_no_priority_is_sent() -> None:
    async with quirky([HELLO], Quirk.F8_PRIORITY) as (model, _):
        assert (await model.complete(request())).retries == 0


async def test_f9_glued_calls_do_not_run() -> None:
    async with quirky([BOTH], Quirk.F9_GLUED_CALLS) as (model, _):
        reply = await model.complete(request())
    assert {call.id for call in reply.message.tool_calls} == set(reply.problems)
