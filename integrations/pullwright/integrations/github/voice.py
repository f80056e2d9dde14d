"""What the bot says on GitHub about a delivery: a reaction at once, a comment where words are due."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pullwright.agents.worker.outbox import Made
from pullwright.integrations.github.credentials import Need, Step
from pullwright.integrations.github.markers import Marker


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where something is said."""

    repository: str
    """``owner/name``."""
    number: int
    """Of the issue or pull request."""
    work_key: str
    repository_id: int | None = None
    installation_id: int | None = None
    comment_id: int | None = None
    """What is reacted to; None for the issue itself."""
    in_review: bool = False
    """Whether that is a comment of a review."""

    @property
    def need(self) -> Need:
        """The right that it takes."""
        return Need(
            repository=self.repository,
            step=Step.TALK,
            repository_id=self.repository_id,
            installation_id=self.installation_id,
        )


class Voice(Protocol):
    """Says things on GitHub. Every method may raise IntegrationError."""

    async def react(self, place: Place) -> Made:
        """Show that something was seen; GitHub keeps one reaction however often it is made."""
        ...

    async def comment(self, place: Place, text: str) -> Made:
        """Write a comment."""
        ...

    async def find_comment(self, place: Place, marker: Marker) -> Made | None:
        """Return the bot's own comment that carries a marker."""
        ...
