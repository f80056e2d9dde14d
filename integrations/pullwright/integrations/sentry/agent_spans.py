"""The spans of one attempt, made of the journal's events: what the agent, the model and the tools took. Pure.

The names are those of OpenTelemetry's conventions for generative AI, which Sentry reads. No words of a conversation
are in them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from pullwright.agents.budget import Usage
from pullwright.agents.events import (
    ConversationCompacted,
    JournalEntry,
    ModelReplied,
    RunFinished,
    RunStarted,
    TaskMoved,
    ToolFinished,
)
from pullwright.agents.task import TaskStatus

AGENT: Final = "pullwright"
MOST: Final = 900
"""Spans of one trace; the SDK drops what is over 1,000."""

_TOOL: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
_LIVE: Final = frozenset({TaskStatus.RUNNING.value, TaskStatus.CANCELING.value})

Value = str | int | float


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Something that took time."""

    op: str
    name: str
    began: datetime
    ended: datetime
    data: Mapping[str, Value] = field(default_factory=dict)
    failed: bool = False


@dataclass(slots=True, kw_only=True)
class AgentTrace:
    """The spans of one attempt, as its journal comes in."""

    task_id: str
    attempt: int
    model: str = ""
    usage: Usage = Usage()
    began: datetime | None = None
    ended: datetime | None = None
    status: str = ""
    """How the run ended; empty while it goes on, or when another attempt does."""
    over: bool = False
    """Whether nothing more of this attempt can come."""
    spans: list[Span] = field(default_factory=list)
    left_out: int = 0

    def add(self, entry: JournalEntry) -> None:
        """Take in one entry of the task's journal, whatever attempt it is of."""
        if isinstance(entry.event, RunStarted):
            self.model = entry.event.model
        if entry.attempt != self.attempt:
            self.over = self.over or entry.attempt > self.attempt
            return
        self.ended = entry.at
        self._take(entry)
        if self.began is None:
            self.began = self.spans[0].began if self.spans else entry.at

    def whole(self) -> Span:
        """Return the span around all the others."""
        began, ended = self.began or _NO_TIME, self.ended or _NO_TIME
        return Span(
            op="gen_ai.invoke_agent",
            name=f"invoke_agent {AGENT}",
            began=min(began, ended),
            ended=ended,
            data={**self._about("invoke_agent"), **_tokens(self.usage)},
            failed=self.status == TaskStatus.FAILED.value,
        )

    def _take(self, entry: JournalEntry) -> None:
        match entry.event:
            case ModelReplied():
                self._replied(entry.at, entry.event.usage, entry.event.first_token_seconds)
            case ConversationCompacted():
                self._replied(entry.at, entry.event.usage, 0.0)
            case ToolFinished():
                self._used(entry.at, entry.event)
            case RunFinished():
                self.status, self.over = entry.event.status, True
            case TaskMoved() if entry.event.new not in _LIVE:
                self.over = True

    def _replied(self, at: datetime, usage: Usage, first_token: float) -> None:
        self.usage += usage
        data: dict[str, Value] = {**self._about("chat"), **_tokens(usage)}
        if first_token:
            data["gen_ai.response.time_to_first_token"] = first_token
        began = at - timedelta(seconds=max(usage.model_seconds, 0.0))
        self._keep(Span(op="gen_ai.chat", name=f"chat {self.model}".strip(), began=began, ended=at, data=data))

    def _used(self, at: datetime, event: ToolFinished) -> None:
        # The name is the model's own word, and may be anything.
        name = event.result.name if _TOOL.fullmatch(event.result.name) else "unknown"
        began = at - timedelta(seconds=max(event.seconds, 0.0))
        data: dict[str, Value] = {**self._about("execute_tool"), "gen_ai.tool.name": name}
        span = Span(
            op="gen_ai.execute_tool",
            name=f"execute_tool {name}",
            began=began,
            ended=at,
            data=data,
            failed=event.result.is_error,
        )
        self._keep(span)

    def _keep(self, span: Span) -> None:
        if len(self.spans) < MOST:
            self.spans.append(span)
        else:
            self.left_out += 1

    def _about(self, operation: str) -> dict[str, Value]:
        return {
            "gen_ai.operation.name": operation,
            "gen_ai.agent.name": AGENT,
            "gen_ai.request.model": self.model,
            "gen_ai.conversation.id": self.task_id,
        }


_NO_TIME: Final = datetime.fromtimestamp(0).astimezone()


def _tokens(usage: Usage) -> dict[str, Value]:
    return {
        "gen_ai.usage.input_tokens": usage.prompt_tokens,
        "gen_ai.usage.input_tokens.cached": usage.cached_tokens,
        "gen_ai.usage.output_tokens": usage.completion_tokens,
        "gen_ai.usage.output_tokens.reasoning": usage.reasoning_tokens,
        "gen_ai.usage.total_tokens": usage.total_tokens,
    }
