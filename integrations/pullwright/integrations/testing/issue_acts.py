"""What is done to issues, and to the issue side of pull requests: each act changes the state and tells the hooks."""

from __future__ import annotations

from typing import Any

from pullwright.integrations.testing.forge_parts import ForgeParts
from pullwright.integrations.testing.forge_state import IssueRecord, Repository
from pullwright.integrations.testing.review_records import Actor, Comment, Reaction, TimelineEvent


class IssueActs:
    """Acts on issues and their comments."""

    def __init__(self, parts: ForgeParts) -> None:
        self._parts = parts
        self._state = parts.state

    def _tell(self, repository: Repository, issue: IssueRecord, action: str, actor: Actor, **members: Any) -> None:
        """Tell of an issue; of a pull request the event has another name and the pull request in it."""
        pull = repository.pulls.get(issue.number)
        if pull is None:
            document = self._parts.documents.issue(repository, issue)
            self._parts.announcer.tell(repository, f"issues.{action}", actor.login, issue=document, **members)
        else:
            document = self._parts.pulls.pull(repository, pull)
            shown = {"number": pull.number, "pull_request": document, **members}
            self._parts.announcer.tell(repository, f"pull_request.{action}", actor.login, **shown)

    def _note(self, issue: IssueRecord, event: str, actor: Actor, **more: str) -> None:
        entry = TimelineEvent(
            id=self._state.next_id(), event=event, actor=actor.login, created=self._state.stamp(), **more
        )
        issue.timeline.append(entry)
        # As at GitHub, labels and assignees do not count as an update of the issue.
        if event not in ("labeled", "unlabeled", "assigned", "unassigned"):
            issue.updated = entry.created

    def open(
        self,
        repository: Repository,
        actor: Actor,
        title: str,
        body: str | None,
        *,
        labels: tuple[str, ...] = (),
        number: int | None = None,
    ) -> IssueRecord:
        """File an issue."""
        issue = self._state.add_issue(repository, title, body, actor.login, number)
        issue.app_id = actor.app_id
        self._tell(repository, issue, "opened", actor)
        self.add_labels(repository, issue, actor, labels)
        return issue

    def edit(
        self, repository: Repository, issue: IssueRecord, actor: Actor, *, title: str | None, body: str | None
    ) -> None:
        """Change title or body; None leaves it as it is."""
        changes: dict[str, Any] = {}
        if title is not None and title != issue.title:
            changes["title"] = {"from": issue.title}
            issue.title = title
        if body is not None and body != (issue.body or ""):
            changes["body"] = {"from": issue.body or ""}
            issue.body = body
        if changes:
            issue.edited = issue.updated = self._state.stamp()
            self._tell(repository, issue, "edited", actor, changes=changes)

    def set_state(
        self, repository: Repository, issue: IssueRecord, actor: Actor, state: str, reason: str | None = None
    ) -> None:
        """Close or reopen."""
        if state == issue.state:
            return
        issue.state = state
        self._note(issue, "closed" if state == "closed" else "reopened", actor)
        issue.closed = issue.updated if state == "closed" else ""
        issue.reason = (reason or "completed") if state == "closed" else "reopened"
        self._tell(repository, issue, "closed" if state == "closed" else "reopened", actor)

    def add_labels(self, repository: Repository, issue: IssueRecord, actor: Actor, names: tuple[str, ...]) -> None:
        """Set labels; those that are there already stay silent."""
        for name in names:
            if name.lower() in {label.lower() for label in issue.labels}:
                continue
            issue.labels.append(name)
            self._note(issue, "labeled", actor, label=name)
            self._tell(repository, issue, "labeled", actor, label=self._parts.documents.label(repository, name))

    def remove_label(self, repository: Repository, issue: IssueRecord, actor: Actor, name: str) -> None:
        """Take a label away; it must be there."""
        found = next(label for label in issue.labels if label.lower() == name.lower())
        issue.labels.remove(found)
        self._note(issue, "unlabeled", actor, label=found)
        self._tell(repository, issue, "unlabeled", actor, label=self._parts.documents.label(repository, found))

    def assign(self, repository: Repository, issue: IssueRecord, actor: Actor, login: str) -> None:
        """Make somebody responsible."""
        if login not in issue.assignees:
            issue.assignees.append(login)
            self._note(issue, "assigned", actor, assignee=login)
            self._tell(repository, issue, "assigned", actor, assignee=self._parts.documents.user(login))

    def unassign(self, repository: Repository, issue: IssueRecord, actor: Actor, login: str) -> None:
        """Take that back."""
        if login in issue.assignees:
            issue.assignees.remove(login)
            self._note(issue, "unassigned", actor, assignee=login)
            self._tell(repository, issue, "unassigned", actor, assignee=self._parts.documents.user(login))

    def lock(self, repository: Repository, issue: IssueRecord, actor: Actor, *, locked: bool = True) -> None:
        """Let only people with write access comment, or everybody again."""
        if locked != issue.locked:
            issue.locked = locked
            self._note(issue, "locked" if locked else "unlocked", actor)
            self._tell(repository, issue, "locked" if locked else "unlocked", actor)

    def delete(self, repository: Repository, issue: IssueRecord, actor: Actor) -> None:
        """Remove an issue for good; whoever asks for it is told that it is gone."""
        self._tell(repository, issue, "deleted", actor)
        del repository.issues[issue.number]
        repository.deleted_issues.add(issue.number)

    def transfer(self, repository: Repository, issue: IssueRecord, actor: Actor, target: Repository) -> IssueRecord:
        """Move an issue with its comments to another repository; the old address leads there."""
        moved = self._state.add_issue(target, issue.title, issue.body, issue.author)
        moved.comments, moved.created = issue.comments, issue.created
        documents = self._parts.documents
        changes = {"new_issue": documents.issue(target, moved), "new_repository": documents.repository(target)}
        self._tell(repository, issue, "transferred", actor, changes=changes)
        del repository.issues[issue.number]
        repository.moved_issues[issue.number] = (target.id, moved.number)
        self._tell(target, moved, "opened", actor)
        return moved

    def comment(self, repository: Repository, issue: IssueRecord, actor: Actor, body: str) -> Comment:
        """Write a comment."""
        comment = self._state.add_comment(issue, body, actor.login, actor.app_id)
        self._tell_comment(repository, issue, comment, "created", actor)
        return comment

    def edit_comment(
        self, repository: Repository, issue: IssueRecord, comment: Comment, actor: Actor, body: str
    ) -> None:
        """Change a comment's text."""
        if body == comment.body:
            return
        changes = {"body": {"from": comment.body}}
        comment.body, comment.edited = body, self._state.stamp()
        issue.updated = comment.edited
        self._tell_comment(repository, issue, comment, "edited", actor, changes=changes)

    def delete_comment(self, repository: Repository, issue: IssueRecord, comment: Comment, actor: Actor) -> None:
        """Remove a comment."""
        issue.comments.remove(comment)
        self._tell_comment(repository, issue, comment, "deleted", actor)

    def _tell_comment(
        self, repository: Repository, issue: IssueRecord, comment: Comment, action: str, actor: Actor, **members: Any
    ) -> None:
        documents = self._parts.documents
        shown = {
            "issue": documents.issue(repository, issue),
            "comment": documents.comment(repository, issue, comment),
            **members,
        }
        self._parts.announcer.tell(repository, f"issue_comment.{action}", actor.login, **shown)

    def react(self, reactions: list[Reaction], actor: Actor, content: str) -> tuple[Reaction, bool]:
        """Add a reaction and say whether it is new; GitHub tells nobody of it."""
        for reaction in reactions:
            if (reaction.user, reaction.content) == (actor.login, content):
                return reaction, False
        made = Reaction(id=self._state.next_id(), user=actor.login, content=content, created=self._state.stamp())
        reactions.append(made)
        return made, True
