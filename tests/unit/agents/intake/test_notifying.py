"""Who is told what, when, and what trouble does to that."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection

import anyio
import pytest

from pullwright.agents.errors import RemoteUnavailable, StoreUnavailable
from pullwright.agents.events import ChangePublished, QuestionAsked
from pullwright.agents.intake import notifying
from pullwright.agents.intake.notifying import FRESH, LOOK_SECONDS, Messenger
from pullwright.agents.ports.notice import Moment, News, Notice, Route, Target
from pullwright.agents.ports.outbox import EffectStatus
from pullwright.agents.ports.report import DUTY_SECONDS
from pullwright.agents.ports.store import SignalKind
from pullwright.agents.queue.memory import MemoryStore
from pullwright.agents.task import Task, TaskStatus, WaitReason
from pullwright.agents.testing.contracts_store import a_spec, finished
from pullwright.agents.testing.fake_clock import FakeClock
from pullwright.agents.testing.fake_notifier import FakeNotifier

pytestmark = [pytest.mark.anyio]

URL = "https://forge.example/acme/shop/pull/7"


def target(key: str = "chat", about: Collection[Moment] = tuple(Moment), *repositories: str) -> Target:
    return Target(key=key, label=f"notify {key}", routes=(Route(about=frozenset(about), repositories=repositories),))


class Scene:
    """A store, targets, and a messenger that has looked once."""

    def __init__(self, *targets: Target) -> None:
        self.clock = FakeClock()
        self.store = MemoryStore(self.clock)
        self.notifier = FakeNotifier()
        self.targets = targets or (target(),)
        self.messenger = self.another()

    def another(self) -> Messenger:
        return Messenger(self.store, self.notifier, self.targets, clock=self.clock)

    async def look(self, seconds: float = LOOK_SECONDS, times: int = 1) -> int:
        left = 0
        for _ in range(times):
            self.clock.advance(seconds)
            left = await self.messenger.tell_all("n1")
        return left

    async def running(self) -> Task:
        filed = await self.store.create(a_spec(work_key=""))
        task = await self.store.claim("w", filed.id)
        assert task is not None
        return task

    async def end(self, task: Task, status: TaskStatus = TaskStatus.FAILED) -> None:
        await self.store.finish(task, status, finished(status.value))

    async def ask(self, task: Task, wait: WaitReason = WaitReason.INPUT_REQUIRED) -> None:
        event = QuestionAsked(step=1, question="which?", wait=wait.value)
        await self.store.park(task, wait, event, question="which?")

    async def restart(self) -> None:
        await self.store.retire("n1")
        self.messenger = self.another()

    def told(self, key: str = "chat") -> list[Moment]:
        return self.notifier.moments(key)

    @property
    def last(self) -> Notice:
        return self.notifier.told[-1][1]


@pytest.fixture
async def scene() -> Scene:
    made = Scene()
    await made.look()
    return made


async def test_a_life_is_told_once_and_in_order(scene: Scene) -> None:
    task = await scene.running()
    await scene.look(times=2)
    assert scene.told() == [Moment.STARTED]
    await scene.ask(task)
    await scene.look()
    assert (scene.last.moment, scene.last.words) == (Moment.QUESTION, "which?")
    await scene.store.send(task.id, SignalKind.ANSWER, "left")
    again = await scene.store.claim("w", task.id)
    assert again is not None
    await scene.store.append(again, [ChangePublished(branch="b", pull_request_url=URL)])
    await scene.end(again, TaskStatus.SUCCEEDED)
    await scene.look(times=5)
    assert scene.told() == [Moment.STARTED, Moment.QUESTION, Moment.PULL_REQUEST]
    assert scene.last.url == URL
    assert scene.last.repository == task.spec.repository.slug


@pytest.mark.parametrize(
    ("status", "moment"),
    [
        (TaskStatus.FAILED, Moment.FAILED),
        (TaskStatus.SUCCEEDED, Moment.DONE),
        (TaskStatus.CANCELED, Moment.CANCELED),
    ],
)
async def test_ends_without_a_pull_request(scene: Scene, status: TaskStatus, moment: Moment) -> None:
    await scene.end(await scene.running(), status)
    await scene.look(times=3)
    assert scene.told() == [Moment.STARTED, moment]


async def test_what_could_not_be_begun_has_failed_and_what_rests_asks_nothing(scene: Scene) -> None:
    queued = await scene.store.create(a_spec(work_key=""))
    await scene.store.reject(queued.id, reason="no such branch")
    await scene.look()
    assert (scene.last.moment, scene.last.words) == (Moment.FAILED, "no such branch")
    task = await scene.running()
    await scene.ask(task, WaitReason.PAUSED)
    await scene.look(times=3)
    assert scene.told() == [Moment.FAILED, Moment.STARTED]


async def test_each_target_gets_what_it_wants() -> None:
    scene = Scene(
        target("all"), target("asked", [Moment.QUESTION]), target("mine", list(Moment), "ACME/*"), target("none", [])
    )
    await scene.look()
    task = await scene.running()
    await scene.ask(task, WaitReason.APPROVAL_REQUIRED)
    await scene.look(times=4)
    assert scene.told("all") == [Moment.STARTED, Moment.QUESTION]
    assert scene.told("asked") == [Moment.QUESTION]
    assert scene.told("mine") == (scene.told("all") if task.spec.repository.owner == "acme" else [])
    assert scene.told("none") == []


def test_patterns_know_no_case_and_routes_add_up() -> None:
    both = (
        Route(about=frozenset([Moment.FAILED]), repositories=("acme/*", "x/y")),
        Route(about=frozenset([Moment.DONE])),
    )
    one = Target(key="k", label="l", routes=both)
    assert one.wants(Moment.FAILED, "Acme/Shop")
    assert one.wants(Moment.FAILED, "X/Y")
    assert one.wants(Moment.DONE, "who/ever")
    assert not one.wants(Moment.FAILED, "who/ever")


async def test_what_happened_before_a_target_was_there_is_not_told() -> None:
    scene = Scene()
    await scene.end(await scene.running())
    scene.clock.advance(10)
    await scene.look(times=3)
    assert scene.told() == []
    scene.targets = (*scene.targets, target("new"))
    await scene.restart()
    await scene.running()
    await scene.look(times=2)
    assert scene.told() == [Moment.STARTED]
    assert scene.told("new") == []  # it happened before the new one was seen
    await scene.running()
    await scene.look(times=2)
    assert scene.told("new") == [Moment.STARTED]


@pytest.mark.parametrize(("away", "told"), [(0.9, [Moment.STARTED]), (1.1, [])])
async def test_what_happened_meanwhile_is_told_for_an_hour(scene: Scene, away: float, told: list[Moment]) -> None:
    await scene.running()
    scene.clock.advance(away * FRESH.total_seconds())
    await scene.restart()
    await scene.look()
    assert scene.told() == told


async def test_no_target_gets_two_at_once(scene: Scene) -> None:
    for _ in range(3):
        await scene.running()
    await scene.look()
    assert len(scene.told()) == 1
    assert await scene.look(0.5) == 2
    assert await scene.look(0.5) == 1
    assert await scene.look() == 0
    assert len(scene.told()) == 3


async def test_a_target_in_trouble_is_tried_for_a_day_and_holds_up_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = Scene(target("good"), target("bad"))
    scene.notifier.trouble = refuse("bad")
    await scene.look()
    task = await scene.running()
    await scene.look()
    assert scene.told("good") == [Moment.STARTED]
    assert "notify bad is told later" in caplog.text
    caplog.clear()
    hours = 0
    while await scene.look(3600) and hours < 40:
        hours += 1
    assert 22 <= hours <= 26
    assert 20 <= scene.notifier.tried.count("bad") <= 30
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "notify bad was not told of task" in caplog.text
    [_, effect] = list(await scene.store.effects(f"notices:{task.id}"))
    assert (effect.status, effect.external_id) == (EffectStatus.DONE, "given up")
    scene.notifier.trouble = lambda target, point: None
    await scene.running()
    await scene.look()
    await scene.look(3600)
    assert scene.told("bad") == [Moment.STARTED]


async def test_what_one_task_can_not_tell_does_not_hold_up_another(scene: Scene) -> None:
    first, second = await scene.running(), await scene.running()
    poison = first.id

    def trouble(target: str, point: str) -> None:
        if point == "after send" and scene.last.task_id == poison:
            scene.notifier.told.pop()
            raise RemoteUnavailable("it chokes on this")

    scene.notifier.trouble = trouble
    await scene.end(first)
    await scene.end(second)
    await scene.look(10, times=6)
    assert scene.notifier.moments("chat", second.id) == [Moment.STARTED, Moment.FAILED]
    assert scene.notifier.moments("chat", first.id) == []
    poison = ""
    await scene.look(3600, times=2)
    assert scene.notifier.moments("chat", first.id) == [Moment.STARTED, Moment.FAILED]


async def test_what_could_not_be_told_is_told_by_the_next_process(scene: Scene) -> None:
    scene.notifier.trouble = refuse("chat")
    await scene.running()
    await scene.look(times=3)
    scene.notifier.trouble = lambda target, point: None
    scene.clock.advance(5 * FRESH.total_seconds())
    await scene.restart()
    await scene.look()
    assert scene.told() == [Moment.STARTED]


async def test_one_process_tells(scene: Scene) -> None:
    second = scene.another()
    await scene.running()
    assert await second.tell_all("n2") == 0
    assert scene.told() == []
    await scene.look()
    assert scene.told() == [Moment.STARTED]
    scene.clock.advance(DUTY_SECONDS + 1)
    await second.tell_all("n2")
    await scene.running()
    scene.clock.advance(1)
    await second.tell_all("n2")
    await scene.look()
    assert scene.told() == [Moment.STARTED, Moment.STARTED]


async def test_a_target_that_hangs_is_left(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifying, "SEND_SECONDS", 0.05)

    class Hanging(FakeNotifier):
        async def send(self, target: str, notice: Notice) -> None:
            await anyio.sleep(3600)

    scene.messenger = Messenger(scene.store, Hanging(), scene.targets, clock=scene.clock)
    await scene.running()
    with anyio.fail_after(10):
        assert await scene.look() == 1


async def test_a_database_that_is_away_is_waited_for(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    class Away(MemoryStore):
        async def news(self, *, seconds: float) -> News:
            raise StoreUnavailable("the database did not answer")

    await scene.running()
    messenger, scene.messenger = (
        scene.messenger,
        Messenger(Away(scene.clock), scene.notifier, scene.targets, clock=scene.clock),
    )
    await scene.look()
    assert "nobody is told anything new" in caplog.text
    scene.messenger = messenger
    await scene.look()
    assert scene.told() == [Moment.STARTED]


async def test_it_serves_until_everything_is_told() -> None:
    scene = Scene()
    async with anyio.create_task_group() as group:
        group.start_soon(scene.messenger.serve)
        await scene.messenger.until_told()
        scene.clock.advance(1)
        await scene.end(await scene.running())
        await scene.messenger.until_told()
        assert scene.told() == [Moment.STARTED, Moment.FAILED]
        group.cancel_scope.cancel()
    assert await scene.store.workers() == []
    assert await scene.store.take_notice_duty("n2") == 2


def refuse(key: str) -> Callable[[str, str], None]:
    def trouble(target: str, point: str) -> None:
        if target == key and point == "send":
            raise RemoteUnavailable("HTTP 503")

    return trouble
