from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.agents.budget import Usage
from pullwright.agents.llm.reply import ReadingContext, parse_arguments, random_call_id, read_reply
from pullwright.agents.llm.wire import RawCall, RawReply
from pullwright.agents.message import AssistantMessage, ToolCall
from pullwright.agents.ports.model import ModelReply, ReplyClass

TOOLS = frozenset({"bash", "read"})


def read(
    text: str = "",
    reasoning: str = "",
    calls: list[tuple[str, str]] | None = None,
    finish: str = "stop",
    spent: int = 10,
    context: ReadingContext | None = None,
) -> ModelReply:
    raw = RawReply(
        text=text,
        reasoning=reasoning,
        calls=[RawCall(name=name, arguments=arguments) for name, arguments in calls or []],
        finish_reason=finish,
        usage=Usage(completion_tokens=spent),
    )
    return read_reply(raw, context or ReadingContext(tool_names=TOOLS)).reply


def said(reply: ModelReply) -> list[tuple[str, str]]:
    return [(call.name, call.arguments) for call in reply.message.tool_calls]


def test_calls_are_calls_whatever_the_finish_reason_says() -> None:
    assert read(calls=[("bash", "{}")], finish="stop").kind is ReplyClass.CALLS


def test_the_finish_reason_does_not_make_calls() -> None:
    assert read(text=" \n", finish="tool_calls").kind is ReplyClass.EMPTY


@pytest.mark.parametrize("finish", ["length", "model_length"])
def test_calls_of_a_cut_reply_are_never_run(finish: str) -> None:
    reply = read(text="a", calls=[("bash", '{"command": "ls"}')], finish=finish)
    assert reply.kind is ReplyClass.TRUNCATED
    assert reply.message.tool_calls == ()


def test_half_a_call_at_the_output_limit_is_a_cut_reply() -> None:
    context = ReadingContext(tool_names=TOOLS, output_limit=100)
    calls = [("read", '{"path": "a"}'), ("bash", '{"command')]
    assert read(calls=calls, finish="tool_calls", spent=100, context=context).kind is ReplyClass.TRUNCATED
    assert read(calls=calls, finish="tool_calls", spent=99, context=context).kind is ReplyClass.CALLS


def test_a_whole_call_at_the_output_limit_may_run() -> None:
    context = ReadingContext(tool_names=TOOLS, output_limit=100)
    reply = read(calls=[("bash", '{"command": "ls"}')], finish="tool_calls", spent=100, context=context)
    assert reply.kind is ReplyClass.CALLS


@pytest.mark.parametrize(
    "text",
    [
        '[TOOL_CALLS]bash[ARGS]{"command": "ls [a]"}',
        '[TOOL_CALLS]bash{"command": "ls [a]"}',
        '[TOOL_CALLS]bash[CALL_ID]aB3dE6gH9[ARGS]{"command": "ls [a]"}',
        '[TOOL_CALLS] [{"name": "bash", "arguments": {"command": "ls [a]"}}]',
        '<tool_call>\n{"name": "bash", "arguments": {"command": "ls [a]"}}\n</tool_call>',
        'bash{"command": "ls [a]"}',
        'bash[ARGS]{"command": "ls [a]"}\n',
    ],
)
def test_a_leaked_call_is_rescued(text: str) -> None:
    reply = read(text=text)
    assert reply.kind is ReplyClass.CALLS
    assert said(reply) == [("bash", '{"command": "ls [a]"}')]
    assert reply.message.content == ""
    assert reply.problems == {}


def test_words_before_a_leaked_call_are_kept_and_all_calls_found() -> None:
    raw = RawReply(text='I look.\n[TOOL_CALLS]bash[ARGS]{"command": "a"}[TOOL_CALLS]read[ARGS]{"path": "b"}')
    reading = read_reply(raw, ReadingContext(tool_names=TOOLS))
    assert reading.leaked
    assert reading.reply.message.content == "I look."
    assert said(reading.reply) == [("bash", '{"command": "a"}'), ("read", '{"path": "b"}')]


def test_a_call_that_leaked_into_the_reasoning_is_rescued() -> None:
    reply = read(reasoning='Let me see. [TOOL_CALLS]bash[ARGS]{"command": "ls"}')
    assert said(reply) == [("bash", '{"command": "ls"}')]
    assert reply.message.reasoning == "Let me see."


def test_a_leaked_call_with_broken_arguments_is_a_problem() -> None:
    reply = read(text='[TOOL_CALLS]bash[ARGS]{"command": "ls}')
    (call,) = reply.message.tool_calls
    assert '{"command": "ls}' in reply.problems[call.id]


@pytest.mark.parametrize(
    "text",
    [
        "Servers use [TOOL_CALLS]name[ARGS]{} as markers.",
        '[TOOL_CALLS]shell[ARGS]{"command": "ls"}',
        'bash{"command": "ls"} is what I would run',
        "bash is a shell",
        "[TOOL_CALLS] [broken",
        "[TOOL_CALLS] [{]",
        "<tool_call>{}</tool_call>",
        "bash{broken",
    ],
)
def test_text_about_calls_stays_text(text: str) -> None:
    reply = read(text=text)
    assert (reply.kind, reply.message.content) == (ReplyClass.TEXT, text)


def test_markers_are_text_when_no_tools_were_offered() -> None:
    assert read(text="[TOOL_CALLS]bash[ARGS]{}", context=ReadingContext()).kind is ReplyClass.TEXT


@pytest.mark.parametrize(
    ("text", "reasoning", "content"),
    [
        ("[THINK]why[/THINK]so", "why", "so"),
        ("\n<think>\nwhy</think>\n\nso", "\nwhy", "so"),
        ("[THINK]never closed", "never closed", ""),
        ("see [THINK]x[/THINK]", "", "see [THINK]x[/THINK]"),
    ],
)
def test_thinking_that_leads_the_text_is_reasoning(text: str, reasoning: str, content: str) -> None:
    message = read(text=text).message
    assert (message.reasoning, message.content) == (reasoning, content)


def test_reasoning_alone_is_an_answer_only_where_the_parser_takes_everything_for_reasoning() -> None:
    sglang = ReadingContext(tool_names=TOOLS, reasoning_may_be_answer=True)
    answer = read(reasoning="It works now.", context=sglang)
    assert (answer.kind, answer.message.content, answer.message.reasoning) == (ReplyClass.TEXT, "It works now.", "")
    assert read(reasoning="It works now.").kind is ReplyClass.EMPTY
    assert read(reasoning="I call [TOOL_CALLS]", context=sglang).kind is ReplyClass.EMPTY
    assert read(reasoning="I call", finish="tool_calls", context=sglang).kind is ReplyClass.EMPTY


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("", {}),
        ("  ", {}),
        ("{}", {}),
        ('{"a": "x\ny"}', {"a": "x\ny"}),
        ('```json\n{"a": 1}\n```', {"a": 1}),
        ('"{\\"a\\": 1}"', {"a": 1}),
        ('{"a": "\\u00e9"}', {"a": "é"}),
    ],
)
def test_slips_that_change_no_meaning_are_forgiven(text: str, arguments: dict[str, object]) -> None:
    stored, problem = parse_arguments(text)
    assert problem == ""
    assert json.loads(stored) == arguments


@pytest.mark.parametrize(
    "text", ["{", '{"a": 1,}', "[1]", "7", "null", '{"a": NaN}', '{"a": 1}{"b": 2}', '"x"', "[" * 5000]
)
def test_what_is_no_object_is_a_problem(text: str) -> None:
    stored, problem = parse_arguments(text)
    assert "JSON object" in problem
    assert isinstance(json.loads(stored), dict)


@given(st.text())
def test_stored_arguments_can_always_be_replayed(text: str) -> None:
    stored, _ = parse_arguments(text)
    assert isinstance(json.loads(stored), dict)


def test_the_models_own_spelling_is_kept() -> None:
    spaced = '{\n    "command":   "ls"\n}'
    assert parse_arguments(spaced) == (spaced, "")


def test_long_broken_arguments_are_shown_in_part() -> None:
    _, problem = parse_arguments('{"a": "' + "x" * 10_000)
    assert len(problem) < 2500


def test_a_name_that_can_not_be_replayed_is_changed() -> None:
    reply = read(calls=[("functions.bash now!", "{}"), ("", "{}")])
    names = [call.name for call in reply.message.tool_calls]
    assert names == ["functions_bash_now_", "unknown"]
    assert len(reply.problems) == 2


def test_ids_are_never_used_twice_in_a_conversation() -> None:
    ids = iter(["aaaaaaaaa", "bbbbbbbbb", "bbbbbbbbb", "ccccccccc"])
    earlier = AssistantMessage(tool_calls=(ToolCall(id="aaaaaaaaa", name="bash", arguments="{}"),))
    context = ReadingContext(tool_names=TOOLS, messages=(earlier,), new_id=lambda: next(ids))
    reply = read(calls=[("bash", "{}"), ("bash", "{}")], context=context)
    assert [call.id for call in reply.message.tool_calls] == ["bbbbbbbbb", "ccccccccc"]


def test_random_ids_have_nine_letters_or_digits() -> None:
    ids = {random_call_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(len(call_id) == 9 and call_id.isalnum() and call_id.isascii() for call_id in ids)


def test_usage_and_finish_reason_are_kept() -> None:
    reply = read(text="a", spent=7)
    assert (reply.usage.completion_tokens, reply.finish_reason) == (7, "stop")


@pytest.mark.parametrize(("text", "calls"), list(itertools.product(["", " \n", "word"], [[], [("bash", "{}")]])))
def test_blank_content_is_stored_as_empty(text: str, calls: list[tuple[str, str]]) -> None:
    assert read(text=text, calls=calls).message.content == (text if text.strip() else "")
