"""GitHub in the role of the code host.

PyGithub takes a quarter of a second of processor time to import, so this module leaves that to the first request.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import anyio.to_thread

from pullwright.agents.change import Change, PullRequest, RepositoryRef
from pullwright.agents.errors import ConfigError
from pullwright.agents.message import Image
from pullwright.agents.ports.code_host import Access, Comment, Issue
from pullwright.agents.ports.mirror import Credential
from pullwright.integrations.github.credentials import Credentials, Need, Step
from pullwright.integrations.github.identity import sign_in
from pullwright.integrations.github.settings import API_URL_VARIABLE, GitHubSettings
from pullwright.integrations.github.text import BODY_LIMIT, image_links, one_line
from pullwright.integrations.github.tuning import GitHubTuning
from pullwright.integrations.github.work_keys import work_key
from pullwright.integrations.markdown import clip

if TYPE_CHECKING:
    from pullwright.integrations.github.client import GitHubClient
    from pullwright.integrations.github.operations import IssueFacts
    from pullwright.integrations.github.payloads import CommentPayload, PullPayload

_HEADS = "refs/heads/"


class GitHubCodeHost:
    """Reads issues and opens pull requests; see ``CodeHost`` for the contract."""

    def __init__(
        self, settings: GitHubSettings, tuning: GitHubTuning | None = None, credentials: Credentials | None = None
    ) -> None:
        """Make one; without credentials it signs in as the settings say. It keeps tokens, so do not make it anew."""
        self._settings = settings
        self._tuning = tuning or GitHubTuning()
        self._credentials = credentials
        self._signing_in = threading.Lock()
        self._client: GitHubClient | None = None

    @property
    def settings(self) -> GitHubSettings:
        """Where this GitHub is."""
        return self._settings

    def matches(self, repository: RepositoryRef) -> bool:
        """Whether a repository is on this host; only then may the credential be used for it."""
        return self._settings.matches(repository)

    async def credential(self, repository: RepositoryRef, need: Access) -> Credential | None:
        """Return what git needs for one repository of this host, or None where nobody is signed in."""
        self._require(repository)
        push = Step.PUSH_WORKFLOWS if self._settings.workflows else Step.PUSH
        step = push if need is Access.PUSH else Step.READ
        token = await anyio.to_thread.run_sync(self._token, _need(repository, step), abandon_on_cancel=True)
        return Credential(token=token) if token else None

    def forget(self, credential: Credential) -> None:
        """Say that the host refused a credential, so that the next one is a new one."""
        if self._credentials is not None:
            self._credentials.forget(credential.token)

    async def default_branch(self, repository: RepositoryRef) -> str:
        """Return the name of the default branch."""
        client = await self._connected(repository)
        from pullwright.integrations.github.operations import read_repository

        work = partial(read_repository, slug=repository.slug)
        found = await client.talk(work, need=_need(repository, Step.READ))
        return found.default_branch

    async def get_issue(self, repository: RepositoryRef, number: int) -> Issue:
        """Read an issue with its newest comments and the pictures that are kept on this host."""
        client = await self._connected(repository)
        from pullwright.integrations.github.operations import read_issue

        work = partial(read_issue, slug=repository.slug, number=number, newest=self._tuning.comments)
        need = _need(repository, Step.READ)
        facts = await client.talk(work, need=need)
        images, notes = await self._images(client, facts, need)
        if facts.comments_left_out:
            notes = (f"{facts.comments_left_out} older comments were left out", *notes)
        return _issue(facts, images, notes, work_key(self._settings.web_host, facts.repository_id, facts.issue.number))

    async def open_pull_request(self, change: Change, *, body: str) -> PullRequest:
        """Open a draft pull request, or adopt the one that the branch has."""
        client = await self._connected(change.repository)
        from pullwright.integrations.github.operations import Proposal, open_pull_request

        proposal = Proposal(
            slug=change.repository.slug,
            branch=change.branch.removeprefix(_HEADS),
            base=change.base_ref.removeprefix(_HEADS),
            title=one_line(change.title) or "Change without a title",
            body=clip(body, BODY_LIMIT),
        )
        work = partial(open_pull_request, proposal=proposal)
        return _pull_request(await client.talk(work, writes=True, need=_need(change.repository, Step.TALK)))

    async def open_pull_requests_for(self, repository: RepositoryRef, issue_number: int) -> Sequence[PullRequest]:
        """Return the open pull requests that say that they solve an issue, newest first."""
        client = await self._connected(repository)
        from pullwright.integrations.github.pull_requests import pull_requests_for

        work = partial(pull_requests_for, slug=repository.slug, number=issue_number)
        found = await client.talk(work, need=_need(repository, Step.READ))
        return [_pull_request(pull) for pull in found]

    async def find_pull_request(self, repository: RepositoryRef, branch: str) -> PullRequest | None:
        """Return the pull request of a branch, whatever its state."""
        client = await self._connected(repository)
        from pullwright.integrations.github.operations import find_pull_request

        work = partial(find_pull_request, slug=repository.slug, branch=branch.removeprefix(_HEADS))
        found = await client.talk(work, need=_need(repository, Step.READ))
        return _pull_request(found) if found else None

    async def _images(
        self, client: GitHubClient, facts: IssueFacts, need: Need
    ) -> tuple[tuple[Image, ...], tuple[str, ...]]:
        links = image_links(facts.texts, self._settings.web_url)
        if not links:
            return (), ()
        from pullwright.integrations.github.images import ImageFetcher

        return await client.talk(lambda _: ImageFetcher(self._settings, self._tuning).fetch(links), need=need)

    def _require(self, repository: RepositoryRef) -> None:
        if not self.matches(repository):
            shown, ours = repository.host or repository.url, self._settings.web_host
            advice = f"set {API_URL_VARIABLE} to the API of the repository's host"
            raise ConfigError(f"repository {repository.slug!r} is at {shown!r}, not at {ours!r}; {advice}")

    async def _connected(self, repository: RepositoryRef) -> GitHubClient:
        self._require(repository)
        if self._client is None:
            self._client = await anyio.to_thread.run_sync(self._make_client)
        return self._client

    # On a thread

    def _make_client(self) -> GitHubClient:
        from pullwright.integrations.github.client import GitHubClient

        return GitHubClient(self._settings, self._tuning, self._signed_in())

    def _token(self, need: Need) -> str:
        return self._signed_in().token(need)

    def _signed_in(self) -> Credentials:
        with self._signing_in:
            if self._credentials is None:
                self._credentials = sign_in(self._settings, self._tuning)
            return self._credentials


def _need(repository: RepositoryRef, step: Step) -> Need:
    return Need(repository=repository.slug, step=step)


def _issue(facts: IssueFacts, images: tuple[Image, ...], notes: tuple[str, ...], key: str) -> Issue:
    issue = facts.issue
    return Issue(
        number=issue.number,
        title=issue.title,
        body=issue.body or "",
        author=issue.author,
        url=issue.html_url,
        state=issue.state,
        comments=tuple(_comment(comment) for comment in facts.comments),
        images=images,
        notes=notes,
        work_key=key,
    )


def _comment(comment: CommentPayload) -> Comment:
    return Comment(
        author=comment.author, body=comment.body or "", created_at=comment.created_at, edited_at=comment.edited_at
    )


def _pull_request(pull: PullPayload) -> PullRequest:
    return PullRequest(
        number=pull.number,
        url=pull.html_url,
        branch=pull.head.ref,
        state="merged" if pull.merged_at else pull.state,
        draft=pull.draft,
    )
