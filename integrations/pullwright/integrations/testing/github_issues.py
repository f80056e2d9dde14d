"""Issues, comments, labels and reactions of the rehearsal's REST API."""

from __future__ import annotations

from pullwright.integrations.testing.forge_parts import ForgeParts
from pullwright.integrations.testing.forge_state import IssueRecord
from pullwright.integrations.testing.github_calls import (
    ApiError,
    Call,
    Table,
    moved,
    not_found,
    page,
    validation_failed,
)
from pullwright.integrations.testing.github_documents import Document
from pullwright.integrations.testing.issue_acts import IssueActs
from pullwright.integrations.testing.review_records import REACTIONS, Comment, Reaction, TimelineEvent
from pullwright.integrations.testing.web_server import Response, json_response

_BODY_LIMIT = 65_536
_TITLE_LIMIT = 256


def check_texts(title: str | None, body: str | None, resource: str) -> None:
    """Refuse texts that are longer than GitHub takes, or an empty title."""
    if title is not None and not title.strip():
        raise validation_failed({"resource": resource, "code": "missing_field", "field": "title"})
    for field, text, limit in (("title", title, _TITLE_LIMIT), ("body", body, _BODY_LIMIT)):
        if text is not None and len(text) > limit:
            message = f"{field} is too long (maximum is {limit} characters)"
            raise validation_failed({"resource": resource, "code": "custom", "field": field, "message": message})


def add_reaction(acts: IssueActs, parts: ForgeParts, call: Call, reactions: list[Reaction]) -> Response:
    """Add the reaction of a call's body; the same one again is answered with 200."""
    content = str(call.fields().get("content", ""))
    if content not in REACTIONS:
        raise validation_failed({"resource": "Reaction", "code": "invalid", "field": "content"})
    reaction, new = acts.react(reactions, call.actor, content)
    return json_response(parts.documents.reaction(reaction), 201 if new else 200)


class IssueEndpoints:
    """Everything below ``/issues``."""

    def __init__(self, parts: ForgeParts, acts: IssueActs) -> None:
        self._parts = parts
        self._documents = parts.documents
        self._acts = acts

    def table(self) -> Table:
        """Return the operations."""
        number, comment = r"/issues/(?P<number>\d+)", r"/issues/comments/(?P<number>\d+)"
        either = "issues|pull_requests"
        return (
            ("GET", "/issues", self.list, "issues"),
            ("POST", "/issues", self.create, "issues"),
            ("GET", "/issues/events", self.all_events, either),
            ("GET", "/issues/comments", self.all_comments, either),
            ("GET", number, self.get, either),
            ("PATCH", number, self.edit, either),
            ("GET", f"{number}/comments", self.comments, either),
            ("POST", f"{number}/comments", self.add_comment, either),
            ("GET", f"{number}/timeline", self.timeline, either),
            ("GET", f"{number}/events", self.timeline, either),
            ("GET", f"{number}/labels", self.labels, either),
            ("POST", f"{number}/labels", self.add_labels, either),
            ("DELETE", f"{number}/labels/(?P<label>.+)", self.remove_label, either),
            ("POST", f"{number}/assignees", self.assign, either),
            ("DELETE", f"{number}/assignees", self.unassign, either),
            ("PUT", f"{number}/lock", self.lock, either),
            ("DELETE", f"{number}/lock", self.unlock, either),
            ("GET", f"{number}/reactions", self.reactions, either),
            ("POST", f"{number}/reactions", self.react, either),
            ("GET", comment, self.comment, either),
            ("PATCH", comment, self.edit_comment, either),
            ("DELETE", comment, self.delete_comment, either),
            ("POST", f"{comment}/reactions", self.react_to_comment, either),
            ("DELETE", comment + r"/reactions/(?P<reaction>\d+)", self.remove_reaction, either),
        )

    def _issue(self, call: Call) -> IssueRecord:
        repository, number = call.repository, call.number()
        if number in repository.deleted_issues:
            raise ApiError(410, "This issue was deleted")
        if number in repository.moved_issues:
            target, where = repository.moved_issues[number]
            raise moved(f"{self._documents.api}/repositories/{target}/issues/{where}", call.request.method)
        issue = repository.issues.get(number)
        if issue is None:
            raise not_found()
        return issue

    def _comment(self, call: Call) -> tuple[IssueRecord, Comment]:
        for issue in call.repository.issues.values():
            for comment in issue.comments:
                if comment.id == call.number():
                    return issue, comment
        raise not_found()

    def _shown(self, call: Call, document: Document) -> Document:
        return self._documents.rendered(document) if call.wants_full() else document

    def list(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/issues``, newest first."""
        query = call.request.query
        state, since = query.get("state", "open"), query.get("since", "")
        labels = {name.lower() for name in query.get("labels", "").split(",") if name}
        found = [
            issue
            for issue in reversed(call.repository.issues.values())
            if state in ("all", issue.state)
            and labels <= {label.lower() for label in issue.labels}
            and query.get("assignee", "*") in ("*", *issue.assignees)
            and query.get("creator", issue.author) == issue.author
            and (issue.updated or issue.created) >= since
        ]
        return page(call, [self._documents.issue(call.repository, i) for i in found], self._documents.api)

    def create(self, call: Call) -> Response:
        """Answer ``POST /repos/{owner}/{repo}/issues``."""
        fields = call.fields()
        if not str(fields.get("title", "")).strip():
            raise validation_failed({"resource": "Issue", "code": "missing_field", "field": "title"})
        check_texts(str(fields["title"]), fields.get("body"), "Issue")
        labels = tuple(str(label) for label in fields.get("labels", []))
        issue = self._acts.open(call.repository, call.actor, str(fields["title"]), fields.get("body"), labels=labels)
        return json_response(self._documents.issue(call.repository, issue), 201)

    def get(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/issues/{number}``."""
        return json_response(self._shown(call, self._documents.issue(call.repository, self._issue(call))))

    def edit(self, call: Call) -> Response:
        """Answer ``PATCH /repos/{owner}/{repo}/issues/{number}``."""
        issue, fields = self._issue(call), call.fields()
        check_texts(fields.get("title"), fields.get("body"), "Issue")
        self._acts.edit(call.repository, issue, call.actor, title=fields.get("title"), body=fields.get("body"))
        state = fields.get("state") or issue.state
        self._acts.set_state(call.repository, issue, call.actor, state, fields.get("state_reason"))
        return json_response(self._documents.issue(call.repository, issue))

    def comments(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/issues/{number}/comments``, oldest first."""
        issue, since = self._issue(call), call.request.query.get("since", "")
        kept = [c for c in issue.comments if (c.edited or c.created) >= since]
        found = [self._shown(call, self._documents.comment(call.repository, issue, c)) for c in kept]
        return page(call, found, self._documents.api)

    def add_comment(self, call: Call) -> Response:
        """Answer ``POST /repos/{owner}/{repo}/issues/{number}/comments``."""
        issue, body = self._issue(call), str(call.fields().get("body", ""))
        check_texts(None, body, "IssueComment")
        if issue.locked and call.repository.role(call.user) not in ("write", "maintain", "admin"):
            raise ApiError(403, "Unable to create comment because issue is locked.")
        comment = self._acts.comment(call.repository, issue, call.actor, body)
        return json_response(self._documents.comment(call.repository, issue, comment), 201)

    def timeline(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/issues/{number}/timeline``, oldest first; without comments."""
        entries = [self._happened(entry) for entry in self._issue(call).timeline]
        return page(call, entries, self._documents.api)

    def _happened(self, entry: TimelineEvent) -> Document:
        shown = {"id": entry.id, "event": entry.event, "created_at": entry.created, "commit_id": None}
        shown["actor"] = self._documents.user(entry.actor)
        if entry.label:
            shown["label"] = {"name": entry.label, "color": "ededed"}
        if entry.assignee:
            shown["assignee"] = self._documents.user(entry.assignee)
        return shown

    def all_events(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/issues/events``, newest first, each with its issue as it is now."""
        entries = [(entry, issue) for issue in call.repository.issues.values() for entry in issue.timeline]
        entries.sort(key=lambda one: one[0].id, reverse=True)
        found = [
            {**self._happened(entry), "issue": self._documents.issue(call.repository, issue)}
            for entry, issue in entries
        ]
        return page(call, found, self._documents.api)

    def all_comments(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/issues/comments``, the oldest first if nothing else is asked for."""
        query = call.request.query
        since, key = query.get("since", ""), query.get("sort", "created")
        comments = [(issue, c) for issue in call.repository.issues.values() for c in issue.comments]
        kept = [(issue, c) for issue, c in comments if (c.edited or c.created) >= since]
        found = [self._documents.comment(call.repository, issue, c) for issue, c in kept]
        found.sort(key=lambda one: (str(one[f"{key}_at"]), one["id"]), reverse=query.get("direction") == "desc")
        return page(call, [self._shown(call, one) for one in found], self._documents.api)

    def comment(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/issues/comments/{id}``."""
        issue, comment = self._comment(call)
        return json_response(self._shown(call, self._documents.comment(call.repository, issue, comment)))

    def edit_comment(self, call: Call) -> Response:
        """Answer ``PATCH /repos/{owner}/{repo}/issues/comments/{id}``."""
        issue, comment = self._comment(call)
        body = str(call.fields().get("body", ""))
        check_texts(None, body, "IssueComment")
        self._acts.edit_comment(call.repository, issue, comment, call.actor, body)
        return json_response(self._documents.comment(call.repository, issue, comment))

    def delete_comment(self, call: Call) -> Response:
        """Answer ``DELETE /repos/{owner}/{repo}/issues/comments/{id}``."""
        issue, comment = self._comment(call)
        self._acts.delete_comment(call.repository, issue, comment, call.actor)
        return Response(status=204)

    def _labels(self, call: Call, issue: IssueRecord) -> Response:
        return json_response([self._documents.label(call.repository, name) for name in issue.labels])

    def labels(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/issues/{number}/labels``."""
        names = self._issue(call).labels
        return page(call, [self._documents.label(call.repository, name) for name in names], self._documents.api)

    def add_labels(self, call: Call) -> Response:
        """Answer ``POST /repos/{owner}/{repo}/issues/{number}/labels``."""
        issue, names = self._issue(call), call.fields().get("labels", [])
        self._acts.add_labels(call.repository, issue, call.actor, tuple(str(name) for name in names))
        return self._labels(call, issue)

    def remove_label(self, call: Call) -> Response:
        """Answer ``DELETE /repos/{owner}/{repo}/issues/{number}/labels/{name}``."""
        issue, name = self._issue(call), call.match["label"]
        if name.lower() not in {label.lower() for label in issue.labels}:
            raise ApiError(404, "Label does not exist")
        self._acts.remove_label(call.repository, issue, call.actor, name)
        return self._labels(call, issue)

    def assign(self, call: Call) -> Response:
        """Answer ``POST /repos/{owner}/{repo}/issues/{number}/assignees``; strangers are left out in silence."""
        issue = self._issue(call)
        for login in call.fields().get("assignees", []):
            if call.repository.role(str(login)):
                self._acts.assign(call.repository, issue, call.actor, str(login))
        return json_response(self._documents.issue(call.repository, issue), 201)

    def unassign(self, call: Call) -> Response:
        """Answer ``DELETE /repos/{owner}/{repo}/issues/{number}/assignees``."""
        issue = self._issue(call)
        for login in call.fields().get("assignees", []):
            self._acts.unassign(call.repository, issue, call.actor, str(login))
        return json_response(self._documents.issue(call.repository, issue))

    def lock(self, call: Call) -> Response:
        """Answer ``PUT /repos/{owner}/{repo}/issues/{number}/lock``."""
        self._acts.lock(call.repository, self._issue(call), call.actor)
        return Response(status=204)

    def unlock(self, call: Call) -> Response:
        """Answer ``DELETE /repos/{owner}/{repo}/issues/{number}/lock``."""
        self._acts.lock(call.repository, self._issue(call), call.actor, locked=False)
        return Response(status=204)

    def reactions(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/issues/{number}/reactions``."""
        found = [self._documents.reaction(reaction) for reaction in self._issue(call).reactions]
        return page(call, found, self._documents.api)

    def react(self, call: Call) -> Response:
        """Answer ``POST /repos/{owner}/{repo}/issues/{number}/reactions``."""
        return add_reaction(self._acts, self._parts, call, self._issue(call).reactions)

    def react_to_comment(self, call: Call) -> Response:
        """Answer ``POST /repos/{owner}/{repo}/issues/comments/{id}/reactions``."""
        return add_reaction(self._acts, self._parts, call, self._comment(call)[1].reactions)

    def remove_reaction(self, call: Call) -> Response:
        """Answer ``DELETE /repos/{owner}/{repo}/issues/comments/{id}/reactions/{reaction}``."""
        reactions = self._comment(call)[1].reactions
        found = next((r for r in reactions if r.id == call.number("reaction")), None)
        if found is None:
            raise not_found()
        reactions.remove(found)
        return Response(status=204)
