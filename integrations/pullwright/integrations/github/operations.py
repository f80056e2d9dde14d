"""What is said to GitHub, step by step; runs on a thread of the client."""

from __future__ import annotations

from dataclasses import dataclass

from pullwright.agents.errors import RemoteUnavailable
from pullwright.integrations.github.client import Refused, Session
from pullwright.integrations.github.payloads import CommentPayload, IssuePayload, PullPayload, RepositoryPayload

_WITH_HTML = "application/vnd.github.full+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueFacts:
    """An issue and its newest comments."""

    issue: IssuePayload
    comments: tuple[CommentPayload, ...]
    repository_id: int
    """Of the repository that it is in now."""

    @property
    def comments_left_out(self) -> int:
        """How many older comments there are."""
        return max(self.issue.comments - len(self.comments), 0)

    @property
    def texts(self) -> list[tuple[str, str]]:
        """Every text as (Markdown, rendered HTML)."""
        return [(item.body or "", item.body_html or "") for item in (self.issue, *self.comments)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A pull request as it should be."""

    slug: str
    branch: str
    base: str
    title: str
    body: str


def read_repository(session: Session, slug: str) -> RepositoryPayload:
    """Read a repository under its current name."""
    return session.get(RepositoryPayload, f"/repos/{slug}", action=f"reading repository {slug!r}")


def read_issue(session: Session, slug: str, number: int, *, newest: int) -> IssueFacts:
    """Read an issue with its newest comments, oldest of them first."""
    action = f"reading issue {f'{slug}#{number}'!r}"
    issue = session.get(IssuePayload, f"/repos/{slug}/issues/{number}", action=action, accept=_WITH_HTML)
    comments: list[CommentPayload] = []
    # There is no order but the oldest first, so the last page is read, and the one before it to fill up.
    page = -(-issue.comments // newest)
    while page > 0 and len(comments) < newest:
        parameters = {"per_page": newest, "page": page}
        found = session.get(
            list[CommentPayload], issue.comments_url, action=action, accept=_WITH_HTML, parameters=parameters
        )
        comments = found + comments
        page -= 1
    home = session.get(RepositoryPayload, issue.repository_url or f"/repos/{slug}", action=action)
    return IssueFacts(issue=issue, comments=tuple(comments[-newest:]), repository_id=home.id)


def open_pull_request(session: Session, proposal: Proposal) -> PullPayload:
    """Return the pull request of a branch; make it only when there is none."""
    repository = read_repository(session, proposal.slug)
    return _find(session, repository, proposal.branch) or _create(session, repository, proposal, draft=True)


def find_pull_request(session: Session, slug: str, branch: str) -> PullPayload | None:
    """Return the pull request of a branch, whatever its state."""
    return _find(session, read_repository(session, slug), branch)


def _find(session: Session, repository: RepositoryPayload, branch: str) -> PullPayload | None:
    head = f"{repository.owner}:{branch}"
    found = session.get(
        list[PullPayload],
        f"/repos/{repository.full_name}/pulls",
        action=f"looking for a pull request of {head!r}",
        parameters={"head": head, "state": "all", "per_page": 100},
    )
    # GitHub ignores a filter that it does not understand, so what comes back is compared again.
    ours = [pull for pull in found if (pull.head.label or head).lower() == head.lower() and pull.head.ref == branch]
    ours.sort(key=lambda pull: (pull.state == "open", pull.number))
    return ours[-1] if ours else None


def _create(session: Session, repository: RepositoryPayload, proposal: Proposal, *, draft: bool) -> PullPayload:
    action = f"opening a pull request for {f'{repository.full_name}:{proposal.branch}'!r}"
    content = {
        "title": proposal.title,
        "body": proposal.body,
        "head": proposal.branch,
        "base": proposal.base or repository.default_branch,
        "draft": draft,
    }
    try:
        return session.post(PullPayload, f"/repos/{repository.full_name}/pulls", content, action=action)
    except Refused as exc:
        if draft and exc.refusal.drafts_unsupported:
            return _create(session, repository, proposal, draft=False)
        if not (exc.refusal.pull_request_exists or exc.refusal.status >= 500):
            raise
        return _adopt(session, repository, proposal, exc)
    except RemoteUnavailable as exc:
        return _adopt(session, repository, proposal, exc)


def _adopt(session: Session, repository: RepositoryPayload, proposal: Proposal, error: Exception) -> PullPayload:
    """Look whether the write took effect although its answer was bad or lost."""
    found = _find(session, repository, proposal.branch)
    if found is None:
        raise error
    return found
