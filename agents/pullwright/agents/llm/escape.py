"""Control tokens that appear as plain text, made harmless for servers that render text and tokenise it afterwards.

An invisible word joiner goes behind the bracket of a marker, so that the tokenizer sees ordinary text. A marker that
already has joiners gets one more, which makes the change reversible for every text. A model that copies what it was
shown, with or without the joiner, writes the original back.
"""

from __future__ import annotations

import json
import re

_JOINER = "\u2060"
_PAIRED = "INST|AVAILABLE_TOOLS|TOOL_RESULTS|SYSTEM_PROMPT|MODEL_SETTINGS|THINK"
_SINGLE = "TOOL_CALLS|ARGS|CALL_ID|TOOL_CONTENT|IMG|IMG_BREAK|IMG_END|PREFIX|MIDDLE|SUFFIX|AUDIO|BEGIN_AUDIO|TRANSCRIBE"
_REST = rf"(?:/?(?:{_PAIRED})|{_SINGLE})\]|(?:/?s|unk|pad|/?think|/?tool_call)>"
_PLAIN = re.compile(rf"([\[<])(?={_JOINER}*(?:{_REST}))")
_ESCAPED = re.compile(rf"([\[<]){_JOINER}(?={_JOINER}*(?:{_REST}))")


def escape_markers(text: str) -> str:
    """Return the text without anything that a tokenizer could take for a control token."""
    return _PLAIN.sub(rf"\1{_JOINER}", text)


def unescape_markers(text: str) -> str:
    """Undo ``escape_markers``."""
    return _ESCAPED.sub(r"\1", text) if _JOINER in text else text


def unescape_arguments(arguments: str) -> str:
    """Undo ``escape_markers`` in the strings of a JSON text, however the model spelt the joiner."""
    if _JOINER not in arguments and "\\u2060" not in arguments:
        return arguments
    value = json.loads(arguments)
    plain = _unescaped(value)
    # The model's own spelling stays where nothing changed.
    return arguments if plain == value else json.dumps(plain, ensure_ascii=False)


def _unescaped(value: object) -> object:
    match value:
        case str():
            return unescape_markers(value)
        case list():
            return [_unescaped(item) for item in value]
        case dict():
            return {unescape_markers(key): _unescaped(item) for key, item in value.items()}
        case _:
            return value
