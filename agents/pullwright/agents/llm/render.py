"""Canonical messages and tools → the request body of one server.

Rendering one message looks at nothing but that message and the profile, so the messages of the next request always
extend those of this one and the engine's prefix cache hits.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import assert_never

from pullwright.agents.llm.profile import Profile, ReasoningReplay
from pullwright.agents.message import (
    AssistantMessage,
    Image,
    Message,
    SystemMessage,
    ToolCall,
    ToolResult,
    ToolSpec,
    UserMessage,
)

JsonObject = dict[str, object]

NO_OUTPUT = "(no output)"
"""Sent for an empty tool result, which several servers refuse."""


def render_message(message: Message, profile: Profile) -> JsonObject:
    """Render one message."""
    match message:
        case SystemMessage():
            return {"role": "system", "content": message.content}
        case UserMessage():
            return {"role": "user", "content": _user_content(message)}
        case AssistantMessage():
            return _assistant(message, profile)
        case ToolResult():
            return _tool_result(message, profile)
        case _:
            assert_never(message)


def render_messages(messages: Iterable[Message], profile: Profile) -> list[JsonObject]:
    """Render a conversation."""
    return [render_message(message, profile) for message in messages]


def render_tools(tools: Iterable[ToolSpec], profile: Profile) -> list[JsonObject]:
    """Render the tools on offer, in the order of their names."""
    return [_tool(tool, profile) for tool in sorted(tools, key=lambda tool: tool.name)]


def _user_content(message: UserMessage) -> str | list[JsonObject]:
    if not message.images:
        return message.content
    return [{"type": "text", "text": message.content}, *map(_image_part, message.images)]


def _image_part(image: Image) -> JsonObject:
    encoded = base64.b64encode(image.content).decode("ascii")
    return {"type": "image_url", "image_url": {"url": f"data:{image.media_type};base64,{encoded}"}}


def _assistant(message: AssistantMessage, profile: Profile) -> JsonObject:
    rendered: JsonObject = {"role": "assistant", "content": message.content}
    if message.reasoning:
        if profile.reasoning_replay is ReasoningReplay.CONTENT_LIST:
            rendered["content"] = _thinking_list(message)
        else:
            rendered[profile.reasoning_replay.value] = message.reasoning
    if message.tool_calls:
        rendered["tool_calls"] = [_call(call) for call in message.tool_calls]
    return rendered


def _thinking_list(message: AssistantMessage) -> list[JsonObject]:
    items: list[JsonObject] = [{"type": "thinking", "thinking": [{"type": "text", "text": message.reasoning}]}]
    if message.content:
        items.append({"type": "text", "text": message.content})
    return items


def _call(call: ToolCall) -> JsonObject:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _tool_result(message: ToolResult, profile: Profile) -> JsonObject:
    rendered: JsonObject = {"role": "tool", "tool_call_id": message.call_id, "content": message.content or NO_OUTPUT}
    if profile.names_tool_results:
        rendered["name"] = message.name
    return rendered


def _tool(tool: ToolSpec, profile: Profile) -> JsonObject:
    function: JsonObject = {
        "name": tool.name,
        "description": tool.description,
        "parameters": dict(tool.parameters),
    }
    if profile.strict_tools:
        function["strict"] = True
    return {"type": "function", "function": function}
