"""What every ``InboxStore`` must do; see ``contracts_store``."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from anyio import create_task_group

from pullwright.agents.errors import DuplicateTask, IllegalTransition, LeaseLost, TaskNotFound
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.inbox import MAX_PUT_OFF, TAKEN_SECONDS, Delivery, DeliveryStatus, NewDelivery, Receipt
from pullwright.agents.ports.outbox import EffectStatus
from pullwright.agents.ports.store import SignalKind
from pullwright.agents.task import TaskStatus
from pullwright.agents.testing.contracts_store import a_running_task, a_spec, finished
from pullwright.agents.testing.fake_clock import FakeClock

NEW = NewDelivery(source="github", connection="main", key="k1", work_key="w#1", kind="labeled", content='{"a": 1}')


async def taken(store: DurableStore, *new: NewDelivery) -> Delivery:
    """Receive deliveries and take the oldest."""
    for one in new or (NEW,):
        assert await store.receive(one) is Receipt.ACCEPTED
    [delivery] = await store.take("w1")
    return delivery


async def the_only(store: DurableStore) -> Delivery:
    """Return the delivery that there is."""
    [delivery] = await store.deliveries()
    return delivery


class InboxContract:
    """The contract, as tests."""

    pytestmark = pytest.mark.anyio

    async def test_a_delivery_is_kept_once(self, store: DurableStore, other: DurableStore) -> None:
        assert await store.receive(replace(NEW, meaning_key="m1")) is Receipt.ACCEPTED
        assert await other.receive(NEW) is Receipt.DUPLICATE
        assert await store.receive(replace(NEW, key="k2", meaning_key="m1")) is Receipt.DUPLICATE
        assert await store.receive(replace(NEW, key="k2", meaning_key="m2")) is Receipt.ACCEPTED
        assert await store.receive(replace(NEW, connection="second")) is Receipt.ACCEPTED
        assert await store.receive(replace(NEW, source="jira", meaning_key="m1")) is Receipt.ACCEPTED
        kept = await other.deliveries()
        assert [one.source for one in kept] == ["jira", "github", "github", "github"]
        assert [one.key for one in await other.deliveries(source="github", limit=2)] == ["k1", "k2"]
        assert await other.deliveries(source="github", status=DeliveryStatus.FAILED) == []
        assert len(await other.deliveries(source="jira", status=DeliveryStatus.WAITING)) == 1
        assert (kept[-1].content, kept[-1].kind, kept[-1].status) == (NEW.content, NEW.kind, DeliveryStatus.WAITING)

    async def test_many_at_once_are_kept_once_each(self, store: DurableStore, other: DurableStore) -> None:
        receipts: list[Receipt] = []

        async def receive(at: DurableStore, key: str) -> None:
            receipts.append(await at.receive(replace(NEW, key=key)))

        async with create_task_group() as group:
            for number in range(20):
                group.start_soon(receive, store, f"k{number}")
                group.start_soon(receive, other, f"k{number}")
        assert sorted(receipts) == [Receipt.ACCEPTED] * 20 + [Receipt.DUPLICATE] * 20
        assert len(await store.deliveries()) == 20

    async def test_what_needs_nothing_is_noted_at_once(self, store: DurableStore) -> None:
        ignored = replace(NEW, ignored="another label", meaning_key="m1")
        assert await store.receive(ignored) is Receipt.ACCEPTED
        assert await store.receive(ignored) is Receipt.DUPLICATE
        assert (await the_only(store)).status is DeliveryStatus.IGNORED
        assert (await the_only(store)).reason == "another label"
        assert await store.take("w1") == []
        # It says nothing about its meaning: another hook may know better.
        assert await store.receive(replace(NEW, key="k2", meaning_key="m1")) is Receipt.ACCEPTED

    async def test_one_of_a_piece_of_work_is_taken_at_a_time_in_order(
        self, store: DurableStore, other: DurableStore
    ) -> None:
        for number, work in enumerate(("a", "a", "b", "", "")):
            await store.receive(replace(NEW, key=f"k{number}", work_key=work))
        first = await store.take("w1", limit=9)
        assert [one.key for one in first] == ["k0", "k2", "k3", "k4"]
        assert await other.take("w2", limit=9) == []
        await store.conclude(first[0], DeliveryStatus.IGNORED, "")
        assert [one.key for one in await other.take("w2", limit=9)] == ["k1"]
        assert await store.take("w1", limit=0) == []

    async def test_two_never_have_one_piece_of_work(self, store: DurableStore, other: DurableStore) -> None:
        for number in range(24):
            await store.receive(replace(NEW, key=f"k{number}", work_key=f"w{number % 3}"))
        held: set[str] = set()
        done: list[str] = []

        async def work(at: DurableStore, name: str) -> None:
            while len(done) < 24:
                for one in await at.take(name, limit=2):
                    assert one.work_key not in held
                    held.add(one.work_key)
                    done.append(one.key)
                    held.discard(one.work_key)
                    await at.conclude(one, DeliveryStatus.IGNORED, "")

        async with create_task_group() as group:
            for number, at in enumerate((store, other, store, other)):
                group.start_soon(work, at, f"w{number}")
        assert sorted(done) == sorted(f"k{number}" for number in range(24))
        for rest in range(3):
            assert [key for key in done if int(key[1:]) % 3 == rest] == [f"k{n}" for n in range(24) if n % 3 == rest]

    async def test_a_task_is_filed_with_its_delivery(self, store: DurableStore, other: DurableStore) -> None:
        delivery = await taken(store)
        task = await store.file(delivery, a_spec(work_key="w#1"))
        settled = await the_only(other)
        assert (settled.status, settled.task_id, settled.turn) == (DeliveryStatus.FILED, task.id, 1)
        assert await other.get(task.id) == task
        assert await other.origin(task.id) == settled
        assert await other.origin("other") is None
        with pytest.raises(LeaseLost):
            await store.file(delivery, a_spec())
        assert len(await store.list()) == 1

    async def test_a_second_live_task_is_refused_and_nothing_changes(self, store: DurableStore) -> None:
        await store.create(a_spec(work_key="w#1"))
        delivery = await taken(store)
        with pytest.raises(DuplicateTask):
            await store.file(delivery, a_spec(work_key="w#1"))
        assert (await the_only(store)).status is DeliveryStatus.WAITING
        await store.conclude(delivery, DeliveryStatus.REFUSED, "no")

    async def test_a_task_is_told_once(self, store: DurableStore) -> None:
        task = await store.create(a_spec())
        delivery = await taken(store)
        assert (await store.tell(delivery, task.id, SignalKind.MESSAGE, "hurry", author="ann")).id == task.id
        assert [(one.text, one.author) for one in await store.signals(task.id)] == [("hurry", "ann")]
        assert ((await the_only(store)).status, (await the_only(store)).task_id) == (DeliveryStatus.TOLD, task.id)
        with pytest.raises(LeaseLost):
            await store.tell(delivery, task.id, SignalKind.MESSAGE, "hurry")

    async def test_what_a_task_did_not_hear_is_decided_again(self, store: DurableStore) -> None:
        running = await a_running_task(store)
        heard = await taken(store)
        await store.tell(heard, running.id, SignalKind.MESSAGE, "and the tests")
        [signal] = await store.signals(running.id)
        await store.append(running, [], consumed=[signal.id])
        late = await taken(store, replace(NEW, key="k2"))
        await store.tell(late, running.id, SignalKind.MESSAGE, "and the docs")
        await store.finish(running, TaskStatus.SUCCEEDED, finished("succeeded"))
        [again] = await store.take("w", limit=9)
        assert (again.id, again.task_id) == (late.id, "")
        live = await store.create(a_spec())
        await store.tell(again, live.id, SignalKind.MESSAGE, "and the docs")
        assert [one.text for one in await store.signals(live.id)] == ["and the docs"]

    async def test_what_a_stopped_task_did_not_hear_is_over_with_it(self, store: DurableStore) -> None:
        task = await store.create(a_spec())
        delivery = await taken(store)
        await store.tell(delivery, task.id, SignalKind.MESSAGE, "and the docs")
        await store.cancel(task.id, reason="enough")
        assert await store.take("w") == []

    async def test_what_can_not_be_told_changes_nothing(self, store: DurableStore) -> None:
        task = await store.create(a_spec())
        delivery = await taken(store)
        with pytest.raises(IllegalTransition):
            await store.tell(delivery, task.id, SignalKind.ANSWER, "yes")
        with pytest.raises(TaskNotFound):
            await store.tell(delivery, "none", SignalKind.MESSAGE, "yes")
        with pytest.raises(TaskNotFound):
            await store.stop(delivery, "none", reason="")
        assert (await the_only(store)).status is DeliveryStatus.WAITING
        assert await store.signals(task.id) == []

    async def test_a_task_is_stopped_once(self, store: DurableStore) -> None:
        running = await a_running_task(store)
        first = await taken(store)
        assert (await store.stop(first, running.id, reason="enough")).status is TaskStatus.CANCELING
        second = await taken(store, replace(NEW, key="k2"))
        again = await store.stop(second, running.id, reason="really")
        assert (again.status, again.status_reason) == (TaskStatus.CANCELING, "enough")
        queued = await store.create(a_spec())
        third = await taken(store, replace(NEW, key="k3"))
        assert (await store.stop(third, queued.id, reason="no")).status is TaskStatus.CANCELED
        assert {one.status for one in await store.deliveries()} == {DeliveryStatus.TOLD}

    async def test_a_delivery_that_was_taken_over_is_fenced(
        self, store: DurableStore, other: DurableStore, clock: FakeClock
    ) -> None:
        task = await store.create(a_spec())
        late = await taken(store)
        clock.advance(TAKEN_SECONDS - 1)
        assert await other.take("w2") == []
        await store.confirm(late)
        clock.advance(2)
        with pytest.raises(LeaseLost):
            await store.confirm(late)
        [delivery] = await other.take("w2")
        assert (delivery.id, delivery.turn) == (late.id, 2)
        for late_word in (
            store.file(late, a_spec()),
            store.tell(late, task.id, SignalKind.MESSAGE, "x"),
            store.stop(late, task.id, reason=""),
            store.conclude(late, DeliveryStatus.IGNORED, ""),
            store.put_off(late, seconds=1, reason=""),
            store.name(late, "m"),
            store.intend(late, "refusal", kind="comment"),
        ):
            with pytest.raises(LeaseLost):
                await late_word
        await store.retire("w1")
        assert await store.take("w1") == []
        await other.retire("w2")
        assert [one.turn for one in await store.take("w1")] == [3]

    async def test_what_is_put_off_comes_back_and_keeps_its_place(self, store: DurableStore, clock: FakeClock) -> None:
        delivery = await taken(store, NEW, replace(NEW, key="k2"))
        off = await store.put_off(delivery, seconds=100, reason="GitHub is away")
        assert (off.status, off.put_off, off.reason) == (DeliveryStatus.WAITING, 1, "GitHub is away")
        clock.advance(95)
        assert await store.take("w1", limit=9) == []
        clock.advance(10)
        assert [one.key for one in await store.take("w1", limit=9)] == ["k1"]

    async def test_what_is_put_off_too_often_has_failed_until_it_is_delivered_again(
        self, store: DurableStore, clock: FakeClock
    ) -> None:
        await store.receive(replace(NEW, meaning_key="m1"))
        for _ in range(MAX_PUT_OFF):
            [delivery] = await store.take("w1")
            await store.put_off(delivery, seconds=1, reason="bug")
            clock.advance(5)
        assert await store.take("w1") == []
        [failed] = await store.deliveries(status=DeliveryStatus.FAILED)
        assert (failed.put_off, failed.reason) == (MAX_PUT_OFF, "bug")
        assert await store.receive(replace(NEW, key="k2", meaning_key="m1")) is Receipt.ACCEPTED
        assert [(one.id, one.put_off) for one in await store.take("w1")] == [(failed.id, 0)]

    async def test_a_meaning_that_was_looked_up_is_named_once(self, store: DurableStore) -> None:
        first = await taken(store, replace(NEW, meaning_key="labeled@k1"))
        assert await store.name(first, "labeled@noon")
        assert await store.name(first, "labeled@noon")
        await store.conclude(first, DeliveryStatus.IGNORED, "")
        second = await taken(store, replace(NEW, key="k2", meaning_key="labeled@k2"))
        assert not await store.name(second, "labeled@noon")
        assert await store.receive(replace(NEW, key="k3", meaning_key="labeled@noon")) is Receipt.DUPLICATE

    async def test_effects_of_a_delivery_are_kept_with_it(self, store: DurableStore, clock: FakeClock) -> None:
        delivery = await taken(store)
        effect, new = await store.intend(delivery, "refusal", kind="comment")
        assert (effect.task_id, new) == (delivery.id, True)
        clock.advance(TAKEN_SECONDS + 5)
        with pytest.raises(LeaseLost):
            await store.intend(delivery, "other", kind="comment")
        [later] = await store.take("w2")
        assert await store.intend(later, "refusal", kind="comment") == (effect, False)
        assert (await store.settle(later, "refusal", external_id="7")).status is EffectStatus.DONE
        with pytest.raises(LookupError):
            await store.settle(later, "nothing")
        await store.conclude(later, DeliveryStatus.REFUSED, "no")
        assert [one.external_id for one in await store.effects(delivery.id)] == ["7"]
        assert await store.forget_deliveries(before=clock.now() + timedelta(days=1)) == 1
        assert (await store.effects(delivery.id), await store.deliveries()) == ([], [])

    async def test_only_what_is_settled_and_old_is_forgotten(self, store: DurableStore, clock: FakeClock) -> None:
        old = await taken(store)
        await store.receive(replace(NEW, key="waits", work_key=""))
        await store.conclude(old, DeliveryStatus.IGNORED, "")
        clock.advance(1000)
        await store.receive(replace(NEW, key="new", ignored="x"))
        assert await store.forget_deliveries(before=clock.now() - timedelta(seconds=500)) == 1
        assert [one.key for one in await store.deliveries()] == ["new", "waits"]

    async def test_tasks_are_found_by_their_work(self, store: DurableStore) -> None:
        first = await store.create(a_spec(work_key="w#1"))
        await store.cancel(first.id, reason="")
        second = await store.create(a_spec(work_key="w#1"))
        await store.create(a_spec(work_key=""))
        assert [task.id for task in await store.tasks_of("w#1")] == [second.id, first.id]
        assert (await store.tasks_of(""), await store.tasks_behind("")) == ([], [])
        assert await store.tasks_behind("https://example.test/o/r/pull/9") == []

    async def test_who_waits_hears_of_a_delivery(self, store: DurableStore, other: DurableStore) -> None:
        assert await store.take("w1") == []
        heard = False

        async def wait() -> None:
            nonlocal heard
            while not await store.take("w1"):
                await store.wait_for_deliveries(60)
            heard = True

        async with create_task_group() as group:
            group.start_soon(wait)
            await other.receive(NEW)
        assert heard
        await store.wait_for_deliveries(0.01)
