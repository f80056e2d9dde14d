"""A process that has a duty, as others see it: a worker without slots."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

from anyio import move_on_after
from ulid import ULID

from pullwright.agents.background import beside
from pullwright.agents.errors import StoreError
from pullwright.agents.ports.clock import Clock
from pullwright.agents.ports.lease import LeaseStore, Worker

logger = logging.getLogger(__name__)

BEAT_SECONDS: Final = 10.0
LAST_WORD_SECONDS: Final = 10.0


@asynccontextmanager
async def enlisted(store: LeaseStore, worker: Worker, clock: Clock) -> AsyncIterator[str]:
    """Be known under a fresh id for the length of a block, which is given that; afterwards others take over at once."""
    me = replace(worker, id=str(ULID()), slots=0)

    async def beat() -> None:
        while True:
            try:
                await store.beat(me.id)
            except StoreError as exc:
                logger.warning("no heartbeat of %s: %s", me.id, exc)
            await clock.sleep(BEAT_SECONDS)

    await store.enlist(me)
    try:
        async with beside(beat):
            yield me.id
    finally:
        with move_on_after(LAST_WORD_SECONDS, shield=True):
            await _retire(store, me.id)


async def _retire(store: LeaseStore, worker_id: str) -> None:
    try:
        await store.retire(worker_id)
    except StoreError as exc:
        logger.warning("%s did not sign off: %s", worker_id, exc)
