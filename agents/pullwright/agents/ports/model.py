"""The role of a language model behind an endpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from pullwright.agents.budget import Usage
from pullwright.agents.message import AssistantMessage, Message, ToolSpec


class ReasoningEffort(StrEnum):
    """The two values that Mistral Medium 3.5 knows."""

    NONE = "none"
    HIGH = "high"


class ReplyClass(StrEnum):
    """What kind of reply came back; decides what the loop does next."""

    CALLS = "calls"
    TEXT = "text"
    EMPTY = "empty"
    TRUNCATED = "truncated"
    LEAKED = "leaked"
    """Calls that stood in the text; they may run, the server lacks its parser."""
    MALFORMED_CALL = "malformed_call"
    UNKNOWN_TOOL = "unknown_tool"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """A piece of a reply while it streams; for display only, never journalled."""

    text: str = ""
    reasoning: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """One turn. ``messages`` of turn n+1 extend those of turn n; ``tools`` and ``effort`` never change in a run."""

    conversation_id: str
    """The task's id; used for affinity and logs."""
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...]
    effort: ReasoningEffort = ReasoningEffort.HIGH
    max_tokens: int = 16_384
    """Cap of the reply, reasoning included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReply:
    """A whole, classified reply."""

    message: AssistantMessage
    kind: ReplyClass
    """What to do next: ``CALLS``, ``TEXT``, ``EMPTY`` or ``TRUNCATED``."""
    finding: ReplyClass | None = None
    """What was odd about it: ``LEAKED``, ``MALFORMED_CALL`` or ``UNKNOWN_TOOL``; None where nothing was."""
    usage: Usage = field(default_factory=Usage)
    finish_reason: str = ""
    problems: Mapping[str, str] = field(default_factory=dict)
    """Call id → why this call must not run (arguments that are no JSON object, unknown tool name)."""
    first_token_seconds: float = 0.0
    retries: int = 0
    server_ids: Mapping[str, str] = field(default_factory=dict)
    """Call id → the id that the server gave, for its logs; never sent anywhere."""
    request_id: str = ""
    """The server's or proxy's name for the request, where it gives one."""
    endpoint: str = ""
    """Which of several endpoints gave it; empty where there is only one."""


TokenCounter = Callable[[ModelRequest], int]
"""Counts the tokens of a request's prompt without waiting; 0 when it can not tell."""
DeltaListener = Callable[[Delta], None]


class Model(Protocol):
    """Something that continues a conversation."""

    @property
    def name(self) -> str:
        """The model's name as the endpoint knows it."""
        ...

    @property
    def window(self) -> int:
        """Tokens of prompt and reply together that every call has room for; 0 where nobody knows. It may change."""
        ...

    async def complete(self, request: ModelRequest, on_delta: DeltaListener | None = None) -> ModelReply:
        """Continue the conversation by one assistant message.

        Retries of transport trouble happen inside, with the identical body. Cancellation closes the connection, which
        makes the engine stop generating, and is re-raised.

        Raises:
            ModelUnavailable: The endpoint could not be reached within the retry budget.
            RateLimited: It kept asking us to slow down.
            ContextTooLong: The conversation does not fit, or the server dropped a part of it.
            EndpointMisconfigured: Wrong key, unknown model, missing tool-call parser.
            MalformedReply: No usable reply, even after asking again.
        """
        ...

    def release(self, conversation_id: str) -> None:
        """Forget what is kept for a conversation: its run ended, or it goes on compacted under another id.

        It may be called for any id at any time; a conversation that is continued all the same is a new one.
        """
        ...
