"""Catching up: what the other systems told us in vain, or never could because nothing reaches in here."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from anyio import create_task_group

from pullwright.agents.errors import IntegrationError, StoreError
from pullwright.agents.intake.source import Source
from pullwright.agents.ports.clock import Clock
from pullwright.agents.ports.inbox import InboxStore, Receipt

logger = logging.getLogger(__name__)

EVERY_SECONDS: Final = 900.0

SOON_SECONDS: Final = 90.0
"""When the second look is. What got lost while this process was away was often told seconds before the first one, when
GitHub does not count it as lost yet."""

FIRST_LOOK: Final = timedelta(days=3)
"""How far back the first look goes: as long as GitHub keeps what it could not deliver."""

OVERLAP: Final = timedelta(hours=1)
"""How far a look goes back beyond the last one, because clocks differ and other systems are late."""

KEEP: Final = timedelta(days=14)
"""How long settled deliveries are kept: longer than anybody delivers one again."""


class CatchUp:
    """Asks every source, now and then; each by itself, so that one that does not answer holds up no other."""

    def __init__(
        self, inbox: InboxStore, sources: Sequence[Source], *, clock: Clock, every: float = EVERY_SECONDS
    ) -> None:
        """Make one; ``every`` is in seconds."""
        self._inbox = inbox
        self._sources = sources
        self._clock = clock
        self._every = every

    async def go_on(self) -> None:
        """Ask until cancelled, and forget old deliveries."""
        async with create_task_group() as group:
            for source in self._sources:
                group.start_soon(self._ask_again_and_again, source)
            while True:
                await self._forget()
                await self._clock.sleep(EVERY_SECONDS)

    async def ask(self, source: Source, since: datetime) -> int:
        """Take in what a source has had to say since a moment; return how much of it was news.

        Raises:
            IntegrationError: It can not be asked now.
            StoreError: What it said can not be kept.
        """
        news = 0
        async for delivery in source.missed(since):
            news += await self._inbox.receive(delivery) is Receipt.ACCEPTED
        return news

    async def _ask_again_and_again(self, source: Source) -> None:
        since, pause = self._clock.now() - FIRST_LOOK, min(SOON_SECONDS, self._every)
        while True:
            begun = self._clock.now()
            try:
                await self.ask(source, since)
                since = begun - OVERLAP
            except (IntegrationError, StoreError) as exc:
                logger.warning("%s was not asked for what was missed: %s", source.name, exc)
            await self._clock.sleep(pause)
            pause = self._every

    async def _forget(self) -> None:
        try:
            await self._inbox.forget_deliveries(before=self._clock.now() - KEEP)
        except StoreError as exc:
            logger.warning("old deliveries were not removed: %s", exc)
