"""What every ``NoticeStore`` must do; see ``contracts_store``."""

from __future__ import annotations

import pytest

from pullwright.agents.errors import LeaseLost
from pullwright.agents.events import ChangePublished, QuestionAsked
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.lease import Worker
from pullwright.agents.ports.notice import NEWS_SECONDS, Telling
from pullwright.agents.ports.outbox import EffectStatus
from pullwright.agents.ports.report import DUTY_SECONDS
from pullwright.agents.task import TaskStatus, WaitReason
from pullwright.agents.testing.contracts_store import a_spec, finished
from pullwright.agents.testing.fake_clock import FakeClock


class NoticeContract:
    """The contract, as tests."""

    pytestmark = pytest.mark.anyio

    async def test_each_duty_has_a_holder_of_its_own(self, store: DurableStore, other: DurableStore) -> None:
        await store.enlist(Worker(id="n1", slots=0))
        assert await store.take_notice_duty("n1") == 1
        assert await other.take_notice_duty("n2") is None
        assert await other.take_duty("n2") == 1
        await store.retire("n1")
        assert await other.take_notice_duty("n2") == 2
        assert await other.take_duty("n2") == 1

    async def test_what_happened_to_a_task_is_news(self, store: DurableStore, other: DurableStore) -> None:
        filed = await store.create(a_spec(work_key=""))
        task = await store.claim("w", filed.id)
        assert task is not None
        asked = QuestionAsked(step=1, question="which?", wait=WaitReason.INPUT_REQUIRED.value)
        await store.append(task, [ChangePublished(branch="b", pull_request_url="https://x/pull/1")])
        await store.park(task, WaitReason.INPUT_REQUIRED, asked, question="which?")
        news = await other.news(seconds=60)
        assert [(entry.task_id, entry.event.type) for entry in news.entries] == [
            (task.id, "task.moved"),
            (task.id, "task.moved"),
            (task.id, "change.published"),
            (task.id, "question.asked"),
        ]
        assert list(news.entries) == list(await store.journal(task.id))
        assert all(entry.at <= news.now for entry in news.entries)

    async def test_only_tasks_that_changed_lately_are_news(self, store: DurableStore, clock: FakeClock) -> None:
        old = await store.create(a_spec(work_key=""))
        await store.claim("w", old.id)
        clock.advance(100)
        new = await store.create(a_spec(work_key=""))
        assert {entry.task_id for entry in (await store.news(seconds=50)).entries} == {new.id}
        assert {entry.task_id for entry in (await store.news(seconds=150)).entries} == {old.id, new.id}
        clock.advance(100)
        assert (await store.news(seconds=50)).entries == []

    async def test_what_is_older_than_a_day_is_no_news(self, store: DurableStore, clock: FakeClock) -> None:
        filed = await store.create(a_spec(work_key=""))
        clock.advance(NEWS_SECONDS + 1)
        task = await store.claim("w", filed.id)
        assert task is not None
        await store.finish(task, TaskStatus.SUCCEEDED, finished("succeeded"))
        found = await store.news(seconds=2 * NEWS_SECONDS)
        assert [entry.event.type for entry in found.entries] == ["task.moved", "run.finished"]

    async def test_who_lost_the_duty_tells_nothing(
        self, store: DurableStore, other: DurableStore, clock: FakeClock
    ) -> None:
        turn = await store.take_notice_duty("n1")
        assert turn == 1
        mine = Telling(task_id="t", turn=turn)
        _, new = await store.intend(mine, "1:started", kind="notice")
        assert new
        clock.advance(DUTY_SECONDS + 1)
        with pytest.raises(LeaseLost):
            await store.confirm(mine)
        assert await other.take_notice_duty("n2") == 2
        with pytest.raises(LeaseLost):
            await store.settle(mine, "1:started")
        theirs = Telling(task_id="t", turn=2)
        await other.confirm(theirs)
        effect, new = await other.intend(theirs, "1:started", kind="notice")
        assert (effect.status, new) == (EffectStatus.INTENDED, False)
        await other.settle(theirs, "1:started")
        [effect] = await store.effects(theirs.id)
        assert effect.status is EffectStatus.DONE
        assert await store.effects("t") == []
