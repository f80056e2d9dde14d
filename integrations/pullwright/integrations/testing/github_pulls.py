"""Pull requests and branches of the rehearsal's REST API, computed from the real repositories."""

from __future__ import annotations

from typing import Any

from pullwright.integrations.testing.forge_state import ForgeState, PullRecord, Repository
from pullwright.integrations.testing.github_calls import ApiError, Call, not_found, page, validation_failed
from pullwright.integrations.testing.github_documents import Documents
from pullwright.integrations.testing.github_issues import check_texts
from pullwright.integrations.testing.web_server import Response, json_response

_RESOURCE = "PullRequest"


class PullEndpoints:
    """Everything below ``/pulls``, ``/branches`` and ``/git``."""

    def __init__(self, state: ForgeState, documents: Documents) -> None:
        self._state = state
        self._documents = documents

    def _pull(self, call: Call) -> PullRecord:
        pull = call.repository.pulls.get(call.number())
        if pull is None:
            raise not_found()
        return pull

    def list(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/pulls``, newest first."""
        query, repository = call.request.query, call.repository
        state, head, base = query.get("state", "open"), query.get("head", ""), query.get("base", "")
        found = [p for p in reversed(repository.pulls.values()) if state in ("all", p.issue.state)]
        # As at GitHub, a head without an owner filters nothing.
        if ":" in head:
            found = [p for p in found if f"{repository.owner}:{p.branch}".lower() == head.lower()]
        if base:
            found = [p for p in found if p.base == base]
        return page(call, [self._documents.pull(repository, p) for p in found], self._documents.api)

    def create(self, call: Call) -> Response:
        """Answer ``POST /repos/{owner}/{repo}/pulls``."""
        fields, repository = call.fields(), call.repository
        title, body = str(fields.get("title", "")), fields.get("body")
        check_texts(title, body, "Issue")
        branch, base = str(fields.get("head", "")).rpartition(":")[2], str(fields.get("base", ""))
        head_sha, base_sha = self._sides(repository, branch, base)
        if fields.get("draft") and not repository.drafts:
            raise ApiError(422, "Draft pull requests are not supported in this repository.")
        issue = self._state.add_issue(repository, title, body, call.user)
        pull = PullRecord(
            issue=issue,
            branch=branch,
            base=base,
            base_sha=base_sha,
            draft=bool(fields.get("draft")),
            last_head_sha=head_sha,
        )
        repository.pulls[issue.number] = pull
        return json_response(self._documents.pull(repository, pull), 201)

    def _sides(self, repository: Repository, branch: str, base: str) -> tuple[str, str]:
        head_sha = repository.bare.resolve(f"refs/heads/{branch}") if branch else ""
        base_sha = repository.bare.resolve(f"refs/heads/{base}") if base else ""
        for field, sha in (("head", head_sha), ("base", base_sha)):
            if not sha:
                raise validation_failed({"resource": _RESOURCE, "field": field, "code": "invalid"})
        if any(p.branch == branch and p.base == base and p.issue.state == "open" for p in repository.pulls.values()):
            raise _custom(f"A pull request already exists for {repository.owner}:{branch}.")
        if not repository.bare.commits(base_sha, head_sha):
            raise _custom(f"No commits between {base} and {branch}")
        return head_sha, base_sha

    def get(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/pulls/{number}``; a diff media type gives the patch itself."""
        pull, repository = self._pull(call), call.repository
        if "diff" in call.request.headers.get("Accept", ""):
            head = repository.head_sha(pull)
            base = repository.bare.merge_base(pull.base_sha, head)
            return Response(headers={"Content-Type": "text/plain"}, body=repository.bare.diff(base, head))
        return json_response(self._documents.pull(repository, pull))

    def edit(self, call: Call) -> Response:
        """Answer ``PATCH /repos/{owner}/{repo}/pulls/{number}``."""
        pull, fields = self._pull(call), call.fields()
        check_texts(fields.get("title"), fields.get("body"), _RESOURCE)
        pull.issue.title = fields.get("title", pull.issue.title)
        pull.issue.body = fields.get("body", pull.issue.body)
        pull.issue.state = fields.get("state", pull.issue.state)
        return json_response(self._documents.pull(call.repository, pull))

    def files(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/pulls/{number}/files``."""
        return page(call, self._documents.files(call.repository, self._pull(call)), self._documents.api)

    def commits(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/pulls/{number}/commits``."""
        return page(call, self._documents.commits(call.repository, self._pull(call)), self._documents.api)

    def branch(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/branches/{branch}``."""
        name = call.match["branch"]
        sha = call.repository.bare.resolve(f"refs/heads/{name}")
        if not sha:
            raise ApiError(404, "Branch not found")
        return json_response(self._documents.branch(call.repository, name, sha))

    def branches(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/branches``."""
        items = call.repository.bare.branches().items()
        found = [self._documents.branch(call.repository, name, sha) for name, sha in items]
        return page(call, found, self._documents.api)

    def reference(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/git/ref/heads/{branch}``."""
        name = call.match["branch"]
        sha = call.repository.bare.resolve(f"refs/heads/{name}")
        if not sha:
            raise not_found()
        return json_response(self._documents.reference(call.repository, name, sha))

    def matching_references(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/git/matching-refs/heads/{prefix}``."""
        items = call.repository.bare.branches().items()
        found: list[Any] = [
            self._documents.reference(call.repository, name, sha)
            for name, sha in items
            if name.startswith(call.match["branch"])
        ]
        return json_response(found)


def _custom(message: str) -> ApiError:
    return validation_failed({"resource": _RESOURCE, "code": "custom", "message": message})
