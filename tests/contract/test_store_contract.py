from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pullwright.agents.errors import ConfigError
from pullwright.agents.ports.store import TaskStore
from pullwright.agents.queue.memory import MemoryStore
from pullwright.agents.queue.store import SqlTaskStore
from pullwright.agents.testing.contracts_store import TaskStoreContract, a_spec
from pullwright.agents.testing.fake_clock import FakeClock


class TestMemoryStore(TaskStoreContract):
    @pytest.fixture
    def store(self) -> TaskStore:
        return MemoryStore(FakeClock())


class TestSqliteStore(TaskStoreContract):
    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[TaskStore]:
        async with SqlTaskStore.open(f"sqlite:///{tmp_path / 'a b' / 'pullwright.db'}", FakeClock()) as store:
            yield store


@pytest.mark.anyio
async def test_a_second_process_sees_what_the_first_wrote(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.db'}"
    async with SqlTaskStore.open(url, FakeClock()) as one, SqlTaskStore.open(url, FakeClock()) as two:
        task = await one.create(a_spec())
        assert await two.get(task.id) == task
        claims = [await store.claim() for store in (one, two)]
        assert [claim is not None for claim in claims] == [True, False]


@pytest.mark.anyio
@pytest.mark.parametrize("url", ["sqlite:////proc/nowhere/x.db", "postgresql://localhost/x", "nonsense"])
async def test_an_unusable_database_is_one_clear_line(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        async with SqlTaskStore.open(url, FakeClock()):
            pass
    assert "\n" not in str(caught.value)


@pytest.mark.anyio
async def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.write_text("my diary " * 100)
    with pytest.raises(ConfigError, match="AGENT_HOME"):
        async with SqlTaskStore.open(f"sqlite:///{path}", FakeClock()):
            pass
    assert path.read_text().startswith("my diary")
