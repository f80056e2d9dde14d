"""Reviews and their comments in the rehearsal's REST API."""

from __future__ import annotations

from pullwright.integrations.testing.forge_parts import ForgeParts
from pullwright.integrations.testing.forge_state import PullRecord
from pullwright.integrations.testing.github_calls import ApiError, Call, Table, not_found, page, validation_failed
from pullwright.integrations.testing.github_issues import add_reaction, check_texts
from pullwright.integrations.testing.github_pulls import pull_of
from pullwright.integrations.testing.issue_acts import IssueActs
from pullwright.integrations.testing.pull_acts import Inline, PullActs
from pullwright.integrations.testing.review_records import ReviewComment, ReviewRecord
from pullwright.integrations.testing.web_server import Response, json_response

_STATES = {"APPROVE": "approved", "REQUEST_CHANGES": "changes_requested", "COMMENT": "commented"}


class ReviewEndpoints:
    """Everything about reviews below ``/pulls``."""

    def __init__(self, parts: ForgeParts, issues: IssueActs, acts: PullActs) -> None:
        self._parts = parts
        self._documents = parts.pulls
        self._api = parts.documents.api
        self._issues = issues
        self._acts = acts

    def table(self) -> Table:
        """Return the operations."""
        pull, comment = r"/pulls/(?P<number>\d+)", r"/pulls/comments/(?P<comment>\d+)"
        review, right = pull + r"/reviews/(?P<review>\d+)", "pull_requests"
        return (
            ("GET", f"{pull}/reviews", self.reviews, right),
            ("GET", "/pulls/comments", self.all_comments, right),
            ("POST", f"{pull}/reviews", self.submit, right),
            ("GET", review, self.review, right),
            ("GET", f"{review}/comments", self.comments_of_review, right),
            ("GET", f"{pull}/comments", self.comments, right),
            ("POST", f"{pull}/comments", self.add_comment, right),
            ("POST", pull + r"/comments/(?P<comment>\d+)/replies", self.reply, right),
            ("GET", comment, self.comment, right),
            ("PATCH", comment, self.edit_comment, right),
            ("GET", f"{comment}/reactions", self.reactions, right),
            ("POST", f"{comment}/reactions", self.react, right),
        )

    def _review(self, call: Call) -> tuple[PullRecord, ReviewRecord]:
        pull = pull_of(call)
        found = next((r for r in pull.reviews if r.id == call.number("review")), None)
        if found is None:
            raise not_found()
        return pull, found

    def _comment(self, call: Call) -> tuple[PullRecord, ReviewComment]:
        for pull in call.repository.pulls.values():
            for comment in pull.review_comments:
                if comment.id == call.number("comment"):
                    return pull, comment
        raise not_found()

    def reviews(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/pulls/{number}/reviews``, oldest first."""
        pull = pull_of(call)
        found = [self._documents.review(call.repository, pull, review) for review in pull.reviews]
        return page(call, found, self._api)

    def review(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/pulls/{number}/reviews/{id}``."""
        return json_response(self._documents.review(call.repository, *self._review(call)))

    def submit(self, call: Call) -> Response:
        """Answer ``POST /repos/{owner}/{repo}/pulls/{number}/reviews``; pending reviews are not kept here."""
        pull, fields = pull_of(call), call.fields()
        state, body = _STATES.get(str(fields.get("event", ""))), str(fields.get("body") or "")
        check_texts(None, body, "PullRequestReview")
        if state is None:
            raise validation_failed({"resource": "PullRequestReview", "code": "invalid", "field": "event"})
        if pull.issue.author == call.user and state != "commented":
            verb = "approve" if state == "approved" else "request changes on"
            raise ApiError(422, f"Can not {verb} your own pull request")
        remarks = [
            Inline(path=str(c.get("path")), line=int(c.get("line", 1)), body=str(c.get("body", "")))
            for c in fields.get("comments", [])
        ]
        review = self._acts.review(call.repository, pull, call.actor, state=state, body=body, comments=remarks)
        return json_response(self._documents.review(call.repository, pull, review))

    def comments_of_review(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/pulls/{number}/reviews/{id}/comments``."""
        pull, review = self._review(call)
        return self._page(call, pull, [c for c in pull.review_comments if c.review_id == review.id])

    def comments(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/pulls/{number}/comments``, oldest first."""
        pull, since = pull_of(call), call.request.query.get("since", "")
        return self._page(call, pull, [c for c in pull.review_comments if (c.edited or c.created) >= since])

    def _page(self, call: Call, pull: PullRecord, comments: list[ReviewComment]) -> Response:
        found = [self._documents.review_comment(call.repository, pull, comment) for comment in comments]
        return page(call, found, self._api)

    def add_comment(self, call: Call) -> Response:
        """Answer ``POST /repos/{owner}/{repo}/pulls/{number}/comments``."""
        pull, fields = pull_of(call), call.fields()
        body = str(fields.get("body", ""))
        check_texts(None, body, "PullRequestReviewComment")
        path, line = str(fields.get("path", "")), int(fields.get("line") or 0)
        if path not in {file["filename"] for file in self._documents.files_of(call.repository, pull)} or line < 1:
            raise validation_failed(
                {"resource": "PullRequestReviewComment", "code": "invalid", "field": "pull_request_review_thread.path"}
            )
        made = self._acts.comment(call.repository, pull, call.actor, Inline(path=path, line=line, body=body))
        return json_response(self._documents.review_comment(call.repository, pull, made), 201)

    def reply(self, call: Call) -> Response:
        """Answer ``POST /repos/{owner}/{repo}/pulls/{number}/comments/{id}/replies``."""
        pull, comment = self._comment(call)
        body = str(call.fields().get("body", ""))
        check_texts(None, body, "PullRequestReviewComment")
        if pull.number != call.number():
            raise not_found()
        made = self._acts.reply(call.repository, pull, call.actor, comment, body)
        return json_response(self._documents.review_comment(call.repository, pull, made), 201)

    def comment(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/pulls/comments/{id}``."""
        return json_response(self._documents.review_comment(call.repository, *self._comment(call)))

    def all_comments(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/pulls/comments``, the oldest first if nothing else is asked for."""
        query = call.request.query
        key, since = f"{query.get('sort', 'created')}_at", query.get("since", "")
        pulls = call.repository.pulls.values()
        shown = [self._documents.review_comment(call.repository, p, c) for p in pulls for c in p.review_comments]
        found = [one for one in shown if str(one["updated_at"]) >= since]
        found.sort(key=lambda one: (str(one[key]), one["id"]), reverse=query.get("direction") == "desc")
        return page(call, found, self._api)

    def edit_comment(self, call: Call) -> Response:
        """Answer ``PATCH /repos/{owner}/{repo}/pulls/comments/{id}``."""
        pull, comment = self._comment(call)
        body = str(call.fields().get("body", ""))
        check_texts(None, body, "PullRequestReviewComment")
        comment.body, comment.edited = body, self._parts.state.stamp()
        return json_response(self._documents.review_comment(call.repository, pull, comment))

    def reactions(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/pulls/comments/{id}/reactions``."""
        found = [self._parts.documents.reaction(reaction) for reaction in self._comment(call)[1].reactions]
        return page(call, found, self._api)

    def react(self, call: Call) -> Response:
        """Answer ``POST /repos/{owner}/{repo}/pulls/comments/{id}/reactions``."""
        return add_reaction(self._issues, self._parts, call, self._comment(call)[1].reactions)
