from __future__ import annotations

import logging
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.to_thread
import pytest

from pullwright.agents.errors import (
    ConfigError,
    ContextTooLong,
    EndpointMisconfigured,
    MalformedReply,
    ModelUnavailable,
    RateLimited,
)
from pullwright.agents.llm.openai_model import OpenAIModel
from pullwright.agents.llm.served import ServedModel, choose_model, read_models
from pullwright.agents.llm.settings import EndpointSettings, Timeouts
from pullwright.agents.message import AssistantMessage, Message, ToolResult
from pullwright.agents.ports.model import Delta, ReplyClass
from pullwright.agents.testing.contracts_model import request
from pullwright.agents.testing.fake_clock import FakeClock
from pullwright.agents.testing.scripted_endpoint import Fault, FaultKind, ScriptedEndpoint
from pullwright.agents.testing.scripted_model import Reply

pytestmark = pytest.mark.anyio

HELLO = Reply("Hello, this is a text in several pieces.", "Some thoughts.")
LOOK = Reply("I look.", "Where?", [("bash", {"command": "ls"})])


@asynccontextmanager
async def opened(
    script: Sequence[Reply] = (HELLO,),
    *,
    clock: FakeClock | None = None,
    timeouts: Timeouts | None = None,
    **options: Any,
) -> AsyncIterator[tuple[OpenAIModel, ScriptedEndpoint]]:
    profile = options.get("style", "vllm")
    with ScriptedEndpoint(script, **options) as endpoint:
        settings = EndpointSettings(
            url=endpoint.url, key=endpoint.key, profile=profile, timeouts=timeouts or Timeouts()
        )
        async with OpenAIModel.open(settings, clock=clock or FakeClock()) as model:
            yield model, endpoint


@pytest.mark.parametrize(
    "fault",
    [
        Fault(FaultKind.STATUS, status=503),
        Fault(FaultKind.STATUS, status=429),
        Fault(FaultKind.STATUS, status=500),
        Fault(FaultKind.STATUS, status=502),
        Fault(FaultKind.CUT),
        Fault(FaultKind.NO_FINISH),
        Fault(FaultKind.ERROR_CHUNK),
        Fault(FaultKind.PAGE),
    ],
    ids=lambda fault: f"{fault.kind.value}-{fault.status}",
)
async def test_passing_trouble_is_tried_again_with_the_same_bytes(fault: Fault) -> None:
    clock = FakeClock()
    async with opened([HELLO, HELLO], faults=[fault], clock=clock) as (model, endpoint):
        reply = await model.complete(request())
    assert (reply.kind, reply.message.content) == (ReplyClass.TEXT, HELLO.text)
    assert reply.retries == 1
    assert len(clock.slept) == 1
    assert endpoint.requests[0] == endpoint.requests[1]


@pytest.mark.parametrize("fault", [Fault(FaultKind.PAGE), Fault(FaultKind.STATUS, status=503)])
async def test_trouble_without_streaming_is_tried_again(fault: Fault) -> None:
    async with opened([HELLO, HELLO], faults=[fault], style="sglang") as (model, endpoint):
        reply = await model.complete(request())
    assert (reply.retries, reply.message.content) == (1, HELLO.text)
    assert "stream" not in endpoint.requests[0]


async def test_the_server_says_how_long_to_wait() -> None:
    clock = FakeClock()
    fault = Fault(FaultKind.STATUS, status=429, retry_after=40.0)
    async with opened(faults=[fault], clock=clock) as (model, _):
        await model.complete(request())
    assert clock.slept == [40.0]


async def test_an_endpoint_that_keeps_asking_to_slow_down_is_left() -> None:
    faults = [Fault(FaultKind.STATUS, status=429, retry_after=200.0)] * 5
    async with opened(faults=faults) as (model, endpoint):
        with pytest.raises(RateLimited, match="slow down"):
            await model.complete(request())
    assert len(endpoint.requests) == 2


async def test_an_endpoint_that_stays_broken_is_given_up() -> None:
    async with opened([HELLO] * 9, faults=[Fault(FaultKind.CUT)] * 9) as (model, endpoint):
        with pytest.raises(ModelUnavailable, match="in the middle"):
            await model.complete(request())
    assert len(endpoint.requests) == 4


@pytest.mark.parametrize(
    ("status", "message", "error"),
    [
        (401, "Unauthorized", EndpointMisconfigured),
        (404, "The model does not exist", EndpointMisconfigured),
        (400, '"auto" tool choice requires --enable-auto-tool-choice', EndpointMisconfigured),
        (400, "f() missing 1 required positional argument: 'force_tool_names'", EndpointMisconfigured),
        (400, "This model's maximum context length is 9 tokens.", ContextTooLong),
        (422, "extra_forbidden", EndpointMisconfigured),
    ],
)
async def test_lasting_trouble_is_not_tried_again(status: int, message: str, error: type[Exception]) -> None:
    async with opened(faults=[Fault(FaultKind.STATUS, status=status, message=message)]) as (model, endpoint):
        with pytest.raises(error, match=r"http://|'scripted-mistral'"):
            await model.complete(request())
    assert len(endpoint.requests) == 1


async def test_nobody_answering_is_told_with_the_url() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/v1"
        clock = FakeClock()
        with pytest.raises(ModelUnavailable, match=f"{url}.*start the server or set AGENT_ENDPOINT_URL"):
            async with OpenAIModel.open(EndpointSettings(url=url), clock=clock):
                raise AssertionError("opened")
    assert len(clock.slept) == 3


async def test_a_url_without_a_scheme_is_a_setting_to_fix() -> None:
    with pytest.raises(ConfigError, match="AGENT_ENDPOINT_URL"):
        async with OpenAIModel.open(EndpointSettings(url="localhost:8000")):
            raise AssertionError("opened")


async def test_a_wrong_key_is_noticed_at_once() -> None:
    with ScriptedEndpoint([HELLO], key="right") as endpoint:
        for model_name in ("", endpoint.model):
            settings = EndpointSettings(url=endpoint.url, key="wrong", model=model_name)
            with pytest.raises(EndpointMisconfigured, match="AGENT_ENDPOINT_KEY"):
                async with OpenAIModel.open(settings, clock=FakeClock()):
                    raise AssertionError("opened")
    assert endpoint.requests == []


async def test_the_key_is_sent() -> None:
    async with opened(key="secret") as (model, endpoint):
        await model.complete(request())
    assert endpoint.headers[0]["authorization"] == "Bearer secret"
    assert "secret" not in repr(EndpointSettings(url="u", key="secret"))


async def test_a_model_that_is_not_served_is_told() -> None:
    with ScriptedEndpoint([HELLO]) as endpoint:
        async with OpenAIModel.open(EndpointSettings(url=endpoint.url, model="other"), clock=FakeClock()) as model:
            with pytest.raises(EndpointMisconfigured, match=r"'other'.*does not exist"):
                await model.complete(request())


async def test_the_listed_model_and_its_window_are_used() -> None:
    async with opened(window=4000) as (model, endpoint):
        await model.complete(request())
        assert (model.name, model.window) == (endpoint.model, 4000)
        assert await model.models() == (ServedModel(name=endpoint.model, window=4000),)


async def test_a_reply_may_take_half_the_window() -> None:
    async with opened(window=1000) as (model, endpoint):
        await model.complete(request())
    assert endpoint.requests[0]["max_tokens"] == 500


async def test_a_conversation_over_the_window_is_its_own_error() -> None:
    async with opened(window=20) as (model, _):
        with pytest.raises(ContextTooLong, match="does not fit"):
            await model.complete(request())


async def test_a_server_without_its_parser_works_and_is_noted(caplog: pytest.LogCaptureFixture) -> None:
    async with opened([LOOK, LOOK, LOOK], parser=False) as (model, _):
        with caplog.at_level(logging.WARNING):
            replies = [await model.complete(request()) for _ in range(3)]
    assert [reply.kind for reply in replies] == [ReplyClass.CALLS] * 3
    assert replies[0].message.content == "I look."
    assert len([record for record in caplog.records if "parser" in record.message]) == 1


async def test_half_a_call_at_the_output_limit_is_cut() -> None:
    async with opened([LOOK], faults=[Fault(FaultKind.OUTPUT_LIMIT)]) as (model, _):
        reply = await model.complete(request())
    assert (reply.kind, reply.finish_reason, reply.message.tool_calls) == (ReplyClass.TRUNCATED, "tool_calls", ())


async def test_an_empty_reply_is_sampled_again_and_paid_for() -> None:
    async with opened([Reply(reasoning="hm"), Reply(), HELLO]) as (model, endpoint):
        reply = await model.complete(request())
    assert reply.kind is ReplyClass.TEXT
    assert len(endpoint.requests) == 3
    assert reply.usage.prompt_tokens > 2 * len(str(endpoint.requests[0]["messages"])) // 5


async def test_nothing_but_empty_replies_is_told_so_that_the_model_can_be_asked_to_go_on() -> None:
    async with opened([Reply()] * 3) as (model, endpoint):
        reply = await model.complete(request())
    assert (reply.kind, len(endpoint.requests)) == (ReplyClass.EMPTY, 3)


async def test_affinity_goes_out_as_the_server_reads_it() -> None:
    async with opened() as (model, endpoint):
        await model.complete(request())
    assert endpoint.headers[0]["x-session-id"] == "task-1"
    assert endpoint.requests[0]["session_id"] == "task-1"
    async with opened(style="mistral") as (model, endpoint):
        await model.complete(request())
    assert endpoint.headers[0]["x-affinity"] == "task-1"


async def test_the_engines_cache_is_hit_by_the_next_turn() -> None:
    async with opened([LOOK, HELLO]) as (model, _):
        first = await model.complete(request())
        second = await model.complete(request(*_with_results(first.message)))
    assert second.usage.cached_tokens == first.usage.prompt_tokens


def _with_results(message: AssistantMessage) -> list[Message]:
    return [message, *(ToolResult(call_id=call.id, name=call.name, content="ok") for call in message.tool_calls)]


@pytest.mark.parametrize("style", ["vllm", "sglang"])
async def test_ten_megabytes_of_arguments_are_refused_and_sampled_once_more(style: str) -> None:
    flood = Reply("", "Hm.", [("bash", {"command": "x" * 10_000_000})])
    async with opened([flood, LOOK], style=style, piece=100_000) as (model, _):
        reply = await model.complete(request())
    assert (reply.kind, reply.retries) == (ReplyClass.CALLS, 1)
    async with opened([flood, flood], style=style, piece=100_000) as (model, _):
        with pytest.raises(MalformedReply, match=r"more than 4000000 characters.*max_tokens"):
            await model.complete(request())


async def test_an_error_of_many_megabytes_is_cut_and_understood() -> None:
    fault = Fault(FaultKind.STATUS, status=400, message="prompt is too long" + "x" * 10_000_000)
    async with opened(faults=[fault]) as (model, _):
        with pytest.raises(ContextTooLong, match="does not fit"):
            await model.complete(request())


@pytest.mark.parametrize("fault", [FaultKind.SLOW, FaultKind.STALL])
async def test_cancelling_closes_the_connection(fault: FaultKind) -> None:
    deltas: list[Delta] = []
    async with opened(faults=[Fault(fault)]) as (model, endpoint):
        async with anyio.create_task_group() as group:
            group.start_soon(model.complete, request(), deltas.append)
            with anyio.fail_after(5):
                while not (deltas or (fault is FaultKind.SLOW and endpoint.requests)):
                    await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()
        assert await anyio.to_thread.run_sync(endpoint.disconnected.wait, 5)


@pytest.mark.parametrize(
    ("fault", "timeouts"),
    # As long as an honest reply takes on a busy machine, too.
    [(FaultKind.SLOW, Timeouts(first_byte=0.5)), (FaultKind.STALL, Timeouts(between_chunks=0.3))],
)
async def test_a_server_that_hangs_is_left_and_asked_once_more(fault: FaultKind, timeouts: Timeouts) -> None:
    async with opened([HELLO, HELLO], faults=[Fault(fault)], timeouts=timeouts) as (model, endpoint):
        reply = await model.complete(request())
        assert await anyio.to_thread.run_sync(endpoint.disconnected.wait, 5)
    assert (reply.retries, reply.message.content) == (1, HELLO.text)


async def test_a_server_that_always_hangs_is_unavailable() -> None:
    limits = Timeouts(first_byte=0.1)
    async with opened([HELLO] * 2, faults=[Fault(FaultKind.SLOW)] * 2, timeouts=limits) as (model, _):
        with pytest.raises(ModelUnavailable, match="took too long"):
            await model.complete(request())


async def test_an_error_of_the_listener_leaves_no_connection_behind() -> None:
    def refuse(_delta: Delta) -> None:
        raise RuntimeError("no terminal")

    async with opened([HELLO, HELLO]) as (model, _):
        with pytest.raises(RuntimeError, match="no terminal"):
            await model.complete(request(), refuse)
        assert (await model.complete(request())).message.content == HELLO.text


async def test_many_conversations_at_once() -> None:
    results: list[str] = []
    async with opened([HELLO] * 20) as (model, _):

        async def one() -> None:
            results.append((await model.complete(request())).message.content)

        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(one)
    assert results == [HELLO.text] * 20


def test_models_are_chosen_from_the_list() -> None:
    listed = read_models({"data": [{"id": "a", "max_model_len": 10}, {"id": "b"}, {"name": "c"}, "d"]})
    assert [served.name for served in listed] == ["a", "b"]
    url = "http://host/v1"
    assert choose_model(listed, EndpointSettings(url=url)) == ServedModel(name="a", window=10)
    assert choose_model(listed, EndpointSettings(url=url, model="b")) == ServedModel(name="b")
    assert choose_model(listed, EndpointSettings(url=url, model="x")) == ServedModel(name="x")
    assert choose_model((), EndpointSettings(url=url)) is None
    assert read_models("<html>") == ()
    assert read_models({"data": [{"id": "q", "meta": {"n_ctx": 16, "n_ctx_train": 32}}]})[0].window == 16


def test_only_the_connection_pays_for_the_openai_package() -> None:
    code = (
        "import sys; import pullwright.agents.llm.reply, pullwright.agents.llm.body, pullwright.agents.llm.served;"
        "import pullwright.agents.testing.scripted_model; sys.exit('openai' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
