"""GitHub's REST API as far as a coding agent needs it, with state, permissions and GitHub's own error texts."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from http import HTTPStatus

from pullwright.integrations.testing.access import TokenRights, token_of
from pullwright.integrations.testing.forge_state import ForgeState, Repository
from pullwright.integrations.testing.github_calls import ApiError, Call, not_found
from pullwright.integrations.testing.github_documents import Documents
from pullwright.integrations.testing.github_issues import IssueEndpoints
from pullwright.integrations.testing.github_pulls import PullEndpoints
from pullwright.integrations.testing.web_server import Request, Response, json_response

PREFIX = "/api/v3"

_REPOSITORY = re.compile(r"^/repos/(?P<owner>[^/]+)/(?P<name>[^/]+)(?P<rest>/.*)?$")
_BY_ID = re.compile(r"^/repositories/(?P<id>\d+)(?P<rest>/.*)?$")
_RATE_LIMIT = 5000

Endpoint = Callable[[Call], Response]


@dataclass(frozen=True, slots=True)
class Route:
    """One operation below a repository, and the permission that it takes."""

    method: str
    pattern: re.Pattern[str]
    endpoint: Endpoint
    permission: str

    @property
    def level(self) -> str:
        """``read`` or ``write``."""
        return "read" if self.method == "GET" else "write"


class GitHubApi:
    """Answers everything below ``/api/v3``."""

    def __init__(self, state: ForgeState, web: str) -> None:
        self._state = state
        self._documents = Documents(state, web)
        self._routes = self._make_routes()
        self._remaining = _RATE_LIMIT

    def _make_routes(self) -> tuple[Route, ...]:
        issues = IssueEndpoints(self._state, self._documents)
        pulls = PullEndpoints(self._state, self._documents)
        number, comment = r"/issues/(?P<number>\d+)", r"/issues/comments/(?P<number>\d+)"
        pull = r"/pulls/(?P<number>\d+)"
        table: tuple[tuple[str, str, Endpoint, str], ...] = (
            ("GET", "", self._repository, "metadata"),
            ("GET", "/branches", pulls.branches, "contents"),
            ("GET", "/branches/(?P<branch>.+)", pulls.branch, "contents"),
            ("GET", "/git/ref/heads/(?P<branch>.+)", pulls.reference, "contents"),
            ("GET", "/git/matching-refs/heads/(?P<branch>.*)", pulls.matching_references, "contents"),
            ("GET", "/issues", issues.list, "issues"),
            ("POST", "/issues", issues.create, "issues"),
            ("GET", number, issues.get, "issues"),
            ("PATCH", number, issues.edit, "issues"),
            ("GET", f"{number}/comments", issues.comments, "issues"),
            ("POST", f"{number}/comments", issues.add_comment, "issues"),
            ("GET", f"{number}/labels", issues.labels, "issues"),
            ("POST", f"{number}/labels", issues.add_labels, "issues"),
            ("DELETE", f"{number}/labels/(?P<label>.+)", issues.remove_label, "issues"),
            ("GET", comment, issues.comment, "issues"),
            ("PATCH", comment, issues.edit_comment, "issues"),
            ("DELETE", comment, issues.delete_comment, "issues"),
            ("GET", "/pulls", pulls.list, "pull_requests"),
            ("POST", "/pulls", pulls.create, "pull_requests"),
            ("GET", pull, pulls.get, "pull_requests"),
            ("PATCH", pull, pulls.edit, "pull_requests"),
            ("GET", f"{pull}/files", pulls.files, "pull_requests"),
            ("GET", f"{pull}/commits", pulls.commits, "pull_requests"),
        )
        return tuple(Route(method, re.compile(pattern), end, permission) for method, pattern, end, permission in table)

    def respond(self, request: Request) -> Response:
        """Answer a request; every answer carries the rate-limit headers."""
        with self._state.lock:
            self._remaining = max(self._remaining - 1, 1)
            try:
                response = self._route(request)
            except ApiError as exc:
                response = exc.response()
            return replace(response, headers={**self._rate_headers(), **response.headers})

    def _rate_headers(self) -> dict[str, str]:
        return {
            "X-RateLimit-Limit": str(_RATE_LIMIT),
            "X-RateLimit-Remaining": str(self._remaining),
            "X-RateLimit-Used": str(_RATE_LIMIT - self._remaining),
            "X-RateLimit-Reset": "4102444800",
            "X-RateLimit-Resource": "core",
            "X-GitHub-Media-Type": "github.v3; format=json",
        }

    def _route(self, request: Request) -> Response:
        token = token_of(request.headers)
        rights = self._state.rights(token)
        if token is not None and rights is None:
            raise ApiError(401, "Bad credentials")
        call = Call(request=request, rights=rights, match={})
        path = request.path.removeprefix(PREFIX)
        if found := _REPOSITORY.match(path):
            return self._below_repository(call, self._state.find(found["owner"], found["name"]), found)
        if found := _BY_ID.match(path):
            return self._below_repository(call, self._state.by_id(int(found["id"])), found)
        return self._elsewhere(call, path)

    def _elsewhere(self, call: Call, path: str) -> Response:
        if call.request.method != "GET":
            raise not_found()
        if path == "/user":
            if call.rights is None:
                raise ApiError(401, "Requires authentication")
            return json_response(self._documents.user(call.user))
        if path.startswith("/users/"):
            return json_response(self._documents.user(path.removeprefix("/users/")))
        if path == "/rate_limit":
            core = {"limit": _RATE_LIMIT, "remaining": self._remaining, "reset": 4102444800, "used": 0}
            return json_response({"resources": {"core": core}, "rate": core})
        if path == "/meta":
            return json_response({"verifiable_password_authentication": False, "installed_version": "3.17.0"})
        raise not_found()

    def _below_repository(self, call: Call, repository: Repository | None, found: re.Match[str]) -> Response:
        if repository is None or not _visible(repository, call.rights):
            raise not_found()
        rest = found["rest"] or ""
        name = found.groupdict().get("name")
        if name is not None and name.lower() != repository.name.lower():
            return self._moved(call, repository, rest)
        for route in self._routes:
            if route.method == call.request.method and (match := route.pattern.fullmatch(rest)):
                _require(route, repository, call.rights)
                return route.endpoint(replace(call, repo=repository, match=match.groupdict()))
        raise not_found()

    def _moved(self, call: Call, repository: Repository, rest: str) -> Response:
        location = f"{self._documents.api}/repositories/{repository.id}{rest}"
        status = HTTPStatus.MOVED_PERMANENTLY if call.request.method == "GET" else HTTPStatus.TEMPORARY_REDIRECT
        document = {"message": "Moved Permanently", "url": location}
        return json_response(document, status, {"Location": location})

    def _repository(self, call: Call) -> Response:
        return json_response(self._documents.repository(call.repository))


def _visible(repository: Repository, rights: TokenRights | None) -> bool:
    return not repository.private or (rights is not None and rights.sees(repository.slug))


def _require(route: Route, repository: Repository, rights: TokenRights | None) -> None:
    needed = {"X-Accepted-GitHub-Permissions": f"{route.permission}={route.level}"}
    if rights is None and route.level == "write":
        raise ApiError(401, "Requires authentication", headers=needed)
    public_read = not repository.private and route.level == "read"
    if rights is not None and not public_read and not rights.may(route.permission, route.level):
        raise ApiError(403, "Resource not accessible by personal access token", headers=needed)
    if repository.archived and route.level == "write":
        raise ApiError(403, "Repository was archived so is read-only.")
