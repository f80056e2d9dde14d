"""The parts of Linear's documents that this project reads, of webhooks and of answers; the rest is ignored.

Linear adds fields, and older hooks lack some: nothing is required that a meaning can do without.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

T = TypeVar("T")

ENDED: Final = frozenset({"completed", "canceled", "duplicate"})
"""Types of the states that end an issue; the others are triage, backlog, unstarted and started."""


def _well_formed(value: object) -> object:
    # Half characters can be written in JSON but not stored; NUL is refused by some databases.
    return value.encode("utf-8", "replace").decode().replace("\0", "\ufffd") if isinstance(value, str) else value


Text = Annotated[str, BeforeValidator(_well_formed)]
Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")]
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,20}-[0-9]{1,10}$")]


class Part(BaseModel):
    """Base of the models below."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class Nodes(Part, Generic[T]):
    """A page of a list."""

    nodes: list[T] = Field(default_factory=list)


class UserPart(Part):
    """Whoever did or wrote something."""

    id: Id
    name: Text = ""
    email: Text | None = None
    url: Text | None = None
    kind: Text = Field(default="user", alias="type")
    """Of the actor of a hook: ``user``; others are apps and integrations."""


class StatePart(Part):
    """A state of a team's workflow."""

    id: Id = ""
    name: Text = ""
    kind: Text = Field(default="", alias="type")
    position: float = 0.0

    @property
    def ended(self) -> bool:
        """Whether an issue in it is over."""
        return self.kind in ENDED


class LabelPart(Part):
    """A label."""

    id: Id = ""
    name: Text = ""


class NamedPart(Part):
    """A team, which has a key besides its name, or a project."""

    key: Text = ""
    name: Text = ""


class IssueHead(Part):
    """What a comment or a session says of its issue."""

    id: Id
    identifier: Identifier | None = None


class IssuePart(IssueHead):
    """The issue of a hook."""

    title: Text = ""
    description: Text | None = None
    state: StatePart | None = None
    team: NamedPart | None = None
    label_ids: list[Id] = Field(default_factory=list, alias="labelIds")
    labels: list[LabelPart] = Field(default_factory=list)
    assignee_id: Id | None = Field(default=None, alias="assigneeId")
    delegate_id: Id | None = Field(default=None, alias="delegateId")
    creator_id: Id | None = Field(default=None, alias="creatorId")
    trashed: bool | None = None


class CommentPart(Part):
    """The comment of a hook."""

    id: Id
    body: Text = ""
    issue_id: Id | None = Field(default=None, alias="issueId")
    issue: IssueHead | None = None
    user_id: Id | None = Field(default=None, alias="userId")
    user: UserPart | None = None
    created: datetime | None = Field(default=None, alias="createdAt")


class SessionPart(Part):
    """A conversation with an agent in Linear: somebody delegated an issue to it, or mentioned it."""

    id: Id
    issue_id: Id | None = Field(default=None, alias="issueId")
    issue: IssueHead | None = None
    comment: CommentPart | None = None
    source_comment_id: Id | None = Field(default=None, alias="sourceCommentId")
    creator: UserPart | None = None


class ActivityContent(Part):
    """What somebody said to the agent."""

    body: Text = ""


class ActivityPart(Part):
    """Something that somebody said in a session."""

    id: Id
    content: ActivityContent = ActivityContent()
    signal: Text | None = None
    source_comment_id: Id | None = Field(default=None, alias="sourceCommentId")
    user: UserPart | None = None


class Envelope(Part):
    """What all hooks have."""

    kind: Text = Field(default="", alias="type")
    action: Text = ""
    actor: UserPart | None = None
    created: datetime | None = Field(default=None, alias="createdAt")
    before: dict[str, object] | None = Field(default=None, alias="updatedFrom")
    """The old values of what was changed, and of nothing else."""


class IssueEvent(Envelope):
    """An issue was made, changed or removed."""

    data: IssuePart


class CommentEvent(Envelope):
    """A comment was made, changed or removed."""

    data: CommentPart


class SessionEvent(Envelope):
    """Somebody speaks to the agent in a session."""

    session: SessionPart = Field(alias="agentSession")
    activity: ActivityPart | None = Field(default=None, alias="agentActivity")
