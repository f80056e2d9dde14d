"""How a task stands: a fold over its journal. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import reduce

from pullwright.agents.budget import Usage
from pullwright.agents.events import (
    ChangeCommitted,
    ChangePublished,
    ChangeVerified,
    ConversationCompacted,
    JournalEntry,
    ModelReplied,
    PlanUpdated,
    QuestionAsked,
    RunEvent,
    RunFinished,
    RunResumed,
    RunStarted,
    TaskMoved,
)
from pullwright.agents.ports.report import Standing
from pullwright.agents.task import TaskStatus, WaitReason


def standing_after(standing: Standing, entries: Iterable[JournalEntry]) -> Standing:
    """Return how a task stands after these entries of its journal."""
    return reduce(lambda before, entry: _after(before, entry.event), entries, standing)


def _after(before: Standing, event: RunEvent) -> Standing:
    match event:
        case TaskMoved():
            return _moved(before, TaskStatus(event.new), event.reason)
        case QuestionAsked():
            return replace(before, status=TaskStatus.WAITING, wait=WaitReason(event.wait), words=event.question)
        case RunFinished():
            return replace(_moved(before, TaskStatus(event.status), event.reason), steps=event.steps)
        case ChangeVerified():
            ran = tuple((result.command, result.exit_code) for result in event.evidence.after)
            alone = event.evidence.tests_fail_alone
            return replace(before, verified=event.evidence.verified, checks=ran, tests_fail_alone=alone)
        case ChangeCommitted():
            return replace(before, commit=event.head_sha)
        case ChangePublished():
            return replace(before, branch=event.branch, pull_request_url=event.pull_request_url)
    return _having_worked(before, event)


def _having_worked(before: Standing, event: RunEvent) -> Standing:
    match event:
        case RunStarted():
            return replace(before, model=event.model)
        case RunResumed():
            return replace(before, steps=event.step, tool="")
        case ModelReplied():
            calls = event.message.tool_calls
            after = _having_spent(before, event.usage, event.endpoint)
            return replace(after, steps=event.step, tool=calls[-1].name if calls else "")
        case ConversationCompacted():
            return _having_spent(before, event.usage, ([*before.spent] or [""])[-1])
        case PlanUpdated():
            return replace(before, plan=event.items)
    return before


def _having_spent(before: Standing, usage: Usage, endpoint: str) -> Standing:
    """Add up what is spent. What a later attempt declares void stays spent, so nothing is ever taken off."""
    others = {name: spent for name, spent in before.spent.items() if name != endpoint}
    there = before.spent.get(endpoint, Usage()) + usage
    return replace(before, usage=before.usage + usage, spent={**others, endpoint: there})


def _moved(before: Standing, status: TaskStatus, reason: str) -> Standing:
    """Of a task in the queue or at work nobody needs to know why; what was said when it was stopped stays."""
    why = "" if status in (TaskStatus.QUEUED, TaskStatus.RUNNING) else reason
    kept = before.words if before.status is TaskStatus.CANCELING and status is TaskStatus.CANCELED else ""
    return replace(before, status=status, wait=None, words=kept or why)
