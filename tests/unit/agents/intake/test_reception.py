"""What becomes of deliveries: every decision, every kind of trouble."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime

import anyio
import pytest
from anyio import create_task_group, fail_after

from pullwright.agents.errors import AuthFailed, NotFound, RemoteRateLimited, RemoteUnavailable
from pullwright.agents.intake.catch_up import CatchUp
from pullwright.agents.intake.decisions import (
    Answer,
    Decision,
    File,
    Ignore,
    Landed,
    Later,
    Refuse,
    Reply,
    ReplyKind,
    Stop,
    Tell,
)
from pullwright.agents.intake.reception import FIRST_PAUSE, Reception
from pullwright.agents.intake.sparing import MOST, WITHIN_SECONDS, Sparing
from pullwright.agents.ports.inbox import MAX_PUT_OFF, Delivery, DeliveryStatus, NewDelivery
from pullwright.agents.ports.report import Landing
from pullwright.agents.ports.store import SignalKind
from pullwright.agents.queue.memory import MemoryStore
from pullwright.agents.task import TaskStatus
from pullwright.agents.testing.contracts_inbox import NEW, the_only
from pullwright.agents.testing.contracts_report import in_review
from pullwright.agents.testing.contracts_store import a_running_task, a_spec
from pullwright.agents.testing.fake_clock import FakeClock
from pullwright.agents.worker.outbox import Made

pytestmark = [pytest.mark.anyio]

SEEN = Reply(kind=ReplyKind.SEEN)
WORDS = Reply(kind=ReplyKind.COMMENT, text="no")


class FakeHandler:
    """Decides as it is told, and remembers what it said."""

    def __init__(self) -> None:
        self.decide: Callable[[Delivery], Decision | Exception] = lambda _: Ignore(reason="nothing")
        self.said: list[tuple[str, str]] = []
        self.trouble: Exception | None = None
        self.lost_answers = 0
        """How many replies are made although their answer gets lost."""

    async def handle(self, delivery: Delivery) -> Decision:
        await anyio.lowlevel.checkpoint()
        decided = self.decide(delivery)
        if isinstance(decided, Exception):
            raise decided
        return decided

    async def reply(self, delivery: Delivery, reply: Reply) -> Made:
        await anyio.lowlevel.checkpoint()
        if self.trouble is not None:
            raise self.trouble
        self.said.append((delivery.key, reply.text))
        if self.lost_answers:
            self.lost_answers -= 1
            raise RemoteUnavailable("the answer was lost")
        return Made(external_id=str(len(self.said)))

    async def find_reply(self, delivery: Delivery, reply: Reply) -> Made | None:
        await anyio.lowlevel.checkpoint()
        return Made(external_id="found") if (delivery.key, reply.text) in self.said else None


class Scene:
    """A store, a handler and a reception."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = MemoryStore(self.clock)
        self.handler = FakeHandler()
        self.reception = Reception(self.store, {"github": self.handler}, clock=self.clock)

    async def deal(self, decision: Decision | Exception, new: NewDelivery = NEW) -> Delivery:
        """Let one delivery come to an end, or be put off."""
        self.handler.decide = lambda _: decision
        await self.store.receive(new)
        await self.again()
        return next(one for one in await self.store.deliveries() if one.key == new.key)

    async def again(self) -> None:
        await self.reception.deal_with_all("w")


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_ignored_and_refused_are_noted_with_their_reason(scene: Scene) -> None:
    ignored = await scene.deal(Ignore(reason="nothing"))
    assert (ignored.status, ignored.reason) == (DeliveryStatus.IGNORED, "nothing")
    refused = await scene.deal(Refuse(reason="may not"), replace(NEW, key="k2"))
    assert (refused.status, refused.reason) == (DeliveryStatus.REFUSED, "may not")
    assert scene.handler.said == []


@pytest.mark.parametrize(("merged", "landing"), [(True, Landing.MERGED), (False, Landing.CLOSED)])
async def test_what_landed_is_noted_and_then_the_rest_is_done(scene: Scene, merged: bool, landing: Landing) -> None:
    report = await in_review(scene.store)
    task = await a_running_task(scene.store)
    decided = Landed(
        pull_request_url="https://x/pull/1", merged=merged, then=Stop(task_id=task.id, reason="it is closed")
    )
    assert (await scene.deal(decided, replace(NEW, key="k2"))).status is DeliveryStatus.TOLD
    assert [one.landing for one in await scene.store.landed_reports(report.turn)] == [landing]
    assert await scene.store.status(task.id) is TaskStatus.CANCELING


async def test_an_answer_is_given_once_though_its_answer_is_lost(scene: Scene) -> None:
    scene.handler.lost_answers = 1
    waiting = await scene.deal(Answer(reason="status", reply=WORDS))
    assert (waiting.status, waiting.put_off) == (DeliveryStatus.WAITING, 1)
    scene.clock.advance(FIRST_PAUSE)
    await scene.again()
    done = await the_only(scene.store)
    assert (done.status, scene.handler.said) == (DeliveryStatus.ANSWERED, [("k1", "no")])
    assert [one.external_id for one in await scene.store.effects(done.id)] == ["found"]


async def test_what_can_not_be_answered_is_settled_all_the_same(scene: Scene) -> None:
    scene.handler.trouble = NotFound("the issue is gone")
    refused = await scene.deal(Refuse(reason="may not", reply=WORDS))
    assert refused.status is DeliveryStatus.REFUSED
    assert "not answered: the issue is gone" in refused.reason


async def test_the_same_place_is_not_flooded(scene: Scene) -> None:
    for number in range(MOST + 2):
        last = await scene.deal(Refuse(reason="may not", reply=WORDS), replace(NEW, key=f"k{number}"))
    assert len(scene.handler.said) == MOST
    assert "too many" in last.reason


def test_an_answer_that_was_allowed_stays_allowed_and_time_forgives() -> None:
    clock = FakeClock()
    sparing = Sparing(clock.monotonic)
    assert all(sparing.allows("a", str(number)) for number in range(MOST))
    assert not sparing.allows("a", "x")
    assert sparing.allows("a", "0")
    assert sparing.allows("b", "x")
    clock.advance(WITHIN_SECONDS)
    assert sparing.allows("a", "x")
    assert all(sparing.allows(str(number), "x") for number in range(1200))


async def test_a_task_is_filed_even_if_nobody_can_be_told(scene: Scene) -> None:
    scene.handler.trouble = RemoteUnavailable("GitHub is away")
    filed = await scene.deal(File(spec=a_spec(work_key="w#1"), reply=SEEN))
    [task] = await scene.store.tasks_of("w#1")
    assert (filed.status, filed.task_id) == (DeliveryStatus.FILED, task.id)


async def test_a_second_request_goes_to_the_live_task(scene: Scene) -> None:
    await scene.deal(File(spec=a_spec(work_key="w#1"), reply=SEEN))
    [task] = await scene.store.tasks_of("w#1")
    told = await scene.deal(
        File(spec=a_spec(work_key="w#1"), words="and quickly", author="ann"), replace(NEW, key="k2")
    )
    silent = await scene.deal(File(spec=a_spec(work_key="w#1")), replace(NEW, key="k3"))
    assert (told.status, told.task_id) == (DeliveryStatus.TOLD, task.id)
    assert (silent.status, silent.task_id) == (DeliveryStatus.IGNORED, task.id)
    assert [(one.text, one.author) for one in await scene.store.signals(task.id)] == [("and quickly", "ann")]
    assert len(await scene.store.tasks_of("w#1")) == 1


async def test_two_deliveries_with_one_meaning_make_one_task(scene: Scene) -> None:
    decision = File(spec=a_spec(work_key="w#1"), meaning_key="labeled@noon")
    filed = await scene.deal(decision)
    await scene.store.cancel(filed.task_id, reason="")
    echo = await scene.deal(decision, replace(NEW, key="k2"))
    assert echo.status is DeliveryStatus.IGNORED
    assert len(await scene.store.tasks_of("w#1")) == 1
    assert (
        await scene.deal(
            Tell(task_id=filed.task_id, kind=SignalKind.MESSAGE, text="x", meaning_key="labeled@noon"),
            replace(NEW, key="k3"),
        )
    ).status is DeliveryStatus.IGNORED


async def test_a_task_that_ended_meanwhile_is_decided_on_anew(scene: Scene) -> None:
    task = await scene.store.create(a_spec(work_key=""))
    await scene.store.cancel(task.id, reason="")
    put_off = await scene.deal(Tell(task_id=task.id, kind=SignalKind.MESSAGE, text="x", reply=SEEN))
    assert (put_off.status, put_off.put_off) == (DeliveryStatus.WAITING, 1)
    scene.handler.decide = lambda _: File(spec=a_spec(work_key="w#1"))
    scene.clock.advance(2)
    await scene.again()
    assert (await the_only(scene.store)).status is DeliveryStatus.FILED
    assert len(scene.handler.said) == 1


async def test_a_task_is_stopped(scene: Scene) -> None:
    task = await a_running_task(scene.store)
    stopped = await scene.deal(Stop(task_id=task.id, reason="enough", reply=SEEN))
    assert (stopped.status, stopped.task_id) == (DeliveryStatus.TOLD, task.id)
    assert await scene.store.status(task.id) is TaskStatus.CANCELING


@pytest.mark.parametrize(
    ("trouble", "seconds", "reason"),
    [
        (Later(seconds=90, reason="not yet"), 90, "not yet"),
        (RemoteUnavailable("away"), FIRST_PAUSE, "away"),
        (RemoteRateLimited("slow down", 700), 700, "slow down"),
        (AuthFailed("the token was refused"), FIRST_PAUSE, "the token was refused"),
        (ZeroDivisionError("secret"), FIRST_PAUSE, "internal error; the traceback is in the log, please report it"),
        (TimeoutError(), FIRST_PAUSE, "it took longer than 45 s"),
    ],
    ids=lambda one: type(one).__name__,
)
async def test_trouble_puts_off(
    scene: Scene, trouble: Decision | Exception, seconds: float, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        waiting = await scene.deal(trouble)
    assert (waiting.status, waiting.reason) == (DeliveryStatus.WAITING, reason)
    assert waiting.run_at is not None
    assert (waiting.run_at - scene.clock.now()).total_seconds() == seconds
    assert bool(caplog.records) is isinstance(trouble, Exception)
    scene.handler.decide = lambda _: Ignore(reason="fine")
    scene.clock.advance(seconds)
    await scene.again()
    assert (await the_only(scene.store)).status is DeliveryStatus.IGNORED


async def test_a_bug_fails_after_about_a_day_and_nothing_is_lost(scene: Scene) -> None:
    begun = scene.clock.now()
    failed = await scene.deal(ZeroDivisionError())
    while failed.status is DeliveryStatus.WAITING:
        assert failed.run_at is not None
        scene.clock.advance((failed.run_at - scene.clock.now()).total_seconds())
        await scene.again()
        failed = await the_only(scene.store)
    assert (failed.status, failed.put_off) == (DeliveryStatus.FAILED, MAX_PUT_OFF)
    assert 12 < (scene.clock.now() - begun).total_seconds() / 3600 < 30
    assert (await scene.deal(Ignore(reason="repaired"))).reason == "repaired"


async def test_what_nobody_understands_waits(scene: Scene) -> None:
    waiting = await scene.deal(Ignore(reason=""), replace(NEW, source="jira"))
    assert waiting.status is DeliveryStatus.WAITING
    assert "jira" in waiting.reason


async def test_it_serves_in_order_and_several_at_once(scene: Scene) -> None:
    busy: list[str] = []
    most = 0
    order: list[str] = []

    class Slow(FakeHandler):
        async def handle(self, delivery: Delivery) -> Decision:
            nonlocal most
            assert delivery.work_key not in busy
            busy.append(delivery.work_key)
            most = max(most, len(busy))
            await anyio.wait_all_tasks_blocked()
            busy.remove(delivery.work_key)
            order.append(delivery.key)
            return Ignore(reason="")

    reception = Reception(scene.store, {"github": Slow()}, clock=scene.clock)
    with fail_after(20):
        async with create_task_group() as group:
            group.start_soon(reception.serve)
            for number in range(12):
                await scene.store.receive(replace(NEW, key=f"{number % 3}:{number:02d}", work_key=f"w{number % 3}"))
            while len(order) < 12:
                await scene.store.wait_for_deliveries(1)
            group.cancel_scope.cancel()
    assert most > 1
    for work in range(3):
        mine = [key for key in order if key.startswith(f"{work}:")]
        assert mine == sorted(mine)


async def test_what_was_in_hand_is_free_when_it_ends(scene: Scene) -> None:
    begun = anyio.Event()

    class Endless(FakeHandler):
        async def handle(self, delivery: Delivery) -> Decision:
            begun.set()
            await anyio.sleep_forever()
            raise AssertionError

    await scene.store.receive(NEW)
    async with create_task_group() as group:
        group.start_soon(Reception(scene.store, {"github": Endless()}, clock=scene.clock).serve)
        await begun.wait()
        assert await scene.store.take("other") == []
        group.cancel_scope.cancel()
    assert [one.turn for one in await scene.store.take("other")] == [2]
    assert await scene.store.workers() == []


async def test_what_was_missed_is_taken_in_once(scene: Scene) -> None:
    class Missed:
        name = "github main"

        async def missed(self, since: datetime) -> AsyncIterator[NewDelivery]:
            for key in ("k1", "k2", "k1"):
                yield replace(NEW, key=key)

    catch_up = CatchUp(scene.store, [Missed()], clock=scene.clock)
    assert await catch_up.ask(Missed(), scene.clock.now()) == 2
    assert await catch_up.ask(Missed(), scene.clock.now()) == 0


async def test_of_several_that_wait_for_the_same_one_stays_and_waits_ever_longer(scene: Scene) -> None:
    wait = Later(seconds=10, reason="not yet", meaning_key="what is waited for")
    first = await scene.deal(wait)
    other = await scene.deal(wait, replace(NEW, key="k2", meaning_key="m2", work_key=""))
    assert (first.status, other.status) == (DeliveryStatus.WAITING, DeliveryStatus.IGNORED)
    for seconds in (10, 20, 40):
        kept = (await scene.store.deliveries(status=DeliveryStatus.WAITING))[0]
        assert kept.run_at is not None
        assert (kept.run_at - scene.clock.now()).total_seconds() == seconds
        scene.clock.advance(seconds)
        await scene.again()


@pytest.mark.parametrize("decision", [Refuse(reason="no", reply=WORDS), Answer(reason="yes", reply=WORDS)])
async def test_what_was_answered_under_a_name_is_answered_once(scene: Scene, decision: Refuse | Answer) -> None:
    named = replace(decision, meaning_key="the question")
    for number in range(3):
        await scene.deal(named, replace(NEW, key=f"k{number}", meaning_key=f"m{number}"))
    assert len(scene.handler.said) == 1


async def test_a_patient_task_waits_for_the_one_in_the_way(scene: Scene) -> None:
    task = await scene.store.create(a_spec(work_key="w1"))
    waits = await scene.deal(File(spec=a_spec(work_key="w1"), patient=True))
    assert waits.status is DeliveryStatus.WAITING
    await scene.store.cancel(task.id, reason="stop")
    scene.clock.advance(5)
    await scene.again()
    assert (await the_only(scene.store)).status is DeliveryStatus.FILED


async def test_several_tasks_end_for_one_reason(scene: Scene) -> None:
    tasks = [await scene.store.create(a_spec(work_key=f"w{number}")) for number in range(3)]
    await scene.store.cancel(tasks[1].id, reason="before")
    stop = Stop(task_id=tasks[0].id, reason="gone", others=(tasks[1].id, tasks[2].id, "nobody"))
    assert (await scene.deal(stop)).status is DeliveryStatus.TOLD
    assert {task.status for task in await scene.store.list()} == {TaskStatus.CANCELED}


async def test_signs_are_not_counted_as_words(scene: Scene) -> None:
    ready = Answer(reason="green", reply=Reply(kind=ReplyKind.READY, about="w#9"))
    for number in range(MOST + 2):
        await scene.deal(ready, replace(NEW, key=f"k{number}", meaning_key=f"m{number}"))
    assert len(scene.handler.said) == MOST + 2
