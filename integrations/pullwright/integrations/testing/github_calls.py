"""What every endpoint of the rehearsal's REST API shares: the call, the errors as GitHub sends them, pages."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from pullwright.integrations.testing.access import TokenRights
from pullwright.integrations.testing.forge_state import Repository
from pullwright.integrations.testing.review_records import Actor
from pullwright.integrations.testing.web_server import Request, Response, json_response

_DOCS = "https://docs.github.com/rest"


class ApiError(Exception):
    """An error answer; raised by an endpoint, sent by the router."""

    def __init__(
        self, status: int, message: str, *, errors: Sequence[Any] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.errors = errors
        self.headers = headers

    def response(self) -> Response:
        """Return the error as GitHub would send it."""
        document: dict[str, Any] = {"message": str(self), "documentation_url": _DOCS}
        if self.headers and "Location" in self.headers:
            document |= {"url": self.headers["Location"]}
        else:
            document |= {"status": str(self.status)}
        if self.errors:
            document |= {"errors": list(self.errors)}
        return json_response(document, self.status, self.headers)


def not_found() -> ApiError:
    """Return the answer for what does not exist or must not be seen."""
    return ApiError(404, "Not Found")


def validation_failed(*errors: Mapping[str, str]) -> ApiError:
    """Return the answer for a body that is understood and wrong."""
    return ApiError(422, "Validation Failed", errors=errors)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request that found its endpoint."""

    request: Request
    rights: TokenRights | None
    match: Mapping[str, str]
    repo: Repository | None = None

    @property
    def repository(self) -> Repository:
        """The repository of the address; the router has found it."""
        if self.repo is None:
            raise not_found()
        return self.repo

    @property
    def user(self) -> str:
        """Who is asking."""
        return self.rights.user if self.rights else "ghost"

    @property
    def actor(self) -> Actor:
        """Who is asking, as the state remembers it."""
        return Actor(login=self.user, app_id=self.rights.app_id if self.rights else None)

    def number(self, name: str = "number") -> int:
        """Return a number of the address."""
        return int(self.match[name])

    def fields(self) -> dict[str, Any]:
        """Return the JSON object of the body.

        Raises:
            ApiError: It is none.
        """
        try:
            value = json.loads(self.request.content() or b"{}")
        except ValueError:
            raise ApiError(400, "Problems parsing JSON") from None
        if not isinstance(value, dict):
            raise ApiError(422, "Invalid request.\n\nExpected an object.")
        return value

    def wants_full(self) -> bool:
        """Whether the media type asks for rendered bodies."""
        return "full" in self.request.headers.get("Accept", "")


Endpoint = Callable[[Call], Response]
Table = tuple[tuple[str, str, Endpoint, str], ...]
"""Method, pattern of the path below the repository, endpoint, and the permissions of which one is needed (``a|b``)."""


def moved(location: str, method: str) -> ApiError:
    """Return the answer for what is somewhere else now; it keeps the method of a write, as GitHub's does."""
    status = 301 if method == "GET" else 307
    return ApiError(status, "Moved Permanently", headers={"Location": location})


def page(call: Call, items: Sequence[Any], api: str) -> Response:
    """Return one page of a list with the Link header that leads to the others."""
    query = call.request.query
    size = min(max(int(query.get("per_page", "30")), 1), 100)
    number = max(int(query.get("page", "1")), 1)
    last = max(-(-len(items) // size), 1)
    targets: dict[str, int] = {}
    if number < last:
        targets |= {"next": number + 1, "last": last}
    if number > 1:
        targets |= {"first": 1, "prev": number - 1}
    path = api + call.request.path.removeprefix("/api/v3")
    links = [f'<{path}?{urlencode(query | {"page": str(n)})}>; rel="{name}"' for name, n in targets.items()]
    headers = {"Link": ", ".join(links)} if links else {}
    return json_response(list(items[(number - 1) * size : number * size]), headers=headers)
