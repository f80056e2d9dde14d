"""Collecting one reply from the wire, whole or in pieces, into one shape. Says nothing about what the reply means."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pullwright.agents.budget import Usage
from pullwright.agents.llm.failure import AttemptFailed, Failure, FailureKind
from pullwright.agents.ports.model import Delta

JsonMapping = Mapping[str, Any]

MOST_CHARACTERS = 4_000_000
"""Of one reply: text, reasoning, arguments. A whole window of tokens is about 1,000,000."""
_COST_OF_CALL = 1000
"""Characters that a call counts for besides its own, so that their number has a limit too."""
_MOST_TOKENS = 1_000_000_000
"""A count above is none."""


@dataclass(slots=True)
class RawCall:
    """A tool call as the server wrote it."""

    name: str = ""
    arguments: str = ""
    server_id: str = ""


@dataclass(slots=True)
class RawReply:
    """A reply as the server wrote it; ``finish_reason`` stays empty when the stream just stopped."""

    text: str = ""
    reasoning: str = ""
    calls: list[RawCall] = field(default_factory=list)
    finish_reason: str = ""
    usage: Usage = field(default_factory=Usage)


class ReplyCollector:
    """Takes the chunks of a stream, or one whole body, and knows the reply so far.

    Unknown keys and chunks of unknown shape are ignored.
    """

    def __init__(self) -> None:
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._room = _Room()
        self._calls = _CallAssembler(self._room)
        self._finish_reason = ""
        self._usage = Usage()
        self.started = False
        """Whether any output of the model has arrived."""

    def add(self, chunk: object) -> Delta | None:
        """Take one chunk; return what it adds for a person to see.

        Raises:
            AttemptFailed: The reply is longer than any that was asked for; the server does not keep to ``max_tokens``.
        """
        if not isinstance(chunk, Mapping):
            return None
        if isinstance(chunk.get("usage"), Mapping):
            self._usage = read_usage(chunk)
        choices = chunk.get("choices")
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], Mapping):
            return None
        choice = choices[0]
        self._finish_reason = _text(choice.get("finish_reason")) or self._finish_reason
        part = choice.get("delta") or choice.get("message")
        return self._add_part(part) if isinstance(part, Mapping) else None

    def _add_part(self, part: JsonMapping) -> Delta | None:
        text, thinking = read_content(part.get("content"))
        reasoning = _text(part.get("reasoning_content")) or _text(part.get("reasoning")) or thinking
        calls = part.get("tool_calls")
        if calls:
            self.started = True
            self._calls.add(calls)
        if not (text or reasoning):
            return None
        self._room.take(len(text) + len(reasoning))
        self.started = True
        self._text.append(text)
        self._reasoning.append(reasoning)
        return Delta(text=text, reasoning=reasoning)

    def reply(self) -> RawReply:
        """Return what has arrived."""
        return RawReply(
            text="".join(self._text),
            reasoning="".join(self._reasoning),
            calls=self._calls.calls(),
            finish_reason=self._finish_reason,
            usage=self._usage,
        )


class _Room:
    """What one reply may still add."""

    def __init__(self) -> None:
        self._left = MOST_CHARACTERS

    def take(self, characters: int) -> None:
        self._left -= characters
        if self._left < 0:
            detail = f"a reply of more than {MOST_CHARACTERS} characters"
            raise AttemptFailed(Failure(kind=FailureKind.OVERSIZED, detail=detail))


def read_content(content: object) -> tuple[str, str]:
    """Split ``content`` (text, null, or a list of text and thinking items) into text and thinking."""
    if isinstance(content, str):
        return content, ""
    if not isinstance(content, list):
        return "", ""
    text: list[str] = []
    thinking: list[str] = []
    for item in content:
        if isinstance(item, str):
            text.append(item)
        elif isinstance(item, Mapping):
            text.append(_text(item.get("text")))
            thinking.append(_thinking(item.get("thinking")))
    return "".join(text), "".join(thinking)


def _thinking(value: object) -> str:
    if not isinstance(value, list):
        return _text(value)
    return "".join(_text(item.get("text") if isinstance(item, Mapping) else item) for item in value)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _mapping(value: object) -> JsonMapping:
    return value if isinstance(value, Mapping) else {}


def _count(*values: object) -> int:
    """The first of several fields that holds a count."""
    return next((value for value in values if type(value) is int and 0 < value < _MOST_TOKENS), 0)


def read_usage(body: JsonMapping) -> Usage:
    """Read the token counts; every server leaves out others, so nothing is required."""
    usage = _mapping(body.get("usage"))
    prompt_details = _mapping(usage.get("prompt_tokens_details"))
    completion_details = _mapping(usage.get("completion_tokens_details"))
    timings = _mapping(body.get("timings"))
    return Usage(
        prompt_tokens=_count(usage.get("prompt_tokens")),
        cached_tokens=_count(prompt_details.get("cached_tokens"), timings.get("cache_n")),
        completion_tokens=_count(usage.get("completion_tokens")),
        reasoning_tokens=_count(completion_details.get("reasoning_tokens"), usage.get("reasoning_tokens")),
    )


class _CallAssembler:
    """Puts tool calls together from fragments; servers differ in what they repeat and what they leave out."""

    def __init__(self, room: _Room) -> None:
        self._room = room
        self._calls: list[RawCall] = []
        self._pieces: list[list[str]] = []
        self._position: dict[int, int] = {}

    def add(self, fragments: object) -> None:
        for fragment in fragments if isinstance(fragments, list) else ():
            if isinstance(fragment, Mapping):
                self._add_fragment(fragment)

    def calls(self) -> list[RawCall]:
        for call, pieces in zip(self._calls, self._pieces, strict=True):
            call.arguments = "".join(pieces)
        return self._calls

    def _add_fragment(self, fragment: JsonMapping) -> None:
        function = _mapping(fragment.get("function"))
        name = _text(function.get("name"))
        server_id = "" if fragment.get("id") == "null" else _text(fragment.get("id"))
        index = fragment.get("index")
        position = self._find(index if type(index) is int else None, server_id, name)
        call = self._calls[position]
        call.name = call.name or name
        call.server_id = call.server_id or server_id
        arguments = _arguments_text(function.get("arguments"))
        self._room.take(len(arguments))
        if arguments:
            self._pieces[position].append(arguments)

    def _find(self, index: int | None, server_id: str, name: str) -> int:
        """Position of the call that a fragment belongs to; opens a new one where it belongs to none."""
        position = self._last(name) if index is None else self._position.get(index)
        if position is None or self._is_another(position, server_id, name):
            self._room.take(_COST_OF_CALL + len(name) + len(server_id))
            position = len(self._calls)
            self._calls.append(RawCall())
            self._pieces.append([])
            if index is not None:
                self._position[index] = position
        return position

    def _last(self, name: str) -> int | None:
        return len(self._calls) - 1 if self._calls and not name else None

    def _is_another(self, position: int, server_id: str, name: str) -> bool:
        """Tell a new call under an old index (hosted servers leave the index at 0) from a repeated name."""
        call = self._calls[position]
        if not name or not call.name:
            return False
        if server_id and call.server_id:
            return server_id != call.server_id
        return _is_object(self._pieces[position])


def _arguments_text(arguments: object) -> str:
    if isinstance(arguments, str):
        return arguments
    try:
        return "" if arguments is None else json.dumps(arguments, ensure_ascii=False)
    except RecursionError:
        return "too deeply nested"


def _is_object(pieces: list[str]) -> bool:
    # Parsed only where it may be complete: a server may repeat the name with each of thousands of pieces.
    if not pieces or not pieces[-1].rstrip().endswith("}"):
        return False
    try:
        return isinstance(json.loads("".join(pieces)), dict)
    except (ValueError, RecursionError):
        return False
