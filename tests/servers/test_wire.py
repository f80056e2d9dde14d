"""The model client against real servers; `make test-servers` starts them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import replace

import anyio
import pytest

from pullwright.agents.finding import Mark
from pullwright.agents.llm.openai_model import OpenAIModel
from pullwright.agents.llm.self_test import self_test
from pullwright.agents.llm.settings import EndpointSettings, Timeouts
from pullwright.agents.message import Message, SystemMessage, ToolResult, ToolSpec, UserMessage
from pullwright.agents.ports.model import Delta, ModelReply, ModelRequest, ReasoningEffort, ReplyClass

pytestmark = [pytest.mark.anyio, pytest.mark.servers, pytest.mark.timeout(600)]

TOOLS = (
    ToolSpec(
        name="bash",
        description="Run a shell command in the repository and return its output.",
        parameters={
            "type": "object",
            "properties": {"command": {"type": "string"}, "timeout": {"type": "integer"}},
            "required": ["command"],
        },
    ),
    ToolSpec(
        name="finish",
        description="End the work.",
        parameters={
            "type": "object",
            "properties": {
                "title": {"type": "string"},
                "summary": {"type": "string"},
                "checks": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["title", "summary", "checks"],
        },
    ),
)
OPENING = (
    SystemMessage(content="You are a coding agent. You act only by calling tools."),
    UserMessage(content="List the files of this folder with bash."),
)
SERVERS = {"vllm": "AGENT_TEST_VLLM_URL", "llamacpp": "AGENT_TEST_LLAMA_URL"}


def request(*messages: Message, tools: tuple[ToolSpec, ...] = TOOLS, max_tokens: int = 300) -> ModelRequest:
    return ModelRequest(
        conversation_id="wire-test",
        messages=(*OPENING, *messages),
        tools=tools,
        effort=ReasoningEffort.HIGH,
        max_tokens=max_tokens,
    )


def results(reply: ModelReply) -> list[Message]:
    calls = reply.message.tool_calls
    return [reply.message, *(ToolResult(call_id=call.id, name=call.name, content="calc.py") for call in calls)]


@pytest.fixture(params=SERVERS)
def settings(request: pytest.FixtureRequest) -> EndpointSettings:
    variable = SERVERS[request.param]
    url = os.environ.get(variable)
    if not url:
        pytest.skip(f"{variable} is not set; start the server with scripts/model-servers")
    return EndpointSettings(url=url, profile=request.param, temperature=0.0, timeouts=Timeouts(first_byte=300.0))


@pytest.fixture
async def model(settings: EndpointSettings) -> AsyncIterator[OpenAIModel]:
    async with OpenAIModel.open(settings) as model:
        yield model


async def test_the_server_says_what_it_serves(model: OpenAIModel) -> None:
    assert model.name in {served.name for served in await model.models()}


async def test_a_reply_without_tools_is_text(model: OpenAIModel) -> None:
    reply = await model.complete(request(tools=(), max_tokens=60))
    assert reply.kind in {ReplyClass.TEXT, ReplyClass.TRUNCATED}
    assert reply.message.content or reply.message.reasoning
    assert reply.message.tool_calls == ()


@pytest.mark.parametrize("streaming", [True, False])
async def test_a_call_comes_back_as_a_call(settings: EndpointSettings, streaming: bool) -> None:
    deltas: list[Delta] = []
    async with OpenAIModel.open(replace(settings, streaming=streaming)) as model:
        reply = await model.complete(request(), deltas.append)
    (call, *_) = reply.message.tool_calls
    assert (reply.kind, call.name, reply.problems) == (ReplyClass.CALLS, "bash", {})
    assert len(call.id) == 9
    assert reply.usage.prompt_tokens > 0
    assert reply.usage.completion_tokens > 0
    assert 0 < reply.first_token_seconds <= reply.usage.model_seconds
    assert "".join(delta.text for delta in deltas).strip() == reply.message.content.strip()
    assert "".join(delta.reasoning for delta in deltas) == reply.message.reasoning


async def test_vllm_shows_reasoning(settings: EndpointSettings) -> None:
    if settings.profile != "vllm":
        pytest.skip("the other server's model does not reason")
    async with OpenAIModel.open(settings) as model:
        reply = await model.complete(request())
    assert reply.message.reasoning
    assert "[THINK]" not in reply.message.content
    assert reply.usage.reasoning_tokens > 0


async def test_a_conversation_goes_on_and_hits_the_cache(model: OpenAIModel) -> None:
    first = await model.complete(request())
    second = await model.complete(request(*results(first)))
    third = await model.complete(request(*results(first), *results(second)))
    assert second.usage.prompt_tokens > first.usage.prompt_tokens
    assert third.usage.cached_tokens > first.usage.prompt_tokens // 2


async def test_cancelling_frees_the_server(model: OpenAIModel) -> None:
    started = anyio.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(model.complete, request(tools=(), max_tokens=2000), lambda _delta: started.set())
        with anyio.fail_after(300):
            await started.wait()
        group.cancel_scope.cancel()
    with anyio.fail_after(120):
        reply = await model.complete(request())
    assert reply.kind is ReplyClass.CALLS


async def test_a_reply_cut_by_its_limit_runs_nothing(model: OpenAIModel) -> None:
    reply = await model.complete(request(max_tokens=5))
    assert reply.kind is ReplyClass.TRUNCATED
    assert reply.message.tool_calls == ()


async def test_the_doctor_finds_the_parser_working(settings: EndpointSettings) -> None:
    if settings.profile == "vllm":
        pytest.skip("the scripted model does not listen")
    found = await self_test(settings)
    assert found.model.window > 0
    calls = found.named("tool calls")
    assert calls is not None
    assert calls.mark is Mark.OK, found.findings
