"""What a journal says of how its task stands."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from pullwright.agents.budget import Usage
from pullwright.agents.change import CheckResult, Evidence
from pullwright.agents.events import (
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
    TaskMoved,
)
from pullwright.agents.intake.standings import standing_after
from pullwright.agents.message import AssistantMessage, ToolCall
from pullwright.agents.ports.report import Standing
from pullwright.agents.task import TaskStatus, WaitReason
from pullwright.agents.testing.contracts_store import every_event

FIRST = Standing(task_id="t")


def after(*events: RunEvent, first: Standing = FIRST) -> Standing:
    entries = [
        JournalEntry(task_id="t", seq=seq, attempt=1, at=datetime(2026, 1, 1, tzinfo=UTC), event=event)
        for seq, event in enumerate(events, start=1)
    ]
    return standing_after(first, entries)


def replied(step: int, *tools: str, endpoint: str = "") -> ModelReplied:
    calls = tuple(ToolCall(id=f"abcdefgh{number}", name=tool, arguments="{}") for number, tool in enumerate(tools))
    message = AssistantMessage(content="", tool_calls=calls)
    usage = Usage(prompt_tokens=10, completion_tokens=1)
    return ModelReplied(step=step, message=message, kind="calls", usage=usage, endpoint=endpoint)


def verified(exit_code: int | None) -> ChangeVerified:
    result = CheckResult(command="make", exit_code=exit_code, seconds=1.0, output="")
    return ChangeVerified(evidence=Evidence(chosen_by="owner", after=(result,)))


def moved(new: str, reason: str = "") -> TaskMoved:
    return TaskMoved(old="", new=new, reason=reason)


def test_steps_tools_and_tokens_add_up() -> None:
    stands = after(moved("running", "its worker came"), replied(1, "read", "bash"), replied(2, "edit"))
    assert (stands.status, stands.words, stands.steps, stands.tool) == (TaskStatus.RUNNING, "", 2, "edit")
    assert stands.usage.total_tokens == 22
    compacted = after(
        ConversationCompacted(step=2, covered=1, summary="", content="", usage=Usage(prompt_tokens=8)), first=stands
    )
    assert compacted.usage.total_tokens == 30
    assert after(replied(3), first=stands).tool == ""


def test_a_run_that_goes_on_from_a_checkpoint_counts_what_was_spent() -> None:
    resumed = RunResumed(step=1, cut=3, checkpoint=1, usage=Usage(prompt_tokens=20, completion_tokens=2))
    stands = after(replied(1, "bash"), replied(2, "bash"), resumed)
    assert (stands.steps, stands.usage, stands.tool) == (1, resumed.usage, "")


def test_what_was_spent_is_known_for_each_endpoint() -> None:
    compacted = ConversationCompacted(step=2, covered=1, summary="", content="", usage=Usage(prompt_tokens=8))
    stands = after(replied(1, endpoint="a"), replied(2, endpoint="b"), replied(3, endpoint="a"), compacted)
    assert {name: spent.total_tokens for name, spent in stands.spent.items()} == {"a": 30, "b": 11}
    assert stands.usage.total_tokens == 41


def test_the_last_plan_holds() -> None:
    first, second = PlanUpdated(step=1, items=(("look", "doing"),)), PlanUpdated(step=2, items=(("look", "done"),))
    assert after(first, second).plan == (("look", "done"),)


def test_a_question_is_there_until_it_is_answered() -> None:
    question = QuestionAsked(step=1, question="which?", wait="approval_required")
    waiting = after(moved("running"), question)
    assert (waiting.status, waiting.wait, waiting.words) == (
        TaskStatus.WAITING,
        WaitReason.APPROVAL_REQUIRED,
        "which?",
    )
    answered = after(moved("queued", "answered"), first=waiting)
    assert (answered.status, answered.wait, answered.words) == (TaskStatus.QUEUED, None, "")


@pytest.mark.parametrize("last", [moved("canceled", "its worker stopped"), moved("canceled")])
def test_who_stopped_it_is_remembered(last: TaskMoved) -> None:
    stands = after(moved("running"), moved("canceling", "ann asked to stop"), last)
    assert (stands.status, stands.words) == (TaskStatus.CANCELED, "ann asked to stop")
    assert after(moved("queued"), moved("canceled", "ann asked to stop")).words == "ann asked to stop"


def test_a_delay_and_an_end_say_why() -> None:
    assert after(moved("running"), moved("scheduled", "the endpoint is away")).words == "the endpoint is away"
    end = RunFinished(status="failed", reason="no progress", usage=Usage(prompt_tokens=5), steps=7)
    stands = after(moved("running"), end)
    assert (stands.status, stands.words, stands.steps) == (TaskStatus.FAILED, "no progress", 7)


@pytest.mark.parametrize(("exit_code", "verdict"), [(0, True), (1, False), (None, False)])
def test_what_was_opened_and_whether_it_is_verified(exit_code: int | None, verdict: bool) -> None:
    published = ChangePublished(branch="agent/7", pull_request_url="https://x/pull/1")
    stands = after(verified(exit_code), published)
    assert (stands.verified, stands.branch, stands.pull_request_url) == (verdict, "agent/7", "https://x/pull/1")
    assert [code for _, code in stands.checks] == [exit_code]


def test_what_the_tests_alone_said_is_known_of_the_newest_change() -> None:
    failed = CheckResult(command="make", exit_code=1, seconds=1.0, output="")
    proven = ChangeVerified(evidence=replace(verified(0).evidence, tests_alone=(failed,)))
    assert after(proven).tests_fail_alone
    assert not after(proven, verified(0)).tests_fail_alone


def test_it_does_not_matter_in_how_many_pieces_a_journal_is_read() -> None:
    events = [moved("running"), *every_event()]
    whole = after(*events)
    for cut in range(len(events)):
        assert after(*events[cut:], first=after(*events[:cut])) == whole
