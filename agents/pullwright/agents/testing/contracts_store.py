"""What every ``TaskStore`` must do.

Subclass ``TaskStoreContract`` (and those of leases, lanes, outbox and blobs from the files
beside this one) and give it three fixtures: ``store``, ``other`` (a second store on the same database, as another
process has one) and ``clock``, a ``FakeClock`` that the time of the database follows.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

import anyio
import pytest
from anyio import create_task_group

from pullwright.agents.budget import Budget, Usage
from pullwright.agents.change import CheckResult, Continuation, Evidence, FileStat, RepositoryRef
from pullwright.agents.egress import EgressDecision
from pullwright.agents.errors import DuplicateTask, IllegalTransition, LeaseLost, TaskNotFound
from pullwright.agents.events import (
    BudgetNoted,
    ChangeCommitted,
    ChangePublished,
    ChangeVerified,
    CheckpointMade,
    ConversationCompacted,
    EgressDecided,
    ModelReplied,
    PlanUpdated,
    QuestionAsked,
    RunEvent,
    RunFinished,
    RunResumed,
    RunStarted,
    TaskMoved,
    ToolFinished,
    UserSaid,
)
from pullwright.agents.message import AssistantMessage, Image, ToolCall, ToolResult
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.store import SignalKind
from pullwright.agents.task import Task, TaskSpec, TaskStatus, WaitReason
from pullwright.agents.testing.fake_clock import FakeClock

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
        "requested_by": "Ann <1+ann@users.noreply.example.test>",
        "fixes": ("SHOP-12",),
    }
    return TaskSpec(**{**values, **changes})


def every_event() -> list[RunEvent]:
    """Return one event of each type, with values in every field."""
    call = ToolCall(id="abcdefgh1", name="bash", arguments='{"command": "true"}')
    ran = (CheckResult(command="make", exit_code=None, seconds=0.5, output="x\x00y"),)
    evidence = Evidence(chosen_by="owner", before=ran, after=ran, tests_alone=ran, named=("make",))
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
            branch="b",
            head_sha="c" * 40,
            title="t",
            summary="s",
            files=(FileStat(path="f", added=1, removed=None),),
            base_sha="a" * 40,
        ),
        ChangeVerified(evidence=evidence, refused="é"),
        TaskMoved(old="running", new="scheduled", reason="é", worker_id="w", seconds=15.0),
        RunResumed(step=1, cut=2, checkpoint=1, reason="lost", usage=Usage(prompt_tokens=5)),
        asked(),
        BudgetNoted(step=1, limit="steps", spent=80, allowed=100.5, raised=True),
    ]


def finished(status: str) -> RunFinished:
    """Return a last event."""
    return RunFinished(status=status, reason="", usage=Usage(), steps=0)


def asked() -> QuestionAsked:
    """Return the event of a question."""
    return QuestionAsked(step=1, question="which?", wait=WaitReason.INPUT_REQUIRED.value)


def a_reply(step: int) -> ModelReplied:
    """Return one step of a run."""
    return ModelReplied(step=step, message=AssistantMessage(content="on"), kind="calls", usage=Usage())


async def a_running_task(store: DurableStore, worker_id: str = "w", **changes: Any) -> Task:
    """Return a task that its attempt may write to."""
    task = await store.claim(worker_id, (await store.create(a_spec(**changes))).id)
    assert task is not None
    return task


async def a_waiting_task(store: DurableStore) -> Task:
    """Return a task that waits for an answer."""
    task = await a_running_task(store)
    return await store.park(task, WaitReason.INPUT_REQUIRED, asked(), question="which?")


async def moves(store: DurableStore, task: Task) -> list[tuple[str, str]]:
    """Return the changes of status that a journal tells of."""
    events = [entry.event for entry in await store.journal(task.id)]
    return [(event.old, event.new) for event in events if isinstance(event, TaskMoved)]


class TaskStoreContract:
    """The contract, as tests."""

    pytestmark = pytest.mark.anyio

    async def test_a_new_task_is_queued_and_comes_back_whole(self, store: DurableStore) -> None:
        continues = Continuation(number=7, url="u", branch="b", base_ref="m", head_sha="f", rebase=True)
        spec = a_spec(reproduce=True, continues=continues)
        task = await store.create(spec)
        assert (await store.get(task.id)) == task
        assert (await store.get(task.id[:-1].upper())).spec == spec
        assert await store.status(task.id) is task.status is TaskStatus.QUEUED
        assert await moves(store, task) == [("", "queued")]

    async def test_unknown_ids_are_named(self, store: DurableStore) -> None:
        task = await store.create(a_spec())
        for wrong in ("nope", "", "%", "\x00", "\udc80", f"{task.id}0"):
            with pytest.raises(TaskNotFound, match="agent list"):
                await store.get(wrong)
        for ask in (store.status, store.signals, store.attempts):
            with pytest.raises(TaskNotFound):
                await ask(task.id[:-1])

    async def test_a_prefix_that_fits_several_is_refused(self, store: DurableStore) -> None:
        first, _ = await store.create(a_spec()), await store.create(a_spec())
        with pytest.raises(TaskNotFound, match="several"):
            await store.get(first.id[:5])

    async def test_a_work_key_belongs_to_one_live_task(self, store: DurableStore, other: DurableStore) -> None:
        task = await store.create(a_spec(work_key="issue:1"))
        with pytest.raises(DuplicateTask, match="issue:1"):
            await other.create(a_spec(work_key="issue:1"))
        await store.cancel(task.id, reason="no")
        await other.create(a_spec(work_key="issue:1"))
        await store.create(a_spec(work_key=""))
        await store.create(a_spec(work_key=""))

    async def test_of_many_that_file_one_key_at_once_one_wins(self, store: DurableStore, other: DurableStore) -> None:
        filed: list[Task] = []

        async def file(where: DurableStore) -> None:
            with suppress(DuplicateTask):
                filed.append(await where.create(a_spec(work_key="issue:1")))

        async with create_task_group() as group:
            for number in range(8):
                group.start_soon(file, (store, other)[number % 2])
        assert len(filed) == 1
        assert len(await store.list()) == 1

    async def test_tasks_are_listed_newest_first_and_by_status(self, store: DurableStore) -> None:
        running = await a_running_task(store)
        queued = await store.create(a_spec())
        assert [task.id for task in await store.list()] == [queued.id, running.id]
        assert [task.id for task in await store.list(limit=1)] == [queued.id]
        assert [task.id for task in await store.list(statuses={TaskStatus.RUNNING})] == [running.id]
        both = await store.list(statuses=[TaskStatus.RUNNING, TaskStatus.QUEUED, TaskStatus.FAILED])
        assert [task.id for task in both] == [queued.id, running.id]
        assert await store.list(statuses=()) == []

    async def test_events_come_back_in_order_and_equal(self, store: DurableStore, other: DurableStore) -> None:
        task = await a_running_task(store)
        events = every_event()
        written = [*await store.append(task, events[:3]), *await store.append(task, events[3:])]
        journal = await other.journal(task.id)
        assert [entry.event for entry in journal[2:]] == events
        assert journal[2:] == written
        assert [entry.seq for entry in journal] == list(range(1, len(events) + 3))
        assert [entry.seq for entry in await store.journal(task.id, after=4)] == list(range(5, len(events) + 3))
        assert await store.append(task, []) == []

    async def test_texts_that_databases_choke_on_come_back(self, store: DurableStore) -> None:
        task = await a_running_task(store, instruction="a\x00b \udc80 \U0001f600", title="%(x)s :name $1 '")
        said = UserSaid(step=1, content="\x00 \ud800 \\u0000 " + "x" * 3_000_000)
        await store.append(task, [said])
        assert (await store.get(task.id)).spec == task.spec
        assert (await store.journal(task.id, after=2))[0].event == said
        await store.park(task, WaitReason.INPUT_REQUIRED, asked(), question="which\x00 \udc80?")
        assert (await store.get(task.id)).status_reason.startswith("which")

    async def test_writers_at_once_leave_no_gap(self, store: DurableStore, other: DurableStore) -> None:
        task = await a_running_task(store)

        async def write(where: DurableStore) -> None:
            for step in range(5):
                await where.append(task, [UserSaid(step=step, content="x")] * 2)

        async with create_task_group() as group:
            for number in range(4):
                group.start_soon(write, (store, other)[number % 2])
        assert [entry.seq for entry in await store.journal(task.id)] == list(range(1, 43))

    async def test_an_older_attempt_writes_nothing(self, store: DurableStore) -> None:
        task = await a_running_task(store)
        await store.finish(task, TaskStatus.FAILED, finished("failed"), reason="no")
        before = await store.journal(task.id)
        for write in (
            store.append(task, every_event()),
            store.finish(task, TaskStatus.SUCCEEDED, finished("succeeded")),
            store.park(task, WaitReason.INPUT_REQUIRED, asked(), question="?"),
            store.release(task, reason=""),
            store.retry(task, reason=""),
            store.confirm(task),
            store.intend(task, "k", kind="push"),
            store.settle(task, "k"),
            store.put(task, "b", b""),
        ):
            with pytest.raises(LeaseLost):
                await write
        assert await store.journal(task.id) == before
        assert await store.status(task.id) is TaskStatus.FAILED

    async def test_a_finished_task_knows_where_its_change_went(self, store: DurableStore) -> None:
        task = await a_running_task(store)
        await store.append(task, [ChangePublished(branch="b", pull_request_url="https://x/1", patch_path="/p")])
        done = await store.finish(task, TaskStatus.SUCCEEDED, finished("succeeded"), reason="done")
        assert (done.status, done.status_reason) == (TaskStatus.SUCCEEDED, "done")
        assert (done.branch, done.pull_request_url, done.patch_path) == ("b", "https://x/1", "/p")
        assert (done.worker_id, done.lease_until) == ("", None)
        assert await store.get(task.id) == done

    async def test_cancel_asks_a_running_task_and_ends_any_other(self, store: DurableStore, clock: FakeClock) -> None:
        queued = await store.create(a_spec())
        scheduled = await store.create(a_spec(not_before=clock.now() + timedelta(days=9)))
        waiting = await a_waiting_task(store)
        for task in (queued, scheduled, waiting):
            assert (await store.cancel(task.id, reason="x")).status is TaskStatus.CANCELED
        task = await a_running_task(store)
        canceling = await store.cancel(task.id, reason="x")
        assert (canceling.status, canceling.status_reason) == (TaskStatus.CANCELING, "x")
        await store.append(task, every_event()[:1])
        assert (await store.finish(task, TaskStatus.CANCELED, finished("canceled"))).status is TaskStatus.CANCELED
        with pytest.raises(IllegalTransition):
            await store.cancel(task.id, reason="x")
        assert await moves(store, task) == [("", "queued"), ("queued", "running"), ("running", "canceling")]

    async def test_a_task_that_can_not_be_begun_is_rejected_with_the_reason(self, store: DurableStore) -> None:
        task = await store.create(a_spec(work_key="issue:1"))
        rejected = await store.reject(task.id, reason="no endpoint")
        assert (rejected.status, rejected.status_reason) == (TaskStatus.REJECTED, "no endpoint")
        assert await store.claim("w", task.id) is None
        with pytest.raises(IllegalTransition):
            await store.reject(task.id, reason="again")
        running = await a_running_task(store)
        with pytest.raises(IllegalTransition):
            await store.reject(running.id, reason="too late")

    async def test_an_illegal_end_leaves_no_event(self, store: DurableStore) -> None:
        task = await a_running_task(store)
        before = await store.journal(task.id)
        with pytest.raises(IllegalTransition):
            await store.finish(task, TaskStatus.RUNNING, finished("running"))
        assert await store.journal(task.id) == before

    async def test_a_watcher_wakes_up(self, store: DurableStore, other: DurableStore) -> None:
        for writer in (store, other):
            task = await a_running_task(store)
            seen: list[int] = []
            async with create_task_group() as group:
                group.start_soon(_watch, store, task, seen)
                await writer.append(task, every_event()[:2])
            assert seen == [3, 4]

    async def test_what_is_there_already_is_not_waited_for(self, store: DurableStore) -> None:
        task = await store.create(a_spec())
        with anyio.fail_after(10):
            for _ in range(100):
                await store.wait(task.id, after=0)

    async def test_a_call_that_is_cancelled_happens_whole_or_not(self, store: DurableStore) -> None:
        task = await a_running_task(store)
        for _ in range(20):
            async with create_task_group() as group:
                group.start_soon(store.append, task, [UserSaid(step=1, content="x")] * 3)
                await anyio.lowlevel.checkpoint()
                group.cancel_scope.cancel()
        journal = await store.journal(task.id)
        assert (len(journal) - 2) % 3 == 0
        assert [entry.seq for entry in journal] == list(range(1, len(journal) + 1))


class SignalContract:
    """What people tell a run, as tests; a part of ``TaskStore``."""

    pytestmark = pytest.mark.anyio

    async def test_signals_stay_until_they_are_in_the_journal(self, store: DurableStore, other: DurableStore) -> None:
        task = await a_running_task(store)
        for number in range(12):
            await other.send(task.id, SignalKind.MESSAGE, f"say {number}", author="ann")
        told = await store.signals(task.id)
        assert [(one.text, one.kind, one.author) for one in told[:2]] == [
            ("say 0", SignalKind.MESSAGE, "ann"),
            ("say 1", SignalKind.MESSAGE, "ann"),
        ]
        assert [one.text for one in told] == [f"say {number}" for number in range(12)]
        assert (await store.beat("w"))[task.id].signals == 12
        await store.append(task, [UserSaid(step=1, content="say")], consumed=[one.id for one in told[:11]])
        assert await store.signals(task.id) == told[11:]
        await store.append(task, [], consumed=[told[11].id, told[0].id, "unknown"])
        assert await store.signals(task.id) == []

    async def test_a_refused_append_takes_no_signal(self, store: DurableStore) -> None:
        task = await a_running_task(store)
        await store.send(task.id, SignalKind.MESSAGE, "x")
        told = await store.signals(task.id)
        await store.release(task, reason="")
        with pytest.raises(LeaseLost):
            await store.append(task, [], consumed=[told[0].id])
        assert await store.signals(task.id) == told

    async def test_a_key_is_told_once_for_ever(self, store: DurableStore, other: DurableStore) -> None:
        task = await a_running_task(store)
        await store.send(task.id, SignalKind.MESSAGE, "first", key="comment:1")
        await other.send(task.id, SignalKind.MESSAGE, "again", key="comment:1")
        told = await store.signals(task.id)
        assert [one.text for one in told] == ["first"]
        await store.append(task, [], consumed=[told[0].id])
        await store.finish(task, TaskStatus.FAILED, finished("failed"))
        assert (await store.send(task.id, SignalKind.MESSAGE, "again", key="comment:1")).status is TaskStatus.FAILED
        assert await store.signals(task.id) == []

    async def test_an_answer_queues_what_waits_for_it(self, store: DurableStore) -> None:
        task = await a_waiting_task(store)
        answered = await store.send(task.id, SignalKind.ANSWER, "the left one")
        assert (answered.status, answered.wait) == (TaskStatus.QUEUED, None)
        assert [one.text for one in await store.signals(task.id)] == ["the left one"]
        again = await store.claim("w")
        assert again is not None
        assert (again.id, again.attempt) == (task.id, 2)

    async def test_what_can_not_be_heard_is_refused(self, store: DurableStore) -> None:
        task = await a_running_task(store)
        with pytest.raises(IllegalTransition):
            await store.send(task.id, SignalKind.ANSWER, "nobody asked")
        await store.finish(task, TaskStatus.FAILED, finished("failed"))
        with pytest.raises(IllegalTransition):
            await store.send(task.id, SignalKind.MESSAGE, "too late")
        with pytest.raises(TaskNotFound):
            await store.send("nobody", SignalKind.MESSAGE, "hello")
        assert await store.signals(task.id) == []


async def _watch(store: DurableStore, task: Task, seen: list[int]) -> None:
    with anyio.fail_after(20):
        while not seen:
            await store.wait(task.id, after=2)
            seen.extend(entry.seq for entry in await store.journal(task.id, after=2))
