"""What every ``BlobStore`` must do; see ``contracts_store``."""

from __future__ import annotations

import pytest

from pullwright.agents.errors import BlobMissing
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.testing.contracts_store import a_running_task


class BlobStoreContract:
    """The contract, as tests."""

    pytestmark = pytest.mark.anyio

    @pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1, 2_500_000])
    async def test_bytes_come_back(self, store: DurableStore, other: DurableStore, size: int) -> None:
        task = await a_running_task(store)
        content = bytes(range(256)) * (size // 256 + 1)
        await store.put(task, "checkpoint/1", content[:size])
        assert await other.read(task.id, "checkpoint/1") == content[:size]

    async def test_a_name_has_one_content(self, store: DurableStore) -> None:
        task = await a_running_task(store)
        await store.put(task, "a", b"x" * 2_500_000)
        await store.put(task, "a", b"short")
        assert await store.read(task.id, "a") == b"short"

    async def test_what_is_not_there_is_missing(self, store: DurableStore) -> None:
        task, stranger = await a_running_task(store), await a_running_task(store)
        await store.put(task, "a", b"x")
        for task_id, name in ((task.id, "b"), (stranger.id, "a"), ("", "")):
            with pytest.raises(BlobMissing):
                await store.read(task_id, name)

    async def test_a_task_s_blobs_are_forgotten_together(self, store: DurableStore) -> None:
        task, stranger = await a_running_task(store), await a_running_task(store)
        for name in ("a", "b"):
            await store.put(task, name, b"x" * 1_100_000)
        await store.put(stranger, "a", b"x")
        assert await store.forget(task.id) == 2
        assert await store.forget(task.id) == 0
        with pytest.raises(BlobMissing):
            await store.read(task.id, "a")
        assert await store.read(stranger.id, "a") == b"x"
