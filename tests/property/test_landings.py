"""Whoever dies while an origin is told what became of a pull request, and however many tell: it knows it once.

The reporter dies at every point where it can, at one after the other and at two of them in a row, on a real database.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import anyio
import pytest
from anyio import create_task_group

from pullwright.agents.change import PullRequest, RepositoryRef
from pullwright.agents.intake.reporting import Reporter
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.inbox import Delivery
from pullwright.agents.ports.report import DUTY_SECONDS, Landing, Standing
from pullwright.agents.queue.memory import MemoryStore
from pullwright.agents.queue.open import open_store
from pullwright.agents.task import Task, TaskStatus
from pullwright.agents.testing.contracts_inbox import taken
from pullwright.agents.testing.contracts_store import a_spec
from pullwright.agents.testing.fake_clock import FakeClock
from pullwright.agents.testing.fake_code_host import FakeCodeHost
from pullwright.agents.testing.fake_reports import FakeLandings, FakeReports
from tests.property.test_reporting import happen

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]


class Died(BaseException):
    """The process is gone; nothing in it notes or logs that."""


class Fate:
    """Lets a process die at the points with these numbers, and remembers where it has been."""

    def __init__(self, *deaths: int) -> None:
        self.passed: list[str] = []
        self.died_at: list[str] = []
        self._deaths = set(deaths)

    def pass_by(self, point: str) -> None:
        self.passed.append(point)
        if len(self.passed) in self._deaths:
            self.died_at.append(point)
            raise Died


class Witness:
    """A store in front of which, and behind which, processes die."""

    def __init__(self, store: DurableStore, fate: Fate) -> None:
        self._store = store
        self._fate = fate

    def __getattr__(self, name: str) -> object:
        method = getattr(self._store, name)
        return self._watched(name, method) if name in WATCHED else method

    def _watched(self, name: str, method: Callable[..., Awaitable[object]]) -> object:
        async def watched(*args: object, **values: object) -> object:
            point = f"{name} {args[1]}" if name in ("intend", "settle") else name
            self._fate.pass_by(point)
            result = await method(*args, **values)
            self._fate.pass_by(f"after {point}")
            return result

        return watched


WATCHED = frozenset({"note_landing", "note_report", "intend", "confirm", "settle"})


class Scene:
    """A task that ended with a pull request that was merged since."""

    def __init__(self, store: DurableStore, clock: FakeClock) -> None:
        self.store = store
        self.clock = clock
        self.origin = FakeLandings()
        self.host = FakeCodeHost()

    async def ended(self) -> Task:
        spec = a_spec(work_key="w#1", repository=self.host.ref("o/r"))
        task = await self.store.file(await taken(self.store), spec)
        for act in ("claim", "publish"):
            await happen(self.store, task.id, act)
        task = await self.store.get(task.id)
        await self.store.release(task, reason="others go first")
        await self.store.cancel(task.id, reason="enough")
        merged = PullRequest(number=1, url=task.pull_request_url, branch=task.branch, state="merged")
        self.host.add_repository("o/r").pulls.append(merged)
        assert (await self.store.get(task.id)).status is TaskStatus.CANCELED
        return task

    def reporter(self, fate: Fate) -> Reporter:
        self.origin.trouble = fate.pass_by
        store: DurableStore = Witness(self.store, fate)  # type: ignore[assignment]  # it hands everything on
        return Reporter(
            store,
            {"github": FakeReports()},
            clock=self.clock,
            landings={"github": self.origin},
            host_of=self.host_of,
        )

    def host_of(self, repository: RepositoryRef) -> FakeCodeHost:
        del repository
        return self.host

    async def live(self, fate: Fate) -> None:
        """Let one process report after the other until a while has passed."""
        reporter, names = self.reporter(fate), count(1)
        name = f"r{next(names)}"
        for _ in range(12):
            self.clock.advance(61)
            try:
                await reporter.show_all(name)
            except* Died:
                reporter, name = self.reporter(fate), f"r{next(names)}"
                self.clock.advance(DUTY_SECONDS + 1)


@asynccontextmanager
async def scenes(url: str, clock: FakeClock | None = None) -> AsyncIterator[Scene]:
    if clock is None:
        clock = FakeClock()
        clock.advance(time.time() + 1000 - clock.now().timestamp())
    if not url:
        yield Scene(MemoryStore(clock), clock)
        return
    async with open_store(url, clock, skew=lambda: clock.now().timestamp() - time.time()) as store:
        yield Scene(store, clock)


@pytest.fixture(params=["memory", "sqlite"])
def fresh_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    numbers = count(1)
    return lambda: f"sqlite:///{tmp_path / f'{next(numbers)}.db'}" if request.param == "sqlite" else ""


async def test_it_is_known_once_wherever_a_process_dies(fresh_url: Callable[[], str]) -> None:
    undisturbed = Fate()
    await tell(fresh_url(), undisturbed)
    assert {"after note_landing", "after intend landed", "landed", "after settle landed"} <= set(undisturbed.passed)
    points = range(1, len(undisturbed.passed) + 1)
    for death in points:
        await tell(fresh_url(), Fate(death))
    for death in points:
        await tell(fresh_url(), Fate(death, death + 1, death + 3))


async def tell(url: str, fate: Fate) -> None:
    """Let the origin be told, and compare with what is so."""
    async with scenes(url) as scene:
        task = await scene.ended()
        await scene.live(fate)
        assert scene.origin.known == {task.id: True}, fate.passed
        assert (await scene.store.in_review(), await scene.store.landed_reports(1)) == ([], []), fate.passed
        # It is told again only after somebody died who could not note any more that it was told.
        unnoted = sum(point in ("after landed", "settle landed") for point in fate.died_at)
        assert len(scene.origin.told) == 1 + unnoted, fate.passed


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
async def test_of_two_processes_one_tells(request: pytest.FixtureRequest, tmp_path: Path, engine: str) -> None:
    url = f"sqlite:///{tmp_path / 'two.db'}" if engine == "sqlite" else request.getfixturevalue("postgres_url")
    async with scenes(url) as one, scenes(url, one.clock) as two:
        two.origin, two.host = one.origin, one.host
        task = await one.ended()
        first, second = one.reporter(Fate()), two.reporter(Fate())
        for _ in range(5):
            one.clock.advance(61)
            async with create_task_group() as group:
                group.start_soon(first.show_all, "r1")
                group.start_soon(second.show_all, "r2")
            async with create_task_group() as group:  # a hook says so too, wherever it arrives
                for store in (one.store, two.store):
                    group.start_soon(store.note_landing, task.pull_request_url, Landing.MERGED)
    assert one.origin.known == {task.id: True}
    assert len(one.origin.told) == 1


async def test_who_froze_while_it_told_notes_nothing(tmp_path: Path) -> None:
    entered, may_go_on = anyio.Event(), anyio.Event()

    class Frozen(FakeLandings):
        async def landed(self, origin: Delivery, standing: Standing, *, merged: bool) -> None:
            entered.set()
            await may_go_on.wait()

    async with scenes(f"sqlite:///{tmp_path / 'x.db'}") as scene:
        task = await scene.ended()
        heir, origin = scene.reporter(Fate()), scene.origin
        scene.origin = Frozen()
        slow = scene.reporter(Fate())
        await slow.show_all("slow")
        await scene.store.note_landing(task.pull_request_url, Landing.MERGED)
        async with create_task_group() as group:
            group.start_soon(slow.show_all, "slow")
            await entered.wait()
            scene.clock.advance(DUTY_SECONDS + 1)
            await heir.show_all("heir")
            assert origin.known == {task.id: True}
            may_go_on.set()
        await heir.show_all("heir")
        assert len(origin.told) == 1
        assert await scene.store.landed_reports(2) == []
