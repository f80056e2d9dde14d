"""The origin of a task hears what became of its pull request: when, from whom, and how often."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from pullwright.agents.change import PullRequest
from pullwright.agents.errors import NotFound, RemoteRateLimited, RemoteRejected, RemoteUnavailable
from pullwright.agents.events import ChangePublished
from pullwright.agents.intake.reporting import Reporter
from pullwright.agents.intake.review_watch import LOOK_SECONDS, YOUNG_SECONDS
from pullwright.agents.intake.setbacks import FIRST_PAUSE, LONGEST_PAUSE, MAX_PUT_OFF
from pullwright.agents.ports.report import Landing
from pullwright.agents.queue.memory import MemoryStore
from pullwright.agents.task import Task, TaskStatus
from pullwright.agents.testing.contracts_inbox import NEW, taken
from pullwright.agents.testing.contracts_store import a_spec, finished
from pullwright.agents.testing.fake_clock import FakeClock
from pullwright.agents.testing.fake_code_host import FakeCodeHost
from pullwright.agents.testing.fake_reports import FakeLandings, FakeReports

pytestmark = [pytest.mark.anyio]

URL = "https://example.test/o/r/pull/1"


class Scene:
    """A store, an origin, a code host, and who reports."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = MemoryStore(self.clock)
        self.board = FakeReports()
        self.origin = FakeLandings()
        self.host = FakeCodeHost()
        self.pulls = self.host.add_repository("o/r").pulls
        self.reporter = self.another()

    def another(self) -> Reporter:
        return Reporter(
            self.store,
            {"jira": self.board, "github": self.board},
            clock=self.clock,
            landings={"jira": self.origin},
            host_of=lambda _: self.host,
        )

    async def show(self, seconds: float = 0.0) -> None:
        self.clock.advance(seconds)
        await self.reporter.show_all("r1")

    async def ended(self, number: int = 1, *, source: str = "jira", url: str = URL) -> Task:
        """Let a task end with a pull request that stays open, and show that."""
        new = replace(NEW, key=f"k{number}", work_key=f"w#{number}", source=source)
        filed = await self.store.file(await taken(self.store, new), a_spec(work_key=f"w#{number}"))
        task = await self.store.claim("w", filed.id)
        assert task is not None
        if url:
            branch = f"agent/{url.rpartition('/')[2]}"
            await self.store.append(task, [ChangePublished(branch=branch, pull_request_url=url)])
            self.pulls.append(PullRequest(number=int(url.rpartition("/")[2]), url=url, branch=branch))
        await self.store.finish(task, TaskStatus.SUCCEEDED, finished("succeeded"))
        await self.show()
        return task

    async def closes(self, *, merged: bool = False) -> None:
        self.host.close_pull_request("o/r", 1, state="merged" if merged else "closed")

    def landing(self, task: Task) -> Landing:
        return self.store._reports[task.id].landing


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.mark.parametrize("merged", [True, False])
async def test_the_origin_hears_once_what_the_code_host_says(scene: Scene, merged: bool) -> None:
    task = await scene.ended()
    await scene.show(YOUNG_SECONDS)
    assert (scene.landing(task), scene.origin.told) == (Landing.OPEN, [])
    await scene.closes(merged=merged)
    for _ in range(5):
        await scene.show(YOUNG_SECONDS)
    assert scene.origin.known == {task.id: merged}
    [told] = scene.origin.told
    assert (told.pull_request_url, told.status, told.work_key) == (URL, TaskStatus.SUCCEEDED, "w#1")
    assert scene.landing(task) is Landing.TOLD


async def test_it_hears_at_once_what_a_hook_says(scene: Scene) -> None:
    task = await scene.ended()
    await scene.store.note_landing(URL, Landing.MERGED)
    await scene.show(1)
    assert scene.origin.known == {task.id: True}


async def test_what_closed_before_the_end_was_shown_is_found_by_looking(scene: Scene) -> None:
    filed = scene.board.trouble

    def wait(point: str) -> None:
        raise RemoteUnavailable("it is in trouble")

    scene.board.trouble = wait
    task = await scene.ended()
    await scene.closes(merged=True)
    assert await scene.store.note_landing(URL, Landing.MERGED) == 0
    scene.board.trouble = filed
    await scene.show(FIRST_PAUSE)
    await scene.show(LOOK_SECONDS)
    await scene.show(1)
    assert scene.origin.known == {task.id: True}


async def test_each_task_that_ended_with_it_is_told_of(scene: Scene) -> None:
    tasks = [await scene.ended(number) for number in (1, 2)]
    await scene.closes(merged=True)
    await scene.show(YOUNG_SECONDS)
    await scene.show(1)
    assert scene.origin.known == {task.id: True for task in tasks}
    assert len(scene.origin.told) == 2


async def test_nobody_else_is_asked_or_told(scene: Scene) -> None:
    tasks = [await scene.ended(1, source="github"), await scene.ended(2, url="")]
    scene.host.failures.append(RemoteUnavailable("nobody asks"))
    for _ in range(3):
        await scene.show(YOUNG_SECONDS)
    assert [scene.landing(task) for task in tasks] == [Landing.NONE, Landing.NONE]
    assert (scene.origin.told, len(scene.host.failures)) == ([], 1)


@pytest.mark.parametrize("error", [NotFound("the ticket is gone"), RemoteRejected("the project is archived")])
async def test_an_origin_that_can_not_hear_is_given_up(
    scene: Scene, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    tries: list[str] = []

    def refuse(point: str) -> None:
        tries.append(point)
        raise error

    scene.origin.trouble = refuse
    task = await scene.ended()
    await scene.store.note_landing(URL, Landing.MERGED)
    for _ in range(3):
        await scene.show(LONGEST_PAUSE)
    assert (tries, scene.landing(task)) == (["landed"], Landing.GONE)
    assert f"where task {task.id} came from does not hear what became of its change: {error}" in caplog.text


async def test_trouble_is_waited_out_for_longer_and_longer(scene: Scene) -> None:
    tries: list[float] = []

    def fail(point: str) -> None:
        tries.append(scene.clock.elapsed)
        raise RemoteUnavailable("it is in trouble")

    scene.origin.trouble = fail
    task = await scene.ended()
    await scene.store.note_landing(URL, Landing.MERGED)
    for _ in range(40):
        await scene.show(1)
    assert tries == [1, 6, 16, 36]
    scene.origin.trouble = lambda _: None
    await scene.show(LONGEST_PAUSE)
    assert scene.origin.known == {task.id: True}


async def test_trouble_that_lasts_is_given_up_after_a_day(scene: Scene) -> None:
    tries: list[str] = []

    def fail(point: str) -> None:
        tries.append(point)
        raise RemoteUnavailable("it is in trouble")

    scene.origin.trouble = fail
    task = await scene.ended()
    await scene.store.note_landing(URL, Landing.MERGED)
    for _ in range(MAX_PUT_OFF + 3):
        await scene.show(LONGEST_PAUSE)
    assert (len(tries), scene.landing(task)) == (MAX_PUT_OFF, Landing.GONE)


async def test_a_source_that_wants_peace_is_left_alone(scene: Scene) -> None:
    tries: list[str] = []

    def refuse(point: str) -> None:
        tries.append(point)
        raise RemoteRateLimited("slow down", retry_after=60.0)

    tasks = [await scene.ended(1), await scene.ended(2, url=f"{URL}0")]
    scene.origin.trouble = refuse
    await scene.store.note_landing(URL, Landing.MERGED)
    await scene.show()
    await scene.store.note_landing(f"{URL}0", Landing.MERGED)
    other = await scene.store.file(await taken(scene.store, replace(NEW, key="k3", source="github")), a_spec())
    await scene.show(30)
    await scene.show(29)
    assert (tries, scene.origin.told) == (["landed"], [])
    assert other.id in {standing.task_id for standing in scene.board.comments.values()}
    scene.origin.trouble = lambda _: None
    await scene.show(1)
    assert scene.origin.known == {task.id: True for task in tasks}


async def test_what_nobody_here_can_tell_waits_for_somebody_who_can(scene: Scene) -> None:
    task = await scene.ended()
    await scene.store.note_landing(URL, Landing.MERGED)
    scene.reporter = Reporter(scene.store, {"jira": scene.board}, clock=scene.clock)
    for _ in range(3):
        await scene.show(60)
    assert scene.landing(task) is Landing.MERGED
    scene.reporter = scene.another()
    await scene.show()
    assert scene.origin.known == {task.id: True}


async def test_a_task_whose_journal_was_removed_says_what_it_still_knows(scene: Scene) -> None:
    task = await scene.ended()
    scene.store._records[task.id].journal.clear()
    await scene.store.note_landing(URL, Landing.MERGED)
    await scene.show(1)
    [told] = scene.origin.told
    assert (told.pull_request_url, told.branch, told.status) == (URL, "agent/1", TaskStatus.SUCCEEDED)


async def test_an_origin_that_is_not_kept_any_more_is_given_up(scene: Scene) -> None:
    task = await scene.ended()
    scene.store._entries.clear()
    await scene.store.note_landing(URL, Landing.MERGED)
    await scene.show(1)
    assert scene.landing(task) is Landing.GONE


async def test_a_bug_in_one_does_not_keep_others_from_hearing(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    broken = iter([True])

    def fail(point: str) -> None:
        if next(broken, False):
            raise ZeroDivisionError

    tasks = [await scene.ended(number) for number in (1, 2)]
    scene.origin.trouble = fail
    await scene.store.note_landing(URL, Landing.CLOSED)
    with caplog.at_level(logging.ERROR):
        await scene.show(1)
    assert "ran into a bug" in caplog.text
    assert scene.origin.known == {tasks[1].id: False}
    await scene.show(FIRST_PAUSE)
    assert scene.origin.known == {task.id: False for task in tasks}
