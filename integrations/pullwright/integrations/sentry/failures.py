"""What Sentry's refusals mean for the person who runs this. Pure: status, headers and body in, an error out."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pullwright.agents.errors import (
    AuthFailed,
    IntegrationError,
    NotFound,
    RemoteRateLimited,
    RemoteRejected,
    RemoteUnavailable,
)
from pullwright.integrations.sentry.settings import TOKEN_VARIABLE, URL_VARIABLE
from pullwright.integrations.untrusted import sanitise_line

_SECONDS: Final = re.compile(r"[0-9]{1,11}", re.ASCII)
_UNSTATED_WAIT: Final = 60.0
_LONGEST_WAIT: Final = 3600.0
"""Sentry's limits are of seconds; more than an hour is a wrong clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An answer of Sentry that is not what was asked for."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: str
    host: str
    action: str
    """What was tried, as the end of a sentence: ``reading issue '123'``."""

    @property
    def is_page(self) -> bool:
        """Whether it is a page for people: of a proxy, a login, or a wrong address."""
        kind = self.headers.get("content-type", "").lower()
        return "html" in kind or self.body.lstrip()[:200].lower().startswith(("<!doctype", "<html"))

    @property
    def message(self) -> str:
        """Sentry's own words, on one line."""
        if self.is_page:
            return ""
        try:
            document = json.loads(self.body)
        except (ValueError, RecursionError):
            return ""
        detail = document.get("detail") if isinstance(document, dict) else None
        if isinstance(detail, dict):
            detail = detail.get("message")
        return sanitise_line(detail, 300) if isinstance(detail, str) else ""


def to_error(refusal: Refusal, now: float) -> IntegrationError:
    """Return the error that says what happened and what to do next; ``now`` is in seconds since 1970."""
    if refusal.status == 429:
        wait = _wait(refusal, now)
        return RemoteRateLimited(_line(refusal, "the rate limit is used up", f"try again in {wait:.0f} s"), wait)
    if refusal.status >= 500:
        return RemoteUnavailable(_line(refusal, f"it is in trouble ({refusal.status})", "try again later"))
    if refusal.is_page and refusal.status not in (401, 403):
        what = f"a web page answered instead of the API ({refusal.status})"
        return RemoteRejected(_line(refusal, what, f"check {URL_VARIABLE}, and what stands in front of Sentry"))
    return _refused(refusal)


def _refused(refusal: Refusal) -> IntegrationError:
    match refusal.status:
        case 401:
            return AuthFailed(_line(refusal, "the token was refused", f"put a valid one in {TOKEN_VARIABLE}"))
        case 403:
            advice = "give the integration event:read, project:read and org:read, and event:write to comment"
            return AuthFailed(_line(refusal, "the token may not do this", advice))
        case 404 | 410:
            advice = "check the organization, and that the integration has access to the project"
            return NotFound(_line(refusal, "it does not exist, or the token may not see it", advice))
        case status if 300 <= status < 400:
            advice = f"put the address that it leads to in {URL_VARIABLE}"
            return RemoteRejected(_line(refusal, "it leads somewhere else", advice))
        case status:
            return RemoteRejected(_line(refusal, f"it was refused with status {status}", "correct that and try again"))


def _line(refusal: Refusal, what: str, advice: str) -> str:
    said = f" ({refusal.message})" if refusal.message else ""
    return f"Sentry at {refusal.host!r} failed {refusal.action}: {what}{said}; {advice}"


def _wait(refusal: Refusal, now: float) -> float:
    after = refusal.headers.get("retry-after", "")
    reset = refusal.headers.get("x-sentry-rate-limit-reset", "")
    wait = _UNSTATED_WAIT
    if _SECONDS.fullmatch(after):
        wait = int(after) + 1.0
    elif _SECONDS.fullmatch(reset):
        wait = int(reset) - now + 1.0
    return min(max(wait, 1.0), _LONGEST_WAIT)
