"""What is done to pull requests and their reviews: each act changes the state and tells the hooks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pullwright.integrations.testing.forge_parts import ForgeParts
from pullwright.integrations.testing.forge_state import PullRecord, Repository
from pullwright.integrations.testing.review_records import Actor, ReviewComment, ReviewRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Inline:
    """A remark at a line, as somebody writes it in a review."""

    path: str
    line: int
    body: str


class PullActs:
    """Acts on pull requests."""

    def __init__(self, parts: ForgeParts) -> None:
        self._parts = parts
        self._state = parts.state

    def _tell(self, repository: Repository, pull: PullRecord, name: str, actor: Actor, **members: Any) -> None:
        shown: dict[str, Any] = {"pull_request": self._parts.pulls.pull(repository, pull), **members}
        if name.startswith("pull_request."):
            shown["number"] = pull.number
        self._parts.announcer.tell(repository, name, actor.login, **shown)

    def open(
        self,
        repository: Repository,
        actor: Actor,
        *,
        title: str,
        body: str | None,
        branch: str,
        base: str,
        draft: bool = False,
    ) -> PullRecord:
        """Open a pull request; both branches are there and differ."""
        issue = self._state.add_issue(repository, title, body, actor.login)
        issue.app_id = actor.app_id
        pull = PullRecord(
            issue=issue,
            branch=branch,
            base=base,
            base_sha=repository.bare.require(f"refs/heads/{base}"),
            draft=draft,
            last_head_sha=repository.bare.require(f"refs/heads/{branch}"),
        )
        repository.pulls[issue.number] = pull
        self._tell(repository, pull, "pull_request.opened", actor)
        return pull

    def set_draft(self, repository: Repository, pull: PullRecord, actor: Actor, *, draft: bool) -> None:
        """Make a draft of it, or say that it is ready."""
        if draft != pull.draft:
            pull.draft = draft
            pull.issue.updated = self._state.stamp()
            name = "converted_to_draft" if draft else "ready_for_review"
            self._tell(repository, pull, f"pull_request.{name}", actor)

    def synchronized(self, repository: Repository, pull: PullRecord, actor: Actor, before: str, after: str) -> None:
        """Tell that the branch moved."""
        pull.last_head_sha = after
        pull.issue.updated = self._state.stamp()
        self._tell(repository, pull, "pull_request.synchronize", actor, before=before, after=after)

    def request_reviewers(self, repository: Repository, pull: PullRecord, actor: Actor, logins: Sequence[str]) -> None:
        """Ask people for a review."""
        for login in logins:
            if login not in pull.requested:
                pull.requested.append(login)
                asked = self._parts.documents.user(login)
                self._tell(repository, pull, "pull_request.review_requested", actor, requested_reviewer=asked)

    def merge(self, repository: Repository, pull: PullRecord, actor: Actor, message: str = "") -> str:
        """Merge with a merge commit, and return its id."""
        head = repository.head_sha(pull)
        pull.base_sha = repository.bare.require(f"refs/heads/{pull.base}")
        text = message or f"Merge pull request #{pull.number} from {repository.owner}/{pull.branch}"
        pull.merge_sha = repository.bare.merge(pull.base, head, text, actor.login)
        pull.merged, pull.merged_by, pull.merged_at = True, actor.login, self._state.stamp()
        pull.issue.state, pull.issue.closed = "closed", pull.merged_at
        self._tell(repository, pull, "pull_request.closed", actor)
        return pull.merge_sha

    def review(
        self,
        repository: Repository,
        pull: PullRecord,
        actor: Actor,
        *,
        state: str = "commented",
        body: str = "",
        comments: Sequence[Inline] = (),
    ) -> ReviewRecord:
        """Submit a review with its remarks; state is ``approved``, ``changes_requested`` or ``commented``."""
        review = self._add_review(repository, pull, actor, state, body)
        made = [self._add_comment(repository, pull, actor, review, remark) for remark in comments]
        shown = self._parts.pulls.review(repository, pull, review)
        # In its events GitHub writes the state small, in the REST API large.
        shown["state"] = state
        self._tell(repository, pull, "pull_request_review.submitted", actor, review=shown)
        for comment in made:
            self._tell_comment(repository, pull, comment, "created", actor)
        return review

    def reply(
        self, repository: Repository, pull: PullRecord, actor: Actor, to: ReviewComment, body: str
    ) -> ReviewComment:
        """Answer in a thread; GitHub makes a review of its own for that."""
        review = self._add_review(repository, pull, actor, "commented", "")
        first = to.reply_to or to.id
        remark = Inline(path=to.path, line=to.line, body=body)
        comment = self._add_comment(repository, pull, actor, review, remark, reply_to=first)
        self._tell_comment(repository, pull, comment, "created", actor)
        return comment

    def comment(self, repository: Repository, pull: PullRecord, actor: Actor, remark: Inline) -> ReviewComment:
        """Write one remark at a line, outside of a larger review."""
        review = self._add_review(repository, pull, actor, "commented", "")
        made = self._add_comment(repository, pull, actor, review, remark)
        shown = {**self._parts.pulls.review(repository, pull, review), "state": "commented"}
        self._tell(repository, pull, "pull_request_review.submitted", actor, review=shown)
        self._tell_comment(repository, pull, made, "created", actor)
        return made

    def resolve_thread(
        self, repository: Repository, pull: PullRecord, actor: Actor, first: int, *, resolved: bool = True
    ) -> None:
        """Mark a thread, named by its first comment, as settled or as open again."""
        (pull.resolved.add if resolved else pull.resolved.discard)(first)
        comments = [c for c in pull.review_comments if first in (c.id, c.reply_to)]
        shown = [self._parts.pulls.review_comment(repository, pull, comment) for comment in comments]
        thread = {"node_id": thread_node(first), "comments": shown}
        name = "resolved" if resolved else "unresolved"
        self._tell(repository, pull, f"pull_request_review_thread.{name}", actor, thread=thread)

    def _add_review(
        self, repository: Repository, pull: PullRecord, actor: Actor, state: str, body: str
    ) -> ReviewRecord:
        review = ReviewRecord(
            id=self._state.next_id(),
            author=actor.login,
            state=state,
            body=body,
            commit=repository.head_sha(pull),
            submitted=self._state.stamp(),
        )
        pull.reviews.append(review)
        if actor.login in pull.requested:
            pull.requested.remove(actor.login)
        return review

    def _add_comment(
        self,
        repository: Repository,
        pull: PullRecord,
        actor: Actor,
        review: ReviewRecord,
        remark: Inline,
        reply_to: int | None = None,
    ) -> ReviewComment:
        files = {file["filename"]: file for file in self._parts.pulls.files_of(repository, pull)}
        comment = ReviewComment(
            id=self._state.next_id(),
            author=actor.login,
            app_id=actor.app_id,
            body=remark.body,
            created=self._state.stamp(),
            path=remark.path,
            line=remark.line,
            commit=review.commit,
            review_id=review.id,
            hunk=files.get(remark.path, {}).get("patch", ""),
            reply_to=reply_to,
        )
        pull.review_comments.append(comment)
        return comment

    def _tell_comment(
        self, repository: Repository, pull: PullRecord, comment: ReviewComment, action: str, actor: Actor
    ) -> None:
        shown = self._parts.pulls.review_comment(repository, pull, comment)
        self._tell(repository, pull, f"pull_request_review_comment.{action}", actor, comment=shown)


def thread_node(first: int) -> str:
    """Return the node id of the thread that begins with a comment."""
    return f"PRRT_{first}"
