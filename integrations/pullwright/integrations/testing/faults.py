"""Planned trouble: the next request that matches gets another answer, or none."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pullwright.integrations.testing.web_server import CloseConnection, Request, Responder, Response

_DOCS = "https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One piece of trouble for requests whose path contains ``path``."""

    path: str
    method: str = ""
    """Any method when empty."""
    status: int = 502
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    """Text as it is, anything else as JSON."""
    close: bool = False
    """End the connection instead of answering."""
    after: bool = False
    """Do what was asked first, so that only the answer is lost."""
    times: int = 1

    def fits(self, request: Request) -> bool:
        """Whether this request is meant."""
        return self.path in request.path and self.method in ("", request.method)

    def response(self) -> Response:
        """Return the answer, or end the connection."""
        if self.close:
            raise CloseConnection
        body = {"message": "Server Error"} if self.body is None else self.body
        text = body if isinstance(body, str) else json.dumps(body)
        headers = {"Content-Type": "application/json", **self.headers}
        return Response(status=self.status, headers=headers, body=text.encode())


def primary_rate_limit(path: str, *, reset: int, method: str = "", times: int = 1) -> Fault:
    """Return the answer of a token whose hour is used up; ``reset`` is a Unix time in seconds."""
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(reset), "X-RateLimit-Resource": "core"}
    body = {"message": "API rate limit exceeded for installation ID 1.", "documentation_url": _DOCS}
    return Fault(path=path, method=method, status=403, headers=headers, body=body, times=times)


def secondary_rate_limit(path: str, *, retry_after: int | None = None, method: str = "", times: int = 1) -> Fault:
    """Return the answer to a client that writes too much at once; ``retry_after`` is in seconds, or left out."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    message = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
    body = {"message": message, "documentation_url": f"{_DOCS}#about-secondary-rate-limits"}
    return Fault(path=path, method=method, status=403, headers=headers, body=body, times=times)


class FaultyResponder:
    """Passes requests on, unless a fault waits for them."""

    def __init__(self, inner: Responder) -> None:
        self._inner = inner
        self._lock = threading.Lock()
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Let a fault wait for its requests."""
        with self._lock:
            self._waiting += [fault] * fault.times

    def __call__(self, request: Request) -> Response:
        fault = self._take(request)
        if fault is None:
            return self._inner(request)
        if fault.after:
            self._inner(request)
        return fault.response()

    def _take(self, request: Request) -> Fault | None:
        with self._lock:
            for position, fault in enumerate(self._waiting):
                if fault.fits(request):
                    return self._waiting.pop(position)
        return None
