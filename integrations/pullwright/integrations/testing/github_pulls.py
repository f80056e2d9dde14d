"""Pull requests of the rehearsal's REST API, computed from the real repositories."""

from __future__ import annotations

from pullwright.agents.errors import ConfigError
from pullwright.integrations.testing.forge_parts import ForgeParts
from pullwright.integrations.testing.forge_state import PullRecord, Repository
from pullwright.integrations.testing.github_calls import ApiError, Call, Table, not_found, page, validation_failed
from pullwright.integrations.testing.github_issues import check_texts
from pullwright.integrations.testing.issue_acts import IssueActs
from pullwright.integrations.testing.pull_acts import PullActs
from pullwright.integrations.testing.web_server import Response, json_response

_RESOURCE = "PullRequest"


def pull_of(call: Call) -> PullRecord:
    """Return the pull request of the address.

    Raises:
        ApiError: There is none.
    """
    pull = call.repository.pulls.get(call.number())
    if pull is None:
        raise not_found()
    return pull


class PullEndpoints:
    """Pull requests themselves; their reviews are elsewhere."""

    def __init__(self, parts: ForgeParts, issues: IssueActs, acts: PullActs) -> None:
        self._documents = parts.pulls
        self._api = parts.documents.api
        self._issues = issues
        self._acts = acts

    def table(self) -> Table:
        """Return the operations."""
        pull, right = r"/pulls/(?P<number>\d+)", "pull_requests"
        return (
            ("GET", "/pulls", self.list, right),
            ("POST", "/pulls", self.create, right),
            ("GET", pull, self.get, right),
            ("PATCH", pull, self.edit, right),
            ("GET", f"{pull}/files", self.files, right),
            ("GET", f"{pull}/commits", self.commits, right),
            ("GET", f"{pull}/merge", self.merged, right),
            ("PUT", f"{pull}/merge", self.merge, "contents"),
            ("POST", f"{pull}/requested_reviewers", self.request_reviewers, right),
            ("GET", r"/commits/(?P<sha>[0-9a-f]{40})/pulls", self.of_commit, right),
        )

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
        return page(call, [self._documents.pull(repository, p) for p in found], self._api)

    def create(self, call: Call) -> Response:
        """Answer ``POST /repos/{owner}/{repo}/pulls``."""
        fields, repository = call.fields(), call.repository
        title, body = str(fields.get("title", "")), fields.get("body")
        check_texts(title, body, "Issue")
        branch, base = str(fields.get("head", "")).rpartition(":")[2], str(fields.get("base", ""))
        self._check_sides(repository, branch, base)
        draft = bool(fields.get("draft"))
        if draft and not repository.drafts:
            raise ApiError(422, "Draft pull requests are not supported in this repository.")
        pull = self._acts.open(repository, call.actor, title=title, body=body, branch=branch, base=base, draft=draft)
        return json_response(self._documents.pull(repository, pull), 201)

    def _check_sides(self, repository: Repository, branch: str, base: str) -> None:
        head_sha = repository.bare.resolve(f"refs/heads/{branch}") if branch else ""
        base_sha = repository.bare.resolve(f"refs/heads/{base}") if base else ""
        for field, sha in (("head", head_sha), ("base", base_sha)):
            if not sha:
                raise validation_failed({"resource": _RESOURCE, "field": field, "code": "invalid"})
        if any(p.branch == branch and p.base == base and p.issue.state == "open" for p in repository.pulls.values()):
            raise _custom(f"A pull request already exists for {repository.owner}:{branch}.")
        if not repository.bare.commits(base_sha, head_sha):
            raise _custom(f"No commits between {base} and {branch}")

    def get(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/pulls/{number}``; a diff media type gives the patch itself."""
        pull, repository = pull_of(call), call.repository
        if "diff" in call.request.headers.get("Accept", ""):
            head = repository.head_sha(pull)
            base = repository.bare.merge_base(pull.base_sha, head)
            return Response(headers={"Content-Type": "text/plain"}, body=repository.bare.diff(base, head))
        return json_response(self._documents.pull(repository, pull))

    def edit(self, call: Call) -> Response:
        """Answer ``PATCH /repos/{owner}/{repo}/pulls/{number}``."""
        pull, fields, repository = pull_of(call), call.fields(), call.repository
        check_texts(fields.get("title"), fields.get("body"), _RESOURCE)
        title, body = fields.get("title"), fields.get("body")
        self._issues.edit(repository, pull.issue, call.actor, title=title, body=body)
        if pull.merged and fields.get("state") == "open":
            raise _custom("state cannot be changed. The pull request cannot be reopened.")
        self._issues.set_state(repository, pull.issue, call.actor, fields.get("state") or pull.issue.state)
        return json_response(self._documents.pull(repository, pull))

    def files(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/pulls/{number}/files``."""
        return page(call, self._documents.files_of(call.repository, pull_of(call)), self._api)

    def commits(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/pulls/{number}/commits``."""
        return page(call, self._documents.commits_of(call.repository, pull_of(call)), self._api)

    def merged(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/pulls/{number}/merge``."""
        if not pull_of(call).merged:
            raise not_found()
        return Response(status=204)

    def merge(self, call: Call) -> Response:
        """Answer ``PUT /repos/{owner}/{repo}/pulls/{number}/merge``."""
        pull, expected = pull_of(call), call.fields().get("sha")
        if expected not in (None, call.repository.head_sha(pull)):
            raise ApiError(409, "Head branch was modified. Review and try the merge again.")
        if pull.draft or pull.issue.state != "open":
            raise ApiError(405, "Pull Request is not mergeable")
        try:
            sha = self._acts.merge(call.repository, pull, call.actor)
        except ConfigError:
            raise ApiError(405, "Pull Request is not mergeable") from None
        return json_response({"sha": sha, "merged": True, "message": "Pull Request successfully merged"})

    def request_reviewers(self, call: Call) -> Response:
        """Answer ``POST /repos/{owner}/{repo}/pulls/{number}/requested_reviewers``."""
        pull, logins = pull_of(call), [str(login) for login in call.fields().get("reviewers", [])]
        for login in logins:
            if login == pull.issue.author:
                raise ApiError(422, "Review cannot be requested from pull request author.")
            if not call.repository.role(login):
                text = "Reviews may only be requested from collaborators. One or more of the users or teams you"
                raise ApiError(422, f"{text} specified is not a collaborator of the {call.repository.slug} repository.")
        self._acts.request_reviewers(call.repository, pull, call.actor, logins)
        return json_response(self._documents.pull(call.repository, pull), 201)

    def of_commit(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/commits/{sha}/pulls``."""
        repository, sha = call.repository, call.match["sha"]
        found = [
            self._documents.pull(repository, pull)
            for pull in repository.pulls.values()
            if sha in {commit["sha"] for commit in self._documents.commits_of(repository, pull)}
        ]
        return page(call, found, self._api)


def _custom(message: str) -> ApiError:
    return validation_failed({"resource": _RESOURCE, "code": "custom", "message": message})
