"""An endpoint that is not there when a worker starts."""

from __future__ import annotations

import socket
from collections.abc import Callable

import anyio
import anyio.lowlevel
import httpx2
import pytest
from anyio import create_task_group, fail_after

from pullwright.agents.clock import SystemClock
from pullwright.agents.errors import EndpointMisconfigured, ModelUnavailable
from pullwright.agents.llm import openai_model
from pullwright.agents.pool import pool
from pullwright.agents.ports.lease import Worker
from pullwright.agents.queue.memory import MemoryStore
from pullwright.agents.task import TaskStatus
from pullwright.agents.testing.contracts_engine import Runs, until_status, work
from pullwright.agents.testing.fake_clock import FakeClock
from pullwright.agents.testing.scripted_endpoint import ScriptedEndpoint
from pullwright.agents.worker.queue_engine import QueueEngine
from pullwright.cli import model_wiring
from pullwright.cli.model_wiring import open_model
from pullwright.cli.settings import Settings
from pullwright.cli.settings_tables import EndpointTable

assert httpx2  # imported before the loop runs: their imports read files
assert pool

pytestmark = pytest.mark.anyio


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_wiring, "AGAIN_SECONDS", 0.01)
    monkeypatch.setattr(openai_model, "SystemClock", FakeClock)  # waits between attempts take no time


def settings(*ports: int) -> Settings:
    urls = [f"http://127.0.0.1:{port}/v1" for port in ports]
    if len(urls) == 1:
        return Settings(endpoint_url=urls[0])
    return Settings(endpoints=tuple(EndpointTable(name=f"e{number}", url=url) for number, url in enumerate(urls)))


async def test_without_patience_the_error_comes_at_once(port: int) -> None:
    with pytest.raises(ModelUnavailable):
        async with open_model(settings(port), print):
            raise AssertionError


@pytest.mark.parametrize("others", [0, 1], ids=["one endpoint", "several"])
async def test_an_endpoint_is_waited_for_and_told_of_once(port: int, others: int) -> None:
    notes: list[str] = []
    ready = anyio.Event()
    with fail_after(20), socket.socket() as dead:
        dead.bind(("127.0.0.1", 0))  # a port that refuses, and stays so
        ports = [port, *[dead.getsockname()[1]] * others]
        async with open_model(settings(*ports), notes.append, when_ready=ready.set) as opened:
            assert not ready.is_set()
            while len(notes) <= others:  # noqa: ASYNC110 - a note is a call, and nobody waits for one
                await anyio.sleep(0.01)
            assert opened.model.name == ""
            with ScriptedEndpoint([], port=port) as endpoint:
                await ready.wait()
                assert opened.model.name == endpoint.model
    begun = [note for note in notes if "answers: work begins" in note]
    assert (len(notes), len(begun)) == (2 + others, 1)
    assert all("\n" not in note for note in notes)


async def test_a_refused_key_is_not_waited_for() -> None:
    with ScriptedEndpoint([], key="right") as endpoint, fail_after(20):
        wrong = Settings(endpoint_url=endpoint.url)
        with pytest.raises(EndpointMisconfigured):
            async with open_model(wrong, print, when_ready=_never):
                await anyio.sleep_forever()


def _never() -> None:
    raise AssertionError


async def engine_until(stop: Callable[[QueueEngine], None]) -> tuple[MemoryStore, list[Worker]]:
    """Let a held engine look at a queued task, then do something with it; return who was at work meanwhile."""
    store = MemoryStore(SystemClock())
    engine, runs = QueueEngine(store, held=True), Runs(store)
    task = await store.create(work())
    with fail_after(10):
        async with create_task_group() as group:
            group.start_soon(engine.serve, runs.finish)
            while not await store.workers():
                await anyio.lowlevel.checkpoint()
            await anyio.sleep(0.05)
            workers = list(await store.workers())
            assert await store.status(task.id) is TaskStatus.QUEUED
            stop(engine)
            if not engine._roster.draining:
                await until_status(store, task.id, TaskStatus.SUCCEEDED)
                engine.stop()
    return store, workers


async def test_a_worker_that_waits_is_known_and_claims_when_it_may() -> None:
    store, workers = await engine_until(QueueEngine.go)
    assert [worker.slots for worker in workers] == [1]
    assert list(await store.workers()) == []


async def test_a_worker_that_waits_ends_when_it_is_told_to() -> None:
    store, _ = await engine_until(QueueEngine.stop)
    assert [task.status for task in await store.list()] == [TaskStatus.QUEUED]
