"""The canonical conversation: what we keep, whatever server the model runs on.

A profile in ``llm`` renders these values for one server and reads its replies back into them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A picture that came with a task."""

    media_type: str
    """``image/png`` or ``image/jpeg``."""
    content: bytes = field(repr=False)
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """One call that the model asked for."""

    id: str
    """Ours: nine letters or digits, unique in the conversation."""
    name: str
    arguments: str
    """JSON text of an object; always valid, so that it can be replayed to any server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemMessage:
    """Our instructions: exactly one, first, never changed during a run."""

    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UserMessage:
    """The task, or words of a person later on."""

    content: str
    images: tuple[Image, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AssistantMessage:
    """What the model said; never without both text and calls."""

    content: str = ""
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """The outcome of one call; every call gets exactly one, in call order."""

    call_id: str
    name: str
    content: str
    """Never empty."""
    is_error: bool = False


Message = SystemMessage | UserMessage | AssistantMessage | ToolResult


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """What the model is told about a tool; frozen for the life of a run."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    """JSON Schema with an object at the top."""
