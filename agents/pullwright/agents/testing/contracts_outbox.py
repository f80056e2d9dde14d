"""What every ``OutboxStore`` must do; see ``contracts_store``."""

from __future__ import annotations

import pytest

from pullwright.agents.errors import LeaseLost
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.outbox import EffectStatus
from pullwright.agents.testing.contracts_store import a_running_task
from pullwright.agents.testing.fake_clock import FakeClock


class OutboxStoreContract:
    """The contract, as tests."""

    pytestmark = pytest.mark.anyio

    async def test_an_effect_is_new_once(self, store: DurableStore, other: DurableStore) -> None:
        task = await a_running_task(store)
        effect, new = await store.intend(task, "pull_request", kind="pull_request")
        assert (effect.status, new) == (EffectStatus.INTENDED, True)
        assert await other.intend(task, "pull_request", kind="pull_request") == (effect, False)
        done = await store.settle(task, "pull_request", external_id="7", url="https://x/7")
        assert (done.status, done.external_id, done.url) == (EffectStatus.DONE, "7", "https://x/7")
        assert await store.intend(task, "pull_request", kind="pull_request") == (done, False)
        assert await other.effects(task.id) == [done]

    async def test_a_later_attempt_finds_what_was_meant(self, store: DurableStore) -> None:
        task = await a_running_task(store)
        effect, _ = await store.intend(task, "push", kind="push")
        await store.release(task, reason="")
        later = await store.claim("w2")
        assert later is not None
        assert await store.intend(later, "push", kind="push") == (effect, False)
        with pytest.raises(LeaseLost):
            await store.settle(task, "push")
        assert await store.effects(task.id) == [effect]

    async def test_effects_come_in_the_order_they_were_meant(self, store: DurableStore) -> None:
        task, stranger = await a_running_task(store), await a_running_task(store)
        for key in ("z", "a", "m"):
            await store.intend(task, key, kind="comment")
        await store.intend(stranger, "z", kind="comment")
        await store.settle(task, "z")
        assert [effect.key for effect in await store.effects(task.id)] == ["z", "a", "m"]

    async def test_nothing_is_begun_after_the_lease(self, store: DurableStore, clock: FakeClock) -> None:
        task = await a_running_task(store)
        await store.intend(task, "push", kind="push")
        clock.advance(16)
        with pytest.raises(LeaseLost):
            await store.intend(task, "comment", kind="comment")
        await store.settle(task, "push")
        assert [effect.key for effect in await store.effects(task.id)] == ["push"]

    async def test_what_was_never_meant_can_not_be_done(self, store: DurableStore) -> None:
        task = await a_running_task(store)
        with pytest.raises(LookupError):
            await store.settle(task, "nothing")
