"""The rules for what is received, R18 to R23, each by its number."""

from __future__ import annotations

import anyio
import pytest

from pullwright.agents.errors import ContextTooLong, ModelUnavailable
from pullwright.agents.llm.openai_model import OpenAIModel
from pullwright.agents.llm.reply import ReadingContext, read_reply
from pullwright.agents.llm.settings import EndpointSettings
from pullwright.agents.llm.wire import RawReply, ReplyCollector
from pullwright.agents.ports.model import ModelReply, ReplyClass
from pullwright.agents.testing.contracts_model import request
from pullwright.agents.testing.fake_clock import FakeClock
from pullwright.agents.testing.scripted_endpoint import Fault, FaultKind, ScriptedEndpoint
from pullwright.agents.testing.scripted_model import Reply

CONTEXT = ReadingContext(tool_names=frozenset({"bash"}))


def collected(*deltas: object, finish: object = "stop", usage: object = None) -> RawReply:
    collector = ReplyCollector()
    for delta in deltas:
        collector.add({"choices": [{"delta": delta}]})
    collector.add({"choices": [{"delta": {}, "finish_reason": finish}], "usage": usage})
    return collector.reply()


def read(*deltas: object, finish: object = "stop") -> ModelReply:
    return read_reply(collected(*deltas, finish=finish), CONTEXT).reply


def call(name: object, arguments: object, **more: object) -> dict[str, object]:
    return {"tool_calls": [{"function": {"name": name, "arguments": arguments}, **more}]}


@pytest.mark.parametrize(
    "delta",
    [
        {"content": "a", "reasoning_content": "r"},
        {"content": "a", "reasoning": "r"},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "r"}]}, {"type": "text", "text": "a"}]},
        {"content": [{"type": "thinking", "thinking": "r"}, "a"]},
        {"content": "[THINK]r[/THINK]a"},
        {"content": "<think>r</think>a"},
    ],
)
def test_r18_every_shape_of_reasoning_is_read(delta: dict[str, object]) -> None:
    message = read(delta).message
    assert (message.content, message.reasoning) == ("a", "r")


def test_r18_no_content_is_no_text() -> None:
    assert read({"content": None}).kind is ReplyClass.EMPTY


@pytest.mark.parametrize(
    "deltas",
    [
        [call("bash", '{"a"', index=0, id="x"), call(None, ": 1}", index=0)],
        [call("bash", '{"a"', id="x"), call(None, ": 1}", id=None)],
        [call("bash", "", index=0, id="null"), call("bash", '{"a": 1}', index=0)],
        [call("bash", {"a": 1})],
        [call("", '{"a":', index=0), call("bash", " 1}", index=0)],
    ],
)
def test_r19_one_call_is_put_together(deltas: list[dict[str, object]]) -> None:
    (made,) = read(*deltas).message.tool_calls
    assert (made.name, made.arguments.replace(" ", "")) == ("bash", '{"a":1}')


@pytest.mark.parametrize("ids", [("x", "y"), (None, None)])
def test_r19_a_second_call_under_an_old_index_is_its_own(ids: tuple[str | None, str | None]) -> None:
    calls = read(*(call("bash", '{"a": 1}', index=0, id=name) for name in ids)).message.tool_calls
    assert [made.arguments for made in calls] == ['{"a": 1}'] * 2
    assert len({made.id for made in calls}) == 2


@pytest.mark.parametrize("arguments", ["", None])
def test_r19_no_arguments_are_an_empty_object(arguments: str | None) -> None:
    assert read(call("bash", arguments)).message.tool_calls[0].arguments == "{}"


def test_r19_usage_is_the_last_one() -> None:
    collector = ReplyCollector()
    for count in (5, 7):
        collector.add({"choices": [], "usage": {"prompt_tokens": count}})
    assert collector.reply().usage.prompt_tokens == 7


@pytest.mark.parametrize(
    ("deltas", "finish", "kind", "finding"),
    [
        ([call("bash", "{}")], "stop", "calls", None),
        ([{"content": "a"}], "stop", "text", None),
        ([], "tool_calls", "empty", None),
        ([{"content": "a"}], "length", "truncated", None),
        ([call("bash", "{}")], "model_length", "truncated", None),
        ([{"content": "[TOOL_CALLS]bash[ARGS]{}"}], "stop", "calls", "leaked"),
        ([{"reasoning": "[TOOL_CALLS]bash[ARGS]{}"}], "stop", "calls", "leaked"),
        ([call("bash", "{")], "stop", "calls", "malformed_call"),
        ([call("shell", "{}")], "stop", "calls", "unknown_tool"),
    ],
)
def test_r20_every_reply_has_its_class(
    deltas: list[dict[str, object]], finish: str, kind: str, finding: str | None
) -> None:
    reply = read(*deltas, finish=finish)
    assert (reply.kind.value, reply.finding and reply.finding.value) == (kind, finding)


@pytest.mark.parametrize("finish", ["length", "model_length"])
def test_r20_a_truncated_reply_has_no_calls(finish: str) -> None:
    for delta in (call("bash", "{}"), {"content": "[TOOL_CALLS]bash[ARGS]{}"}):
        assert read(delta, finish=finish).message.tool_calls == ()


@pytest.mark.anyio
@pytest.mark.parametrize("kind", [FaultKind.CUT, FaultKind.NO_FINISH])
async def test_r21_an_interrupted_reply_is_asked_for_again(kind: FaultKind) -> None:
    with ScriptedEndpoint([Reply("Hello.")] * 2, faults=[Fault(kind)]) as endpoint:
        async with OpenAIModel.open(EndpointSettings(url=endpoint.url), clock=FakeClock()) as model:
            reply = await model.complete(request())
    assert (reply.message.content, reply.retries) == ("Hello.", 1)
    assert endpoint.requests[0] == endpoint.requests[1]


@pytest.mark.anyio
@pytest.mark.parametrize("style", ["ollama", "vllm"])
async def test_r22_a_prompt_that_was_cut_silently_is_a_context_that_is_too_long(style: str) -> None:
    with ScriptedEndpoint([Reply("Hello.")], style=style) as endpoint:
        chosen = EndpointSettings(url=endpoint.url, profile=style)
        async with OpenAIModel.open(chosen, clock=FakeClock(), count=lambda _: 90_000) as model:
            if style == "vllm":
                assert (await model.complete(request())).kind is ReplyClass.TEXT
                return
            with pytest.raises(ContextTooLong, match="of 90000 tokens"):
                await model.complete(request())
    assert len(endpoint.requests) == 1


@pytest.mark.anyio
async def test_r23_an_error_in_a_200_is_an_error() -> None:
    faults = [Fault(FaultKind.ERROR_CHUNK, message="The request queue is full.")] * 500
    with ScriptedEndpoint([Reply("Hello.")] * 500, faults=faults) as endpoint:
        async with OpenAIModel.open(EndpointSettings(url=endpoint.url), clock=FakeClock()) as model:
            with anyio.fail_after(60), pytest.raises(ModelUnavailable, match="stayed overloaded"):
                await model.complete(request())


@pytest.mark.parametrize(
    "chunk",
    [None, 7, [], "text", {}, {"choices": None}, {"choices": [None]}, {"choices": [{"delta": 7, "finish_reason": []}]}],
)
def test_r23_what_is_not_known_is_ignored(chunk: object) -> None:
    collector = ReplyCollector()
    assert collector.add(chunk) is None
    assert collector.reply() == RawReply()


@pytest.mark.parametrize("usage", [7, {"prompt_tokens": "7"}, {"prompt_tokens": -1, "prompt_tokens_details": [1]}])
def test_r23_counts_that_are_none_are_no_counts(usage: object) -> None:
    assert collected({"content": "a"}, usage=usage).usage.prompt_tokens == 0
