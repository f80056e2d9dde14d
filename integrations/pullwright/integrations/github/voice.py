"""What the bot says on GitHub about a delivery: a reaction at once, a comment where words are due."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from pullwright.agents.errors import NotFound
from pullwright.agents.ports.inbox import Delivery
from pullwright.agents.worker.outbox import Made
from pullwright.integrations.github import meanings as m
from pullwright.integrations.github.credentials import Need, Step
from pullwright.integrations.github.meaning_codec import meaning_from_json
from pullwright.integrations.markers import Marker

SEEN: Final = "eyes"
"""The reaction that says that somebody is on it."""


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

    async def react(self, place: Place, content: str = SEEN) -> Made:
        """Show that something was seen, or how it ended; GitHub keeps one of each however often it is made."""
        ...

    async def comment(self, place: Place, text: str) -> Made:
        """Write a comment."""
        ...

    async def change_comment(self, place: Place, comment: str, text: str) -> None:
        """Give a comment another text.

        Raises:
            NotFound: It was deleted.
        """
        ...

    async def find_comment(self, place: Place, marker: Marker) -> Made | None:
        """Return the bot's own comment that carries a marker."""
        ...

    async def mark_ready(self, place: Place) -> Made:
        """Say that a pull request is ready for review; nothing happens to one that is no draft."""
        ...


def place_of(delivery: Delivery, about: str = "") -> Place:
    """Return where a delivery is answered.

    Args:
        delivery: What is answered.
        about: The work key of another issue or pull request of its repository, when the answer belongs there.

    Raises:
        NotFound: It belongs to no issue or pull request.
    """
    meaning = meaning_from_json(delivery.content)
    if meaning.repository is None:
        raise NotFound(f"delivery {delivery.id!r} names no repository to answer in")
    return Place(
        repository=meaning.repository.full_name,
        number=int(about.rpartition("#")[2]) if about else _number(meaning),
        work_key=about or delivery.work_key,
        repository_id=meaning.repository.id,
        installation_id=meaning.installation_id,
        comment_id=meaning.comment_id if isinstance(meaning, m.WorkRequested | m.ControlRequested) else None,
        in_review=isinstance(meaning, m.WorkRequested) and meaning.cause is m.Cause.REVIEW_COMMENTED,
    )


def _number(meaning: m.Meaning) -> int:
    match meaning:
        case m.WorkRequested():
            return meaning.subject.number
        case m.ReviewSubmitted() | m.SubjectGone() | m.PullRequestClosed():
            return meaning.number
        case m.ControlRequested() if meaning.number is not None:
            return meaning.number
        case m.ChecksCompleted() if meaning.pull_requests:
            return meaning.pull_requests[0]
    raise NotFound(f"delivery {meaning.delivery_id!r} belongs to no issue to answer in")
