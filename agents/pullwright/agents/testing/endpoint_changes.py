"""What quirks make of a reply before it goes on the wire; used by ``ScriptedEndpoint``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import replace
from types import MappingProxyType

from pullwright.agents.testing.endpoint_quirks import Quirk
from pullwright.agents.testing.endpoint_rules import JsonMapping
from pullwright.agents.testing.endpoint_wire import JsonObject, unparsed
from pullwright.agents.testing.scripted_model import Arguments, Reply, arguments_text

ONE_ID = "aaaaaaaaa"
"""The id of every call where ids are not unique."""
_REPEATED = "The same words come again and again. "
_LONG = 80_000
"""Characters of about 20,000 tokens."""


def change_reply(reply: Reply, request: JsonMapping, quirks: Set[Quirk]) -> Reply:
    """Return the reply as the server's parsers leave it."""
    for quirk, change in _REPLIES.items():
        if quirk in quirks:
            reply = change(reply, request)
    calls = tuple((name, _spelled(arguments, quirks)) for name, arguments in reply.calls)
    return replace(reply, calls=calls)


def cut_last_call(reply: Reply, finish: str) -> Reply:
    """End the reply in the middle of its last call."""
    if not reply.calls:
        ended = "length" if finish == "tool_calls" else finish
        return replace(reply, text=reply.text[: len(reply.text) // 2], finish_reason=ended)
    *calls, (name, arguments) = reply.calls
    text = arguments_text(arguments)
    return Reply(reply.text, reply.reasoning, (*calls, (name, text[: len(text) // 2])), finish)


def _without_brackets(reply: Reply, request: JsonMapping) -> Reply:
    broken = request.get("stream") and request.get("tools")
    return replace(reply, text=reply.text.replace("]", "")) if broken else reply


def _one_call(reply: Reply, request: JsonMapping) -> Reply:
    return replace(reply, calls=reply.calls[:1]) if request.get("stream") else reply


def _all_reasoning(reply: Reply, request: JsonMapping) -> Reply:
    if reply.reasoning or request.get("reasoning_effort") != "high":
        return reply
    return Reply(reasoning=unparsed(reply).text)


def _dropped(reply: Reply, request: JsonMapping) -> Reply:
    names = {tool["function"]["name"] for tool in request.get("tools", ())}
    good = tuple(call for call in reply.calls if call[0] in names and _is_json(call[1]))
    if len(good) == len(reply.calls):
        return reply
    if request.get("stream") and any(name not in names for name, _ in reply.calls):
        return unparsed(reply)
    return Reply("" if not good else reply.text, reply.reasoning, good)


def _thinking(reply: Reply, request: JsonMapping) -> Reply:
    return reply if "reasoning_effort" in request else replace(reply, reasoning=reply.reasoning or "Nobody asked.")


_REPLIES: Mapping[Quirk, Callable[[Reply, JsonMapping], Reply]] = MappingProxyType(
    {
        Quirk.F4_NO_PARSER: lambda reply, _: unparsed(reply),
        Quirk.F10_BRACKETS: _without_brackets,
        Quirk.F11_SECOND_CALL: _one_call,
        Quirk.F12_ALL_REASONING: _all_reasoning,
        Quirk.F13_DROPPED_CALL: _dropped,
        Quirk.F19_THINKS_UNASKED: _thinking,
        Quirk.F24_MODEL_LENGTH: lambda reply, _: cut_last_call(reply, "model_length"),
        Quirk.F26_CUT_ARGUMENTS: lambda reply, _: cut_last_call(reply, "length"),
        Quirk.F26_EMPTY: lambda _, __: Reply(),
        Quirk.F26_BLANK: lambda _, __: Reply(" \n\t "),
        Quirk.F26_REPEATS: lambda _, __: Reply(_REPEATED * (_LONG // len(_REPEATED)), finish_reason="length"),
    }
)


def _is_json(arguments: Arguments) -> bool:
    try:
        return isinstance(json.loads(arguments_text(arguments)), dict)
    except ValueError:
        return False


def _spelled(arguments: Arguments, quirks: Set[Quirk]) -> Arguments:
    for quirk, spell in _SPELLINGS.items():
        if quirk in quirks and isinstance(arguments, Mapping):
            return spell(arguments)
    return arguments


def _escaped(arguments: Mapping[str, object]) -> str:
    def value(item: object) -> str:
        if not isinstance(item, str):
            return json.dumps(item)
        units = item.encode("utf-16-be")
        return '"' + "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2)) + '"'

    return "{" + ", ".join(f"{json.dumps(name)}: {value(item)}" for name, item in arguments.items()) + "}"


_SPELLINGS: Mapping[Quirk, Callable[[Mapping[str, object]], str]] = MappingProxyType(
    {
        Quirk.F29_ESCAPES: _escaped,
        Quirk.F29_NEWLINES: lambda arguments: json.dumps(arguments).replace("\\n", "\n"),
        Quirk.F29_NAN: lambda arguments: json.dumps({**arguments, "limit": float("nan")}),
        Quirk.F29_COMMA: lambda arguments: json.dumps(arguments)[:-1] + ",}",
        Quirk.F29_FENCE: lambda arguments: f"```json\n{json.dumps(arguments)}\n```",
        Quirk.F29_DOUBLE: lambda arguments: json.dumps(json.dumps(arguments)),
    }
)


def change_body(body: JsonObject, quirks: Set[Quirk]) -> JsonObject:
    """Return a whole reply, or one chunk, as the server writes it; changes ``body``."""
    for call in _calls_in(body):
        _change_call(call, quirks)
    if Quirk.F17_SLOT_WINDOW in quirks and "usage" in body:
        body["timings"] = {"prompt_n": 1, "prompt_ms": 1.5, "predicted_n": 1}
        body["__verbose"] = {"generation_settings": {}}
    return body


def _change_call(call: JsonObject, quirks: Set[Quirk]) -> None:
    function = call["function"]
    assert isinstance(function, dict)
    if Quirk.F9_GLUED_CALLS in quirks and call.get("index"):
        call.update(index=0)
        call.pop("id", None)
        function.pop("name", None)
    if quirks & {Quirk.F28_SAME_IDS, Quirk.F28_REUSED_ID} and "id" in call:
        repeated = Quirk.F28_SAME_IDS in quirks or not call.get("index")
        call["id"] = ONE_ID if repeated else f"bbbbbbbb{call['index']}"
    if Quirk.F24_NULL_ID in quirks:
        call["id"] = "null" if "id" in call else None
        call.pop("index", None)
    if Quirk.F24_OBJECT_ARGUMENTS in quirks and _is_json(function["arguments"]):
        function["arguments"] = json.loads(function["arguments"])


def _calls_in(body: JsonMapping) -> Iterator[JsonObject]:
    for choice in body["choices"]:
        yield from (choice.get("delta") or choice.get("message") or {}).get("tool_calls", ())


def change_chunks(chunks: Iterable[JsonObject], quirks: Set[Quirk]) -> list[JsonObject]:
    """Return the chunks that the server sends before it stops; an ``error`` is one of them."""
    changed = [change_body(chunk, quirks) for chunk in chunks]
    middle = changed[: (len(changed) + 1) // 2]
    if Quirk.F14_OVERLOAD_CHUNK in quirks:
        return [_error("The request queue is full.", 503)]
    if Quirk.F7_ERROR_CHUNK in quirks or Quirk.F18_NO_DONE in quirks:
        return [*middle, _error("Internal server error in the middle of the stream", 500)]
    if Quirk.F20_STOPS in quirks:
        return [*middle, {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}]
    return changed


def _error(message: str, status: int) -> JsonObject:
    return {"error": {"object": "error", "message": message, "type": "InternalServerError", "code": status}}


def ends_with_done(quirks: Set[Quirk]) -> bool:
    """Whether ``[DONE]`` ends the stream."""
    return not quirks & {Quirk.F18_NO_DONE, Quirk.F20_STOPS}
