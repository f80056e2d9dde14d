"""The parts of GitHub's documents that this project reads; everything else in them is ignored."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict

GHOST = "ghost"
"""What GitHub calls the author of something whose account is gone."""


class Payload(BaseModel):
    """Base of the models below."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class UserPayload(Payload):
    """A person or a bot."""

    login: str


class RepositoryPayload(Payload):
    """A repository under the name that it has now."""

    full_name: str
    default_branch: str
    id: int

    @property
    def owner(self) -> str:
        """The account that holds it."""
        return self.full_name.partition("/")[0]


class CommentPayload(Payload):
    """A comment; ``body_html`` comes with the full media type."""

    user: UserPayload | None = None
    body: str | None = None
    body_html: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def edited_at(self) -> datetime | None:
        """When it was changed last; None when it was not, or when that is not known."""
        if self.created_at is None or self.updated_at is None or self.updated_at <= self.created_at:
            return None
        return self.updated_at

    @property
    def author(self) -> str:
        """Login of the author."""
        return self.user.login if self.user else GHOST


class IssuePayload(CommentPayload):
    """An issue."""

    number: int
    title: str
    state: str
    html_url: str
    comments: int = 0
    comments_url: str
    repository_url: str = ""
    """Where it is now; the issue may have been transferred, and its repository renamed."""


class SidePayload(Payload):
    """One side of a pull request."""

    ref: str
    label: str | None = None


class PullPayload(Payload):
    """A pull request."""

    number: int
    html_url: str
    state: str
    draft: bool = False
    merged_at: str | None = None
    head: SidePayload
