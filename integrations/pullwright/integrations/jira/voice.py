"""What the bot says and does on a ticket."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pullwright.agents.worker.outbox import Made
from pullwright.integrations.jira.markers import Marker


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The ticket on which something is said."""

    reference: str
    """Its id, which stays when it is moved; or its key."""
    work_key: str
    key: str = ""
    """What people call it; empty when the delivery did not say."""
    people: tuple[str, ...] = ()
    """Accounts that may be mentioned: who asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Linked:
    """A pull request, as a ticket shows it."""

    url: str
    title: str
    done: bool = False
    """Whether it is merged or closed."""


class Voice(Protocol):
    """Says and does things on tickets. Every method may raise IntegrationError."""

    async def comment(self, place: Place, text: str, marker: Marker) -> Made:
        """Write a comment (Markdown) that carries a marker."""
        ...

    async def find_comment(self, place: Place, marker: Marker) -> Made | None:
        """Return the bot's own comment that carries a marker."""
        ...

    async def change_comment(self, place: Place, comment: str, text: str) -> None:
        """Change a comment of the bot.

        Raises:
            NotFound: Somebody has deleted it, or the ticket.
        """
        ...

    async def move(self, place: Place, statuses: Sequence[str]) -> Made | None:
        """Move the ticket to the first of these statuses that can be reached; twice is the same as once.

        Return None, without an error, when none can be reached or a screen wants fields to be filled in.
        """
        ...

    async def link(self, place: Place, linked: Linked) -> Made:
        """Link a pull request; the same one again is changed, not added."""
        ...

    async def assign(self, place: Place, account: str) -> None:
        """Give the ticket to somebody."""
        ...
