"""Following a run by its journal, and what its end means for scripts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import anyio

from pullwright.agents.errors import StoreUnavailable
from pullwright.agents.events import RunFinished
from pullwright.agents.llm.prices import PriceList
from pullwright.agents.ports.store import TaskStore
from pullwright.agents.task import Task, TaskStatus
from pullwright.agents.worker.landing import UNCHANGED
from pullwright.cli.render import JsonView, View
from pullwright.cli.speech import complain
from pullwright.cli.terminal_view import TerminalView

AGAIN_SECONDS = 1.0

CHANGED, FAILED, NOTHING_TO_DO, WAITING, CANCELED = 0, 1, 3, 4, 130


def exit_code(task: Task) -> int:
    """Return the exit code that a task's end, or its waiting for an answer, stands for."""
    match task.status:
        case TaskStatus.SUCCEEDED:
            return NOTHING_TO_DO if task.status_reason.startswith(UNCHANGED) else CHANGED
        case TaskStatus.WAITING:
            return WAITING
        case TaskStatus.CANCELED:
            return CANCELED
        case _:
            return FAILED


@contextmanager
def shown_live(view: View) -> Iterator[None]:
    """Keep a view's live line on the screen inside the block, if it has one."""
    with view.live() if isinstance(view, TerminalView) else nullcontext():
        yield


def make_view(*, json: bool, prices: PriceList | None = None, calls: bool = False, way_out: str = "") -> View:
    """Return the view that fits where standard output goes.

    Args:
        json: For programs.
        prices: What people are told about the money.
        calls: Tell people of every call of the model what it took.
        way_out: How to end a task that waits for its time, for people.
    """
    if json:
        return JsonView(complain)
    from rich.console import Console

    return TerminalView(Console(), prices, calls=calls, way_out=way_out)


class Follower:
    """Shows a run's journal; knows where it was, so that what came last can be shown after an interruption."""

    def __init__(self, store: TaskStore, task_id: str, view: View) -> None:
        self._store = store
        self._task_id = task_id
        self._view = view
        self._seq = 0

    async def follow(self) -> None:
        """Show entries as they are written, until the run's last one or the end of a task that never ran.

        A store that does not answer is asked again.
        """
        while True:
            try:
                if await self._ended():
                    return
                await self._store.wait(self._task_id, after=self._seq)
            except StoreUnavailable:
                await anyio.sleep(AGAIN_SECONDS)

    async def _ended(self) -> bool:
        if await self.catch_up():
            return True
        terminal = (await self._store.status(self._task_id)).terminal
        if terminal:
            await self.catch_up()
        return terminal

    async def catch_up(self) -> bool:
        """Show the entries that were not shown yet and say whether the run's last one was among them."""
        for entry in await self._store.journal(self._task_id, after=self._seq):
            self._seq = entry.seq
            self._view.entry(entry)
            if isinstance(entry.event, RunFinished):
                return True
        return False
