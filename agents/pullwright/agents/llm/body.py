"""The bytes of a request. Every message is rendered and serialised once, however many turns it is sent."""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass, field

from pullwright.agents.llm.profile import Profile
from pullwright.agents.llm.render import JsonObject, joined, joins, render_message, render_tools
from pullwright.agents.llm.settings import EndpointSettings
from pullwright.agents.message import Message, SystemMessage, ToolSpec
from pullwright.agents.ports.model import ModelRequest, ReasoningEffort

_SAMPLING = {ReasoningEffort.HIGH: (0.7, 0.95), ReasoningEffort.NONE: (0.2, 1.0)}
"""Temperature and top_p of the model card."""
_KEPT_CONVERSATIONS = 64


def request_options(
    request: ModelRequest, profile: Profile, settings: EndpointSettings, *, model: str, max_tokens: int
) -> JsonObject:
    """Everything of the body but ``messages`` and ``tools``."""
    temperature, top_p = _SAMPLING[request.effort]
    options: JsonObject = {
        "model": model,
        "reasoning_effort": request.effort.value,
        "temperature": temperature if settings.temperature is None else settings.temperature,
        "top_p": top_p if settings.top_p is None else settings.top_p,
        profile.max_tokens_field: max_tokens,
    }
    if streams(profile, settings):
        options["stream"] = True
        if profile.include_usage:
            options["stream_options"] = {"include_usage": True}
    if request.tools:
        options["tool_choice"] = "auto"
    if profile.affinity_field:
        options[profile.affinity_field] = request.conversation_id
    return {name: value for name, value in options.items() if name not in profile.refused_fields}


def streams(profile: Profile, settings: EndpointSettings) -> bool:
    """Whether replies are asked for as a stream."""
    return profile.streams if settings.streaming is None else settings.streaming


@dataclass(slots=True)
class _Conversation:
    messages: list[Message] = field(default_factory=list)
    pieces: list[bytes] = field(default_factory=list)
    """One per message on the wire, which may hold several of ``messages``."""
    starts: list[int] = field(default_factory=list)
    """For each piece, the index of its first message."""


class BodyEncoder:
    """Serialises requests to one endpoint, remembering the pieces of recent conversations."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._conversations: OrderedDict[str, _Conversation] = OrderedDict()
        self._tools: tuple[tuple[ToolSpec, ...], bytes] = ((), b"")

    def encode(self, request: ModelRequest, options: JsonObject) -> bytes:
        """Return the JSON body.

        Raises:
            ValueError: The conversation has not exactly one system message, first.
        """
        parts = [_dump(options)[:-1]]
        if request.tools:
            parts += [b',"tools":', self._encoded_tools(request.tools)]
        parts += [b',"messages":[', b",".join(self._encoded_messages(request)), b"]}"]
        return b"".join(parts)

    def release(self, conversation_id: str) -> None:
        """Forget a conversation that does not go on."""
        self._conversations.pop(conversation_id, None)

    def _encoded_tools(self, tools: tuple[ToolSpec, ...]) -> bytes:
        if self._tools[0] is not tools:
            self._tools = (tools, _dump(render_tools(tools, self._profile)))
        return self._tools[1]

    def _encoded_messages(self, request: ModelRequest) -> list[bytes]:
        known = self._recall(request.conversation_id)
        self._forget(known, _common_length(known.messages, request.messages))
        if not request.messages:
            raise ValueError("a conversation without messages can not be sent")
        for message in request.messages[len(known.messages) :]:
            _check_place(message, first=not known.messages)
            if known.messages and joins(known.messages[-1], message, self._profile):
                known.pieces.pop()
            else:
                known.starts.append(len(known.messages))
            known.messages.append(message)
            known.pieces.append(self._piece(known.messages[known.starts[-1] :]))
        return known.pieces

    @staticmethod
    def _forget(known: _Conversation, count: int) -> None:
        """Drop every piece that holds more than the first ``count`` messages."""
        while len(known.messages) > count:
            del known.messages[known.starts.pop() :]
            known.pieces.pop()

    def _piece(self, parts: list[Message]) -> bytes:
        (message,) = joined(parts, self._profile)
        return _dump(render_message(message, self._profile))

    def _recall(self, conversation_id: str) -> _Conversation:
        known = self._conversations.setdefault(conversation_id, _Conversation())
        self._conversations.move_to_end(conversation_id)
        if len(self._conversations) > _KEPT_CONVERSATIONS:
            self._conversations.popitem(last=False)
        return known


def _check_place(message: Message, *, first: bool) -> None:
    """Hold to one system message, first: several templates refuse any other place, some a second one."""
    if isinstance(message, SystemMessage) is not first:
        found = "another message comes first" if first else "there is a second one"
        raise ValueError(f"a conversation has exactly one system message, first; {found}")


def _common_length(old: list[Message], new: tuple[Message, ...]) -> int:
    for index, (left, right) in enumerate(zip(old, new, strict=False)):
        if left is not right and left != right:
            return index
    return min(len(old), len(new))


def _dump(value: object) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    # A lone surrogate (a file name that is no UTF-8) can not be sent; the model sees a question mark.
    return text.encode("utf-8", "replace")
