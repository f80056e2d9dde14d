"""The look-up of pull requests over the REST API; a bounded number of requests for each question."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from pullwright.agents.ports.mirror import BOT_EMAIL
from pullwright.integrations.github.client import GitHubClient, Session
from pullwright.integrations.github.credentials import Step
from pullwright.integrations.github.meanings import BotIdentity
from pullwright.integrations.github.payloads import GHOST, CommentPayload, Payload
from pullwright.integrations.github.pulls import CommitFacts, PullRequestFacts, Remark, Where

PAGE = 100
"""How much of a list is read: GitHub's largest page."""

_WEB_FLOW = "noreply@github.com"
"""The committer of what GitHub itself commits for somebody."""


class _Id(Payload):
    id: int


class _SidePayload(Payload):
    ref: str
    sha: str
    repo: _Id | None = None
    """None when the fork is gone."""


class _PullPayload(Payload):
    number: int
    node_id: str = ""
    html_url: str
    state: str
    draft: bool = False
    merged_at: datetime | None = None
    user: _Id | None = None
    head: _SidePayload
    base: _SidePayload


class _NumberPayload(Payload):
    number: int


class _PersonPayload(Payload):
    email: str | None = None


class _CommitPartPayload(Payload):
    author: _PersonPayload | None = None
    committer: _PersonPayload | None = None


class _CommitPayload(Payload):
    sha: str
    commit: _CommitPartPayload
    author: _Id | None = None


class _RemarkPayload(CommentPayload):
    id: int
    path: str = ""
    line: int | None = None
    original_line: int | None = None
    diff_hunk: str = ""
    pull_request_review_id: int | None = None
    in_reply_to_id: int | None = None


class GitHubPullRequests:
    """Reads pull requests; see ``PullRequests``."""

    def __init__(self, client: GitHubClient, bot: BotIdentity) -> None:
        self._client = client
        self._bot = bot

    async def read(self, where: Where, number: int) -> PullRequestFacts:
        pull = await self._client.talk(partial(_pull, where=where, number=number), need=where.need(Step.READ))
        return PullRequestFacts(
            number=pull.number,
            node_id=pull.node_id,
            url=pull.html_url,
            own=pull.user is not None and pull.user.id == self._bot.user_id,
            here=pull.head.repo is not None and pull.base.repo is not None and pull.head.repo.id == pull.base.repo.id,
            open=pull.state == "open",
            merged=pull.merged_at is not None,
            draft=pull.draft,
            branch=pull.head.ref,
            head_sha=pull.head.sha,
            base_ref=pull.base.ref,
            base_sha=pull.base.sha,
        )

    async def with_commit(self, where: Where, sha: str) -> Sequence[int]:
        found = await self._client.talk(partial(_with_commit, where=where, sha=sha), need=where.need(Step.READ))
        return [pull.number for pull in found]

    async def commits(self, where: Where, number: int) -> Sequence[CommitFacts]:
        found = await self._client.talk(partial(_commits, where=where, number=number), need=where.need(Step.READ))
        return [CommitFacts(sha=commit.sha, own=self._is_own(commit)) for commit in found]

    async def remarks(self, where: Where, number: int, review_id: int) -> Sequence[Remark]:
        work = partial(_remarks, where=where, number=number, review_id=review_id)
        return [_remark(one) for one in await self._client.talk(work, need=where.need(Step.READ))]

    def _is_own(self, commit: _CommitPayload) -> bool:
        """Whether the bot wrote and committed it, by the addresses that it uses; nobody else has a reason to."""
        ours = {BOT_EMAIL, f"{self._bot.user_id}+{self._bot.login}@users.noreply.{self._bot.host}"}
        mine = commit.author is not None and commit.author.id == self._bot.user_id
        author, committer = _email(commit.commit.author), _email(commit.commit.committer)
        return (mine or author in ours) and committer in {*ours, author, _WEB_FLOW}


def _email(person: _PersonPayload | None) -> str:
    return (person.email or "") if person else ""


def _shown(where: Where, number: int) -> str:
    return repr(f"{where.repository.full_name}#{number}")


def _pull(session: Session, where: Where, number: int) -> _PullPayload:
    path = f"/repos/{where.repository.full_name}/pulls/{number}"
    return session.get(_PullPayload, path, action=f"reading pull request {_shown(where, number)}")


def _with_commit(session: Session, where: Where, sha: str) -> list[_NumberPayload]:
    path = f"/repos/{where.repository.full_name}/commits/{sha}/pulls"
    action = f"looking for the pull requests of commit {sha!r}"
    return session.get(list[_NumberPayload], path, action=action, parameters={"per_page": PAGE})


def _commits(session: Session, where: Where, number: int) -> list[_CommitPayload]:
    path = f"/repos/{where.repository.full_name}/pulls/{number}/commits"
    action = f"reading the commits of {_shown(where, number)}"
    return session.get(list[_CommitPayload], path, action=action, parameters={"per_page": PAGE})


def _remarks(session: Session, where: Where, number: int, review_id: int) -> list[_RemarkPayload]:
    """Return the remarks of a review with their threads.

    A review's own list says less of each remark, and nothing of the answers; those are among the newest of all.
    """
    pull, action = f"/repos/{where.repository.full_name}/pulls/{number}", f"reading a review of {_shown(where, number)}"
    path, page = f"{pull}/reviews/{review_id}/comments", dict[str, str | int](per_page=PAGE)
    own = session.get(list[_RemarkPayload], path, action=action, parameters=page)
    newest = page | {"sort": "created", "direction": "desc"}
    others = session.get(list[_RemarkPayload], f"{pull}/comments", action=action, parameters=newest)
    known = {one.id: one for one in (*own, *others)}
    threads = {_thread(known.get(one.id, one)) for one in own}
    return sorted((one for one in known.values() if _thread(one) in threads), key=lambda one: one.id)


def _thread(remark: _RemarkPayload) -> int:
    return remark.in_reply_to_id or remark.id


def _remark(found: _RemarkPayload) -> Remark:
    return Remark(
        id=found.id,
        author=found.user.login if found.user else GHOST,
        body=found.body or "",
        path=found.path,
        line=found.line or found.original_line,
        hunk=found.diff_hunk,
        review_id=found.pull_request_review_id,
        thread=_thread(found),
        created_at=found.created_at,
        edited_at=found.edited_at,
    )
