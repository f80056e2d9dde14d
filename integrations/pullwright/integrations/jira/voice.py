"""What the bot says and does on a ticket."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pullwright.agents.errors import NotFound
from pullwright.agents.ports.inbox import Delivery
from pullwright.agents.worker.outbox import Made
from pullwright.integrations.jira.meaning_codec import meaning_from_json
from pullwright.integrations.markers import Marker


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

        Return None, without an error, when none can be reached, a screen wants fields to be filled in, or somebody has
        ended the ticket.
        """
        ...

    async def link(self, place: Place, linked: Linked) -> Made:
        """Link a pull request; the same one again is changed, not added."""
        ...

    async def give_back(self, place: Place, account: str) -> None:
        """Give the ticket to somebody if it is the bot's."""
        ...

    async def take_again(self, place: Place) -> None:
        """Make the ticket the bot's if the bot gave it back, and nobody has given it to anybody since."""
        ...


def place_of(delivery: Delivery) -> Place:
    """Return where a delivery is answered.

    Raises:
        NotFound: It belongs to no ticket.
    """
    meaning = meaning_from_json(delivery.content)
    if meaning.ticket is None or not meaning.ticket.reference:
        raise NotFound(f"delivery {delivery.id!r} belongs to no ticket to answer in")
    people = (meaning.actor.account,) if meaning.actor else ()
    ticket = meaning.ticket
    return Place(reference=ticket.reference, key=ticket.key, work_key=delivery.work_key, people=people)
