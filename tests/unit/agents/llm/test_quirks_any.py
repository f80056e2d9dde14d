"""Networks, proxies, routers and models."""

from __future__ import annotations

import json

import pytest

from pullwright.agents.errors import ModelUnavailable
from pullwright.agents.llm.settings import Timeouts
from pullwright.agents.ports.model import ReplyClass
from pullwright.agents.testing.contracts_model import request
from pullwright.agents.testing.endpoint_changes import ONE_ID
from pullwright.agents.testing.scripted_endpoint import Quirk
from pullwright.agents.testing.scripted_model import Reply
from tests.unit.agents.llm.quirk_stage import BOTH, HELLO, LOOK, answered, commands, quirky

pytestmark = pytest.mark.anyio

ODD = {"command": 'printf "é\n"\necho [1]'}


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize(
    "quirk", [Quirk.F25_BAD_GATEWAY, Quirk.F25_PAGE, Quirk.F25_RESET_BEFORE, Quirk.F25_RESET_AFTER]
)
async def test_f25_r21_proxies_and_resets_are_tried_again(quirk: Quirk, streaming: bool) -> None:
    async with quirky([HELLO, HELLO], quirk, streaming=streaming) as (model, endpoint):
        reply = await model.complete(request())
    assert (reply.message.content, reply.retries) == (HELLO.text, 1)
    assert endpoint.requests[0] == endpoint.requests[1]


@pytest.mark.parametrize("quirk", [Quirk.F25_SPLIT_CHARACTER, Quirk.F25_TWO_EVENTS, Quirk.F25_CRLF, Quirk.F25_ONE_BYTE])
async def test_f25_r23_packets_may_end_anywhere(quirk: Quirk) -> None:
    async with quirky([HELLO, BOTH], quirk) as (model, _):
        said = await model.complete(request())
        called = await model.complete(request())
    assert (said.message.content, said.retries) == (HELLO.text, 0)
    assert commands(called.message) == ['{"command": "one"}', '{"command": "two"}']


async def test_f26_r20_a_cut_call_never_runs() -> None:
    async with quirky([BOTH] * 3, Quirk.F26_CUT_ARGUMENTS) as (model, _):
        reply = await model.complete(request())
    assert (reply.kind, reply.message.tool_calls) == (ReplyClass.TRUNCATED, ())


@pytest.mark.parametrize("quirk", [Quirk.F26_EMPTY, Quirk.F26_BLANK])
async def test_f26_r20_nothing_is_sampled_again(quirk: Quirk) -> None:
    async with quirky([HELLO] * 3, quirk, times=2) as (model, endpoint):
        reply = await model.complete(request())
    assert (reply.message.content, len(endpoint.requests)) == (HELLO.text, 3)


async def test_f26_r20_nothing_for_ever_is_handed_on_after_two_resamples() -> None:
    async with quirky([HELLO] * 9, Quirk.F26_EMPTY, times=9) as (model, endpoint):
        reply = await model.complete(request())
    assert (reply.kind, len(endpoint.requests)) == (ReplyClass.EMPTY, 3)


async def test_f26_a_reply_that_repeats_itself_is_truncated() -> None:
    async with quirky([HELLO] * 3, Quirk.F26_REPEATS, piece=200) as (model, _):
        assert (await model.complete(request())).kind is ReplyClass.TRUNCATED


async def test_f27_r24_a_slow_start_has_its_limit() -> None:
    limits = Timeouts(first_byte=0.5)  # what an honest reply has on a busy machine, too
    async with quirky([HELLO] * 2, Quirk.F27_SLOW_START, timeouts=limits) as (model, _):
        reply = await model.complete(request())
    assert (reply.message.content, reply.retries) == (HELLO.text, 1)


@pytest.mark.parametrize("quirk", [Quirk.F27_TRICKLE, Quirk.F27_ENDLESS])
async def test_f27_r24_a_reply_that_takes_for_ever_has_its_limit(quirk: Quirk) -> None:
    script = [Reply("word " * 1000)] * 4
    async with quirky(script, quirk, timeouts=Timeouts(total=0.1), seconds=0.02) as (model, endpoint):
        with pytest.raises(ModelUnavailable, match="too long"):
            await model.complete(request())
    assert endpoint.disconnected.is_set()


@pytest.mark.parametrize("quirk", [Quirk.F28_SAME_IDS, Quirk.F28_REUSED_ID])
@pytest.mark.parametrize("streaming", [True, False])
async def test_f28_r11_ids_are_ours_and_unique(quirk: Quirk, streaming: bool) -> None:
    async with quirky([BOTH, BOTH, HELLO], quirk, streaming=streaming) as (model, _):
        first = (await model.complete(request())).message
        second = (await model.complete(request(*answered(first)))).message
        await model.complete(request(*answered(first), *answered(second)))
    ids = [call.id for message in (first, second) for call in message.tool_calls]
    assert len(set(ids)) == len(ids) == 4
    assert ONE_ID not in ids


@pytest.mark.parametrize("quirk", [Quirk.F29_ESCAPES, Quirk.F29_NEWLINES, Quirk.F29_FENCE, Quirk.F29_DOUBLE])
async def test_f29_spellings_that_change_no_meaning_are_read(quirk: Quirk) -> None:
    async with quirky([Reply(calls=[("bash", ODD)])], quirk) as (model, _):
        reply = await model.complete(request())
    assert reply.problems == {}
    assert [json.loads(text) for text in commands(reply.message)] == [ODD]


@pytest.mark.parametrize("quirk", [Quirk.F29_NAN, Quirk.F29_COMMA])
async def test_f29_r20_malformed_arguments_never_run_and_are_replayable(quirk: Quirk) -> None:
    async with quirky([LOOK, HELLO], quirk) as (model, _):
        reply = await model.complete(request())
        await model.complete(request(*answered(reply.message)))
    assert set(reply.problems) == {call.id for call in reply.message.tool_calls}


async def test_f30_r28_affinity_passes_a_router_in_the_body() -> None:
    async with quirky([HELLO], Quirk.F30_DROPS_HEADERS) as (model, endpoint):
        await model.complete(request())
    assert "x-session-id" not in endpoint.headers[0]
    assert endpoint.requests[0]["session_id"] == "task-1"


async def test_f30_another_back_end_knows_the_history_too() -> None:
    async with quirky([BOTH, HELLO], Quirk.F30_SWITCHES) as (model, _):
        turn = answered((await model.complete(request())).message)
        reply = await model.complete(request(*turn))
    assert (reply.message.content, reply.usage.cached_tokens) == (HELLO.text, 0)


async def test_f30_a_router_without_back_ends_is_waited_for() -> None:
    async with quirky([HELLO], Quirk.F30_UNAVAILABLE, times=3) as (model, _):
        assert (await model.complete(request())).retries == 3
