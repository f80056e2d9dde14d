"""People at the rehearsal: what somebody does in a browser or with git, with the events that follow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ParamSpec, TypeVar

from pullwright.integrations.testing.bare_repository import TreeFile
from pullwright.integrations.testing.check_records import CheckSuite
from pullwright.integrations.testing.forge_acts import ForgeActs
from pullwright.integrations.testing.forge_parts import ForgeParts
from pullwright.integrations.testing.forge_state import IssueRecord, PullRecord, Repository
from pullwright.integrations.testing.pull_acts import Inline
from pullwright.integrations.testing.repository_acts import NOTHING
from pullwright.integrations.testing.review_records import Actor, Comment, ReviewComment, ReviewRecord

P = ParamSpec("P")
R = TypeVar("R")


class Person:
    """Somebody with an account; what they may do is not checked, as people only see buttons that they may press."""

    def __init__(self, parts: ForgeParts, acts: ForgeActs, login: str) -> None:
        self.login = login
        self._parts = parts
        self._acts = acts
        self._actor = Actor(login=login)

    def _do(self, act: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
        with self._parts.state.lock:
            return act(*arguments, **named)

    def open_issue(
        self, at: Repository, title: str, body: str | None = None, *, labels: Sequence[str] = ()
    ) -> IssueRecord:
        """File an issue."""
        return self._do(self._acts.issues.open, at, self._actor, title, body, labels=tuple(labels))

    def edit_issue(self, at: Repository, number: int, *, title: str | None = None, body: str | None = None) -> None:
        """Change title or body of an issue or pull request."""
        self._do(self._acts.issues.edit, at, at.issues[number], self._actor, title=title, body=body)

    def comment(self, at: Repository, number: int, body: str) -> Comment:
        """Comment on an issue or pull request."""
        return self._do(self._acts.issues.comment, at, at.issues[number], self._actor, body)

    def edit_comment(self, at: Repository, number: int, comment: Comment, body: str) -> None:
        """Change the text of a comment of that issue."""
        self._do(self._acts.issues.edit_comment, at, at.issues[number], comment, self._actor, body)

    def delete_comment(self, at: Repository, number: int, comment: Comment) -> None:
        """Delete a comment of that issue."""
        self._do(self._acts.issues.delete_comment, at, at.issues[number], comment, self._actor)

    def label(self, at: Repository, number: int, *names: str) -> None:
        """Set labels."""
        self._do(self._acts.issues.add_labels, at, at.issues[number], self._actor, names)

    def unlabel(self, at: Repository, number: int, name: str) -> None:
        """Take a label away."""
        self._do(self._acts.issues.remove_label, at, at.issues[number], self._actor, name)

    def assign(self, at: Repository, number: int, login: str) -> None:
        """Assign somebody."""
        self._do(self._acts.issues.assign, at, at.issues[number], self._actor, login)

    def unassign(self, at: Repository, number: int, login: str) -> None:
        """Take that back."""
        self._do(self._acts.issues.unassign, at, at.issues[number], self._actor, login)

    def close(self, at: Repository, number: int) -> None:
        """Close an issue, or a pull request without merging it."""
        self._do(self._acts.issues.set_state, at, at.issues[number], self._actor, "closed")

    def reopen(self, at: Repository, number: int) -> None:
        """Open it again."""
        self._do(self._acts.issues.set_state, at, at.issues[number], self._actor, "open")

    def lock(self, at: Repository, number: int) -> None:
        """Lock the conversation."""
        self._do(self._acts.issues.lock, at, at.issues[number], self._actor)

    def delete_issue(self, at: Repository, number: int) -> None:
        """Delete an issue for good."""
        self._do(self._acts.issues.delete, at, at.issues[number], self._actor)

    def transfer_issue(self, at: Repository, number: int, to: Repository) -> IssueRecord:
        """Move an issue to another repository."""
        return self._do(self._acts.issues.transfer, at, at.issues[number], self._actor, to)

    def open_pull_request(
        self, at: Repository, branch: str, title: str, body: str = "", *, base: str = "", draft: bool = False
    ) -> PullRecord:
        """Open a pull request for a branch."""
        onto = base or at.default_branch
        return self._do(
            self._acts.pulls.open, at, self._actor, title=title, body=body, branch=branch, base=onto, draft=draft
        )

    def review(
        self, at: Repository, number: int, body: str = "", *, state: str = "commented", inline: Sequence[Inline] = ()
    ) -> ReviewRecord:
        """Submit a review; state is ``commented``, ``changes_requested`` or ``approved``."""
        return self._do(
            self._acts.pulls.review, at, at.pulls[number], self._actor, state=state, body=body, comments=inline
        )

    def approve(self, at: Repository, number: int, body: str = "") -> ReviewRecord:
        """Approve a pull request."""
        return self.review(at, number, body, state="approved")

    def review_comment(self, at: Repository, number: int, path: str, line: int, body: str) -> ReviewComment:
        """Write a single comment at a line."""
        remark = Inline(path=path, line=line, body=body)
        return self._do(self._acts.pulls.comment, at, at.pulls[number], self._actor, remark)

    def reply(self, at: Repository, number: int, to: ReviewComment, body: str) -> ReviewComment:
        """Answer in the thread of a comment."""
        return self._do(self._acts.pulls.reply, at, at.pulls[number], self._actor, to, body)

    def resolve(self, at: Repository, number: int, first: ReviewComment) -> None:
        """Resolve the thread that begins with a comment."""
        self._do(self._acts.pulls.resolve_thread, at, at.pulls[number], self._actor, first.id)

    def mark_ready(self, at: Repository, number: int) -> None:
        """Say that a draft is ready for review."""
        self._do(self._acts.pulls.set_draft, at, at.pulls[number], self._actor, draft=False)

    def mark_draft(self, at: Repository, number: int) -> None:
        """Make a draft of a pull request."""
        self._do(self._acts.pulls.set_draft, at, at.pulls[number], self._actor, draft=True)

    def merge(self, at: Repository, number: int) -> str:
        """Merge a pull request and return the id of the merge commit."""
        with self._parts.state.lock:
            pull = at.pulls[number]
            before = at.bare.require(f"refs/heads/{pull.base}")
            after = self._acts.pulls.merge(at, pull, self._actor)
            self._acts.repositories.pushed(at, self._actor, f"refs/heads/{pull.base}", before, after)
            return after

    def push(
        self,
        at: Repository,
        branch: str,
        files: Mapping[str, str | bytes],
        message: str = "Change",
        *,
        start: str = "",
        force: bool = False,
    ) -> str:
        """Push one commit that puts files in, and return its id.

        ``start`` is where a new branch begins, the default branch if empty. ``force`` begins there again even when
        the branch exists, so that its commits are gone.
        """
        entries = [TreeFile(path.encode(), _bytes(content)) for path, content in files.items()]
        ref = f"refs/heads/{branch}"
        with self._parts.state.lock:
            before = at.bare.resolve(ref)
            base = before if before and not force else at.bare.require(start or f"refs/heads/{at.default_branch}")
            after = at.bare.commit_onto(base, entries, message, self.login)
            at.bare.git("update-ref", ref, after)
            self._acts.repositories.pushed(at, self._actor, ref, before or NOTHING, after)
            return after

    def delete_branch(self, at: Repository, branch: str) -> None:
        """Delete a branch; its open pull request is closed with it."""
        ref = f"refs/heads/{branch}"
        with self._parts.state.lock:
            before = at.bare.require(ref)
            for pull in at.pulls.values():
                at.head_sha(pull)
            at.bare.git("update-ref", "-d", ref)
            self._acts.repositories.pushed(at, self._actor, ref, before, NOTHING)

    def rename_repository(self, at: Repository, name: str) -> None:
        """Give a repository a new name."""
        self._do(self._acts.repositories.rename, at, self._actor, name)

    def archive(self, at: Repository) -> None:
        """Archive a repository."""
        self._do(self._acts.repositories.archive, at, self._actor)

    def rerun(self, at: Repository, suite: CheckSuite, *, failed_only: bool = True) -> None:
        """Press "Re-run" at a suite of a pipeline, or tell the App of another suite."""
        with self._parts.state.lock:
            if not self._acts.runner.again(at, suite, self._actor, failed_only=failed_only):
                for run in suite.runs:
                    self._acts.checks.ask_again(at, suite, run, self._actor)

    def press(self, at: Repository, check_run: int, identifier: str) -> None:
        """Press a button of an App's check run."""
        with self._parts.state.lock:
            found = self._acts.checks.find_run(at, check_run)
            if found is None:
                raise LookupError(f"there is no check run {check_run} at {at.slug}")
            self._acts.checks.press(at, *found, self._actor, identifier)


def _bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content
