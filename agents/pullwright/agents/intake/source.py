"""What intake needs of a source: somebody who understands its deliveries, and somebody who looks for missed ones."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Protocol

from pullwright.agents.intake.decisions import Decision, Reply
from pullwright.agents.ports.inbox import Delivery, NewDelivery
from pullwright.agents.worker.outbox import Made


class Handler(Protocol):
    """Understands the deliveries of one source.

    Every method may raise ``IntegrationError``: the delivery then waits and comes again. It has
    ``reception.HANDLE_SECONDS`` for all it does.
    """

    async def handle(self, delivery: Delivery) -> Decision:
        """Decide what becomes of a delivery; changes nothing anywhere."""
        ...

    async def reply(self, delivery: Delivery, reply: Reply) -> Made:
        """Say something where the delivery came from."""
        ...

    async def find_reply(self, delivery: Delivery, reply: Reply) -> Made | None:
        """Look up whether it was said; asked when an earlier turn may have."""
        ...


class Source(Protocol):
    """Asks another system what it may have told us in vain."""

    @property
    def name(self) -> str:
        """The source and connection, for the log."""
        ...

    def missed(self, since: datetime) -> AsyncIterator[NewDelivery]:
        """Yield what happened since a moment. Known deliveries may be among them: the inbox knows them too.

        Raises:
            IntegrationError: It can not be asked now.
        """
        ...
