"""What is asked of Sentry, and done there, in its API. Every method may raise ``IntegrationError``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final, TypeVar

from pullwright.agents.errors import AuthFailed, NotFound, RemoteRejected
from pullwright.agents.worker.outbox import Made
from pullwright.integrations.sentry.answers import (
    CommitAnswer,
    CommittersAnswer,
    IndexAnswer,
    IssueAnswer,
    LinkAnswer,
    MappingAnswer,
    NoteAnswer,
    OrganizationAnswer,
    ProjectAnswer,
    ReleaseAnswer,
    TagAnswer,
    TagValueAnswer,
    understood,
)
from pullwright.integrations.sentry.brief import Commit, Release
from pullwright.integrations.sentry.client import SentryClient
from pullwright.integrations.sentry.event_reading import read_event
from pullwright.integrations.sentry.gate import IssueFacts
from pullwright.integrations.sentry.incident import Incident
from pullwright.integrations.sentry.seer import Seer, read_seer
from pullwright.integrations.sentry.settings import SentrySettings

T = TypeVar("T")

LATEST: Final = "latest"
OLDEST: Final = "oldest"
COMMITS: Final = 20
TAG_VALUES: Final = 6

NOTE_LIMIT: Final = 30_000
"""Characters of a comment; Sentry takes more, people do not."""


class SentryApi:
    """The operations on one organization."""

    def __init__(self, settings: SentrySettings, client: SentryClient) -> None:
        self._settings = settings
        self._client = client

    # What there is

    async def issue(self, issue_id: str) -> IssueFacts:
        """Return an issue; of one that was merged into another, that one."""
        path, action = self._settings.organization_path("issues", issue_id), f"reading issue {issue_id!r}"
        return self._facts(await self._get(IssueAnswer, path, action))

    async def event(self, issue_id: str, which: str = LATEST) -> Incident:
        """Return an event of an issue: ``LATEST``, ``OLDEST``, or by its id.

        Raises:
            NotFound: Sentry has none any more.
        """
        path = self._settings.organization_path("issues", issue_id, "events", which)
        return read_event(await self._get(dict[str, object], path, f"reading an event of issue {issue_id!r}"))

    async def unresolved(self, projects: Sequence[str], *, query: str = "", period: str = "") -> Sequence[IssueFacts]:
        """Return the unresolved issues of projects, the ones that were seen last first.

        Args:
            projects: Slugs.
            query: More of Sentry's search language.
            period: Seen within that, such as ``24h``; empty for Sentry's usual 14 days.
        """
        words = ["is:unresolved", f"project:[{','.join(projects)}]", query]
        asked = {"query": " ".join(word for word in words if word), "sort": "date", "limit": "100", "project": "-1"}
        if period:
            asked["statsPeriod"] = period
        path, action = self._settings.organization_path("issues"), "looking for unresolved issues"
        return [self._facts(one) async for one in self._list(IssueAnswer, path, action, asked)]

    async def release(self, version: str) -> Release:
        """Return a release.

        Raises:
            NotFound: Sentry was not told of it.
        """
        path, action = self._settings.organization_path("releases", version), f"reading release {version!r}"
        return (await self._get(ReleaseAnswer, path, action)).release()

    async def release_commits(self, version: str) -> Sequence[Commit]:
        """Return the newest commits of a release; none where Sentry does not know them."""
        path = self._settings.organization_path("releases", version, "commits")
        action = f"reading the commits of release {version!r}"
        found = await self._perhaps(list[CommitAnswer], path, action) or ()
        return [one.commit() for one in found[:COMMITS] if one.id]

    async def suspects(self, project: str, event_id: str) -> Sequence[Commit]:
        """Return the commits that Sentry suspects; none where it has no opinion, or is too old for one."""
        path = self._settings.path("projects", self._settings.organization, project, "events", event_id, "committers")
        found = await self._perhaps(CommittersAnswer, path, f"reading who changed the code of event {event_id!r}")
        commits = [commit for person in found.committers for commit in person.commits] if found else []
        return [one.commit(suspect=True) for one in commits[:COMMITS] if one.id]

    async def tag(self, issue_id: str, key: str) -> Sequence[TagValueAnswer]:
        """Return the most frequent values of a tag; none where no event has it."""
        path = self._settings.organization_path("issues", issue_id, "tags", key)
        found = await self._perhaps(TagAnswer, path, f"reading the tag {key!r} of issue {issue_id!r}")
        return [one for one in found.values[:TAG_VALUES] if one.value] if found else ()

    async def seer(self, issue_id: str) -> Seer:
        """Return what Sentry's own agent has found out; nothing where it did not look, or does not exist."""
        path = self._settings.organization_path("issues", issue_id, "autofix")
        found = await self._perhaps(dict[str, object], path, f"reading what Seer says of issue {issue_id!r}")
        return read_seer(found or {})

    async def mappings(self, project: str, repository: str) -> Sequence[tuple[str, str]]:
        """Return what a project's frames begin with and where that is in a repository, the longest first.

        None where nobody has told Sentry, or it is too old for that.
        """
        path = self._settings.organization_path("code-mappings")
        try:
            listed = [one async for one in self._list(MappingAnswer, path, "reading where code is")]
        except (NotFound, AuthFailed, RemoteRejected):
            return ()
        fitting = [
            (one.stack_root, one.source_root)
            for one in listed
            if one.project == project and one.repository.lower() == repository.lower() and one.stack_root
        ]
        return sorted(fitting, key=lambda pair: (-len(pair[0]), pair))

    async def scopes(self) -> Sequence[str]:
        """Return what the token may do; empty where Sentry does not say."""
        found = await self._perhaps(IndexAnswer, self._settings.path(), "reading what the token may do")
        return found.auth.scopes if found and found.auth else ()

    async def organization(self) -> str:
        """Return the organization's slug, which shows that address and token are right."""
        answer = await self._get(OrganizationAnswer, self._settings.organization_path(), "reading the organization")
        return answer.slug

    async def projects(self) -> Sequence[str]:
        """Return the slugs of the projects that the token sees."""
        path = self._settings.organization_path("projects")
        return [one.slug async for one in self._list(ProjectAnswer, path, "listing the projects")]

    # What is done

    async def comments(self, issue_id: str) -> AsyncIterator[NoteAnswer]:
        """Yield the comments of an issue, newest first."""
        async for one in self._list(NoteAnswer, self._notes(issue_id), f"reading the comments of issue {issue_id!r}"):
            yield one

    async def comment(self, issue_id: str, text: str) -> Made:
        """Write a comment."""
        action = f"commenting on issue {issue_id!r}"
        content = {"text": text[:NOTE_LIMIT]}
        made = self._read(
            NoteAnswer, await self._client.send("POST", self._notes(issue_id), content, action=action), action
        )
        return Made(external_id=made.id, url=self._settings.issue_url(issue_id) + f"activity/#event_{made.id}")

    async def change_comment(self, issue_id: str, comment_id: str, text: str) -> None:
        """Change a comment.

        Raises:
            NotFound: It was deleted.
        """
        path = self._settings.path("issues", issue_id, "comments", comment_id)
        action = f"changing a comment of issue {issue_id!r}"
        await self._client.send("PUT", path, {"text": text[:NOTE_LIMIT]}, action=action)

    async def link(self, issue_id: str, *, url: str, project: str, identifier: str) -> Made:
        """Show a pull request in the sidebar of an issue; the same one again changes nothing.

        Raises:
            RemoteRejected: No installation is configured, or Sentry does not want the link.
        """
        if not self._settings.installation:
            raise RemoteRejected("no link is made in Sentry: the integration's installation is not configured; set it")
        path = self._settings.path("sentry-app-installations", self._settings.installation, "external-issues")
        content = {"issueId": int(issue_id), "webUrl": url, "project": project, "identifier": identifier}
        action = f"linking issue {issue_id!r}"
        made = self._read(LinkAnswer, await self._client.send("POST", path, content, action=action), action)
        return Made(external_id=made.id, url=url)

    async def resolve_in_next_release(self, issue_id: str) -> None:
        """Say that the next release has the fix; if it is seen there again, Sentry says that it came back."""
        path = self._settings.organization_path("issues", issue_id)
        content: Mapping[str, object] = {"status": "resolvedInNextRelease"}
        await self._client.send("PUT", path, content, action=f"resolving issue {issue_id!r}")

    async def assign(self, issue_id: str, assignee: str) -> None:
        """Assign an issue to ``user:ID`` or ``team:ID``."""
        path = self._settings.organization_path("issues", issue_id)
        await self._client.send("PUT", path, {"assignedTo": assignee}, action=f"assigning issue {issue_id!r}")

    def _notes(self, issue_id: str) -> str:
        return self._settings.path("issues", issue_id, "comments")

    def _facts(self, answer: IssueAnswer) -> IssueFacts:
        return answer.facts(self._settings.issue_url(answer.id))

    async def _get(self, kind: type[T], path: str, action: str) -> T:
        return self._read(kind, await self._client.get(path, action=action), action)

    async def _perhaps(self, kind: type[T], path: str, action: str) -> T | None:
        """Return what not every Sentry says to everybody; None where this one does not."""
        try:
            return await self._get(kind, path, action)
        except (NotFound, AuthFailed, RemoteRejected):
            return None

    async def _list(
        self, kind: type[T], path: str, action: str, query: Mapping[str, str] | None = None
    ) -> AsyncIterator[T]:
        async for one in self._client.pages(path, action=action, query=query):
            yield self._read(kind, one, action)

    def _read(self, kind: type[T], document: object, action: str) -> T:
        return understood(kind, document, host=self._settings.host, action=action)
