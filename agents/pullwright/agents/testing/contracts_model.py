"""What every ``Model`` must do; run by subclassing ``ModelContract`` and giving it an ``open_model`` fixture.

The fixture yields a function: it takes the replies of a script and returns an async context manager of a model that
gives them, one per request.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager

from pullwright.agents.message import Message, SystemMessage, ToolResult, ToolSpec, UserMessage
from pullwright.agents.ports.model import Delta, Model, ModelRequest, ReasoningEffort, ReplyClass
from pullwright.agents.testing.scripted_model import Reply

OpenModel = Callable[[Sequence[Reply]], AbstractAsyncContextManager[Model]]

BASH = ToolSpec(
    name="bash",
    description="Run a command.",
    parameters={"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]},
)
OPENING: tuple[Message, ...] = (SystemMessage(content="You are an agent."), UserMessage(content="Fix the bug."))


def request(*messages: Message, tools: tuple[ToolSpec, ...] = (BASH,)) -> ModelRequest:
    """Make a request that goes on from the opening."""
    return ModelRequest(
        conversation_id="task-1", messages=OPENING + messages, tools=tools, effort=ReasoningEffort.HIGH, max_tokens=1024
    )


class ModelContract:
    """The suite."""

    async def test_text_and_reasoning_come_apart(self, open_model: OpenModel) -> None:
        async with open_model([Reply("All done.", "Nothing is left.")]) as model:
            reply = await model.complete(request())
        assert reply.kind is ReplyClass.TEXT
        assert (reply.message.content, reply.message.reasoning) == ("All done.", "Nothing is left.")
        assert reply.message.tool_calls == ()

    async def test_a_call_has_an_id_that_every_server_accepts(self, open_model: OpenModel) -> None:
        async with open_model([Reply("", "Look.", [("bash", {"command": "ls"})])]) as model:
            reply = await model.complete(request())
        (call,) = reply.message.tool_calls
        assert reply.kind is ReplyClass.CALLS
        assert (call.name, call.arguments) == ("bash", '{"command": "ls"}')
        assert len(call.id) == 9
        assert call.id.isalnum()
        assert reply.problems == {}

    async def test_parallel_calls_keep_their_order(self, open_model: OpenModel) -> None:
        calls = [("bash", {"command": command}) for command in ("a [0]", "b {}", "c")]
        async with open_model([Reply("Three.", "", calls)]) as model:
            reply = await model.complete(request())
        assert [call.arguments for call in reply.message.tool_calls] == [
            '{"command": "a [0]"}',
            '{"command": "b {}"}',
            '{"command": "c"}',
        ]
        assert len({call.id for call in reply.message.tool_calls}) == 3

    async def test_a_conversation_goes_on_with_results(self, open_model: OpenModel) -> None:
        script = [
            Reply("", "First.", [("bash", {"command": "a"}), ("bash", {"command": "b"})]),
            Reply("Next.", "Second.", [("bash", {"command": "c"})]),
            Reply("Done.", ""),
        ]
        messages: list[Message] = []
        async with open_model(script) as model:
            for _ in range(2):
                reply = await model.complete(request(*messages))
                messages.append(reply.message)
                messages += [
                    ToolResult(call_id=call.id, name=call.name, content="ok") for call in reply.message.tool_calls
                ]
            last = await model.complete(request(*messages))
        assert last.kind is ReplyClass.TEXT
        ids = [message.call_id for message in messages if isinstance(message, ToolResult)]
        assert len(ids) == len(set(ids)) == 3

    async def test_malformed_arguments_are_reported_and_replaced(self, open_model: OpenModel) -> None:
        async with open_model([Reply("", "", [("bash", '{"command": }'), ("bash", {"command": "ok"})])]) as model:
            reply = await model.complete(request())
        broken, good = reply.message.tool_calls
        assert reply.kind is ReplyClass.CALLS
        assert set(reply.problems) == {broken.id}
        assert '{"command": }' in reply.problems[broken.id]
        assert broken.arguments.startswith("{")
        assert good.arguments == '{"command": "ok"}'

    async def test_an_unknown_tool_is_reported(self, open_model: OpenModel) -> None:
        async with open_model([Reply("", "", [("shell", {"command": "ls"})])]) as model:
            reply = await model.complete(request())
        (call,) = reply.message.tool_calls
        assert "'shell'" in reply.problems[call.id]
        assert "bash" in reply.problems[call.id]

    async def test_a_cut_reply_has_no_calls(self, open_model: OpenModel) -> None:
        async with open_model([Reply("Working", "", [("bash", {"command": "ls"})], "length")]) as model:
            reply = await model.complete(request())
        assert reply.kind is ReplyClass.TRUNCATED
        assert reply.message.tool_calls == ()
        assert reply.message.content == "Working"

    async def test_deltas_add_up_to_the_message(self, open_model: OpenModel) -> None:
        deltas: list[Delta] = []
        async with open_model([Reply("Some longer text, in pieces.", "With some thoughts before.")]) as model:
            reply = await model.complete(request(), deltas.append)
        assert "".join(delta.text for delta in deltas) == reply.message.content
        assert "".join(delta.reasoning for delta in deltas) == reply.message.reasoning

    async def test_usage_is_reported(self, open_model: OpenModel) -> None:
        async with open_model([Reply("Hello.")]) as model:
            reply = await model.complete(request())
        assert reply.usage.prompt_tokens > 0
        assert reply.usage.completion_tokens > 0
        assert reply.finish_reason == "stop"
        assert model.name

    async def test_a_released_conversation_can_go_on(self, open_model: OpenModel) -> None:
        async with open_model([Reply("One."), Reply("Two.")]) as model:
            model.release("never seen")
            first = await model.complete(request())
            model.release("task-1")
            model.release("task-1")
            second = await model.complete(request(first.message, UserMessage(content="Go on.")))
        assert second.message.content == "Two."

    async def test_a_model_says_how_large_its_window_is_or_0(self, open_model: OpenModel) -> None:
        async with open_model([]) as model:
            assert model.window >= 0
