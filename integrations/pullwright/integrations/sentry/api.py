"""What is asked of Sentry, and done there, in its API. Every method may raise ``IntegrationError``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final, TypeVar

from pullwright.agents.errors import AuthFailed, NotFound, RemoteRejected
from pullwright.agents.worker.outbox import Made
from pullwright.integrations.sentry.answers import (
    CommitAnswer,
    CommittersAnswer,
    HashAnswer,
    IssueAnswer,
    LinkAnswer,
    NoteAnswer,
    OrganizationAnswer,
    ProjectAnswer,
    ReleaseAnswer,
    understood,
)
from pullwright.integrations.sentry.brief import Commit, Release
from pullwright.integrations.sentry.client import SentryClient
from pullwright.integrations.sentry.event_reading import read_event
from pullwright.integrations.sentry.gate import IssueFacts
from pullwright.integrations.sentry.incident import Incident
from pullwright.integrations.sentry.settings import SentrySettings

T = TypeVar("T")

LATEST: Final = "latest"
OLDEST: Final = "oldest"
COMMITS: Final = 20

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

    async def hashes(self, issue_id: str) -> Sequence[str]:
        """Return the hashes by which Sentry puts events into an issue."""
        path = self._settings.organization_path("issues", issue_id, "hashes")
        return [one.id async for one in self._list(HashAnswer, path, f"reading the hashes of issue {issue_id!r}")]

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
        try:
            found = await self._get(list[CommitAnswer], path, action)
        except (NotFound, AuthFailed, RemoteRejected):
            return ()
        return [one.commit() for one in found[:COMMITS] if one.id]

    async def suspects(self, project: str, event_id: str) -> Sequence[Commit]:
        """Return the commits that Sentry suspects; none where it has no opinion, or is too old for one."""
        path = self._settings.path("projects", self._settings.organization, project, "events", event_id, "committers")
        try:
            found = await self._get(CommittersAnswer, path, f"reading who changed the code of event {event_id!r}")
        except (NotFound, AuthFailed, RemoteRejected):
            return ()
        commits = [commit for person in found.committers for commit in person.commits]
        return [one.commit(suspect=True) for one in commits[:COMMITS] if one.id]

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

    def _notes(self, issue_id: str) -> str:
        return self._settings.path("issues", issue_id, "comments")

    def _facts(self, answer: IssueAnswer) -> IssueFacts:
        return answer.facts(self._settings.issue_url(answer.id))

    async def _get(self, kind: type[T], path: str, action: str) -> T:
        return self._read(kind, await self._client.get(path, action=action), action)

    async def _list(
        self, kind: type[T], path: str, action: str, query: Mapping[str, str] | None = None
    ) -> AsyncIterator[T]:
        async for one in self._client.pages(path, action=action, query=query):
            yield self._read(kind, one, action)

    def _read(self, kind: type[T], document: object, action: str) -> T:
        return understood(kind, document, host=self._settings.host, action=action)
