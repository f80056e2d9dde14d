"""Reception: takes deliveries, lets their source's handler decide, and carries that out; several at once."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Final

import anyio
from anyio import create_task_group, fail_after, move_on_after
from anyio.abc import TaskGroup
from ulid import ULID

from pullwright.agents.errors import (
    AuthFailed,
    ConfigError,
    LeaseLost,
    PullwrightError,
    RemoteRateLimited,
    StoreError,
)
from pullwright.agents.intake.carrying_out import CarryingOut
from pullwright.agents.intake.mishap import mishap
from pullwright.agents.intake.source import Handler
from pullwright.agents.intake.sparing import Sparing
from pullwright.agents.ports.clock import Clock
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.inbox import TAKEN_SECONDS, Delivery
from pullwright.agents.ports.lease import Worker

logger = logging.getLogger(__name__)

AT_ONCE: Final = 4
"""Deliveries in hand at once."""

HANDLE_SECONDS: Final = TAKEN_SECONDS - 15.0
"""How long one may take; after ``TAKEN_SECONDS`` it would be somebody else's."""

IDLE_SECONDS: Final = 1.0
"""How often it looks for what is due although nobody rang."""

BEAT_SECONDS: Final = 5.0

FIRST_PAUSE: Final = 5.0
LONGEST_PAUSE: Final = 21_600.0
"""Seconds that a delivery is put off; they double each time."""

LAST_WORD_SECONDS: Final = 10.0


class Reception:
    """Deals with deliveries for as long as it serves."""

    def __init__(
        self, store: DurableStore, handlers: Mapping[str, Handler], *, clock: Clock, worker: Worker | None = None
    ) -> None:
        """Make one.

        Args:
            store: Where deliveries and tasks are.
            handlers: By source.
            clock: For how often somebody is answered.
            worker: What others see of this process; its id is made anew whenever it serves.
        """
        self._store = store
        self._handlers = handlers
        self._worker = worker or Worker(id="")
        self._carrying_out = CarryingOut(store, Sparing(clock.monotonic))
        self._busy = 0
        self._done = anyio.Event()

    async def serve(self) -> None:
        """Serve until cancelled; what was in hand then is free for the next one at once."""
        me = replace(self._worker, id=str(ULID()), slots=0)
        await self._store.enlist(me)
        try:
            async with create_task_group() as group:
                group.start_soon(self._beat, me.id)
                await self._take_all(me.id, group)
        finally:
            with move_on_after(LAST_WORD_SECONDS, shield=True):
                await self._retire(me.id)

    async def deal_with_all(self, worker_id: str) -> None:
        """Deal with everything that is due, and return when nothing is."""
        while taken := await self._store.take(worker_id, limit=AT_ONCE):
            async with create_task_group() as group:
                for delivery in taken:
                    group.start_soon(self.deal_with, delivery)

    async def deal_with(self, delivery: Delivery) -> None:
        """Settle one delivery, or put it off. Raises nothing: what goes wrong is noted and logged."""
        error = await mishap(partial(self._settle, delivery))
        if error is not None:
            await self._failed(delivery, error)

    async def _settle(self, delivery: Delivery) -> None:
        with fail_after(HANDLE_SECONDS):
            handler = self._handler(delivery)
            await self._carrying_out.do(delivery, await handler.handle(delivery), handler)

    def _handler(self, delivery: Delivery) -> Handler:
        if delivery.source not in self._handlers:
            raise ConfigError(f"nothing is configured for deliveries of {delivery.source!r}; set it up again")
        return self._handlers[delivery.source]

    async def _take_all(self, worker_id: str, group: TaskGroup) -> None:
        while True:
            self._done = anyio.Event()
            if self._busy >= AT_ONCE:
                await self._done.wait()
                continue
            try:
                taken = await self._store.take(worker_id, limit=AT_ONCE - self._busy)
            except StoreError as exc:
                logger.warning("no delivery was taken: %s", exc)
                await anyio.sleep(IDLE_SECONDS)
                continue
            self._busy += len(taken)
            for delivery in taken:
                group.start_soon(self._deal_with_counted, delivery)
            if not taken:
                await self._store.wait_for_deliveries(IDLE_SECONDS)

    async def _deal_with_counted(self, delivery: Delivery) -> None:
        try:
            await self.deal_with(delivery)
        finally:
            self._busy -= 1
            self._done.set()

    async def _failed(self, delivery: Delivery, error: Exception) -> None:
        if isinstance(error, LeaseLost):
            logger.info("delivery %s is dealt with elsewhere: %s", delivery.id, error)
            return
        if isinstance(error, StoreError):
            logger.warning("delivery %s waits for the database: %s", delivery.id, error)
            return
        seconds = min(FIRST_PAUSE * 2**delivery.put_off, LONGEST_PAUSE)
        if isinstance(error, RemoteRateLimited):
            seconds = max(seconds, error.retry_after)
        _log(delivery, error)
        try:
            await self._store.put_off(delivery, seconds=seconds, reason=_reason(error))
        except LeaseLost:
            logger.info("delivery %s was settled or taken over before it failed", delivery.id)
        except StoreError as exc:
            logger.warning("delivery %s was not put off: %s", delivery.id, exc)

    async def _beat(self, worker_id: str) -> None:
        while True:
            try:
                await self._store.beat(worker_id)
            except StoreError as exc:
                logger.warning("no heartbeat of the intake: %s", exc)
            await anyio.sleep(BEAT_SECONDS)

    async def _retire(self, worker_id: str) -> None:
        try:
            await self._store.retire(worker_id)
        except StoreError as exc:
            logger.warning("the intake did not sign off: %s", exc)


def _reason(error: Exception) -> str:
    if isinstance(error, PullwrightError):
        return str(error)
    if isinstance(error, TimeoutError):
        return f"it took longer than {HANDLE_SECONDS:g} s"
    return "internal error; the traceback is in the log, please report it"


def _log(delivery: Delivery, error: Exception) -> None:
    match error:
        case AuthFailed() | ConfigError():
            logger.error("delivery %s waits, somebody has to act: %s", delivery.id, error)
        case PullwrightError() | TimeoutError():
            logger.warning("delivery %s is put off: %s", delivery.id, _reason(error))
        case _:
            logger.error("delivery %s ran into a bug", delivery.id, exc_info=error)
