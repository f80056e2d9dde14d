"""What people do in the rehearsal's Linear, and how hooks tell of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from pullwright.integrations.testing.linear_hooks import LinearHooks
from pullwright.integrations.testing.linear_state import (
    Change,
    LinearComment,
    LinearIssue,
    LinearPerson,
    LinearState,
    new_id,
    shown,
)

Json = dict[str, Any]

_ENDED: Final = ("completed", "canceled")


class LinearActs:
    """Changes issues; everything is told to the hook."""

    def __init__(self, state: LinearState, hooks: LinearHooks) -> None:
        self._state = state
        self._hooks = hooks

    def create(self, team: str, by: LinearPerson, title: str, description: str = "", **more: Any) -> LinearIssue:
        """Make an issue; its labels are names."""
        with self._state.lock:
            now, of = self._state.clock(), self._state.team(team)
            issue = LinearIssue(
                id=new_id(),
                team=of,
                number=self._state.number(),
                title=title,
                description=description,
                creator=by,
                created=now,
                updated=now,
                state=of.state("Todo"),
                **more,
            )
            self._state.issues[issue.id] = issue
            self._tell_issue("create", by, issue, now)
        return issue

    def set_labels(self, issue: LinearIssue, by: LinearPerson, labels: list[str]) -> None:
        """Replace the labels."""
        with self._state.lock:
            before = [self._state.label_id(name) for name in issue.labels]
            added = [name for name in labels if name not in issue.labels]
            issue.labels = list(labels)
            self._changed(issue, by, {"labelIds": before}, {"addedLabels": [self._label(name) for name in added]})

    def assign(self, issue: LinearIssue, by: LinearPerson, to: LinearPerson | None) -> None:
        """Give it to somebody."""
        with self._state.lock:
            before, issue.assignee = issue.assignee, to
            old, new = before.id if before else None, to.id if to else None
            self._changed(issue, by, {"assigneeId": old}, {"toAssigneeId": new})

    def delegate(self, issue: LinearIssue, by: LinearPerson, to: LinearPerson | None) -> None:
        """Delegate it to an agent; the person stays its assignee."""
        with self._state.lock:
            before, issue.delegate = issue.delegate, to
            self._changed(issue, by, {"delegateId": before.id if before else None}, {"toDelegate": to})

    def set_state(self, issue: LinearIssue, by: LinearPerson, name: str) -> None:
        """Move it."""
        with self._state.lock:
            before, issue.state = issue.state, issue.team.state(name)
            issue.ended = self._state.clock() if issue.state.kind in _ENDED else None
            self._changed(issue, by, {"stateId": before.id}, {})

    def rewrite(self, issue: LinearIssue, by: LinearPerson, description: str) -> None:
        """Change the description."""
        with self._state.lock:
            before, issue.description = issue.description, description
            self._changed(issue, by, {"description": before}, {"updatedDescription": True})

    def remove(self, issue: LinearIssue, by: LinearPerson) -> None:
        """Take the issue away for good."""
        with self._state.lock:
            del self._state.issues[issue.id]
            self._tell_issue("remove", by, issue, self._state.clock())

    def comment(self, issue: LinearIssue, by: LinearPerson, body: str, *, comment_id: str = "") -> LinearComment:
        """Comment on it."""
        with self._state.lock:
            made = LinearComment(comment_id or new_id(), issue, by, body, self._state.clock())
            issue.comments.append(made)
            issue.updated = made.created
            self._tell_comment("create", by, made, made.created)
        return made

    def edit(self, comment: LinearComment, by: LinearPerson, body: str) -> None:
        """Change a comment."""
        with self._state.lock:
            before, comment.body = comment.body, body
            comment.edited = self._state.clock()
            self._tell_comment("update", by, comment, comment.edited, {"body": before})

    def delete(self, comment: LinearComment, by: LinearPerson) -> None:
        """Delete a comment."""
        with self._state.lock:
            comment.issue.comments.remove(comment)
            self._tell_comment("remove", by, comment, self._state.clock())

    def begin_session(self, issue: LinearIssue, by: LinearPerson, bot: LinearPerson) -> str:
        """Begin an agent session, as Linear does when an issue is delegated to an app; return its id."""
        session = {"id": new_id(), "issueId": issue.id, "issue": _head(issue), "creator": _actor(by)}
        self._tell_session("created", bot, {"agentSession": session})
        return str(session["id"])

    def prompt(self, session: str, issue: LinearIssue, by: LinearPerson, bot: LinearPerson, body: str) -> None:
        """Say something in an agent session."""
        content = {"type": "prompt", "body": body}
        activity = {"id": new_id(), "agentSessionId": session, "content": content, "user": _actor(by)}
        about = {"id": session, "issueId": issue.id, "issue": _head(issue), "creator": _actor(by)}
        self._tell_session("prompted", bot, {"agentSession": about, "agentActivity": activity})

    def _tell_session(self, action: str, bot: LinearPerson, more: Json) -> None:
        with self._state.lock:
            told = {"type": "AgentSessionEvent", "action": action, "createdAt": shown(self._state.clock())}
            self._hooks.send({**told, "appUserId": bot.id, "oauthClientId": "app", **more})

    def _changed(self, issue: LinearIssue, by: LinearPerson, before: Json, history: Json) -> None:
        now = issue.updated = self._state.clock()
        issue.history.append(Change(new_id(), by, now, history))
        self._tell_issue("update", by, issue, now, {"updatedAt": shown(now), **before})

    def _tell_issue(
        self, action: str, by: LinearPerson, issue: LinearIssue, at: datetime, before: Json | None = None
    ) -> None:
        self._tell("Issue", action, by, self._document(issue), at, issue.url, before)

    def _tell_comment(
        self, action: str, by: LinearPerson, comment: LinearComment, at: datetime, before: Json | None = None
    ) -> None:
        data = {
            "id": comment.id,
            "body": comment.body,
            "createdAt": shown(comment.created),
            "issueId": comment.issue.id,
            "issue": _head(comment.issue),
            "userId": comment.author.id,
            "user": _actor(comment.author),
        }
        self._tell("Comment", action, by, data, at, f"{comment.issue.url}#comment-{comment.id[:8]}", before)

    def _tell(
        self, kind: str, action: str, by: LinearPerson, data: Json, at: datetime, url: str, before: Json | None
    ) -> None:
        told = {"type": kind, "action": action, "actor": _actor(by), "createdAt": shown(at), "data": data, "url": url}
        self._hooks.send({**told, "organizationId": "acme", **({"updatedFrom": before} if before else {})})

    def _label(self, name: str) -> Json:
        return {"id": self._state.label_id(name), "name": name}

    def _document(self, issue: LinearIssue) -> Json:
        state = {"id": issue.state.id, "name": issue.state.name, "type": issue.state.kind}
        return {
            **_head(issue),
            "number": issue.number,
            "description": issue.description,
            "createdAt": shown(issue.created),
            "updatedAt": shown(issue.updated),
            "stateId": issue.state.id,
            "state": state,
            "teamId": issue.team.id,
            "team": {"id": issue.team.id, "key": issue.team.key, "name": issue.team.name},
            "labelIds": [self._state.label_id(name) for name in issue.labels],
            "labels": [self._label(name) for name in issue.labels],
            "assigneeId": issue.assignee.id if issue.assignee else None,
            "delegateId": issue.delegate.id if issue.delegate else None,
            "creatorId": issue.creator.id,
            "url": issue.url,
        }


def _head(issue: LinearIssue) -> Json:
    return {"id": issue.id, "identifier": issue.identifier, "title": issue.title, "url": issue.url}


def _actor(person: LinearPerson) -> Json:
    return {"id": person.id, "type": "user", "name": person.name, "email": person.email, "url": person.url}
