"""Issues, comments and labels of the rehearsal's REST API."""

from __future__ import annotations

from pullwright.integrations.testing.forge_state import Comment, ForgeState, IssueRecord
from pullwright.integrations.testing.github_calls import Call, not_found, page, validation_failed
from pullwright.integrations.testing.github_documents import Document, Documents
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


class IssueEndpoints:
    """Everything below ``/issues``."""

    def __init__(self, state: ForgeState, documents: Documents) -> None:
        self._state = state
        self._documents = documents

    def _issue(self, call: Call) -> IssueRecord:
        issue = call.repository.issues.get(call.number())
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
        state = call.request.query.get("state", "open")
        found = [i for i in reversed(call.repository.issues.values()) if state in ("all", i.state)]
        return page(call, [self._documents.issue(call.repository, i) for i in found], self._documents.api)

    def create(self, call: Call) -> Response:
        """Answer ``POST /repos/{owner}/{repo}/issues``."""
        fields = call.fields()
        check_texts(str(fields.get("title", "")), fields.get("body"), "Issue")
        issue = self._state.add_issue(call.repository, str(fields["title"]), fields.get("body"), call.user)
        issue.labels += [str(label) for label in fields.get("labels", [])]
        return json_response(self._documents.issue(call.repository, issue), 201)

    def get(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/issues/{number}``."""
        return json_response(self._shown(call, self._documents.issue(call.repository, self._issue(call))))

    def edit(self, call: Call) -> Response:
        """Answer ``PATCH /repos/{owner}/{repo}/issues/{number}``."""
        issue, fields = self._issue(call), call.fields()
        check_texts(fields.get("title"), fields.get("body"), "Issue")
        issue.title = fields.get("title", issue.title)
        issue.body = fields.get("body", issue.body)
        issue.state = fields.get("state", issue.state)
        return json_response(self._documents.issue(call.repository, issue))

    def comments(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/issues/{number}/comments``, oldest first."""
        issue = self._issue(call)
        found = [self._shown(call, self._documents.comment(call.repository, issue, c)) for c in issue.comments]
        return page(call, found, self._documents.api)

    def add_comment(self, call: Call) -> Response:
        """Answer ``POST /repos/{owner}/{repo}/issues/{number}/comments``."""
        issue, body = self._issue(call), str(call.fields().get("body", ""))
        check_texts(None, body, "IssueComment")
        comment = self._state.add_comment(issue, body, call.user)
        return json_response(self._documents.comment(call.repository, issue, comment), 201)

    def comment(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/issues/comments/{id}``."""
        issue, comment = self._comment(call)
        return json_response(self._shown(call, self._documents.comment(call.repository, issue, comment)))

    def edit_comment(self, call: Call) -> Response:
        """Answer ``PATCH /repos/{owner}/{repo}/issues/comments/{id}``."""
        issue, comment = self._comment(call)
        comment.body = str(call.fields().get("body", comment.body))
        return json_response(self._documents.comment(call.repository, issue, comment))

    def delete_comment(self, call: Call) -> Response:
        """Answer ``DELETE /repos/{owner}/{repo}/issues/comments/{id}``."""
        issue, comment = self._comment(call)
        issue.comments.remove(comment)
        return Response(status=204)

    def labels(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/issues/{number}/labels``."""
        names = self._issue(call).labels
        return page(call, [self._documents.label(call.repository, name) for name in names], self._documents.api)

    def add_labels(self, call: Call) -> Response:
        """Answer ``POST /repos/{owner}/{repo}/issues/{number}/labels``."""
        issue = self._issue(call)
        issue.labels += [str(name) for name in call.fields().get("labels", []) if name not in issue.labels]
        return json_response([self._documents.label(call.repository, name) for name in issue.labels])

    def remove_label(self, call: Call) -> Response:
        """Answer ``DELETE /repos/{owner}/{repo}/issues/{number}/labels/{name}``."""
        issue = self._issue(call)
        if call.match["label"] not in issue.labels:
            raise not_found()
        issue.labels.remove(call.match["label"])
        return json_response([self._documents.label(call.repository, name) for name in issue.labels])
