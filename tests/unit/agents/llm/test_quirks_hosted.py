"""NIM and Mistral's own API."""

from __future__ import annotations

import pytest

from pullwright.agents.errors import EndpointMisconfigured
from pullwright.agents.ports.model import ReplyClass
from pullwright.agents.testing.contracts_model import request
from pullwright.agents.testing.fake_clock import FakeClock
from pullwright.agents.testing.scripted_endpoint import Quirk
from tests.unit.agents.llm.quirk_stage import BOTH, HELLO, answered, commands, quirky

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("profile", ["nim-vllm", "nim-sglang"])
async def test_f23_nim_speaks_as_its_engine(profile: str) -> None:
    async with quirky([BOTH, HELLO], Quirk.F23_NIM, profile=profile) as (model, _):
        turn = answered((await model.complete(request())).message)
        assert (await model.complete(request(*turn))).message.content == HELLO.text


async def test_f23_a_retired_model_is_not_tried_again() -> None:
    async with quirky([HELLO], Quirk.F23_RETIRED, profile="nim-vllm") as (model, endpoint):
        with pytest.raises(EndpointMisconfigured, match="410"):
            await model.complete(request())
    assert len(endpoint.requests) == 1


async def test_f24_r10_only_known_fields_are_sent_and_lists_are_read() -> None:
    async with quirky([BOTH, HELLO], Quirk.F24_STRICT_FIELDS, profile="mistral") as (model, _):
        first = (await model.complete(request())).message
        last = await model.complete(request(*answered(first)))
    assert (first.reasoning, first.content) == (BOTH.reasoning, BOTH.text)
    assert (last.retries, last.message.content) == (0, HELLO.text)
    assert last.usage.prompt_tokens > 0


@pytest.mark.parametrize("streaming", [True, False])
async def test_f24_r19_object_arguments_and_null_ids_are_read(streaming: bool) -> None:
    quirks = (Quirk.F24_OBJECT_ARGUMENTS, Quirk.F24_NULL_ID)
    async with quirky([BOTH, HELLO], *quirks, profile="mistral", streaming=streaming) as (model, _):
        reply = await model.complete(request())
        await model.complete(request(*answered(reply.message)))
    assert commands(reply.message) == ['{"command": "one"}', '{"command": "two"}']
    assert len({call.id for call in reply.message.tool_calls} - {"null", ""}) == 2


async def test_f24_r26_the_rate_limit_says_how_long_to_wait() -> None:
    clock = FakeClock()
    async with quirky([HELLO], Quirk.F24_RATE_LIMIT, profile="mistral", clock=clock) as (model, _):
        await model.complete(request())
    assert clock.slept == [7.0]


async def test_f24_r20_model_length_is_truncated() -> None:
    async with quirky([BOTH] * 3, Quirk.F24_MODEL_LENGTH, profile="mistral") as (model, _):
        reply = await model.complete(request())
    assert (reply.kind, reply.message.tool_calls) == (ReplyClass.TRUNCATED, ())
