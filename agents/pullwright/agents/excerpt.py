"""A conversation in few words, made without a model: the newest rounds, each cut to what matters most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, assert_never

from pullwright.agents.message import AssistantMessage, Message, SystemMessage, ToolResult, UserMessage

CALL_CHARS: Final = 300
RESULT_CHARS: Final = 400
LEFT_OUT: Final = "[earlier messages are left out]"


def excerpt(messages: Sequence[Message], limit: int) -> str:
    """Return the newest messages in order, together at most ``limit`` characters."""
    shown: list[str] = []
    room = limit - len(LEFT_OUT) - 1
    for message in reversed(messages):
        text = _shown(message, max(RESULT_CHARS, limit // 4))
        if not text:
            continue
        if len(text) + 1 > room:
            shown.append(LEFT_OUT)
            break
        room -= len(text) + 1
        shown.append(text)
    return "\n".join(reversed(shown))[: max(0, limit)]


def clipped(text: str, limit: int) -> str:
    """Return text that is cut in the middle when it is longer than ``limit`` characters."""
    if len(text) <= limit:
        return text
    half = max(0, limit - 5) // 2
    return f"{text[:half]} […] {text[len(text) - half :]}" if half else text[:limit]


def _shown(message: Message, text_limit: int) -> str:
    match message:
        case SystemMessage():
            return ""
        case UserMessage():
            return f"[user] {clipped(message.content, text_limit)}"
        case AssistantMessage():
            said = [clipped(message.content.strip(), text_limit)] if message.content.strip() else []
            calls = [f"{call.name} {clipped(call.arguments, CALL_CHARS)}" for call in message.tool_calls]
            return "\n".join(f"[assistant] {line}" for line in (*said, *calls))
        case ToolResult():
            failed = ", failed" if message.is_error else ""
            return f"[result of {message.name}{failed}] {clipped(message.content.strip(), RESULT_CHARS)}"
        case _:
            assert_never(message)
