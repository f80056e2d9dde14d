"""A store on each engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pullwright.agents.clock import SystemClock
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.queue.open import open_store
from tests.integration.queue import filled


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return filled.new_file(tmp_path)
    given: str = request.getfixturevalue("postgres_url")
    return given


@pytest.fixture
async def store(url: str) -> AsyncIterator[DurableStore]:
    async with open_store(url, SystemClock()) as store:
        yield store
