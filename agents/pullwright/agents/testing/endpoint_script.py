"""What a scripted endpoint says: replies in order, by conversation and turn, or from a file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pullwright.agents.testing.endpoint_rules import JsonMapping, Refusal
from pullwright.agents.testing.scripted_model import Reply

Answer = Callable[[JsonMapping], Reply]
Script = Sequence[Reply] | Answer


def by_turn(conversations: Mapping[str, Sequence[Reply]]) -> Answer:
    """Answer each conversation from its own script, the n-th turn with the n-th reply, however often it is asked.

    Args:
        conversations: A marker and its replies; the first marker that the first user message holds counts.
    """

    def answer(request: JsonMapping) -> Reply:
        text = first_user_text(request)
        for marker, replies in conversations.items():
            if marker in text:
                turn = [message["role"] for message in request["messages"]].count("assistant")
                if turn < len(replies):
                    return replies[turn]
                raise Refusal(f"the script for {marker!r} has no reply for turn {turn + 1}")
        raise Refusal("no script has a marker that the first user message holds")

    return answer


def first_user_text(request: JsonMapping) -> str:
    """Return the words of the first user message."""
    for message in request["messages"]:
        if message["role"] == "user":
            content = message["content"]
            return content if isinstance(content, str) else " ".join(part.get("text", "") for part in content)
    return ""


def in_order(replies: Sequence[Reply]) -> Answer:
    """Answer request after request, whoever asks."""
    rest = iter(replies)

    def answer(_request: JsonMapping) -> Reply:
        reply = next(rest, None)
        if reply is None:
            raise Refusal("the script has no more replies")
        return reply

    return answer


def read_script(path: Path) -> Answer:
    """Read a script file: ``{"marker": [reply, …], …}`` or one list for every conversation.

    A reply is ``{"text": …, "reasoning": …, "calls": [{"name": …, "arguments": …}, …]}``; all keys may be left out.
    """
    content = json.loads(path.read_text(encoding="utf-8"))
    conversations = content if isinstance(content, dict) else {"": content}
    return by_turn({marker: [_read_reply(item) for item in items] for marker, items in conversations.items()})


def _read_reply(item: JsonMapping) -> Reply:
    calls = tuple((call["name"], call.get("arguments", {})) for call in item.get("calls", ()))
    return Reply(item.get("text", ""), item.get("reasoning", ""), calls, item.get("finish_reason", ""))
