from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.queue.memory import MemoryStore
from pullwright.agents.queue.open import open_store
from pullwright.agents.testing.contracts_blobs import BlobStoreContract
from pullwright.agents.testing.contracts_inbox import InboxContract
from pullwright.agents.testing.contracts_lanes import LaneContract
from pullwright.agents.testing.contracts_lease import LeaseStoreContract, WorkerContract
from pullwright.agents.testing.contracts_notice import NoticeContract
from pullwright.agents.testing.contracts_outbox import OutboxStoreContract
from pullwright.agents.testing.contracts_report import LandingContract, ReportContract
from pullwright.agents.testing.contracts_schedule import ScheduleContract
from pullwright.agents.testing.contracts_store import SignalContract, TaskStoreContract
from pullwright.agents.testing.contracts_terms import PlaceContract, SpendingContract
from pullwright.agents.testing.fake_clock import FakeClock


class EveryContract(
    TaskStoreContract,
    SignalContract,
    LeaseStoreContract,
    WorkerContract,
    LaneContract,
    OutboxStoreContract,
    BlobStoreContract,
    InboxContract,
    ScheduleContract,
    ReportContract,
    LandingContract,
    NoticeContract,
    SpendingContract,
    PlaceContract,
):
    @pytest.fixture
    def clock(self) -> FakeClock:
        return FakeClock()


class TestMemoryStore(EveryContract):
    @pytest.fixture
    def store(self, clock: FakeClock) -> DurableStore:
        return MemoryStore(clock)

    @pytest.fixture
    def other(self, store: DurableStore) -> DurableStore:
        return store


class TestSqliteStore(EveryContract):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path / 'a b' / 'pullwright.db'}"

    @pytest.fixture
    async def store(self, url: str, clock: FakeClock) -> AsyncIterator[DurableStore]:
        async with open_store(url, clock) as store:
            yield store

    @pytest.fixture
    async def other(self, url: str, clock: FakeClock) -> AsyncIterator[DurableStore]:
        async with open_store(url, clock) as store:
            yield store


class TestPostgresStore(EveryContract):
    @pytest.fixture
    def clock(self) -> FakeClock:
        """A clock that agrees with the server's, and moves on as it does when a test says so."""
        return RealClock()

    @pytest.fixture
    async def store(self, postgres_url: str, clock: FakeClock) -> AsyncIterator[DurableStore]:
        async with open_store(postgres_url, clock, skew=lambda: clock.elapsed) as store:
            yield store

    @pytest.fixture
    async def other(self, postgres_url: str, clock: FakeClock) -> AsyncIterator[DurableStore]:
        async with open_store(postgres_url, clock, skew=lambda: clock.elapsed) as store:
            yield store


class RealClock(FakeClock):
    """Begins now."""

    def __init__(self) -> None:
        super().__init__()
        self._origin = datetime.now(UTC)
