"""What a reply means: which calls may run, whether it is an answer, cut, or nothing at all."""

from __future__ import annotations

import json
import re
import secrets
import string
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass, replace

from pullwright.agents.llm.escape import unescape_arguments, unescape_markers
from pullwright.agents.llm.leak import find_leaked_calls
from pullwright.agents.llm.profile import Profile
from pullwright.agents.llm.wire import RawCall, RawReply
from pullwright.agents.message import AssistantMessage, Message, ToolCall
from pullwright.agents.ports.model import ModelReply, ModelRequest, ReasoningEffort, ReplyClass

IdFactory = Callable[[], str]

_CUT = frozenset({"length", "model_length"})
_THINK = re.compile(r"\s*(?:\[THINK\](.*?)(?:\[/THINK\]|\Z)|<think>(.*?)(?:</think>|\Z))\s*", re.DOTALL)
_MARKER = re.compile(r"\[TOOL_CALLS\]|\[ARGS\]|<tool_call>")
_FENCED = re.compile(r"\s*```(?:json)?\s*(\{.*\})\s*```\s*", re.DOTALL)
_NO_NAME_CHARACTER = re.compile(r"[^A-Za-z0-9_-]")
_MALFORMED = '{"invalid": "the arguments were not a JSON object"}'
_ALPHABET = string.ascii_letters + string.digits
_SHOWN_ARGUMENTS = 2000
_SHOWN_NAME = 100


def random_call_id() -> str:
    """Make a call id in the form that the strictest server asks for: nine letters or digits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(9))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingContext:
    """What has to be known about the request to read its reply."""

    tool_names: frozenset[str] = frozenset()
    messages: tuple[Message, ...] = ()
    """The conversation so far; its call ids are never used again."""
    output_limit: int = 0
    """Tokens that the reply was allowed; 0 when unknown."""
    reasoning_may_be_answer: bool = False
    escaped_markers: bool = False
    """Whether the model saw control tokens with an escape, which is taken out of what it writes."""
    new_id: IdFactory = random_call_id


def context_of(
    request: ModelRequest, profile: Profile, *, output_limit: int, new_id: IdFactory = random_call_id
) -> ReadingContext:
    """Return what a request, rendered for a server, says about its reply."""
    return ReadingContext(
        tool_names=frozenset(tool.name for tool in request.tools),
        messages=request.messages,
        output_limit=output_limit,
        reasoning_may_be_answer=profile.thinks_from_start and request.effort is ReasoningEffort.HIGH,
        escaped_markers=profile.escapes_markers,
        new_id=new_id,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A classified reply and what was odd about it."""

    reply: ModelReply
    leaked: bool = False
    """Whether calls were found in the text instead of in their own field."""


def read_reply(raw: RawReply, context: ReadingContext) -> Reading:
    """Classify a complete reply."""
    raw = _split_thinking(raw)
    leaked = False
    if not raw.calls and context.tool_names:
        raw, leaked = _rescue(raw, context.tool_names)
    if context.escaped_markers:
        raw = replace(raw, text=unescape_markers(raw.text), reasoning=unescape_markers(raw.reasoning))
    if _is_cut(raw, context):
        return Reading(reply=_reply(raw, ReplyClass.TRUNCATED), leaked=leaked)
    if raw.calls:
        reply = _calls_reply(raw, context)
        return Reading(reply=replace(reply, finding=ReplyClass.LEAKED) if leaked else reply, leaked=leaked)
    if not raw.text.strip() and context.reasoning_may_be_answer and _reads_as_answer(raw):
        raw = replace(raw, text=raw.reasoning, reasoning="")
    kind = ReplyClass.TEXT if raw.text.strip() else ReplyClass.EMPTY
    return Reading(reply=_reply(raw, kind))


def parse_arguments(text: str) -> tuple[str, str]:
    """Return JSON text of an object that may be replayed anywhere, and the problem, empty when there is none.

    Forgives what models often do and what changes no meaning: nothing for no arguments, raw line breaks inside
    strings, a code fence around the object, the object as a JSON string.
    """
    if not text.strip():
        return "{}", ""
    fenced = _FENCED.fullmatch(text)
    candidate = fenced[1] if fenced else text.strip()
    try:
        value = json.loads(candidate, strict=False, parse_constant=_refuse_constant)
        if isinstance(value, str):
            value = json.loads(value, strict=False, parse_constant=_refuse_constant)
        if isinstance(value, dict):
            return _replayable(candidate, value), ""
    except (ValueError, RecursionError) as error:
        return _MALFORMED, _argument_problem(str(error), text)
    return _MALFORMED, _argument_problem(f"found {type(value).__name__}", text)


def _replayable(candidate: str, value: object) -> str:
    """The model's own spelling where it is strict JSON of an object, so that it sees its words again."""
    try:
        if isinstance(json.loads(candidate), dict):
            return candidate
    except (ValueError, RecursionError):
        pass
    return json.dumps(value, ensure_ascii=False)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


def _argument_problem(reason: str, text: str) -> str:
    shown = text if len(text) <= _SHOWN_ARGUMENTS else text[:_SHOWN_ARGUMENTS] + "…"
    return f"the arguments are not a JSON object ({reason}); send the call again with valid JSON. You wrote: {shown}"


def _split_thinking(raw: RawReply) -> RawReply:
    if raw.reasoning:
        return raw
    match = _THINK.match(raw.text)
    if match is None:
        return raw
    return replace(raw, text=raw.text[match.end() :], reasoning=match[1] or match[2] or "")


def _rescue(raw: RawReply, tool_names: Set[str]) -> tuple[RawReply, bool]:
    text, calls = find_leaked_calls(raw.text, tool_names)
    if calls:
        return replace(raw, text=text, calls=calls), True
    reasoning, calls = find_leaked_calls(raw.reasoning, tool_names)
    return (replace(raw, reasoning=reasoning, calls=calls), True) if calls else (raw, False)


def _is_cut(raw: RawReply, context: ReadingContext) -> bool:
    """Whether the output limit ended the reply; vLLM then says ``tool_calls`` and leaves half a call."""
    if raw.finish_reason in _CUT:
        return True
    spent = raw.usage.completion_tokens
    if not raw.calls or not context.output_limit or spent < context.output_limit:
        return False
    return bool(parse_arguments(raw.calls[-1].arguments)[1])


def _reads_as_answer(raw: RawReply) -> bool:
    return bool(raw.reasoning.strip()) and raw.finish_reason == "stop" and not _MARKER.search(raw.reasoning)


def _calls_reply(raw: RawReply, context: ReadingContext) -> ModelReply:
    calls: list[ToolCall] = []
    problems: dict[str, str] = {}
    server_ids: dict[str, str] = {}
    finding: ReplyClass | None = None
    ids = _fresh_ids(context)
    for raw_call in raw.calls:
        call, problem, odd = _read_call(raw_call, next(ids), context)
        calls.append(call)
        server_ids[call.id] = raw_call.server_id
        if problem:
            problems[call.id] = problem
            finding = finding or odd
    reply = _reply(raw, ReplyClass.CALLS)
    message = replace(reply.message, tool_calls=tuple(calls))
    return replace(reply, message=message, problems=problems, server_ids=server_ids, finding=finding)


def _read_call(raw: RawCall, call_id: str, context: ReadingContext) -> tuple[ToolCall, str, ReplyClass]:
    name = raw.name.strip()
    odd = ReplyClass.MALFORMED_CALL
    arguments, problem = parse_arguments(raw.arguments)
    if context.escaped_markers:
        arguments = unescape_arguments(arguments)
    if name not in context.tool_names:
        odd = ReplyClass.UNKNOWN_TOOL
        shown = name if len(name) <= _SHOWN_NAME else name[:_SHOWN_NAME] + "…"
        problem = f"there is no tool {shown!r}; the tools are {', '.join(sorted(context.tool_names)) or 'none'}"
        # Servers refuse other characters when the call is replayed.
        name = _NO_NAME_CHARACTER.sub("_", name)[:64] or "unknown"
    return ToolCall(id=call_id, name=name, arguments=arguments), problem, odd


def _fresh_ids(context: ReadingContext) -> Iterator[str]:
    """Ids that occur nowhere else in the conversation."""
    taken = {
        call.id for message in context.messages if isinstance(message, AssistantMessage) for call in message.tool_calls
    }
    while True:
        call_id = context.new_id()
        if call_id not in taken:
            taken.add(call_id)
            yield call_id


def _reply(raw: RawReply, kind: ReplyClass) -> ModelReply:
    message = AssistantMessage(
        content=raw.text if raw.text.strip() else "",
        reasoning=raw.reasoning if raw.reasoning.strip() else "",
    )
    return ModelReply(message=message, kind=kind, usage=raw.usage, finish_reason=raw.finish_reason)
