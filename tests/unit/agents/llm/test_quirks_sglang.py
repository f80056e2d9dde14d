from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pullwright.agents.errors import ContextTooLong
from pullwright.agents.message import AssistantMessage, UserMessage
from pullwright.agents.ports.model import ReplyClass
from pullwright.agents.testing.contracts_model import request
from pullwright.agents.testing.fake_clock import FakeClock
from pullwright.agents.testing.scripted_endpoint import Quirk
from pullwright.agents.testing.scripted_model import Reply
from tests.unit.agents.llm.quirk_stage import BOTH, HELLO, LOOK, answered, commands, quirky

pytestmark = pytest.mark.anyio


async def test_f10_brackets_stay_because_nothing_is_streamed() -> None:
    async with quirky([HELLO], Quirk.F10_BRACKETS, profile="sglang") as (model, endpoint):
        reply = await model.complete(request())
    assert reply.message.content == HELLO.text
    assert "stream" not in endpoint.requests[0]


async def test_f11_both_calls_arrive_because_nothing_is_streamed() -> None:
    async with quirky([BOTH], Quirk.F11_SECOND_CALL, profile="sglang") as (model, _):
        reply = await model.complete(request())
    assert len(reply.message.tool_calls) == 2


async def test_f12_r20_an_answer_filed_as_reasoning_is_the_answer() -> None:
    async with quirky([Reply("Done.")], Quirk.F12_ALL_REASONING, profile="sglang") as (model, _):
        reply = await model.complete(request())
    assert (reply.kind, reply.message.content, reply.message.reasoning) == (ReplyClass.TEXT, "Done.", "")


async def test_f12_r20_calls_filed_as_reasoning_are_rescued() -> None:
    script = [Reply(text="So.", calls=BOTH.calls)]
    async with quirky(script, Quirk.F12_ALL_REASONING, profile="sglang") as (model, _):
        reply = await model.complete(request())
    assert commands(reply.message) == ['{"command": "one"}', '{"command": "two"}']


@pytest.mark.parametrize("call", [("bash", '{"command": '), ("shell", {"command": "ls"})])
async def test_f13_r20_a_vanished_call_is_asked_for_again(call: tuple[str, str]) -> None:
    async with quirky(
        [Reply(reasoning="Hm.", calls=[call]), LOOK], Quirk.F13_DROPPED_CALL, profile="vllm", streaming=False
    ) as (model, endpoint):
        reply = await model.complete(request())
    assert reply.kind is ReplyClass.CALLS
    assert endpoint.requests[0]["messages"] == endpoint.requests[1]["messages"]


async def test_f13_an_unknown_tool_as_text_runs_nothing() -> None:
    script = [Reply(calls=[("shell", {"command": "ls"})])]
    async with quirky(script, Quirk.F13_DROPPED_CALL, profile="sglang", streaming=True) as (model, _):
        reply = await model.complete(request())
    assert set(reply.problems) == {call.id for call in reply.message.tool_calls}


async def test_f14_flat_errors_are_understood() -> None:
    long = UserMessage(content="word " * 5000)
    async with quirky([HELLO], Quirk.F14_FLAT_ERRORS, profile="sglang", window=2000) as (model, endpoint):
        with pytest.raises(ContextTooLong):
            await model.complete(request(*answered(_said()), long))
    assert len(endpoint.requests) <= 2


async def test_f14_r6_prompt_and_cap_fit_in_the_window() -> None:
    long = replace(request(_said(), UserMessage(content="word " * 28_000)), max_tokens=40_000)
    quirks = (Quirk.F14_CAP_OVER_WINDOW, Quirk.F14_FLAT_ERRORS)
    async with quirky([HELLO], *quirks, profile="sglang", window=60_000) as (model, endpoint):
        reply = await model.complete(long)
    assert (reply.message.content, len(endpoint.requests)) == (HELLO.text, 1)
    limit = endpoint.requests[0]["max_tokens"]
    assert isinstance(limit, int)
    assert 16_384 <= limit < 30_000


def _said() -> AssistantMessage:
    return AssistantMessage(content="Which one?")


@pytest.mark.parametrize("streaming", [True, False])
async def test_f14_overload_is_waited_for_wherever_it_is_said(streaming: bool) -> None:
    clock = FakeClock()
    options: dict[str, Any] = {"profile": "sglang", "streaming": streaming, "clock": clock, "times": 5}
    async with quirky([HELLO] * 6, Quirk.F14_OVERLOAD_CHUNK, **options) as (model, _):
        reply = await model.complete(request())
    assert (reply.message.content, reply.retries) == (HELLO.text, 5)


async def test_f15_r27_health_is_not_asked_for_a_reply() -> None:
    async with quirky([HELLO], Quirk.F15_SLOW_HEALTH, profile="sglang") as (model, endpoint):
        await model.complete(request())
    assert "/health" not in endpoint.asked
