"""Resumption: where a later attempt goes on, told from the journal alone.

Files are those of the last checkpoint that can be restored; the conversation holds as far as it fits them. Steps after
the checkpoint that left the files alone hold. The first step after it that changed them, or may have, is cut in half:
its reply holds, its results and everything after them are void. What people said is never void: it is said again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pullwright.agents.conversation import ANSWERED, Fold
from pullwright.agents.events import (
    CheckpointMade,
    JournalEntry,
    ModelReplied,
    TaskMoved,
    ToolFinished,
    UserSaid,
)
from pullwright.agents.message import ToolCall

ChangesFiles = Callable[[ToolCall], bool]
"""Says whether a call changes files, or may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumePoint:
    """Where a run goes on when one checkpoint's files can be restored."""

    checkpoint: CheckpointMade | None
    """What the files are; None for what the run began with."""
    cut: int
    """Number of the last journal entry of the conversation that holds."""
    step: int
    """The last step that holds."""
    reply: ModelReplied | None = None
    """The reply at the cut, where something of it is left to do."""
    open: tuple[ToolCall, ...] = ()
    """Its calls that have no result now."""
    said: tuple[str, ...] = ()
    """What people said after the cut."""


def resume_points(folded: Fold, changes: ChangesFiles) -> Iterator[ResumePoint]:
    """Return where a run may go on, best first; the last one needs no checkpoint.

    Args:
        folded: The fold of the run's whole journal, which has a ``RunStarted`` in it.
        changes: Says which calls matter to the files.
    """
    seen: set[int] = set()
    for made in (*reversed(folded.checkpoints), None):
        if made is None or made.number not in seen:
            yield _point(folded.spoken, made, changes, folded.state.asked)
        if made is not None:
            seen.add(made.number)


def _point(
    spoken: Sequence[JournalEntry],
    made: CheckpointMade | None,
    changes: ChangesFiles,
    asked: Mapping[str, str],
) -> ResumePoint:
    cut = _cut(spoken, made.step if made else 0, changes)
    holding, void = spoken[: cut + 1], spoken[cut + 1 :]
    replies = [entry.event for entry in holding if isinstance(entry.event, ModelReplied)]
    reply, open_calls = _left_to_do(holding)
    return ResumePoint(
        checkpoint=made,
        cut=holding[-1].seq,
        step=replies[-1].step if replies else 0,
        reply=reply,
        open=open_calls,
        said=tuple(_said(void, asked)),
    )


def _cut(spoken: Sequence[JournalEntry], step: int, changes: ChangesFiles) -> int:
    """Return the place of the last entry that fits the files that step ``step`` left."""
    for place, entry in enumerate(spoken):
        reply = entry.event
        if isinstance(reply, ModelReplied) and reply.step > step and any(map(changes, reply.message.tool_calls)):
            return place
    return len(spoken) - 1


def _left_to_do(holding: Sequence[JournalEntry]) -> tuple[ModelReplied | None, tuple[ToolCall, ...]]:
    """Return the last reply, if nothing has followed from it yet or not all of its calls have results."""
    answered: set[str] = set()
    for entry in reversed(holding):
        match entry.event:
            case ToolFinished(result=result):
                answered.add(result.call_id)
            case UserSaid():
                return None, ()
            case ModelReplied(message=message) as reply:
                left = tuple(call for call in message.tool_calls if call.id not in answered)
                return (reply, left) if left or not message.tool_calls else (None, ())
    return None, ()


def _said(void: Iterable[JournalEntry], asked: Mapping[str, str]) -> Iterator[str]:
    for entry in void:
        match entry.event:
            case UserSaid(nudge=False, content=content):
                yield content
            case ToolFinished(result=result) if result.call_id in asked:
                yield ANSWERED.format(question=asked[result.call_id], answer=result.content)


def seconds_run(entries: Iterable[JournalEntry], *, before: int) -> float:
    """Return how long the attempts with numbers below ``before`` ran: each from its claim to the last thing it did."""
    claimed: dict[int, datetime] = {}
    did: dict[int, datetime] = {}
    for entry in entries:
        if not isinstance(entry.event, TaskMoved):
            did[entry.attempt] = entry.at
        elif entry.event.new == "running":
            claimed[entry.attempt] = entry.at
    spans = (did[number] - start for number, start in claimed.items() if number < before and number in did)
    return sum(max(0.0, span.total_seconds()) for span in spans)
