"""The forms of what Linear answers to the queries of ``queries``."""

from __future__ import annotations

from datetime import datetime
from typing import Generic, TypeVar

from pydantic import Field

from pullwright.integrations.linear.payloads import (
    CommentPart,
    Id,
    IssueHead,
    LabelPart,
    NamedPart,
    Nodes,
    Part,
    StatePart,
    Text,
    UserPart,
)

T = TypeVar("T")


class PageInfo(Part):
    """Whether there is more."""

    more: bool = Field(default=False, alias="hasNextPage")
    cursor: Text | None = Field(default=None, alias="endCursor")


class Page(Nodes[T], Generic[T]):
    """A page of a long list."""

    info: PageInfo = Field(default=PageInfo(), alias="pageInfo")


class WrittenPart(CommentPart):
    """A comment of an issue."""

    edited: datetime | None = Field(default=None, alias="editedAt")


class IssueNow(IssueHead):
    """An issue as it is now, as far as decisions need it."""

    title: Text = ""
    trashed: bool | None = None
    state: StatePart = StatePart()
    team: NamedPart = NamedPart()
    labels: Nodes[LabelPart] = Nodes[LabelPart]()
    assignee: UserPart | None = None
    delegate: UserPart | None = None
    comments: Nodes[WrittenPart] = Nodes[WrittenPart]()

    def is_labelled(self, label: str) -> bool:
        """Whether it has a label."""
        return any(one.name.casefold() == label.casefold() for one in self.labels.nodes)

    def is_with(self, user: str) -> bool:
        """Whether it is given to somebody."""
        return user in (self.assignee and self.assignee.id, self.delegate and self.delegate.id)


class OtherIssue(Part):
    """An issue that has to do with it."""

    identifier: Text = ""
    title: Text = ""
    state: StatePart = StatePart()


class RelationPart(Part):
    """How."""

    kind: Text = Field(default="related", alias="type")
    other: OtherIssue = Field(default=OtherIssue(), alias="relatedIssue")


class AttachmentPart(Part):
    """A link to something outside."""

    title: Text = ""
    url: Text = ""
    created: datetime | None = Field(default=None, alias="createdAt")


class ChangePart(Part):
    """An entry of an issue's history; entries that belong together are made one."""

    created: datetime | None = Field(default=None, alias="createdAt")
    updated: datetime | None = Field(default=None, alias="updatedAt")
    title_before: Text | None = Field(default=None, alias="fromTitle")
    text_changed: bool | None = Field(default=None, alias="updatedDescription")


class IssueRead(IssueNow):
    """An issue with everything that belongs to it."""

    description: Text | None = None
    project: NamedPart | None = None
    creator: UserPart | None = None
    parent: OtherIssue | None = None
    children: Nodes[OtherIssue] = Nodes[OtherIssue]()
    relations: Nodes[RelationPart] = Nodes[RelationPart]()
    attachments: Nodes[AttachmentPart] = Nodes[AttachmentPart]()
    history: Nodes[ChangePart] = Nodes[ChangePart]()


class TeamStates(NamedPart):
    """A team with the states of its workflow."""

    states: Nodes[StatePart] = Nodes[StatePart]()


class IssueStates(Part):
    """The state of an issue, and those that it can have."""

    id: Id
    state: StatePart = StatePart()
    team: TeamStates = TeamStates()


class Member(UserPart):
    """An account of the workspace."""

    active: bool = False
    guest: bool = False
    app: bool = False
    teams: Nodes[NamedPart] = Nodes[NamedPart]()


class SaidPart(Part):
    """A comment that was written."""

    id: Id
    url: Text = ""
    user: UserPart | None = None


class HistoryPart(Part):
    """An entry of an issue's history, for polling."""

    id: Id
    created: datetime = Field(alias="createdAt")
    actor: UserPart | None = None
    added: list[LabelPart] | None = Field(default=None, alias="addedLabels")
    to_assignee: Id | None = Field(default=None, alias="toAssigneeId")
    to_delegate: UserPart | None = Field(default=None, alias="toDelegate")


class FoundIssue(IssueNow):
    """An issue that is labelled, or with the bot, for polling."""

    created: datetime = Field(alias="createdAt")
    creator: UserPart | None = None
    history: Nodes[HistoryPart] = Nodes[HistoryPart]()


class EndedIssue(IssueHead):
    """An issue that is over."""

    completed: datetime | None = Field(default=None, alias="completedAt")
    canceled: datetime | None = Field(default=None, alias="canceledAt")


class Viewer(UserPart):
    """Whose token it is."""

    display_name: Text = Field(default="", alias="displayName")
