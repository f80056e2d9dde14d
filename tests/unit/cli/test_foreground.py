"""A task in the foreground, with a scripted run and a real terminal."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import anyio
import pytest
from anyio import create_task_group, fail_after
from rich.console import Console

from pullwright.agents.clock import SystemClock
from pullwright.agents.errors import ModelUnavailable
from pullwright.agents.events import JournalEntry, QuestionAsked, RunFinished
from pullwright.agents.ports.engine import Advance, Segment
from pullwright.agents.ports.model import Delta
from pullwright.agents.ports.store import SignalKind
from pullwright.agents.queue.memory import MemoryStore
from pullwright.agents.task import Task, TaskStatus, WaitReason
from pullwright.agents.testing.contracts_engine import end, until_status, work
from pullwright.agents.worker.queue_engine import QueueEngine, Rhythm, this_worker
from pullwright.cli import foreground as foreground_module
from pullwright.cli import wiring
from pullwright.cli.follow import exit_code
from pullwright.cli.foreground import Foreground
from pullwright.cli.settings import Settings
from pullwright.cli.terminal_view import TerminalView

pytestmark = pytest.mark.anyio


class Shown:
    """A view that remembers."""

    def __init__(self) -> None:
        self.entries: list[JournalEntry] = []
        self.notes: list[str] = []

    def entry(self, entry: JournalEntry) -> None:
        self.entries.append(entry)

    def delta(self, delta: Delta) -> None:
        del delta

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    rhythm = Rhythm(beat=0.02, tend=0.02, idle=0.03)
    monkeypatch.setattr(foreground_module, "QueueEngine", partial(QueueEngine, rhythm=rhythm))
    monkeypatch.setattr(foreground_module, "LOOK_SECONDS", 0.01)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(SystemClock())


@pytest.fixture
def view() -> Shown:
    return Shown()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Type into what is standard input."""
    ours, theirs = os.openpty()
    with os.fdopen(theirs, encoding="utf-8") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)

        def type_(text: str) -> None:
            os.write(ours, text.encode())

        yield type_
    os.close(ours)


def scripted(monkeypatch: pytest.MonkeyPatch, advance: Advance | Exception) -> None:
    @asynccontextmanager
    async def open_advancer(*_: object, **__: object) -> AsyncIterator[Advance]:
        if isinstance(advance, Exception):
            raise advance
        yield advance

    monkeypatch.setattr(wiring, "open_advancer", open_advancer)


def asking(store: MemoryStore) -> Callable[[Segment], Awaitable[None]]:
    """Return a run that asks once."""

    async def advance(segment: Segment) -> None:
        if segment.task.attempt > 1:
            await end(store, segment.task)
            return
        asked = QuestionAsked(step=1, question="which?", wait=WaitReason.INPUT_REQUIRED.value)
        await store.park(segment.task, WaitReason.INPUT_REQUIRED, asked, question="which?")

    return advance


def foreground(store: MemoryStore, view: Shown, task: Task, **more: Any) -> Foreground:
    return Foreground(store, Settings(), view, task, **{"interactive": False, **more})


async def test_a_run_is_shown_to_its_end(store: MemoryStore, view: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    async def advance(segment: Segment) -> None:
        await end(store, segment.task)

    scripted(monkeypatch, advance)
    done = await foreground(store, view, await store.create(work())).work()
    assert done.status is TaskStatus.SUCCEEDED
    assert isinstance(view.entries[-1].event, RunFinished)
    assert [entry.seq for entry in view.entries] == list(range(1, len(view.entries) + 1))


async def test_without_a_person_a_question_ends_the_command(
    store: MemoryStore, view: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, asking(store))
    waiting = await foreground(store, view, await store.create(work())).work()
    assert (waiting.status, waiting.status_reason) == (TaskStatus.WAITING, "which?")
    assert exit_code(waiting) == 4


async def test_a_person_at_the_terminal_is_asked(
    store: MemoryStore, view: Shown, monkeypatch: pytest.MonkeyPatch, terminal: Callable[[str], None]
) -> None:
    scripted(monkeypatch, asking(store))
    terminal("\n  the second \n")
    done = await foreground(store, view, await store.create(work()), interactive=True).work()
    assert done.status is TaskStatus.SUCCEEDED
    assert [signal.text for signal in await store.signals(done.id)] == ["the second"]
    assert view.notes == ["? which?"]


async def test_an_answer_from_elsewhere_ends_the_asking(
    store: MemoryStore, view: Shown, monkeypatch: pytest.MonkeyPatch, terminal: Callable[[str], None]
) -> None:
    scripted(monkeypatch, asking(store))
    task = await store.create(work())
    with fail_after(10):
        async with create_task_group() as group:
            group.start_soon(foreground(store, view, task, interactive=True).work)
            await until_status(store, task.id, TaskStatus.WAITING)
            await store.send(task.id, SignalKind.ANSWER, "the first")
    assert await store.status(task.id) is TaskStatus.SUCCEEDED


async def test_the_end_of_the_input_leaves_the_task_waiting(
    store: MemoryStore, view: Shown, monkeypatch: pytest.MonkeyPatch, terminal: Callable[[str], None]
) -> None:
    scripted(monkeypatch, asking(store))
    terminal("\x04")
    waiting = await foreground(store, view, await store.create(work()), interactive=True).work()
    assert waiting.status is TaskStatus.WAITING


@pytest.mark.parametrize("waits", [False, True], ids=["running", "waiting"])
async def test_an_interruption_cancels_the_task_and_its_run_keeps_the_work(
    store: MemoryStore,
    view: Shown,
    monkeypatch: pytest.MonkeyPatch,
    terminal: Callable[[str], None],
    waits: bool,
) -> None:
    kept: list[TaskStatus] = []

    async def advance(segment: Segment) -> None:
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                kept.append(await store.status(segment.task.id))
                await end(store, segment.task, TaskStatus.CANCELED)
            raise

    scripted(monkeypatch, asking(store) if waits else advance)
    task = await store.create(work())
    async with create_task_group() as group:
        group.start_soon(foreground(store, view, task, interactive=waits).work)
        await until_status(store, task.id, TaskStatus.WAITING if waits else TaskStatus.RUNNING)
        await anyio.sleep(0.05)
        group.cancel_scope.cancel()
    assert await store.status(task.id) is TaskStatus.CANCELED
    assert kept == ([] if waits else [TaskStatus.CANCELING])


async def test_a_task_that_another_worker_has_is_followed(
    store: MemoryStore, view: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(segment: Segment) -> None:
        raise AssertionError(segment)

    scripted(monkeypatch, never)
    task = await store.create(work())
    await store.enlist(this_worker())
    elsewhere = await store.claim("", task.id)
    assert elsewhere
    with fail_after(10):
        async with create_task_group() as group:
            group.start_soon(foreground(store, view, task).work)
            await anyio.sleep(0.05)
            await end(store, elsewhere)
    assert isinstance(view.entries[-1].event, RunFinished)


@pytest.mark.parametrize(
    ("begun", "somebody", "status"),
    [(False, False, TaskStatus.REJECTED), (True, False, TaskStatus.QUEUED), (False, True, TaskStatus.QUEUED)],
    ids=["fresh", "begun before", "a worker comes"],
)
async def test_what_can_not_begin_here_is_ended_only_if_nobody_comes(
    store: MemoryStore,
    view: Shown,
    monkeypatch: pytest.MonkeyPatch,
    begun: bool,
    somebody: bool,
    status: TaskStatus,
) -> None:
    scripted(monkeypatch, ModelUnavailable("no endpoint"))
    task = await store.create(work())
    if begun:
        claimed = await store.claim("w", task.id)
        assert claimed
        await store.release(claimed, reason="")
    if somebody:
        await store.enlist(this_worker(slots=2))
    with pytest.raises(ModelUnavailable):
        await foreground(store, view, task).work()
    assert await store.status(task.id) is status


class Jumping(SystemClock):
    """A clock that a test puts forward."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return super().now() + self.ahead


async def test_trouble_around_a_run_is_one_line_and_it_goes_on_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, out = Jumping(), io.StringIO()
    store = MemoryStore(clock)

    async def advance(segment: Segment) -> None:
        if segment.task.attempt > 1:
            await end(store, segment.task)
            return
        await store.retry(segment.task, reason="nobody answers at 'http://gpu:8000/v1'")
        clock.ahead += timedelta(seconds=16)

    scripted(monkeypatch, advance)
    task = await store.create(work())
    view = TerminalView(Console(file=out, width=200), way_out="Ctrl-C cancels")
    with fail_after(10):
        done = await Foreground(store, Settings(), view, task, interactive=False).work()
    assert done.status is TaskStatus.SUCCEEDED
    told = [line for line in out.getvalue().splitlines() if "tried again" in line]
    assert told == ["● tried again in 15 s: nobody answers at 'http://gpu:8000/v1' (Ctrl-C cancels)"]


async def test_an_interruption_between_two_attempts_cancels_the_task(
    store: MemoryStore, view: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def advance(segment: Segment) -> None:
        await store.retry(segment.task, reason="no endpoint")

    scripted(monkeypatch, advance)
    task = await store.create(work())
    async with create_task_group() as group:
        group.start_soon(foreground(store, view, task).work)
        await until_status(store, task.id, TaskStatus.SCHEDULED)
        group.cancel_scope.cancel()
    assert await store.status(task.id) is TaskStatus.CANCELED


async def test_a_task_for_later_that_can_not_begin_is_ended(
    store: MemoryStore, view: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, ModelUnavailable("no endpoint"))
    later = datetime.now(UTC) + timedelta(hours=2)
    task = await store.create(replace(work(), not_before=later))
    with pytest.raises(ModelUnavailable):
        await foreground(store, view, task).work()
    assert await store.status(task.id) is TaskStatus.REJECTED
