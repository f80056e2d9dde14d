"""What every ``ReportStore`` must do; see ``contracts_store``."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from pullwright.agents.errors import LeaseLost
from pullwright.agents.events import ChangePublished
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.lease import Worker
from pullwright.agents.ports.outbox import EffectStatus
from pullwright.agents.ports.report import DUTY_SECONDS, InReview, Landing, Report
from pullwright.agents.task import TaskStatus
from pullwright.agents.testing.contracts_inbox import NEW, taken
from pullwright.agents.testing.contracts_store import a_spec, finished
from pullwright.agents.testing.fake_clock import FakeClock


async def a_report(store: DurableStore, number: int = 1) -> Report:
    """File a task from a delivery and return its report, as the first turn has it."""
    delivery = await taken(store, replace(NEW, key=f"k{number}", work_key=f"w#{number}"))
    task = await store.file(delivery, a_spec(work_key=f"w#{number}"))
    turn = await store.take_duty("r1")
    assert turn is not None
    return next(one for one in await store.open_reports(turn) if one.task_id == task.id)


class ReportContract:
    """The contract, as tests."""

    pytestmark = pytest.mark.anyio

    async def test_one_has_the_duty_until_it_falls_silent(
        self, store: DurableStore, other: DurableStore, clock: FakeClock
    ) -> None:
        assert await store.take_duty("r1") == 1
        assert await other.take_duty("r2") is None
        clock.advance(DUTY_SECONDS - 1)
        assert await store.take_duty("r1") == 1
        clock.advance(DUTY_SECONDS - 1)
        assert await other.take_duty("r2") is None
        clock.advance(2)
        assert await other.take_duty("r2") == 2
        assert await store.take_duty("r1") is None
        clock.advance(DUTY_SECONDS + 1)
        assert await other.take_duty("r2") == 2  # nobody has noticed

    async def test_the_duty_of_a_worker_that_signed_off_is_free(self, store: DurableStore, other: DurableStore) -> None:
        await store.enlist(Worker(id="r1", slots=0))
        assert await store.take_duty("r1") == 1
        await store.retire("r1")
        assert await other.take_duty("r2") == 2

    async def test_a_task_that_came_from_somewhere_has_a_report(self, store: DurableStore, other: DurableStore) -> None:
        await store.create(a_spec(work_key=""))
        report = await a_report(store)
        assert (report.seq, report.status, report.number, report.comment, report.ended) == (0, "", 1, "", False)
        assert (report.last, report.stands) == (1, "queued")
        shown = replace(report, seq=1, status="queued", comment="7", note="x")
        await store.note_report(shown)
        assert await other.open_reports(report.turn) == [shown]
        await store.note_report(replace(shown, ended=True))
        assert await other.open_reports(report.turn) == []

    async def test_it_says_how_the_task_stands(self, store: DurableStore) -> None:
        reports = [await a_report(store, number) for number in range(3)]
        found = await store.open_reports(1)
        assert [one.task_id for one in found] == sorted(one.task_id for one in reports)
        assert [one.ahead for one in found] == [0, 1, 2]
        task = await store.claim("w", found[0].task_id)
        assert task is not None
        first, second, _ = await store.open_reports(1)
        assert (first.stands, first.ahead, second.ahead) == ("running", 0, 0)
        assert first.last == (await store.journal(task.id))[-1].seq
        await store.finish(task, TaskStatus.SUCCEEDED, finished("succeeded"))
        [first, *_] = await store.open_reports(1)
        assert first.stands == "succeeded"

    async def test_who_lost_the_duty_writes_nothing(
        self, store: DurableStore, other: DurableStore, clock: FakeClock
    ) -> None:
        report = await a_report(store)
        await store.intend(report, "comment:1", kind="comment")
        clock.advance(DUTY_SECONDS + 1)
        with pytest.raises(LeaseLost):
            await store.confirm(report)
        with pytest.raises(LeaseLost):
            await store.intend(report, "comment:2", kind="comment")
        await store.settle(report, "comment:1", external_id="7")  # its time is over, but nobody has taken its place
        assert await other.take_duty("r2") == 2
        with pytest.raises(LeaseLost):
            await store.note_report(report)
        with pytest.raises(LeaseLost):
            await store.settle(report, "comment:1", external_id="8")
        mine = replace(report, turn=2)
        await other.confirm(mine)
        effect, new = await other.intend(mine, "comment:1", kind="comment")
        assert (effect.status, effect.external_id, new) == (EffectStatus.DONE, "7", False)
        assert await store.effects(report.task_id) == []

    async def test_the_delivery_of_an_open_report_is_kept(self, store: DurableStore, clock: FakeClock) -> None:
        report = await a_report(store)
        await store.cancel(report.task_id, reason="")
        later = clock.now() + timedelta(days=1)
        assert await store.forget_deliveries(before=later) == 0
        await store.note_report(replace(report, ended=True))
        assert await store.forget_deliveries(before=later) == 1
        assert await store.origin(report.task_id) is None


async def in_review(store: DurableStore, number: int = 1, *, url: str = "https://x/pull/1") -> Report:
    """File a task, let it end with a pull request, and return its report with an open landing."""
    report = await a_report(store, number)
    task = await store.claim("w", report.task_id)
    assert task is not None
    await store.append(task, [ChangePublished(branch="agent/7", pull_request_url=url)])
    await store.finish(task, TaskStatus.SUCCEEDED, finished("succeeded"))
    await store.note_report(replace(report, ended=True, landing=Landing.OPEN))
    return replace(report, ended=True, landing=Landing.OPEN, last=4, stands="succeeded")


class LandingContract:
    """The contract of landings, as tests."""

    pytestmark = pytest.mark.anyio

    async def test_a_pull_request_is_in_review_until_it_has_landed(
        self, store: DurableStore, other: DurableStore
    ) -> None:
        assert await store.in_review() == []
        report = await in_review(store)
        [open_one] = await other.in_review()
        task = await store.get(report.task_id)
        assert open_one == InReview(
            task_id=task.id,
            pull_request_url="https://x/pull/1",
            lane=task.spec.lane,
            ended_at=task.updated_at,
        )
        assert await store.landed_reports(report.turn) == []
        assert await other.note_landing("https://x/pull/1", Landing.MERGED) == 1
        assert await store.in_review() == []
        landed = replace(report, landing=Landing.MERGED)
        assert await store.landed_reports(report.turn) == [landed]
        assert await store.open_reports(report.turn) == []
        await store.note_report(replace(landed, landing=Landing.TOLD))
        assert await other.landed_reports(report.turn) == []

    async def test_what_became_of_it_is_noted_once_and_for_all_its_tasks(self, store: DurableStore) -> None:
        first = await in_review(store, 1)
        await in_review(store, 2, url="https://x/pull/2")
        again = await in_review(store, 3)
        unpublished = await a_report(store, 4)
        assert await store.note_landing("https://x/pull/3", Landing.MERGED) == 0
        assert await store.note_landing("", Landing.MERGED) == 0
        assert await store.note_landing("https://x/pull/1", Landing.CLOSED) == 2
        assert await store.note_landing("https://x/pull/1", Landing.MERGED) == 0
        landed = await store.landed_reports(first.turn)
        assert [(one.task_id, one.landing) for one in landed] == [
            (first.task_id, Landing.CLOSED),
            (again.task_id, Landing.CLOSED),
        ]
        assert len(await store.in_review()) == 1
        assert [one.task_id for one in await store.open_reports(first.turn)] == [unpublished.task_id]

    async def test_what_is_given_up_or_was_never_open_is_not_told(self, store: DurableStore) -> None:
        report = await in_review(store, 1)
        quiet = await in_review(store, 2, url="https://x/pull/2")
        await store.note_report(replace(quiet, landing=Landing.NONE))
        assert await store.note_landing("https://x/pull/2", Landing.MERGED) == 0
        assert await store.note_landing("https://x/pull/1", Landing.GONE) == 1
        assert await store.landed_reports(report.turn) == []
        assert await store.in_review() == []

    async def test_who_lost_the_duty_does_not_say_that_it_was_told(
        self, store: DurableStore, other: DurableStore, clock: FakeClock
    ) -> None:
        report = await in_review(store)
        await store.note_landing("https://x/pull/1", Landing.MERGED)
        clock.advance(DUTY_SECONDS + 1)
        assert await other.take_duty("r2") == 2
        with pytest.raises(LeaseLost):
            await store.note_report(replace(report, landing=Landing.TOLD))
        [landed] = await other.landed_reports(2)
        assert (landed.turn, landed.landing) == (2, Landing.MERGED)

    async def test_the_delivery_is_kept_until_its_origin_was_told(self, store: DurableStore, clock: FakeClock) -> None:
        report = await in_review(store)
        later = clock.now() + timedelta(days=1)
        assert await store.forget_deliveries(before=later) == 0
        await store.note_landing("https://x/pull/1", Landing.MERGED)
        assert await store.forget_deliveries(before=later) == 0
        await store.note_report(replace(report, landing=Landing.TOLD))
        assert await store.forget_deliveries(before=later) == 1
