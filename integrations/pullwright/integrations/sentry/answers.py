"""The parts of Sentry's answers that are read."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from pullwright.agents.errors import RemoteRejected
from pullwright.integrations.sentry.brief import Commit, Release
from pullwright.integrations.sentry.gate import IssueFacts
from pullwright.integrations.sentry.payloads import AssigneePart, Moment, NumberId, Part, ProjectPart, Text, Word


class ActivityAnswer(Part):
    """Something that happened to an issue."""

    type: Text = ""
    date_created: Annotated[Moment, Field(alias="dateCreated")] = None


class IssueAnswer(Part):
    """An issue."""

    id: NumberId
    short_id: Annotated[Text, Field(alias="shortId")] = ""
    title: Text = ""
    level: Text = ""
    status: Text = ""
    substatus: Text = ""
    count: int = 0
    user_count: Annotated[int, Field(alias="userCount")] = 0
    first_seen: Annotated[Moment, Field(alias="firstSeen")] = None
    last_seen: Annotated[Moment, Field(alias="lastSeen")] = None
    permalink: Text = ""
    project: ProjectPart = Field(default_factory=ProjectPart)
    assigned_to: Annotated[AssigneePart | None, Field(alias="assignedTo")] = None
    activity: tuple[ActivityAnswer, ...] = ()

    def facts(self, url: str) -> IssueFacts:
        """Return it as the gate wants it; ``url`` is where people see it when Sentry does not say."""
        return IssueFacts(
            id=self.id,
            short_id=self.short_id,
            title=self.title,
            project=self.project.slug,
            status=self.status or "unresolved",
            substatus=self.substatus,
            level=self.level,
            events=self.count,
            users=self.user_count,
            first_seen=self.first_seen,
            last_seen=self.last_seen,
            regressed_at=self._regressed_at(),
            assignee=f"{self.assigned_to.type}:{self.assigned_to.id}" if self.assigned_to else "",
            url=self.permalink or url,
        )

    def _regressed_at(self) -> datetime | None:
        moments = [one.date_created for one in self.activity if one.type == "set_regression"]
        return max((moment for moment in moments if moment is not None), default=None)


class NoteData(Part):
    """What a comment holds."""

    text: Text = ""


class NoteAnswer(Part):
    """A comment."""

    id: NumberId
    data: NoteData = Field(default_factory=NoteData)


class CommitAnswer(Part):
    """A commit, of a release or of a committer."""

    id: Text = ""
    message: Text = ""

    def commit(self, *, suspect: bool = False) -> Commit:
        """Return it as the brief wants it."""
        return Commit(id=self.id[:64], message=self.message.partition("\n")[0][:300], suspect=suspect)


class CommitterAnswer(Part):
    """A person who is to blame, with their commits."""

    commits: tuple[CommitAnswer, ...] = ()


class CommittersAnswer(Part):
    """Who may have caused an event."""

    committers: tuple[CommitterAnswer, ...] = ()


class ReleaseAnswer(Part):
    """A release."""

    version: Text = ""
    ref: Text = ""
    date_created: Annotated[Moment, Field(alias="dateCreated")] = None
    last_commit: Annotated[CommitAnswer | None, Field(alias="lastCommit")] = None

    def release(self) -> Release:
        """Return it as the brief wants it."""
        commit = self.last_commit.id if self.last_commit else ""
        return Release(version=self.version, commit=commit or self.ref, created=self.date_created)


class LinkAnswer(Part):
    """A link to something outside."""

    id: Word = ""


class TagValueAnswer(Part):
    """One of the values of a tag, and how often it was there."""

    value: Text = ""
    count: int = 0


class TagAnswer(Part):
    """What an issue's events have for a tag."""

    total: Annotated[int, Field(alias="totalValues")] = 0
    values: Annotated[tuple[TagValueAnswer, ...], Field(alias="topValues")] = ()


class MappingAnswer(Part):
    """Where the code of a project's frames is, as somebody has told Sentry."""

    project: Annotated[Text, Field(alias="projectSlug")] = ""
    repository: Annotated[Text, Field(alias="repoName")] = ""
    stack_root: Annotated[Text, Field(alias="stackRoot")] = ""
    source_root: Annotated[Text, Field(alias="sourceRoot")] = ""


class AuthPart(Part):
    """What a token may do."""

    scopes: tuple[Text, ...] = ()


class IndexAnswer(Part):
    """What the API says of itself and of whoever asks."""

    auth: AuthPart | None = None


class OrganizationAnswer(Part):
    """An organization."""

    slug: Word = ""


class ProjectAnswer(Part):
    """A project of the organization."""

    slug: Word = ""


T = TypeVar("T")

_SHAPE: Final = "it gave something unexpected"


def understood(kind: type[T], document: object, *, host: str, action: str) -> T:
    """Return an answer as a value.

    Raises:
        RemoteRejected: It is something else.
    """
    try:
        return TypeAdapter(kind).validate_python(document)
    except ValidationError as exc:
        place = ".".join(str(part) for part in exc.errors(include_url=False)[0]["loc"])[:100]
        line = f"Sentry at {host!r} failed {action}: {_SHAPE} at {place!r}; check the address, and Sentry's release"
        raise RemoteRejected(line) from None
