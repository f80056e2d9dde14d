"""llama-server and Ollama."""

from __future__ import annotations

import pytest

from pullwright.agents.errors import ContextTooLong, EndpointMisconfigured
from pullwright.agents.message import AssistantMessage, Image, UserMessage
from pullwright.agents.ports.model import ReplyClass
from pullwright.agents.testing.contracts_model import request
from pullwright.agents.testing.fake_clock import FakeClock
from pullwright.agents.testing.scripted_endpoint import Quirk
from tests.unit.agents.llm.quirk_stage import BOTH, HELLO, LOOK, answered, quirky

pytestmark = pytest.mark.anyio

PICTURE = UserMessage(content="Look.", images=(Image(media_type="image/png", content=b"\x89PNG"),))
LOOKED = AssistantMessage(content="I looked.")
LONG = UserMessage(content="word " * 2000)


async def test_f16_a_bad_history_is_rebuilt_once_in_the_strict_form() -> None:
    more = UserMessage(content="And the docs.")
    async with quirky([HELLO], Quirk.F16_TEMPLATE_500, profile="llamacpp") as (model, endpoint):
        reply = await model.complete(request(more))
    assert reply.message.content == HELLO.text
    assert len(endpoint.requests) <= 2
    assert "Fix the bug." in str(endpoint.requests[-1])
    assert "And the docs." in str(endpoint.requests[-1])


async def test_f16_r4_the_effort_is_one_that_the_template_knows() -> None:
    async with quirky([LOOK, HELLO], Quirk.F16_TEMPLATE_500, profile="llamacpp") as (model, _):
        first = await model.complete(request())
        assert (await model.complete(request(*answered(first.message)))).retries == 0


async def test_f17_a_prompt_over_the_slot_is_too_long() -> None:
    async with quirky([HELLO], Quirk.F17_SLOT_WINDOW, profile="llamacpp", slot=1000) as (model, endpoint):
        with pytest.raises(ContextTooLong):
            await model.complete(request(LOOKED, LONG))
    assert len(endpoint.requests) <= 2


async def test_f17_unknown_keys_do_no_harm() -> None:
    async with quirky([HELLO], Quirk.F17_SLOT_WINDOW, profile="llamacpp") as (model, _):
        reply = await model.complete(request())
    assert (reply.message.content, reply.retries) == (HELLO.text, 0)


async def test_f18_loading_has_a_longer_limit() -> None:
    clock = FakeClock()
    async with quirky([HELLO], Quirk.F18_LOADING, profile="llamacpp", clock=clock, times=25) as (model, _):
        assert (await model.complete(request())).retries == 25


@pytest.mark.parametrize("quirk", [Quirk.F18_NO_DONE, Quirk.F18_UNPARSABLE])
async def test_f18_trouble_in_between_is_tried_again(quirk: Quirk) -> None:
    async with quirky([HELLO, HELLO], quirk, profile="llamacpp") as (model, _):
        reply = await model.complete(request())
    assert (reply.message.content, reply.retries) == (HELLO.text, 1)


async def test_f18_refused_images_are_the_servers_fault() -> None:
    async with quirky([HELLO], Quirk.F18_NO_IMAGES, profile="llamacpp") as (model, endpoint):
        with pytest.raises(EndpointMisconfigured, match="image input"):
            await model.complete(request(LOOKED, PICTURE))
    assert len(endpoint.requests) == 1


async def test_f19_r22_silent_truncation_is_noticed() -> None:
    async with quirky([HELLO] * 3, Quirk.F19_TRUNCATES, profile="ollama", slot=1000) as (model, _):
        with pytest.raises(ContextTooLong):
            await model.complete(request(LOOKED, LONG))


async def test_f19_r4_the_effort_is_always_sent() -> None:
    async with quirky([LOOK], Quirk.F19_THINKS_UNASKED, profile="ollama") as (model, endpoint):
        await model.complete(request())
    assert endpoint.requests[0]["reasoning_effort"] == "high"
    assert "max_completion_tokens" not in endpoint.requests[0]


async def test_f20_r21_a_stream_that_just_stops_is_tried_again() -> None:
    async with quirky([BOTH, BOTH], Quirk.F20_STOPS, profile="ollama") as (model, endpoint):
        reply = await model.complete(request())
    assert (reply.kind, len(reply.message.tool_calls), reply.retries) == (ReplyClass.CALLS, 2, 1)
    assert endpoint.requests[0] == endpoint.requests[1]


async def test_f21_history_and_images_are_as_ollama_takes_them() -> None:
    async with quirky([BOTH, HELLO, HELLO], Quirk.F21_STRICT_HISTORY, profile="ollama") as (model, _):
        turn = answered((await model.complete(request())).message)
        said = (await model.complete(request(*turn))).message
        assert (await model.complete(request(*turn, said, PICTURE))).retries == 0


async def test_f21_busy_is_waited_for() -> None:
    async with quirky([HELLO], Quirk.F21_BUSY, profile="ollama", times=6) as (model, _):
        assert (await model.complete(request())).retries == 6


async def test_f21_a_model_that_was_not_pulled_is_told() -> None:
    async with quirky([HELLO], Quirk.F21_NOT_FOUND, profile="ollama") as (model, endpoint):
        with pytest.raises(EndpointMisconfigured, match="try pulling it"):
            await model.complete(request())
    assert len(endpoint.requests) == 1


async def test_f22_a_first_call_that_loads_is_waited_for() -> None:
    async with quirky([HELLO], Quirk.F22_SLOW_LOAD, profile="ollama", seconds=0.05) as (model, _):
        assert (await model.complete(request())).retries == 0
