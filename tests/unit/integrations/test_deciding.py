"""What all handlers decide alike, and what they say in the same words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from pullwright.agents.change import RepositoryRef
from pullwright.agents.intake.decisions import Ignore, Later, Tell
from pullwright.agents.ports.store import SignalKind
from pullwright.agents.task import Task, TaskSpec, TaskStatus
from pullwright.integrations.deciding import STOPPING_SECONDS, in_the_way, live_of, standing_of, tell
from pullwright.integrations.redaction import Redactor
from pullwright.integrations.status_words import HEADLINES, Wording, how_to_go_on, link

PLACE = RepositoryRef(url="https://git.example/acme/shop.git", host="git.example", owner="acme", name="shop")
NOW = datetime(2026, 3, 2, tzinfo=UTC)


def task(status: TaskStatus, **more: str) -> Task:
    spec = TaskSpec(instruction="Greet people.", repository=PLACE)
    return Task(id="t1", spec=spec, status=status, created_at=NOW, updated_at=NOW, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("status", [status for status in TaskStatus if not status.terminal])
def test_words_reach_the_live_task(status: TaskStatus) -> None:
    live = live_of([task(TaskStatus.FAILED), task(status)])
    assert live is not None
    told = tell(live, "the second", "Ann")
    if status is TaskStatus.CANCELING:
        # It may have ended by then, and the words ask for another one: they are not lost.
        assert told == Later(seconds=STOPPING_SECONDS, reason="the task is being stopped")
    else:
        kind = SignalKind.ANSWER if status is TaskStatus.WAITING else SignalKind.MESSAGE
        assert told == Tell(task_id="t1", kind=kind, text="the second", author="Ann")
    assert isinstance(tell(live, "", "Ann"), Ignore)


def test_an_ended_task_is_in_the_way_of_another_by_its_pull_request() -> None:
    ended = task(TaskStatus.SUCCEEDED, pull_request_url="https://x/1", branch="agent/1", status_reason="Done.")
    assert live_of([ended]) is None
    assert "https://x/1" in in_the_way([ended])
    assert in_the_way([replace(ended, pull_request_url="")]) == in_the_way([]) == ""
    standing = standing_of(ended)
    assert (standing.status, standing.words, standing.branch) == (TaskStatus.SUCCEEDED, "Done.", "agent/1")


def test_every_status_has_its_words() -> None:
    assert set(HEADLINES) == set(TaskStatus)
    again = {status for status in TaskStatus if "/agent retry" in how_to_go_on(status)}
    assert again == {status for status in TaskStatus if status.terminal} | {TaskStatus.CANCELING}
    assert "/agent continue" in how_to_go_on(TaskStatus.WAITING)


def test_words_of_others_are_harmless_and_what_is_ours_survives_every_cut() -> None:
    words = Wording(Redactor(["s3cret-value"]), 400)
    text = words.finished(
        [words.passage("@eve s3cret-value\n```\nopen " + "x" * 900, 200), "y " * 400], "<!-- ours -->"
    )
    assert len(text) <= 400
    assert text.endswith("\n\n<!-- ours -->")
    assert "@eve" not in text
    assert "s3cret" not in text
    assert "- [x] Look" in words.plan([("Look", "done"), ("Change", "open")])
    assert words.plan([]) == ""
    assert link("https://x/1") == "https://x/1"
    assert link("javascript:x") == link("https://a b") == ""
