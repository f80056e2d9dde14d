"""GitHub's APIs as far as a coding agent needs them, with state, permissions and GitHub's own error texts."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from pullwright.integrations.testing.access import TokenRights, token_of
from pullwright.integrations.testing.forge_parts import ForgeParts
from pullwright.integrations.testing.forge_state import Repository
from pullwright.integrations.testing.github_apps import AppEndpoints, is_jwt
from pullwright.integrations.testing.github_calls import ApiError, Call, Endpoint, Table, moved, not_found
from pullwright.integrations.testing.github_graphql import GraphQLEndpoint
from pullwright.integrations.testing.github_search import search_issues
from pullwright.integrations.testing.web_server import Request, Response, json_response

PREFIX = "/api/v3"
GRAPHQL = "/api/graphql"

_REPOSITORY = re.compile(r"^/repos/(?P<owner>[^/]+)/(?P<name>[^/]+)(?P<rest>/.*)?$")
_BY_ID = re.compile(r"^/repositories/(?P<id>\d+)(?P<rest>/.*)?$")
_RATE_LIMIT = 5000


@dataclass(frozen=True, slots=True)
class Route:
    """One operation below a repository, and the permissions of which one is needed."""

    method: str
    pattern: re.Pattern[str]
    endpoint: Endpoint
    permissions: tuple[str, ...]

    @property
    def level(self) -> str:
        """``read`` or ``write``."""
        return "read" if self.method == "GET" else "write"

    def needed(self, repository: Repository, match: re.Match[str]) -> tuple[str, ...]:
        """Return the permissions of which one is needed; that for pull requests opens no plain issue."""
        number = match.groupdict().get("number")
        plain = number is not None and int(number) in repository.issues and int(number) not in repository.pulls
        return self.permissions[:1] if plain else self.permissions


class GitHubApi:
    """Answers everything below ``/api/v3``, and ``/api/graphql``."""

    def __init__(
        self, parts: ForgeParts, tables: Iterable[Table], apps: AppEndpoints, graphql: GraphQLEndpoint
    ) -> None:
        self._state = parts.state
        self._parts = parts
        self._documents = parts.documents
        self._apps = apps
        self._graphql = graphql
        self._routes = tuple(
            Route(method, re.compile(pattern), endpoint, tuple(permissions.split("|")))
            for table in tables
            for method, pattern, endpoint, permissions in table
        )
        self._remaining = _RATE_LIMIT

    def respond(self, request: Request) -> Response:
        """Answer a request; every answer carries the rate-limit headers."""
        with self._state.lock:
            self._remaining = max(self._remaining - 1, 1)
            try:
                response = _unless_known(request, self._route(request))
            except ApiError as exc:
                response = exc.response()
            self._remaining += response.status == 304  # costs nothing
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
        path = request.path.removeprefix(PREFIX)
        call = Call(request=request, rights=rights, match={})
        if (answer := self._apps.respond(call, path)) is not None:
            return answer
        if token is not None and rights is None:
            raise ApiError(401, "A JSON web token is not accepted here" if is_jwt(token) else "Bad credentials")
        if request.path == GRAPHQL and request.method == "POST":
            return self._graphql.respond(call)
        if found := _REPOSITORY.match(path):
            return self._below_repository(call, self._state.find(found["owner"], found["name"]), found)
        if found := _BY_ID.match(path):
            return self._below_repository(call, self._state.by_id(int(found["id"])), found)
        return self._elsewhere(call, path)

    def _elsewhere(self, call: Call, path: str) -> Response:
        if call.request.method != "GET":
            raise not_found()
        match path:
            case "/user":
                return self._user(call)
            case "/rate_limit":
                used = _RATE_LIMIT - self._remaining
                core = {"limit": _RATE_LIMIT, "remaining": self._remaining, "reset": 4102444800, "used": used}
                return json_response({"resources": {"core": core}, "rate": core})
            case "/meta":
                shown = {"verifiable_password_authentication": False, "installed_version": "3.17.0"}
                return json_response({**shown, "hooks": ["127.0.0.1/32"]})
            case "/installation/repositories":
                return self._apps.repositories(call)
            case "/search/issues":
                return search_issues(self._parts, call)
        if path.startswith("/users/"):
            return json_response(self._documents.user(path.removeprefix("/users/")))
        raise not_found()

    def _user(self, call: Call) -> Response:
        if call.rights is None:
            raise ApiError(401, "Requires authentication")
        if call.rights.installation_id is not None:
            raise ApiError(403, "Resource not accessible by integration")
        return json_response(self._documents.user(call.user))

    def _below_repository(self, call: Call, repository: Repository | None, found: re.Match[str]) -> Response:
        if repository is None or not _visible(repository, call.rights):
            raise not_found()
        self._check_installation(call.rights)
        rest = found["rest"] or ""
        name = found.groupdict().get("name")
        if name is not None and name.lower() != repository.name.lower():
            raise moved(f"{self._documents.api}/repositories/{repository.id}{rest}", call.request.method)
        for route in self._routes:
            if route.method == call.request.method and (match := route.pattern.fullmatch(rest)):
                _require(route, route.needed(repository, match), repository, call.rights)
                return route.endpoint(replace(call, repo=repository, match=match.groupdict()))
        raise not_found()

    def _check_installation(self, rights: TokenRights | None) -> None:
        if rights is not None and rights.installation_id is not None:
            for installation in self._state.installations:
                if installation.id == rights.installation_id and installation.suspended:
                    raise ApiError(403, "This installation has been suspended")


def _unless_known(request: Request, response: Response) -> Response:
    """Add an ETag to what was read, and answer 304 when the client has it already."""
    if request.method != "GET" or response.status != 200 or not isinstance(response.body, bytes):
        return response
    tag = f'W/"{hashlib.sha256(response.body).hexdigest()}"'
    headers = {**response.headers, "ETag": tag}
    if request.headers.get("If-None-Match") == tag:
        return Response(status=304, headers={"ETag": tag})
    return replace(response, headers=headers)


def _visible(repository: Repository, rights: TokenRights | None) -> bool:
    return not repository.private or (rights is not None and rights.sees(repository.slug))


def _require(route: Route, permissions: tuple[str, ...], repository: Repository, rights: TokenRights | None) -> None:
    needed = {"X-Accepted-GitHub-Permissions": "; ".join(f"{name}={route.level}" for name in permissions)}
    if rights is None and route.level == "write":
        raise ApiError(401, "Requires authentication", headers=needed)
    public_read = not repository.private and route.level == "read"
    seen = rights is not None and rights.sees(repository.slug)
    granted = rights is not None and seen and any(rights.may(name, route.level) for name in permissions)
    if rights is not None and not public_read and not granted:
        kind = "personal access token" if rights.app_id is None else "integration"
        raise ApiError(403, f"Resource not accessible by {kind}", headers=needed)
    if repository.archived and route.level == "write":
        raise ApiError(403, "Repository was archived so is read-only.")
