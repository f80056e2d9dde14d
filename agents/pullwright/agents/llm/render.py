"""Canonical messages and tools → the request body of one server.

Rendering one message looks at nothing but that message and the profile, so the messages of the next request always
extend those of this one and the engine's prefix cache hits. Under a strict template the words of a person that follow
a tool result or other words join the message before; its ``content`` comes last, so that even then all bytes up to the
end of that text stay.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import assert_never

from pullwright.agents.errors import ConfigError
from pullwright.agents.llm.escape import escape_markers
from pullwright.agents.llm.images import admit
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


NOTHING_SAID = "(nothing)"
"""Sent for an assistant message with neither words nor calls, which every server refuses."""
_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def render_message(message: Message, profile: Profile) -> JsonObject:
    """Render one message."""
    if profile.escapes_markers:
        message = _escaped(message)
    match message:
        case SystemMessage():
            return {"role": "system", "content": message.content}
        case UserMessage():
            return {"role": "user", "content": _user_content(message, profile)}
        case AssistantMessage():
            return _assistant(message, profile)
        case ToolResult():
            return _tool_result(message, profile)
        case _:
            assert_never(message)


def render_messages(messages: Iterable[Message], profile: Profile) -> list[JsonObject]:
    """Render a conversation."""
    return [render_message(message, profile) for message in joined(messages, profile)]


def joined(messages: Iterable[Message], profile: Profile) -> Iterator[Message]:
    """Put together what has to be one message on the wire."""
    held: Message | None = None
    for message in messages:
        if held is not None and joins(held, message, profile):
            held = _join(held, message)
            continue
        if held is not None:
            yield held
        held = message
    if held is not None:
        yield held


def joins(before: Message, message: Message, profile: Profile) -> bool:
    """Whether a message becomes part of the one before it."""
    if not profile.strict_template or not isinstance(message, UserMessage) or message.images:
        return False
    return isinstance(before, (ToolResult, UserMessage))


def _join(before: Message, message: Message) -> Message:
    assert isinstance(before, (ToolResult, UserMessage))
    assert isinstance(message, UserMessage)
    first = before.content or (NO_OUTPUT if isinstance(before, ToolResult) else "")
    return replace(before, content=f"{first}\n\n{message.content}")


def render_tools(tools: Iterable[ToolSpec], profile: Profile) -> list[JsonObject]:
    """Render the tools on offer, in the order of their names.

    Raises:
        ConfigError: A tool has a name or a schema that servers refuse.
    """
    return [_tool(tool, profile) for tool in sorted(tools, key=lambda tool: tool.name)]


def _escaped(message: Message) -> Message:
    match message:
        case AssistantMessage():
            calls = tuple(replace(call, arguments=escape_markers(call.arguments)) for call in message.tool_calls)
            content, reasoning = escape_markers(message.content), escape_markers(message.reasoning)
            return replace(message, content=content, reasoning=reasoning, tool_calls=calls)
        case UserMessage() | ToolResult():
            return replace(message, content=escape_markers(message.content))
        case _:
            return message


def _user_content(message: UserMessage, profile: Profile) -> str | list[JsonObject]:
    images, remarks = admit(message.images, profile.most_images)
    text = "\n".join([message.content, *remarks])
    return [{"type": "text", "text": text}, *map(_image_part, images)] if images else text


def _image_part(image: Image) -> JsonObject:
    encoded = base64.b64encode(image.content).decode("ascii")
    return {"type": "image_url", "image_url": {"url": f"data:{image.media_type};base64,{encoded}"}}


def _assistant(message: AssistantMessage, profile: Profile) -> JsonObject:
    silent = not message.content and not message.tool_calls
    rendered: JsonObject = {"role": "assistant", "content": NOTHING_SAID if silent else message.content}
    if message.reasoning and profile.reasoning_replay is not ReasoningReplay.NONE:
        if profile.reasoning_replay is ReasoningReplay.CONTENT_LIST:
            rendered["content"] = _thinking_list(message.reasoning, str(rendered["content"]))
        else:
            rendered[profile.reasoning_replay.value] = message.reasoning
    if message.tool_calls:
        rendered["tool_calls"] = [_call(call) for call in message.tool_calls]
    return rendered


def _thinking_list(reasoning: str, content: str) -> list[JsonObject]:
    items: list[JsonObject] = [{"type": "thinking", "thinking": [{"type": "text", "text": reasoning}]}]
    if content:
        items.append({"type": "text", "text": content})
    return items


def _call(call: ToolCall) -> JsonObject:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _tool_result(message: ToolResult, profile: Profile) -> JsonObject:
    rendered: JsonObject = {"role": "tool", "tool_call_id": message.call_id}
    if profile.names_tool_results:
        rendered["name"] = message.name
    # Last, so that words that join it later leave the bytes before them as they were.
    rendered["content"] = message.content or NO_OUTPUT
    return rendered


def _tool(tool: ToolSpec, profile: Profile) -> JsonObject:
    if not _TOOL_NAME.fullmatch(tool.name) or tool.parameters.get("type") != "object":
        raise ConfigError(
            f"the tool {tool.name!r} can not be offered; "
            "give it a name of 1 to 64 letters, digits, _ or - and a JSON Schema with an object at the top"
        )
    function: JsonObject = {
        "name": tool.name,
        "description": tool.description,
        "parameters": dict(tool.parameters),
    }
    if profile.strict_tools:
        function["strict"] = True
    return {"type": "function", "function": function}
