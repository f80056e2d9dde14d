"""Why tasks stand in the queue, where they belong, and that whoever follows one comes to its end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from anyio import create_task_group

from pullwright.agents.budget import DayLimits, Limit, Spent
from pullwright.agents.change import RepositoryRef
from pullwright.agents.errors import ConfigError
from pullwright.agents.events import JournalEntry, TaskMoved
from pullwright.agents.ports.lease import Worker
from pullwright.agents.ports.model import Delta
from pullwright.agents.queue.memory import MemoryStore
from pullwright.agents.task import TaskStatus
from pullwright.agents.testing.contracts_lanes import in_lane
from pullwright.agents.testing.contracts_store import a_running_task, a_spec
from pullwright.agents.testing.fake_clock import FakeClock
from pullwright.cli import wiring
from pullwright.cli.begin import somebody_comes
from pullwright.cli.follow import Follower
from pullwright.cli.settings import TRUSTED_ONLY, Settings, load_settings
from pullwright.cli.standing import why_queued

pytestmark = pytest.mark.anyio

SPENT = Spent(steps=5)


class Shown:
    """A view that remembers."""

    def __init__(self) -> None:
        self.entries: list[JournalEntry] = []

    def entry(self, entry: JournalEntry) -> None:
        self.entries.append(entry)

    def delta(self, delta: Delta) -> None: ...

    def note(self, text: str) -> None: ...


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(FakeClock())


async def test_whoever_follows_a_canceled_run_comes_to_its_end(store: MemoryStore) -> None:
    """A worker that gives a run back which was to be canceled writes no ``run.finished``."""
    task = await a_running_task(store)
    view = Shown()
    with anyio.fail_after(10):
        async with create_task_group() as group:
            group.start_soon(Follower(store, task.id, view).follow)
            await anyio.wait_all_tasks_blocked()
            await store.cancel(task.id, reason="no more of it")
            ended = await store.release(task, reason="its worker stopped")
    assert ended.status is TaskStatus.CANCELED
    last = view.entries[-1].event
    assert isinstance(last, TaskMoved)
    assert last.new == "canceled"


async def test_a_task_tells_that_its_place_has_no_worker(store: MemoryStore) -> None:
    task = await store.create(in_lane("a", place="here"))
    await store.enlist(Worker(id="other", place="there"))
    await store.enlist(Worker(id="leaving", place="here", draining=True))
    await store.enlist(Worker(id="busy", place="here", slots=0))
    assert not await somebody_comes(store, task)
    (why,) = (await why_queued(store, DayLimits(), [task])).values()
    assert "no worker of installation here is alive" in why
    await store.enlist(Worker(id="w", place="here"))
    assert await somebody_comes(store, task)
    assert await why_queued(store, DayLimits(), [task]) == {}


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (DayLimits(repository={Limit.STEPS: 5.0}), "today's runs of this repository have used their 5 steps"),
        (DayLimits(everything={Limit.STEPS: 5.0}), "when day_steps is raised"),
    ],
)
async def test_a_task_tells_that_the_day_is_spent(store: MemoryStore, limits: DayLimits, words: str) -> None:
    running = await a_running_task(store)
    await store.append(running, [], spent=SPENT)
    task = await store.create(a_spec())
    (why,) = (await why_queued(store, limits, [task, running])).values()
    assert words in why
    begun = replace(task, attempt=1)
    assert await why_queued(store, limits, [begun]) == {}
    assert await why_queued(store, DayLimits(repository={Limit.STEPS: 6.0}), [task]) == {}


async def test_local_repositories_stay_where_they_are(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    here = await wiring.instance_name(settings)
    local = a_spec(repository=RepositoryRef(url="/srv/shop", name="shop"))
    placed = await wiring.placed(local, settings)
    assert placed.place == here
    assert placed.lane == f"/srv/shop@{here}"
    assert await wiring.placed(a_spec(), settings) == a_spec()
    assert (await wiring.placed(a_spec(checkout="/srv/shop"), settings)).place == here


def test_limits_of_the_day_are_settings() -> None:
    settings = Settings(repository_day_money=2.5, day_tokens=1000, day_minutes=0)
    assert settings.day_limits == DayLimits(repository={Limit.MONEY: 2.5}, everything={Limit.TOKENS: 1000.0})
    assert not Settings().day_limits


def test_a_repository_can_not_set_what_it_may_spend(tmp_path: Path) -> None:
    names = {name for name in Settings.model_fields if "day_" in name}
    assert len(names) == 10
    assert names <= TRUSTED_ONLY
    (tmp_path / ".git").mkdir()
    (tmp_path / "pullwright.toml").write_text("day_money = 1000\n")
    with pytest.raises(ConfigError, match="day_money"):
        load_settings(tmp_path)
