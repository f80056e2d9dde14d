"""RunEvent: what happened in a run, in order. The journal is a list of these, and a run is a fold over them.

Events are written once and never changed. Their ``type`` is ``domain.action``. ``to_data`` and ``from_data`` are exact
inverses, so that a journal read on another host gives the same conversation byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, ClassVar

from pullwright.agents.budget import Usage
from pullwright.agents.change import CheckResult, Evidence, FileStat
from pullwright.agents.egress import EgressDecision
from pullwright.agents.message import AssistantMessage, ToolCall, ToolResult


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskMoved:
    """The task's status changed; the store writes this in the transaction of the change.

    Changes that have an event of their own (``run.finished``, ``question.asked``) do not have this one too.
    """

    type: ClassVar[str] = "task.moved"
    old: str
    """Empty for a task that was filed just now."""
    new: str
    reason: str = ""
    worker_id: str = ""
    """The worker that claimed it, or that it was taken from."""
    seconds: float = 0.0
    """How long it then was until it is due, where it became ``scheduled``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """The run has a base and a model; once in every run, before its first step."""

    type: ClassVar[str] = "run.started"
    model: str
    effort: str
    base_ref: str
    base_sha: str
    system_prompt: str
    """Frozen with the run, so that a newer release replays the same prefix."""
    user_prompt: str
    rules_sha: str = ""
    """The commit that says how the agent works here, where that is not the base."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResumed:
    """A later attempt goes on with the files of a checkpoint.

    What the conversation got after entry ``cut`` was made on files that are gone, so it is void; what was spent and
    what left the sandbox stays counted. The results of the calls that were open at the cut follow in the same
    transaction, and then what people had said in between.
    """

    type: ClassVar[str] = "run.resumed"
    step: int
    """The last step that holds."""
    cut: int
    """Number of the last journal entry that holds."""
    checkpoint: int
    """Number of the checkpoint whose files the run goes on with; 0 for the base."""
    reason: str = ""
    usage: Usage = Usage()
    """Everything that was spent until here, on what is void too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionAsked:
    """The run waits for a person; the answer becomes the result of the call, or of nothing when it has none."""

    type: ClassVar[str] = "question.asked"
    step: int
    question: str
    wait: str
    """A ``WaitReason``."""
    call_id: str = ""
    """The model's open call that the answer belongs to; empty when we ask ourselves, as for a spent budget."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetNoted:
    """A limit is nearly reached, was reached, or was raised by a person."""

    type: ClassVar[str] = "budget.noted"
    step: int
    limit: str
    """``steps``, ``tokens``, ``fresh_tokens``, ``money`` or ``minutes``."""
    spent: float
    allowed: float
    """In the limit's own unit, after what this event says."""
    raised: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReplied:
    """One assistant message, recorded before any of its calls runs."""

    type: ClassVar[str] = "model.replied"
    step: int
    message: AssistantMessage
    kind: str
    usage: Usage
    finish_reason: str = ""
    first_token_seconds: float = 0.0
    retries: int = 0
    endpoint: str = ""
    """Which of several endpoints gave it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFinished:
    """The result of one call."""

    type: ClassVar[str] = "tool.finished"
    step: int
    result: ToolResult
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class UserSaid:
    """Words added to the conversation by us or by a person after the first prompt."""

    type: ClassVar[str] = "user.said"
    step: int
    content: str
    nudge: bool = False
    """Written by the loop itself; not worth keeping when the conversation is compacted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanUpdated:
    """The model's plan, whole, as (text, state) pairs; state is ``todo``, ``doing`` or ``done``."""

    type: ClassVar[str] = "plan.updated"
    step: int
    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationCompacted:
    """The conversation became too long for the window, and a summary has taken the place of most of it.

    The words are frozen with the event, so that a newer release replays the same prefix.
    """

    type: ClassVar[str] = "conversation.compacted"
    step: int
    covered: int
    """How many messages, from the first, the summary stands for; what follows them stays."""
    summary: str
    """What was done so far, in the model's own words, or in ours where it gave none."""
    content: str
    """The user message after the summary: ``kept`` and ``plan``, and that the work goes on."""
    kept: tuple[str, ...] = ()
    """What people said after the first prompt, word for word."""
    plan: tuple[tuple[str, str], ...] = ()
    images_dropped: int = 0
    """How many pictures, from the oldest, the first prompt loses."""
    tokens_before: int = 0
    tokens_after: int = 0
    """Counted or estimated tokens of a request before and after."""
    source: str = ""
    """``model`` (asked in the conversation itself), ``excerpt`` (asked about an excerpt) or ``digest`` (not asked)."""
    usage: Usage = Usage()
    """What the summary cost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressDecided:
    """Something wanted to leave the sandbox, and the policy point decided."""

    type: ClassVar[str] = "egress.decided"
    step: int
    phase: str
    """``setup``, ``agent`` or ``check``."""
    decisions: tuple[EgressDecision, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointMade:
    """The files of the workspace are kept as a commit in the mirror; a run goes on from the last one."""

    type: ClassVar[str] = "checkpoint.made"
    step: int
    """The step that the files were kept after."""
    number: int
    """Counts from 1 within a task. A step that changed nothing repeats the number, ``sha`` and ``tree`` before it."""
    sha: str
    tree: str
    parent: int = 0
    """Number of the checkpoint that the blob ``checkpoint/<number>`` is a patch on; 0 for the base."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeCommitted:
    """The workspace became a commit in the mirror."""

    type: ClassVar[str] = "change.committed"
    branch: str
    head_sha: str
    title: str
    summary: str
    files: tuple[FileStat, ...]
    base_sha: str = ""
    """The commit that it was made on, where that is not the run's base because the branch had moved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeVerified:
    """Fresh containers have said what they think of the change."""

    type: ClassVar[str] = "change.verified"
    evidence: Evidence
    refused: str = ""
    """What is missing all the same, in one line; empty for nothing."""

    @property
    def accepted(self) -> bool:
        """Whether the change passed, and could be handed in."""
        return self.evidence.verified and not self.refused


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePublished:
    """The change reached people: as a pull request, or as a local branch and a patch file."""

    type: ClassVar[str] = "change.published"
    branch: str
    pull_request_url: str = ""
    patch_path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished:
    """The last event of a run."""

    type: ClassVar[str] = "run.finished"
    status: str
    reason: str
    usage: Usage
    steps: int
    patch_path: str = ""
    first_token_seconds: float = 0.0
    """Mean over the replies."""
    tokens_per_second: float = 0.0
    """Mean over the completion tokens, while they were written; 0 where that could not be timed."""


RunEvent = (
    TaskMoved
    | RunStarted
    | RunResumed
    | QuestionAsked
    | BudgetNoted
    | ModelReplied
    | ToolFinished
    | UserSaid
    | PlanUpdated
    | ConversationCompacted
    | EgressDecided
    | CheckpointMade
    | ChangeCommitted
    | ChangeVerified
    | ChangePublished
    | RunFinished
)

_CLASSES: Mapping[str, type[RunEvent]] = {
    cls.type: cls
    for cls in (
        TaskMoved,
        RunStarted,
        RunResumed,
        QuestionAsked,
        BudgetNoted,
        ModelReplied,
        ToolFinished,
        UserSaid,
        PlanUpdated,
        ConversationCompacted,
        EgressDecided,
        CheckpointMade,
        ChangeCommitted,
        ChangeVerified,
        ChangePublished,
        RunFinished,
    )
}


_SIDES = ("before", "after", "tests_alone")


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """An event with its place in the journal."""

    task_id: str
    seq: int
    """Counts from 1 without gaps within a task."""
    attempt: int
    at: datetime
    event: RunEvent


def to_data(event: RunEvent) -> dict[str, Any]:
    """Turn an event into JSON-ready data, without its type."""
    return asdict(event)


def from_data(type_: str, data: Mapping[str, Any]) -> RunEvent:
    """Turn stored data back into the event it came from.

    Raises:
        ValueError: The type is not known to this release.
    """
    cls = _CLASSES.get(type_)
    if cls is None:
        raise ValueError(f"journal holds an event of unknown type {type_!r}; a newer release wrote it")
    known = {field.name for field in fields(cls)}
    return cls(**{key: _revive(key, value) for key, value in data.items() if key in known})


def _revive(key: str, value: Any) -> Any:
    match key, value:
        case "message", {"tool_calls": calls}:
            return AssistantMessage(**{**value, "tool_calls": tuple(ToolCall(**call) for call in calls)})
        case "usage", dict():
            return Usage(**value)
        case "result", dict():
            return ToolResult(**value)
        case "items" | "plan", list() | tuple():
            return tuple((text, state) for text, state in value)
        case "kept", list() | tuple():
            return tuple(value)
        case "files", list() | tuple():
            return tuple(FileStat(**item) for item in value)
        case "decisions", list() | tuple():
            return tuple(EgressDecision(**item) for item in value)
        case "evidence", dict():
            return _revived(value)
    return value


def _revived(evidence: Mapping[str, Any]) -> Evidence:
    """Return evidence; that of an older release has fewer fields."""
    sides = {side: tuple(CheckResult(**item) for item in evidence.get(side, ())) for side in _SIDES}
    egress = tuple(EgressDecision(**item) for item in evidence.get("egress", ()))
    named = tuple(evidence.get("named", ()))
    return Evidence(chosen_by=evidence["chosen_by"], named=named, egress=egress, **sides)
