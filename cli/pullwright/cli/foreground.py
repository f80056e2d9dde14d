"""A task in the foreground: this process works on it, shows it, asks its person, and stops it when told to."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio
from anyio import CancelScope, create_task_group, move_on_after

from pullwright.agents.errors import TaskError
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.engine import Advance
from pullwright.agents.ports.store import SignalKind
from pullwright.agents.task import Task, TaskStatus
from pullwright.agents.worker.queue_engine import QueueEngine
from pullwright.cli import wiring
from pullwright.cli.begin import begun_or_ended
from pullwright.cli.follow import Follower, shown_live
from pullwright.cli.render import View, printable
from pullwright.cli.settings import Settings
from pullwright.cli.telemetry_wiring import followed

if TYPE_CHECKING:
    from pullwright.integrations.sentry.telemetry import Telemetry

SHOW_SECONDS = 10.0
"""How long showing the last entries of an interrupted run may take."""

CANCEL_SECONDS = 90.0
"""How long an interrupted run may take to keep its work."""

LOOK_SECONDS = 0.5
"""How often is looked whether somebody else has answered."""


class Foreground:
    """One task, taken as far as it goes here."""

    def __init__(
        self,
        store: DurableStore,
        settings: Settings,
        view: View,
        task: Task,
        *,
        interactive: bool,
        place: str = "",
        sending: Telemetry | None = None,
    ) -> None:
        self._store = store
        self._settings = settings
        self._view = view
        self._task = task
        self._interactive = interactive
        self._sending = sending
        self._follower = Follower(store, task.id, view)
        self._engine = QueueEngine(store, wiring.this_worker(settings, slots=1, place=place), only=task.id)
        self._over = False

    async def work(self) -> Task:
        """Work on the task until it has ended, or waits for somebody who is not here; return it as it then stands.

        A worker elsewhere may take it first; then it is followed. Cancellation cancels the task, whoever has it, and
        lets its run keep the work.
        """
        try:
            async with (
                begun_or_ended(self._store, self._task.id),
                wiring.open_advancer(
                    self._settings,
                    self._store,
                    holds=self._engine.holds,
                    note=self._view.note,
                    on_delta=lambda task_id: self._view.delta if task_id == self._task.id else None,
                ) as advance,
            ):
                await self._work(followed(advance, self._store, self._sending))
        finally:
            with move_on_after(SHOW_SECONDS, shield=True):
                await self._follower.catch_up()
        return await self._store.get(self._task.id)

    async def _work(self, advance: Advance) -> None:
        working = CancelScope(shield=True)
        async with create_task_group() as group:
            group.start_soon(self._follower.follow)
            group.start_soon(self._cancel_when_interrupted, working)
            with working:
                await self._serve(advance)
                while self._interactive and await self._answered():
                    await self._serve(advance)
            self._over = True
            group.cancel_scope.cancel()

    async def _serve(self, advance: Advance) -> None:
        with shown_live(self._view):
            await self._engine.serve(advance)
        await self._follower.catch_up()

    async def _cancel_when_interrupted(self, working: CancelScope) -> None:
        """Cancel the task first, so that its run finds out and keeps the work; only then give up on it."""
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            if not self._over:
                working.deadline = anyio.current_time() + CANCEL_SECONDS
                with move_on_after(SHOW_SECONDS, shield=True), suppress(TaskError):
                    await self._engine.cancel(self._task.id, reason="canceled at the terminal")
            raise

    async def _answered(self) -> bool:
        """Ask the person what the task waits for, and say whether it goes on."""
        task = await self._store.get(self._task.id)
        if task.status is not TaskStatus.WAITING:
            return not task.status.terminal
        self._view.note(f"? {printable(task.status_reason)}")
        answer = await self._typed()
        if answer is None:
            return False
        with suppress(TaskError):  # somebody else has answered, or canceled it
            await self._engine.wake(task.id, SignalKind.ANSWER, answer)
        return True

    async def _typed(self) -> str | None:
        """Return a line that is not empty; None at the end of the input. Nothing when the task waits no more."""
        typed: str | None = ""
        async with create_task_group() as group:
            group.start_soon(self._until_it_waits_no_more, group.cancel_scope)
            while typed == "":
                sys.stdout.write("> ")
                sys.stdout.flush()
                await anyio.wait_readable(sys.stdin)  # unlike a thread that reads, this can be cancelled
                line = sys.stdin.readline()
                typed = line.strip() if line else None
            group.cancel_scope.cancel()
        return typed

    async def _until_it_waits_no_more(self, scope: CancelScope) -> None:
        while await self._store.status(self._task.id) is TaskStatus.WAITING:  # noqa: ASYNC110 - it may be elsewhere
            await anyio.sleep(LOOK_SECONDS)
        scope.cancel()
