"""A payload that is being read, and what all readers share. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict

from pullwright.integrations.github.deliveries import Delivery
from pullwright.integrations.github.delivery_payloads import (
    CommentPart,
    EventPayload,
    IssuePart,
    PullRequestPart,
    RepositoryPart,
    UserPart,
)
from pullwright.integrations.github.meanings import Actor, BotIdentity, Ignored, Meaning, RepositoryFacts, Subject
from pullwright.integrations.github.work_keys import work_key


class Missing(Exception):
    """A payload lacks what its event should have."""


class Shared(TypedDict):
    """The fields that every meaning of a delivery has."""

    delivery_id: str
    repository: RepositoryFacts | None
    installation_id: int | None
    actor: Actor | None


@dataclass(frozen=True, slots=True)
class Reading:
    """A payload that is being read."""

    delivery: Delivery
    payload: EventPayload
    bot: BotIdentity

    def shared(self) -> Shared:
        """Return what every meaning has."""
        payload = self.payload
        return {
            "delivery_id": self.delivery.id,
            "repository": repository_facts(payload.repository) if payload.repository else None,
            "installation_id": payload.installation.id if payload.installation else None,
            "actor": self.actor(),
        }

    def actor(self) -> Actor | None:
        """Return who did it."""
        comment = self.payload.comment
        app = comment.performed_via_github_app if comment else None
        return actor_of(self.payload.sender, app.id if app else None)

    def ignored(self, reason: str) -> Ignored:
        """Return that nothing is to be done."""
        return Ignored(**self.shared(), reason=reason)

    def work_key(self, number: int) -> str:
        """Return the key of the work on one issue or pull request."""
        if self.payload.repository is None:
            raise Missing("repository")
        return work_key(self.bot.host, self.payload.repository.id, number)

    def issue(self) -> IssuePart:
        """Return the issue."""
        if self.payload.issue is None:
            raise Missing("issue")
        return self.payload.issue

    def pull_request(self) -> PullRequestPart:
        """Return the pull request."""
        if self.payload.pull_request is None:
            raise Missing("pull_request")
        return self.payload.pull_request

    def comment(self) -> CommentPart:
        """Return the comment."""
        if self.payload.comment is None:
            raise Missing("comment")
        return self.payload.comment

    def is_own_pull_request(self) -> bool:
        """Whether the bot opened the pull request."""
        user = self.pull_request().user
        return user is not None and user.id == self.bot.user_id

    def by_me(self) -> bool:
        """Whether the bot did it, or wrote what it is about."""
        return self.bot.is_me(self.actor())


Reader = Callable[[Reading], Meaning]


def actor_of(user: UserPart | None, app_id: int | None = None) -> Actor | None:
    """Return a person or bot of a payload."""
    return Actor(id=user.id, login=user.login, kind=user.type, app_id=app_id) if user else None


def repository_facts(repository: RepositoryPart) -> RepositoryFacts:
    """Return a repository of a payload."""
    return RepositoryFacts(
        id=repository.id,
        full_name=repository.full_name,
        private=repository.private,
        archived=repository.archived,
        default_branch=repository.default_branch or "",
    )


def stamp(time: datetime | None) -> str:
    """Return a time as a part of a key."""
    return time.isoformat() if time else ""


def is_bot(reading: Reading, user: UserPart | None) -> bool:
    """Return whether a user of the payload is the bot."""
    return user is not None and (user.id == reading.bot.user_id or user.login.lower() == reading.bot.login.lower())


def subject_of_issue(issue: IssuePart) -> Subject:
    """Return an issue of a payload."""
    return Subject(
        number=issue.number,
        is_pull_request=issue.pull_request is not None,
        title=issue.title,
        body=issue.body or "",
        author=issue.user.login if issue.user else "ghost",
        state=issue.state,
        locked=issue.locked,
        node_id=issue.node_id,
    )


def subject_of_pull_request(pull: PullRequestPart) -> Subject:
    """Return a pull request of a payload."""
    return Subject(
        number=pull.number,
        is_pull_request=True,
        title=pull.title,
        body=pull.body or "",
        author=pull.user.login if pull.user else "ghost",
        state=pull.state,
        locked=pull.locked,
        node_id=pull.node_id,
    )
