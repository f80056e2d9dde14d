from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pullwright.agents.clock import SystemClock
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.queue.memory import MemoryStore
from pullwright.agents.queue.open import open_store
from pullwright.agents.testing.contracts_engine import EngineContract, OpenEngine
from pullwright.agents.worker.queue_engine import QueueEngine, Rhythm, this_worker

QUICK = Rhythm(beat=0.03, patience=5.0, tend=0.02, idle=0.05)


class QueueEngineContract(EngineContract):
    @pytest.fixture
    def open_engine(self, store: DurableStore) -> OpenEngine:
        def open_(slots: int = 1) -> QueueEngine:
            return QueueEngine(store, this_worker(slots=slots), rhythm=QUICK)

        return open_


class TestQueueEngineInMemory(QueueEngineContract):
    @pytest.fixture
    def store(self) -> DurableStore:
        return MemoryStore(SystemClock())


class TestQueueEngineOnSqlite(QueueEngineContract):
    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[DurableStore]:
        async with open_store(f"sqlite:///{tmp_path / 'x.db'}", SystemClock()) as store:
            yield store


class TestQueueEngineOnPostgres(QueueEngineContract):
    @pytest.fixture
    async def store(self, postgres_url: str) -> AsyncIterator[DurableStore]:
        async with open_store(postgres_url, SystemClock()) as store:
            yield store
