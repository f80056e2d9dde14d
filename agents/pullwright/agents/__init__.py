"""The core: tasks, runs, the journal, the loop, and the ports that adapters implement. Knows no Docker, no GitHub."""

from pullwright.agents.budget import Budget, Usage
from pullwright.agents.change import Change, CheckResult, Evidence, PullRequest, RepositoryRef
from pullwright.agents.errors import PullwrightError
from pullwright.agents.events import JournalEntry, RunEvent
from pullwright.agents.message import AssistantMessage, Image, Message, SystemMessage, ToolCall, ToolResult, UserMessage
from pullwright.agents.task import Task, TaskSpec, TaskStatus

__all__ = [
    "AssistantMessage",
    "Budget",
    "Change",
    "CheckResult",
    "Evidence",
    "Image",
    "JournalEntry",
    "Message",
    "PullRequest",
    "PullwrightError",
    "RepositoryRef",
    "RunEvent",
    "SystemMessage",
    "Task",
    "TaskSpec",
    "TaskStatus",
    "ToolCall",
    "ToolResult",
    "Usage",
    "UserMessage",
]
