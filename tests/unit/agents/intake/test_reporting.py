"""What is shown of a task, when, and what trouble does to that."""

from __future__ import annotations

import logging
from dataclasses import replace

import anyio
import pytest

from pullwright.agents.budget import Usage
from pullwright.agents.errors import AuthFailed, NotFound, RemoteRateLimited, RemoteRejected, RemoteUnavailable
from pullwright.agents.events import ModelReplied, PlanUpdated
from pullwright.agents.intake.reporting import EACH_SECONDS, EVERY_SECONDS, Reporter
from pullwright.agents.intake.setbacks import FIRST_PAUSE, MAX_PUT_OFF
from pullwright.agents.message import AssistantMessage
from pullwright.agents.ports.inbox import Delivery
from pullwright.agents.ports.report import DUTY_SECONDS, Standing
from pullwright.agents.ports.store import SignalKind
from pullwright.agents.queue.memory import MemoryStore
from pullwright.agents.task import Task, TaskStatus, WaitReason
from pullwright.agents.testing.contracts_inbox import NEW, taken
from pullwright.agents.testing.contracts_store import a_spec, asked, finished
from pullwright.agents.testing.fake_clock import FakeClock
from pullwright.agents.testing.fake_reports import FakeReports

pytestmark = [pytest.mark.anyio]


class Scene:
    """A store, a place to show, and a reporter."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = MemoryStore(self.clock)
        self.board = FakeReports()
        self.reporter = self.another()

    def another(self) -> Reporter:
        return Reporter(self.store, {"github": self.board}, clock=self.clock)

    async def filed(self, number: int = 1, source: str = "github") -> Task:
        new = replace(NEW, key=f"k{number}", work_key=f"w#{number}", source=source)
        return await self.store.file(await taken(self.store, new), a_spec(work_key=f"w#{number}"))

    async def running(self) -> Task:
        await self.filed()
        task = await self.store.claim("w")
        assert task is not None
        await self.show()
        return task

    async def show(self, seconds: float = 0.0) -> None:
        self.clock.advance(seconds)
        await self.reporter.show_all("r1")

    async def step(self, task: Task, step: int) -> None:
        message = AssistantMessage(content="")
        reply = ModelReplied(step=step, message=message, kind="text", usage=Usage(prompt_tokens=1))
        await self.store.append(task, [reply])

    async def note(self, task_id: str) -> str:
        return self.store._reports[task_id].note

    def status(self) -> TaskStatus:
        return self.board.only.status


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_a_task_is_shown_at_once_and_only_when_something_changes(scene: Scene) -> None:
    task = await scene.filed()
    await scene.show()
    assert (scene.board.only.task_id, scene.status()) == (task.id, TaskStatus.QUEUED)
    for _ in range(5):
        await scene.show(EVERY_SECONDS)
    assert scene.board.changes == 1


async def test_while_it_runs_the_comment_changes_every_ten_seconds(scene: Scene) -> None:
    task = await scene.running()
    for step in range(1, 61):
        await scene.step(task, step)
        await scene.show(1.0)
    assert len(scene.board.comments) == 1
    assert 6 <= scene.board.changes <= 8
    await scene.show(EVERY_SECONDS)
    assert (scene.board.only.steps, scene.board.only.usage.prompt_tokens) == (60, 60)


async def test_the_more_tasks_there_are_the_less_often_each_is_shown(scene: Scene) -> None:
    tasks = []
    for number in range(20):
        task = await scene.store.claim("w", (await scene.filed(number)).id)
        assert task is not None
        tasks.append(task)
    for _ in range(6):
        await scene.show(60)
    before = scene.board.changes
    for second in range(1, 61):
        for task in tasks:
            await scene.step(task, second)
        await scene.show(1.0)
    assert scene.board.changes - before <= 60 / EACH_SECONDS + len(tasks)


async def test_another_status_is_shown_at_once(scene: Scene) -> None:
    task = await scene.running()
    assert scene.status() is TaskStatus.RUNNING
    await scene.store.park(task, WaitReason.INPUT_REQUIRED, asked(), question="which?")
    await scene.show()
    assert (scene.status(), scene.board.only.wait) == (TaskStatus.WAITING, WaitReason.INPUT_REQUIRED)
    assert scene.board.only.words == asked().question
    await scene.store.send(task.id, SignalKind.ANSWER, "left")
    await scene.show()
    assert scene.status() is TaskStatus.QUEUED


async def test_the_end_is_shown_and_signed_and_then_there_is_peace(scene: Scene) -> None:
    task = await scene.running()
    await scene.store.finish(task, TaskStatus.SUCCEEDED, finished("succeeded"))
    await scene.show()
    assert scene.status() is TaskStatus.SUCCEEDED
    assert scene.board.signs == {task.id: "succeeded"}
    scene.board.trouble = lambda point: pytest.fail(point)
    await scene.show(3600)
    assert await scene.store.open_reports(1) == []


async def test_events_that_change_nothing_for_people_change_no_comment(scene: Scene) -> None:
    task = await scene.running()
    await scene.store.append(task, [PlanUpdated(step=1, items=(("look", "doing"),))])
    await scene.show(EVERY_SECONDS)
    await scene.store.append(task, [PlanUpdated(step=1, items=(("look", "doing"),))])
    changes = scene.board.changes
    await scene.show(EVERY_SECONDS)
    assert scene.board.changes == changes
    assert (await scene.store.open_reports(1))[0].seq == (await scene.store.journal(task.id))[-1].seq


async def test_the_place_in_the_queue_is_kept_right(scene: Scene) -> None:
    first, second = await scene.filed(1), await scene.filed(2)
    await scene.show()
    places = {one.task_id: one.ahead for one in scene.board.comments.values()}
    assert places == {first.id: 0, second.id: 1}
    await scene.store.claim("w")
    await scene.show(EVERY_SECONDS)
    assert {one.task_id: one.ahead for one in scene.board.comments.values()} == {first.id: 0, second.id: 0}


async def test_one_of_two_shows_and_the_other_follows_when_it_falls_silent(scene: Scene) -> None:
    task = await scene.running()
    other = scene.another()
    await scene.step(task, 1)
    scene.clock.advance(EVERY_SECONDS)
    await other.show_all("r2")
    assert scene.board.only.steps == 0
    scene.clock.advance(DUTY_SECONDS)
    await other.show_all("r2")
    await scene.store.finish(task, TaskStatus.FAILED, finished("failed"))
    await scene.show()
    assert scene.status() is TaskStatus.RUNNING
    await other.show_all("r2")
    assert scene.status() is TaskStatus.FAILED
    assert len(scene.board.comments) == 1


async def test_a_new_turn_waits_for_what_the_last_one_still_does(scene: Scene) -> None:
    task = await scene.running()
    await scene.step(task, 1)
    scene.clock.advance(EVERY_SECONDS)
    entered, may_go_on = anyio.Event(), anyio.Event()

    class Slow(FakeReports):
        async def rewrite(self, origin: Delivery, standing: Standing, number: int, comment: str) -> None:
            entered.set()
            await may_go_on.wait()
            await scene.board.rewrite(origin, standing, number, comment)

    scene.reporter._sources = {"github": Slow()}
    async with anyio.create_task_group() as group:
        group.start_soon(scene.reporter.show_all, "r1")
        await entered.wait()
        scene.clock.advance(DUTY_SECONDS + 1)
        assert await scene.store.take_duty("r2") == 2
        scene.clock.advance(DUTY_SECONDS + 1)
        await scene.step(task, 2)
        await scene.show()
        assert scene.board.only.steps == 0
        may_go_on.set()
    await scene.show(EVERY_SECONDS)
    await scene.show(EVERY_SECONDS)
    assert scene.board.only.steps == 2


async def test_who_signs_off_is_followed_at_once(scene: Scene) -> None:
    await scene.filed()
    with anyio.move_on_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(scene.reporter.serve)
            while not scene.board.comments:
                await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()
    assert await scene.store.take_duty("r2") == 2


async def test_a_comment_whose_answer_got_lost_is_found_again(scene: Scene) -> None:
    lost = iter([True])

    def lose(point: str) -> None:
        if point == "after write" and next(lost, False):
            raise RemoteUnavailable("the answer was lost")

    scene.board.trouble = lose
    await scene.filed()
    await scene.show()
    await scene.show()
    assert scene.board.changes == 1  # it is put off
    await scene.show(FIRST_PAUSE)
    assert len(scene.board.comments) == 1
    assert (await scene.store.open_reports(1))[0].comment == "1"


async def test_a_change_that_failed_is_made_later_even_when_nothing_else_happens(scene: Scene) -> None:
    await scene.filed(1)
    second = await scene.filed(2)
    await scene.show()
    failing = iter([True])

    def fail(point: str) -> None:
        if point == "rewrite" and next(failing, False):
            raise RemoteUnavailable("it is in trouble")

    scene.board.trouble = fail
    await scene.store.claim("w")
    await scene.show(EVERY_SECONDS)
    await scene.show(EVERY_SECONDS)
    assert {one.task_id: one.ahead for one in scene.board.comments.values()}[second.id] == 0


async def test_a_task_whose_journal_was_removed_is_left_as_it_is(scene: Scene) -> None:
    task = await scene.filed()
    await scene.show()
    await scene.store.cancel(task.id, reason="")
    scene.store._records[task.id].journal.clear()
    scene.reporter = scene.another()
    await scene.show()
    assert scene.status() is TaskStatus.QUEUED
    assert "journal" in await scene.note(task.id)


async def test_a_deleted_comment_comes_back_once_with_the_next_status(scene: Scene) -> None:
    task = await scene.running()
    scene.board.delete()
    for step in range(1, 4):
        await scene.step(task, step)
        await scene.show(EVERY_SECONDS)
    assert scene.board.comments == {}
    await scene.store.park(task, WaitReason.INPUT_REQUIRED, asked(), question="which?")
    await scene.show()
    assert scene.status() is TaskStatus.WAITING
    scene.board.delete()
    await scene.store.send(task.id, SignalKind.ANSWER, "left")
    await scene.show()
    await scene.store.cancel(task.id, reason="")
    await scene.show()
    assert scene.board.comments == {}
    assert "deleted" in await scene.note(task.id)


async def test_a_comment_that_was_deleted_before_the_status_changed_is_written_at_once(scene: Scene) -> None:
    task = await scene.running()
    scene.board.delete()
    await scene.store.finish(task, TaskStatus.SUCCEEDED, finished("succeeded"))
    await scene.show()
    assert scene.status() is TaskStatus.SUCCEEDED
    assert scene.board.signs == {task.id: "succeeded"}


@pytest.mark.parametrize("error", [NotFound("the issue is gone"), RemoteRejected("the conversation is locked")])
async def test_where_nothing_can_be_said_nothing_more_is_tried(scene: Scene, error: Exception) -> None:
    def refuse(point: str) -> None:
        raise error

    scene.board.trouble = refuse
    task = await scene.filed()
    await scene.show()
    assert await scene.note(task.id) == str(error)
    assert await scene.store.open_reports(1) == []


async def test_a_source_that_wants_peace_gets_it_and_others_go_on(scene: Scene) -> None:
    asked_for: list[str] = []

    def refuse(point: str) -> None:
        asked_for.append(point)
        raise RemoteRateLimited("slow down", retry_after=60.0)

    quiet = FakeReports(trouble=refuse)
    scene.reporter = Reporter(scene.store, {"github": scene.board, "jira": quiet}, clock=scene.clock)
    await scene.filed(1, "jira")
    await scene.show()
    await scene.filed(2, "jira")
    await scene.filed(3)
    await scene.show(59)
    assert asked_for == ["write"]
    assert scene.board.only.status is TaskStatus.QUEUED
    quiet.trouble = lambda _: None
    await scene.show(1)
    assert len(quiet.comments) == 2


async def test_a_refused_token_is_tried_again_for_a_day_and_no_longer(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    tries: list[str] = []

    def refuse(point: str) -> None:
        tries.append(point)
        raise AuthFailed("the token was refused")

    scene.board.trouble = refuse
    task = await scene.filed()
    with caplog.at_level(logging.INFO):
        for _ in range(MAX_PUT_OFF + 3):
            await scene.show(30_000)
    assert tries.count("write") + tries.count("find") == MAX_PUT_OFF
    assert "somebody has to act" in caplog.text
    assert await scene.note(task.id) == "the token was refused"


async def test_a_bug_in_one_report_does_not_end_the_others(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    broken = iter([True])

    def fail(point: str) -> None:
        if next(broken, False):
            raise ZeroDivisionError

    scene.board.trouble = fail
    await scene.filed(1)
    await scene.filed(2)
    await scene.show()
    assert len(scene.board.comments) == 1
    assert "ran into a bug" in caplog.text
    await scene.show(FIRST_PAUSE)
    assert len(scene.board.comments) == 2


async def test_what_nobody_here_can_show_waits_for_somebody_who_can(scene: Scene) -> None:
    task = await scene.filed(1, "sentry")
    await scene.show()
    await scene.show(3600)
    assert [one.task_id for one in await scene.store.open_reports(1)] == [task.id]
