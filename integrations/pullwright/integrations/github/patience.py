"""How long a thread waits because GitHub asks for it: a little, then the work is put off.

PyGithub's own limit holds for the two kinds of rate limit that it knows by their text. A ``Retry-After`` header it
leaves to urllib3, which sleeps as long as it is told, or only up to a limit and then asks again too early.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Self, cast

from github.GithubException import RateLimitExceededExceedsMaxWait
from github.GithubRetry import GithubRetry

if TYPE_CHECKING:
    from types import TracebackType

    from urllib3.connectionpool import ConnectionPool
    from urllib3.response import HTTPResponse


class Patience(GithubRetry):
    """Repeats reads that failed, unless GitHub wants to be left alone for longer than ``longest`` seconds."""

    def __init__(self, *, longest: int = 0, **options: Any) -> None:
        super().__init__(**{**options, "max_rate_limit_wait": longest})
        self._longest = longest

    def new(self, **options: Any) -> Self:
        return super().new(**{**options, "longest": self._longest})

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: HTTPResponse | None = None,  # type: ignore[override]  # PyGithub narrowed it
        error: Exception | None = None,
        _pool: ConnectionPool | None = None,
        _stacktrace: TracebackType | None = None,
    ) -> Self:
        """Return what is left of the patience.

        Raises:
            RateLimitExceededExceedsMaxWait: GitHub asks for more; carries the answer, whatever its status was.
        """
        after = response.headers.get("Retry-After") if response is not None else None
        if response is not None and after is not None and not self._bears(after):
            headers = dict(response.headers.items())
            raise RateLimitExceededExceedsMaxWait(response.status, _document(response, url or ""), headers)
        return cast("Self", super().increment(method, url, response, error, _pool, _stacktrace))

    def _bears(self, after: str) -> bool:
        return after.isascii() and after.isdigit() and int(after[:9]) <= self._longest


def _document(response: HTTPResponse, url: str) -> object:
    try:
        return json.loads(GithubRetry.get_content(response, url))
    except ValueError:
        return None
