"""What every ``TaskStore`` must do. Subclass ``TaskStoreContract`` and give it a ``store`` and a ``clock`` fixture."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from anyio import create_task_group

from pullwright.agents.budget import Budget, Usage
from pullwright.agents.change import CheckResult, Evidence, FileStat, RepositoryRef
from pullwright.agents.egress import EgressDecision
from pullwright.agents.errors import DuplicateTask, IllegalTransition, LeaseLost, TaskNotFound
from pullwright.agents.events import (
    ChangeCommitted,
    ChangePublished,
    ChangeVerified,
    CheckpointMade,
    ConversationCompacted,
    EgressDecided,
    ModelReplied,
    PlanUpdated,
    RunEvent,
    RunFinished,
    RunStarted,
    ToolFinished,
    UserSaid,
)
from pullwright.agents.message import AssistantMessage, Image, ToolCall, ToolResult
from pullwright.agents.ports.store import TaskStore
from pullwright.agents.task import Task, TaskSpec, TaskStatus

REPOSITORY = RepositoryRef(url="https://example.test/o/r.git", host="example.test", owner="o", name="r")


def a_spec(**changes: Any) -> TaskSpec:
    """Return a specification that uses every field."""
    values: dict[str, Any] = {
        "instruction": "fix it — “now”",
        "repository": REPOSITORY,
        "images": (Image(media_type="image/png", content=b"\x89PNG\x00\xff", name="a.png"),),
        "checks": ("make test",),
        "budget": Budget(max_steps=3, max_seconds=1.5),
        "issue_number": 42,
        "start": "f" * 40,
        "start_base": "a" * 40,
    }
    return TaskSpec(**{**values, **changes})


def every_event() -> list[RunEvent]:
    """Return one event of each type, with values in every field."""
    call = ToolCall(id="abcdefgh1", name="bash", arguments='{"command": "true"}')
    check = CheckResult(command="make", exit_code=None, seconds=0.5, output="x\x00y")
    return [
        RunStarted(model="m", effort="high", base_ref="main", base_sha="a" * 40, system_prompt="s", user_prompt="u"),
        ModelReplied(
            step=1,
            message=AssistantMessage(content="é", reasoning="r", tool_calls=(call,)),
            kind="calls",
            usage=Usage(prompt_tokens=5, completion_tokens=2, model_seconds=0.25),
        ),
        ToolFinished(step=1, result=ToolResult(call_id=call.id, name="bash", content="ok"), seconds=0.125),
        UserSaid(step=1, content="go on"),
        PlanUpdated(step=1, items=(("look", "done"), ("fix", "todo"))),
        ConversationCompacted(
            step=1,
            covered=4,
            summary="s",
            content="c",
            kept=("go on",),
            plan=(("fix", "todo"),),
            tokens_before=9,
            tokens_after=3,
            source="model",
            usage=Usage(prompt_tokens=9),
        ),
        CheckpointMade(step=1, number=1, sha="d" * 40, tree="e" * 40),
        EgressDecided(
            step=1,
            phase="agent",
            decisions=(
                EgressDecision(allowed=True, kind="pypi", target="idna 3.10", rule="packages are allowed", received=7),
            ),
        ),
        ChangeCommitted(
            branch="b", head_sha="c" * 40, title="t", summary="s", files=(FileStat(path="f", added=1, removed=None),)
        ),
        ChangeVerified(evidence=Evidence(chosen_by="owner", before=(check,), after=(check,))),
    ]


class TaskStoreContract:
    """The contract, as tests."""

    pytestmark = pytest.mark.anyio

    async def test_a_new_task_is_queued_and_comes_back_whole(self, store: TaskStore) -> None:
        spec = a_spec()
        task = await store.create(spec)
        assert task.status is TaskStatus.QUEUED
        assert (await store.get(task.id)) == task
        assert (await store.get(task.id[:-1])).spec == spec
        assert await store.status(task.id) is TaskStatus.QUEUED

    async def test_unknown_ids_are_named(self, store: TaskStore) -> None:
        for wrong in ("nope", "", "%"):
            with pytest.raises(TaskNotFound, match="agent list"):
                await store.get(wrong)

    async def test_a_work_key_belongs_to_one_live_task(self, store: TaskStore) -> None:
        task = await store.create(a_spec(work_key="issue:1"))
        with pytest.raises(DuplicateTask, match="issue:1"):
            await store.create(a_spec(work_key="issue:1"))
        await store.cancel(task.id, reason="no")
        await store.create(a_spec(work_key="issue:1"))
        await store.create(a_spec(work_key=""))
        await store.create(a_spec(work_key=""))

    async def test_one_task_is_claimed_once(self, store: TaskStore) -> None:
        await store.create(a_spec())
        claimed: list[Task | None] = []

        async def claim() -> None:
            claimed.append(await store.claim())

        async with create_task_group() as group:
            for _ in range(8):
                group.start_soon(claim)
        winners = [task for task in claimed if task is not None]
        assert len(winners) == 1
        assert (winners[0].status, winners[0].attempt) == (TaskStatus.RUNNING, 1)

    async def test_a_named_task_is_claimed_and_no_other(self, store: TaskStore) -> None:
        first, second = await store.create(a_spec()), await store.create(a_spec())
        claimed = await store.claim(second.id)
        assert claimed is not None
        assert claimed.id == second.id
        assert await store.claim(second.id) is None
        assert await store.status(first.id) is TaskStatus.QUEUED

    async def test_tasks_are_listed_newest_first_and_by_status(self, store: TaskStore) -> None:
        running = await self.running(store)
        queued = await store.create(a_spec())
        assert {task.id for task in await store.list()} == {running.id, queued.id}
        assert len(await store.list(limit=1)) == 1
        assert [task.id for task in await store.list(statuses={TaskStatus.RUNNING})] == [running.id]
        assert await store.list(statuses=()) == []

    async def test_events_come_back_in_order_and_equal(self, store: TaskStore) -> None:
        task = await self.running(store)
        events = every_event()
        await store.append(task, events[:3])
        await store.append(task, events[3:])
        journal = await store.journal(task.id)
        assert [entry.event for entry in journal] == events
        assert [entry.seq for entry in journal] == list(range(1, len(events) + 1))
        assert [entry.seq for entry in await store.journal(task.id, after=4)] == list(range(5, len(events) + 1))

    async def test_an_older_attempt_writes_nothing(self, store: TaskStore) -> None:
        task = await self.running(store)
        await store.finish(task, TaskStatus.FAILED, finished("failed"), reason="no")
        for write in (
            store.append(task, every_event()),
            store.finish(task, TaskStatus.SUCCEEDED, finished("succeeded")),
        ):
            with pytest.raises(LeaseLost):
                await write
        assert len(await store.journal(task.id)) == 1
        assert await store.status(task.id) is TaskStatus.FAILED

    async def test_a_finished_task_knows_where_its_change_went(self, store: TaskStore) -> None:
        task = await self.running(store)
        await store.append(task, [ChangePublished(branch="b", pull_request_url="https://x/1", patch_path="/p")])
        done = await store.finish(task, TaskStatus.SUCCEEDED, finished("succeeded"), reason="done")
        assert (done.status, done.status_reason) == (TaskStatus.SUCCEEDED, "done")
        assert (done.branch, done.pull_request_url, done.patch_path) == ("b", "https://x/1", "/p")
        assert await store.get(task.id) == done

    async def test_cancel_asks_a_running_task_and_ends_a_queued_one(self, store: TaskStore) -> None:
        queued = await store.create(a_spec())
        assert (await store.cancel(queued.id, reason="x")).status is TaskStatus.CANCELED
        task = await self.running(store)
        assert (await store.cancel(task.id, reason="x")).status is TaskStatus.CANCELING
        await store.append(task, every_event()[:1])
        assert (await store.finish(task, TaskStatus.CANCELED, finished("canceled"))).status is TaskStatus.CANCELED
        with pytest.raises(IllegalTransition):
            await store.cancel(task.id, reason="x")

    async def test_a_task_that_can_not_be_begun_is_rejected_with_the_reason(self, store: TaskStore) -> None:
        task = await store.create(a_spec(work_key="issue:1"))
        rejected = await store.reject(task.id, reason="no endpoint")
        assert (rejected.status, rejected.status_reason) == (TaskStatus.REJECTED, "no endpoint")
        assert await store.claim(task.id) is None
        with pytest.raises(IllegalTransition):
            await store.reject(task.id, reason="again")
        running = await self.running(store)
        with pytest.raises(IllegalTransition):
            await store.reject(running.id, reason="too late")

    async def test_an_illegal_end_leaves_no_event(self, store: TaskStore) -> None:
        task = await self.running(store)
        with pytest.raises(IllegalTransition):
            await store.finish(task, TaskStatus.RUNNING, finished("running"))
        assert await store.journal(task.id) == []

    async def test_a_watcher_wakes_up(self, store: TaskStore) -> None:
        task = await self.running(store)
        seen: list[int] = []

        async def watch() -> None:
            while not seen:
                await store.wait(task.id, after=0)
                seen.extend(entry.seq for entry in await store.journal(task.id))

        with anyio.fail_after(10):
            async with create_task_group() as group:
                group.start_soon(watch)
                await store.append(task, every_event()[:1])
        assert seen == [1]

    async def running(self, store: TaskStore) -> Task:
        """Return a task that this attempt may write to."""
        created = await store.create(a_spec())
        task = await store.claim(created.id)
        assert task is not None
        return task


def finished(status: str) -> RunFinished:
    """Return a last event."""
    return RunFinished(status=status, reason="", usage=Usage(), steps=0)
