"""When the code host is asked what became of pull requests, and what it does when it does not answer."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import anyio
import pytest

from pullwright.agents.change import PullRequest, RepositoryRef
from pullwright.agents.errors import (
    AuthFailed,
    IntegrationError,
    NotFound,
    RemoteRateLimited,
    RemoteUnavailable,
    StoreUnavailable,
)
from pullwright.agents.events import ChangePublished
from pullwright.agents.intake.review_watch import (
    AT_ONCE,
    GIVE_UP,
    LOOK_SECONDS,
    OLD_SECONDS,
    YOUNG,
    YOUNG_SECONDS,
    ReviewWatch,
    no_host,
)
from pullwright.agents.ports.report import Landing
from pullwright.agents.queue.memory import MemoryStore
from pullwright.agents.task import Task, TaskStatus
from pullwright.agents.testing.contracts_inbox import NEW, taken
from pullwright.agents.testing.contracts_store import a_spec, finished
from pullwright.agents.testing.fake_clock import FakeClock
from pullwright.agents.testing.fake_code_host import FakeCodeHost

pytestmark = [pytest.mark.anyio]

DAY = YOUNG.total_seconds()


class Host(FakeCodeHost):
    """Remembers what it was asked, and fails for some repositories."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.broken: dict[str, Exception] = {}
        self.at_once = 0
        self.most = 0

    async def find_pull_request(self, repository: RepositoryRef, branch: str) -> PullRequest | None:
        self.asked.append(f"{repository.slug}@{branch}")
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            await anyio.lowlevel.checkpoint()
            if repository.slug in self.broken:
                raise self.broken[repository.slug]
            return await super().find_pull_request(repository, branch)
        finally:
            self.at_once -= 1


class Scene:
    """Pull requests in review, and who watches them."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = MemoryStore(self.clock)
        self.host = Host()
        self.watch = ReviewWatch(self.store, lambda _: self.host, clock=self.clock)
        self._number = 0

    async def in_review(self, slug: str = "o/r", *, of: int = 0) -> Task:
        """Let a task end with a new pull request, or with the one that has this number."""
        self._number += 1
        number = of or self._number
        repository = self.host.repositories.get(slug) or self.host.add_repository(slug)
        branch, url = f"agent/{number}", f"https://example.test/{slug}/pull/{number}"
        if not of:
            repository.pulls.append(PullRequest(number=number, url=url, branch=branch))
        new = replace(NEW, key=f"k{self._number}", work_key=f"w#{self._number}")
        spec = a_spec(repository=self.host.ref(slug), work_key=new.work_key)
        filed = await self.store.file(await taken(self.store, new), spec)
        task = await self.store.claim("w", filed.id)
        assert task is not None
        await self.store.append(task, [ChangePublished(branch=branch, pull_request_url=url)])
        await self.store.finish(task, TaskStatus.SUCCEEDED, finished("succeeded"))
        self.store._reports[task.id] = replace(self.store._reports[task.id], ended=True, landing=Landing.OPEN)
        return task

    async def look(self, seconds: float = LOOK_SECONDS) -> Sequence[str]:
        """Return what is asked when that much time has passed."""
        self.clock.advance(seconds)
        self.host.asked.clear()
        await self.watch.look()
        return list(self.host.asked)

    async def looks(self, seconds: float) -> int:
        """Return how often is asked while that much time passes."""
        return sum([len(await self.look()) for _ in range(int(seconds / LOOK_SECONDS))])

    def landing(self, task: Task) -> Landing:
        return self.store._reports[task.id].landing


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_it_is_asked_often_on_the_first_day_and_seldom_after_that(scene: Scene) -> None:
    await scene.in_review()
    assert await scene.looks(DAY) == DAY / YOUNG_SECONDS
    assert await scene.looks(DAY) == pytest.approx(DAY / OLD_SECONDS, abs=1)


async def test_it_is_given_up_after_a_month(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    task = await scene.in_review()
    with caplog.at_level(logging.INFO):
        assert await scene.look(GIVE_UP.total_seconds())
        assert scene.landing(task) is Landing.OPEN
        assert await scene.look(OLD_SECONDS)
        assert scene.landing(task) is Landing.GONE
    assert await scene.look(OLD_SECONDS) == []
    assert "is watched no longer" in caplog.text


async def test_what_landed_while_nobody_watched_for_months_is_still_seen(scene: Scene) -> None:
    task = await scene.in_review()
    scene.host.close_pull_request("o/r", 1, state="merged")
    await scene.look(2 * GIVE_UP.total_seconds())
    assert scene.landing(task) is Landing.MERGED


@pytest.mark.parametrize(("state", "landing"), [("merged", Landing.MERGED), ("closed", Landing.CLOSED)])
async def test_what_it_says_is_noted_for_all_tasks_of_the_pull_request(
    scene: Scene, state: str, landing: Landing
) -> None:
    tasks = [await scene.in_review(), await scene.in_review(of=1)]
    other = await scene.in_review()
    scene.host.close_pull_request("o/r", 1, state=state)
    assert sorted(await scene.look()) == ["o/r@agent/1", "o/r@agent/3"]
    assert [scene.landing(task) for task in tasks] == [landing, landing]
    assert scene.landing(other) is Landing.OPEN


async def test_a_later_task_makes_an_old_pull_request_young_again(scene: Scene) -> None:
    await scene.in_review()
    await scene.look(GIVE_UP.total_seconds() - OLD_SECONDS)
    await scene.in_review(of=1)
    await scene.look(2 * OLD_SECONDS)
    assert len(await scene.store.in_review()) == 2
    assert len(await scene.look(YOUNG_SECONDS)) == 1


@pytest.mark.parametrize(
    "error", [AuthFailed("the token was refused"), NotFound("no such repository"), RemoteUnavailable("it is away")]
)
async def test_a_repository_that_fails_waits_and_holds_up_no_other(scene: Scene, error: IntegrationError) -> None:
    waits = [await scene.in_review("o/broken"), await scene.in_review("o/broken")]
    lands = [await scene.in_review(f"o/r{number}") for number in range(AT_ONCE)]
    for number in range(AT_ONCE):
        scene.host.close_pull_request(f"o/r{number}", number + 3, state="merged")
    scene.host.broken["o/broken"] = error
    asked = await scene.look()
    assert [slug for slug in asked if "broken" in slug] == ["o/broken@agent/1"]
    assert {scene.landing(task) for task in lands} == {Landing.MERGED}
    assert await scene.look() == []
    assert (await scene.look(YOUNG_SECONDS))[0] == "o/broken@agent/2", "the one that failed comes last"
    scene.host.broken.clear()
    for number in (1, 2):
        scene.host.close_pull_request("o/broken", number, state="merged")
    await scene.look(YOUNG_SECONDS)
    assert {scene.landing(task) for task in waits} == {Landing.MERGED}


async def test_a_host_that_wants_peace_gets_it(scene: Scene) -> None:
    for number in range(3 * AT_ONCE):
        await scene.in_review(f"o/r{number}")
        scene.host.broken[f"o/r{number}"] = RemoteRateLimited("slow down", retry_after=300.0)
    assert len(await scene.look()) <= AT_ONCE
    assert await scene.look(299) == []
    scene.host.broken.clear()
    assert await scene.look(LOOK_SECONDS)


async def test_only_a_few_repositories_are_asked_about_at_once(scene: Scene) -> None:
    for number in range(3 * AT_ONCE):
        await scene.in_review(f"o/r{number}")
    assert len(await scene.look()) == 3 * AT_ONCE
    assert scene.host.most == AT_ONCE


async def test_a_bug_or_a_damaged_task_holds_up_no_other(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    await scene.in_review("o/broken")
    task = await scene.in_review("o/r")
    scene.host.broken["o/broken"] = ZeroDivisionError()
    scene.host.close_pull_request("o/r", 2)
    await scene.look()
    assert scene.landing(task) is Landing.CLOSED
    assert "ran into a bug" in caplog.text


@pytest.mark.parametrize("method", ["in_review", "note_landing"])
async def test_a_database_that_is_away_is_waited_for(
    scene: Scene, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise StoreUnavailable("the database is away")

    task = await scene.in_review()
    with monkeypatch.context() as broken:
        broken.setattr(scene.store, method, fail)
        await scene.look(GIVE_UP.total_seconds() + OLD_SECONDS)
        assert scene.landing(task) is Landing.OPEN
    await scene.look(OLD_SECONDS)
    assert scene.landing(task) is Landing.GONE


async def test_a_second_look_does_not_begin_before_the_first_is_over(scene: Scene) -> None:
    await scene.in_review()
    async with anyio.create_task_group() as group:
        group.start_soon(scene.watch.look)
        scene.clock.advance(LOOK_SECONDS)
        group.start_soon(scene.watch.look)
    assert len(scene.host.asked) == 1


async def test_where_no_host_is_known_it_waits_and_is_given_up(scene: Scene) -> None:
    task = await scene.in_review()
    watch = ReviewWatch(scene.store, no_host, clock=scene.clock)
    await watch.look()
    assert scene.landing(task) is Landing.OPEN
    scene.clock.advance((GIVE_UP + timedelta(seconds=OLD_SECONDS)).total_seconds())
    await watch.look()
    assert scene.landing(task) is Landing.GONE


async def test_what_is_not_found_on_the_host_is_asked_again(scene: Scene) -> None:
    task = await scene.in_review()
    pulls = scene.host.repositories["o/r"].pulls
    kept = pulls.copy()
    pulls.clear()
    await scene.look()
    assert scene.landing(task) is Landing.OPEN
    pulls.extend(kept)
    scene.host.close_pull_request("o/r", 1)
    await scene.look(YOUNG_SECONDS)
    assert scene.landing(task) is Landing.CLOSED
