from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.queue.memory import MemoryStore
from pullwright.agents.queue.open import open_store
from pullwright.agents.testing.contracts_engine import EngineContract, OpenEngine
from pullwright.agents.testing.contracts_schedule import EngineScheduleContract
from pullwright.agents.testing.fake_clock import FakeClock
from pullwright.agents.worker.queue_engine import QueueEngine, Rhythm, this_worker

QUICK = Rhythm(beat=0.03, patience=5.0, tend=0.02, idle=0.05, look=0.05)


class MovedClock(FakeClock):
    """The real time, and what a test adds to it."""

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.elapsed)

    def monotonic(self) -> float:
        return time.monotonic() + self.elapsed


class QueueEngineContract(EngineContract, EngineScheduleContract):
    @pytest.fixture
    def clock(self) -> FakeClock:
        return MovedClock()

    @pytest.fixture
    def open_engine(self, store: DurableStore) -> OpenEngine:
        def open_(slots: int = 1) -> QueueEngine:
            return QueueEngine(store, this_worker(slots=slots), rhythm=QUICK)

        return open_


class TestQueueEngineInMemory(QueueEngineContract):
    @pytest.fixture
    def store(self, clock: FakeClock) -> DurableStore:
        return MemoryStore(clock)


class TestQueueEngineOnSqlite(QueueEngineContract):
    @pytest.fixture
    async def store(self, tmp_path: Path, clock: FakeClock) -> AsyncIterator[DurableStore]:
        async with open_store(f"sqlite:///{tmp_path / 'x.db'}", clock) as store:
            yield store


class TestQueueEngineOnPostgres(QueueEngineContract):
    @pytest.fixture
    async def store(self, postgres_url: str, clock: FakeClock) -> AsyncIterator[DurableStore]:
        async with open_store(postgres_url, clock, skew=lambda: clock.elapsed) as store:
            yield store
