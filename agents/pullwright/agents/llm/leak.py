"""Tool calls that a server left in the text, because it runs without its parser or the parser gave up."""

from __future__ import annotations

import json
import re
from collections.abc import Set
from itertools import islice

from pullwright.agents.llm.wire import RawCall

_MARKED = re.compile(r"\[TOOL_CALLS\]\s*([A-Za-z0-9_-]{1,64})\s*(?:\[CALL_ID\]\w*)?(?:\[ARGS\])?\s*(?=\{)")
_MARKED_LIST = re.compile(r"\[TOOL_CALLS\]\s*(?=\[\s*\{)")
_TAGGED = re.compile(r"<tool_call>\s*(?=\{)")
_BARE = re.compile(r"\s*([A-Za-z0-9_-]{1,64})(?:\[ARGS\])?(?=\{)")
_DECODER = json.JSONDecoder(strict=False)
_UNDECODABLE = (ValueError, RecursionError)
_MOST_CALLS = 64
"""More in one reply are not the model's."""


def find_leaked_calls(text: str, tool_names: Set[str]) -> tuple[str, list[RawCall]]:
    """Return the text before the first leaked call, and the calls; no calls where there are none.

    Only calls of tools that were on offer count: the model may write about markers.
    """
    for search in (_marked, _marked_list, _tagged, _bare):
        start, calls = search(text)
        if calls and all(call.name in tool_names for call in calls):
            return text[:start].rstrip(), calls
    return text, []


def _marked(text: str) -> tuple[int, list[RawCall]]:
    matches = list(islice(_MARKED.finditer(text), _MOST_CALLS))
    if not matches:
        return 0, []
    ends = [match.start() for match in matches[1:]] + [len(text)]
    calls = [
        RawCall(name=match[1], arguments=_object_text(text, match.end(), end))
        for match, end in zip(matches, ends, strict=True)
    ]
    return matches[0].start(), calls


def _marked_list(text: str) -> tuple[int, list[RawCall]]:
    match = _MARKED_LIST.search(text)
    items = _decode(text, match.end()) if match else None
    if match is None or not isinstance(items, list):
        return 0, []
    return match.start(), [_named_call(item) for item in items]


def _tagged(text: str) -> tuple[int, list[RawCall]]:
    matches = list(islice(_TAGGED.finditer(text), _MOST_CALLS))
    return (matches[0].start() if matches else 0), [_named_call(_decode(text, match.end())) for match in matches]


def _bare(text: str) -> tuple[int, list[RawCall]]:
    """``name{…}`` and nothing else: a server with another tokenizer drops the markers themselves."""
    calls: list[RawCall] = []
    position = 0
    while len(calls) < _MOST_CALLS and (match := _BARE.match(text, position)):
        try:
            _, position = _DECODER.raw_decode(text, match.end())
        except _UNDECODABLE:
            return 0, []
        calls.append(RawCall(name=match[1], arguments=text[match.end() : position]))
    return 0, calls if not text[position:].strip() else []


def _named_call(item: object) -> RawCall:
    if not isinstance(item, dict) or not isinstance(item.get("name"), str):
        return RawCall()
    arguments = item.get("arguments", item.get("parameters", {}))
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return RawCall(name=item["name"], arguments=text)


def _object_text(text: str, start: int, end: int) -> str:
    """The JSON object at ``start``; all up to ``end`` where it does not decode, so that the error can be shown."""
    try:
        _, stop = _DECODER.raw_decode(text, start)
    except _UNDECODABLE:
        return text[start:end]
    return text[start:stop]


def _decode(text: str, start: int) -> object:
    try:
        return _DECODER.raw_decode(text, start)[0]
    except _UNDECODABLE:
        return None
