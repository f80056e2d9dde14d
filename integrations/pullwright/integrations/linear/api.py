"""What is asked of Linear, and done there. Every method may raise ``IntegrationError``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Final, Generic, TypeVar

from pydantic import AliasChoices, Field

from pullwright.agents.errors import NotFound, RemoteRejected
from pullwright.agents.worker.outbox import Made
from pullwright.integrations.linear import queries
from pullwright.integrations.linear.answers import (
    EndedIssue,
    FoundIssue,
    IssueNow,
    IssueRead,
    IssueStates,
    Member,
    Page,
    SaidPart,
    TeamStates,
    Viewer,
)
from pullwright.integrations.linear.client import LinearClient
from pullwright.integrations.linear.payloads import CommentPart, LabelPart, Nodes, Part

T = TypeVar("T")

COMMENTS: Final = 100
"""Newest comments of an issue that are read."""
PAGES: Final = 20


class _One(Part, Generic[T]):
    issue: T


class _Users(Part):
    users: Nodes[Member]


class _Comments(Part):
    comments: Nodes[SaidPart]


class _Success(Part):
    success: bool


class _Said(_Success):
    comment: SaidPart


class _Linked(_Success):
    attachment: SaidPart


class _Create(Part):
    done: _Said = Field(alias="commentCreate")


class _Update(Part):
    done: _Said = Field(alias="commentUpdate")


class _Move(Part):
    done: _Success = Field(alias="issueUpdate")


class _Link(Part):
    done: _Linked = Field(alias="attachmentCreate")


class _Act(Part):
    done: _Success = Field(alias="agentActivityCreate")


class _Viewer(Part):
    viewer: Viewer


class _Teams(Part):
    teams: Nodes[TeamStates]


class _Labels(Part):
    labels: Nodes[LabelPart] = Field(alias="issueLabels")


class _Listed(Part, Generic[T]):
    page: Page[T] = Field(validation_alias=AliasChoices("issues", "comments"))


class LinearApi:
    """The operations on one workspace."""

    def __init__(self, client: LinearClient) -> None:
        self._client = client

    # What there is

    async def viewer(self) -> Viewer:
        """Return whose token it is."""
        return (await self._client.ask(_Viewer, queries.VIEWER, action="asking whose token it is")).viewer

    async def teams(self) -> Sequence[TeamStates]:
        """Return the teams that the account sees."""
        return (await self._client.ask(_Teams, queries.TEAMS, action="reading the teams")).teams.nodes

    async def has_label(self, name: str) -> bool:
        """Whether any label has a name."""
        found = await self._client.ask(_Labels, queries.LABELS, action="looking for the label", name=name)
        return bool(found.labels.nodes)

    async def now(self, issue_id: str) -> IssueNow:
        """Return an issue as decisions need it.

        Raises:
            NotFound: It is gone, or can not be seen.
        """
        action = f"reading issue {issue_id!r}"
        return (await self._client.ask(_One[IssueNow], queries.FACTS, action=action, id=issue_id)).issue

    async def read(self, issue_id: str) -> IssueRead:
        """Return an issue with everything that belongs to it.

        Raises:
            NotFound: It is gone, or can not be seen.
        """
        action = f"reading issue {issue_id!r}"
        ask = self._client.ask(_One[IssueRead], queries.ISSUE, action=action, id=issue_id, comments=COMMENTS)
        return (await ask).issue

    async def states(self, issue_id: str) -> IssueStates:
        """Return the state of an issue, and those of its team."""
        action = f"reading the states of {issue_id!r}"
        return (await self._client.ask(_One[IssueStates], queries.STATES, action=action, id=issue_id)).issue

    async def member(self, user_id: str) -> Member | None:
        """Return an account; None for one that the workspace does not have."""
        found = await self._client.ask(_Users, queries.USER, action="looking up who asks", id=user_id)
        return found.users.nodes[0] if found.users.nodes else None

    async def picture(self, url: str, *, limit: int) -> bytes:
        """As ``LinearClient.picture``."""
        return await self._client.picture(url, limit=limit)

    # What is done

    async def find_comment(self, comment_id: str) -> SaidPart | None:
        """Return a comment; None when there is none with that id."""
        action = "looking for a comment of ours"
        found = await self._client.ask(_Comments, queries.COMMENT, action=action, id=comment_id)
        return found.comments.nodes[0] if found.comments.nodes else None

    async def comment(self, issue_id: str, comment_id: str, body: str) -> Made:
        """Write a comment with an id of our own; Linear refuses a second one with the same."""
        action = f"commenting on {issue_id!r}"
        written = {"id": comment_id, "issueId": issue_id, "body": body, "doNotSubscribeToIssue": True}
        done = (await self._client.ask(_Create, queries.COMMENT_CREATE, action=action, input=written)).done
        return Made(external_id=done.comment.id, url=done.comment.url)

    async def change_comment(self, comment_id: str, body: str) -> None:
        """Change a comment.

        Raises:
            NotFound: Somebody has deleted it.
        """
        action, changed = f"changing comment {comment_id!r}", {"body": body}
        try:
            ask = self._client.ask(_Update, queries.COMMENT_UPDATE, action=action, id=comment_id, input=changed)
            await ask
        except RemoteRejected as exc:
            # What exactly Linear says of a comment that is deleted is not documented.
            if await self.find_comment(comment_id) is None:
                raise NotFound(f"comment {comment_id!r} is gone; write another") from exc
            raise

    async def move(self, issue_id: str, state_id: str) -> None:
        """Put an issue into a state."""
        action = f"moving {issue_id!r}"
        await self._client.ask(_Move, queries.MOVE, action=action, id=issue_id, state=state_id)

    async def link(self, issue_id: str, url: str, title: str) -> Made:
        """Attach a link; the same one again is changed, not added."""
        content = {"issueId": issue_id, "url": url, "title": title}
        action = f"linking the pull request on {issue_id!r}"
        done = (await self._client.ask(_Link, queries.LINK, action=action, input=content)).done
        return Made(external_id=done.attachment.id, url=url)

    async def act(self, session_id: str, activity_id: str, kind: str, body: str) -> None:
        """Say something in an agent session; ``kind`` is ``thought``, ``response`` or ``error``."""
        said = {"id": activity_id, "agentSessionId": session_id, "content": {"type": kind, "body": body}}
        await self._client.ask(_Act, queries.ACTIVITY, action="speaking in an agent session", input=said)

    # What has happened

    def asked_for(self, since: datetime, *, label: str, user: str) -> AsyncIterator[FoundIssue]:
        """Yield the issues that have changed since a moment and are labelled, or with somebody."""
        action = "looking for issues to work on"
        return self._listed(_Listed[FoundIssue], queries.ASKED_FOR, action, since, label=label, user=user)

    def ended(self, since: datetime) -> AsyncIterator[EndedIssue]:
        """Yield the issues that have changed since a moment and are over."""
        return self._listed(_Listed[EndedIssue], queries.ENDED, "looking for issues that are over", since)

    def spoken(self, since: datetime, words: Sequence[str]) -> AsyncIterator[CommentPart]:
        """Yield the comments since a moment that have one of these words in them."""
        wanted = [{"body": {"containsIgnoreCase": word}} for word in words]
        return self._listed(_Listed[CommentPart], queries.SPOKEN, "looking for comments", since, words=wanted)

    async def _listed(
        self, form: type[_Listed[T]], query: str, action: str, since: datetime, **variables: object
    ) -> AsyncIterator[T]:
        moment = since.astimezone(UTC).isoformat().replace("+00:00", "Z")
        after: str | None = None
        for _ in range(PAGES):
            found = await self._client.ask(form, query, action=action, since=moment, after=after, **variables)
            for one in found.page.nodes:
                yield one
            after = found.page.info.cursor
            if not found.page.info.more:
                return
