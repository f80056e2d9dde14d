"""What GitHub's refusals mean for the person who runs this. Pure: status, headers and body in, an error out."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pullwright.agents.errors import (
    AuthFailed,
    IntegrationError,
    NotFound,
    RemoteRateLimited,
    RemoteRejected,
    RemoteUnavailable,
)
from pullwright.integrations.github.settings import TOKEN_VARIABLE
from pullwright.integrations.github.text import one_line

_SECONDS = re.compile(r"[0-9]{1,11}", re.ASCII)
_SECONDARY = ("secondary rate limit", "retry your request again later", "wait a few minutes before you try again")
_MESSAGE_LIMIT = 300
_UNSTATED_WAIT = 60.0
"""Seconds, when GitHub does not say; whoever tries again in vain doubles it (GitHub's best practices)."""
_LONGEST_WAIT = 2 * 3600.0
"""Limits are of an hour; more than that is a wrong clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An answer of GitHub that is not what was asked for."""

    status: int
    headers: Mapping[str, str]
    document: Any
    host: str
    action: str
    """What was tried, as the end of a sentence: ``reading issue 'acme/shop#4'``."""
    anonymous: bool
    app: bool = False
    """Whether an App asked."""

    @property
    def message(self) -> str:
        """GitHub's own words, on one line."""
        if not isinstance(self.document, Mapping):
            return ""
        return one_line(str(self.document.get("message") or ""), _MESSAGE_LIMIT)

    @property
    def details(self) -> tuple[str, ...]:
        """What GitHub lists under ``errors``, one text each."""
        errors = self.document.get("errors") if isinstance(self.document, Mapping) else None
        return tuple(_detail(error) for error in errors) if isinstance(errors, list) else ()

    @property
    def pull_request_exists(self) -> bool:
        """Whether a pull request was refused because there is one for the branch."""
        return self.status == 422 and any("already exists" in detail for detail in self.details)

    @property
    def drafts_unsupported(self) -> bool:
        """Whether a pull request was refused only because it was a draft."""
        return self.status == 422 and any(
            "draft pull request" in text.lower() for text in (self.message, *self.details)
        )

    @property
    def graphql_rate_limited(self) -> bool:
        """Whether the GraphQL API asks to slow down; it does so with status 200."""
        errors = self.document.get("errors") if isinstance(self.document, Mapping) else None
        listed = errors if isinstance(errors, list) else ()
        return any(isinstance(error, Mapping) and error.get("type") == "RATE_LIMITED" for error in listed)

    @property
    def rate_limited(self) -> bool:
        """Whether this is a request to slow down."""
        if self.status == 429:
            return True
        text = self.message.lower()
        exhausted = self._exhausted or text.startswith("api rate limit exceeded")
        return self.status == 403 and (exhausted or any(part in text for part in _SECONDARY))

    def seconds_to_wait(self, now: float) -> float:
        """Return for how long to leave GitHub alone after a ``rate_limited`` answer.

        What it asks for; the time until the limit is renewed when that is used up; a minute when it does not say. One
        second more than that, because it does not say when in the second.
        """
        after = self.headers.get("retry-after", "")
        reset = self.headers.get("x-ratelimit-reset", "")
        wait = _UNSTATED_WAIT
        if _SECONDS.fullmatch(after):
            wait = int(after) + 1.0
        elif _SECONDS.fullmatch(reset) and (self._exhausted or self.message.lower().startswith("api rate limit")):
            wait = int(reset) - now + 1.0
        return min(max(wait, 1.0), _LONGEST_WAIT)

    @property
    def _exhausted(self) -> bool:
        return self.headers.get("x-ratelimit-remaining") == "0"


def to_error(refusal: Refusal, now: float | None = None) -> IntegrationError:
    """Return the error that says what happened and what to do next.

    Args:
        refusal: The answer.
        now: Seconds since 1970, when it is not now.
    """
    if refusal.rate_limited:
        return _rate_limited(refusal, time.time() if now is None else now)
    match refusal.status:
        case 401:
            return _unauthorized(refusal)
        case 403:
            return _forbidden(refusal)
        case 404:
            return _missing(refusal)
        case 410:
            return NotFound(_line(refusal, "it was deleted, or issues are turned off", "nothing can be done here"))
        case 301 | 302 | 307 | 308:
            return RemoteRejected(_line(refusal, "it has another name now", "look up its name again and repeat it"))
        case 451:
            return RemoteRejected(_line(refusal, "it was blocked for legal reasons", "nothing can be done here"))
        case status if status >= 500:
            return RemoteUnavailable(_line(refusal, f"it is in trouble ({status})", "try again later"))
        case _:
            return _rejected(refusal)


def _line(refusal: Refusal, what: str, advice: str) -> str:
    said = f" ({refusal.message})" if refusal.message else ""
    return f"GitHub at {refusal.host!r} failed {refusal.action}: {what}{said}; {advice}"


def _rate_limited(refusal: Refusal, now: float) -> IntegrationError:
    wait = refusal.seconds_to_wait(now)
    until = datetime.fromtimestamp(now + wait, UTC)
    hint = f", or set {TOKEN_VARIABLE} for a higher limit" if refusal.anonymous else ""
    advice = f"try again in {wait:.0f} s, after {until:%Y-%m-%d %H:%M:%S} UTC{hint}"
    return RemoteRateLimited(_line(refusal, "the rate limit is used up", advice), wait)


def _unauthorized(refusal: Refusal) -> IntegrationError:
    if refusal.anonymous:
        return AuthFailed(_line(refusal, "a token is needed", f"set {TOKEN_VARIABLE}"))
    if refusal.app:
        advice = "look whether the App is still installed there and not suspended, and try again"
        return AuthFailed(_line(refusal, "its new token was refused", advice))
    return AuthFailed(_line(refusal, "the token was refused", f"put a valid one in {TOKEN_VARIABLE}"))


def _forbidden(refusal: Refusal) -> IntegrationError:
    if "archived" in refusal.message.lower():
        return RemoteRejected(_line(refusal, "the repository is archived", "unarchive it first"))
    if "is locked" in refusal.message.lower():
        return RemoteRejected(_line(refusal, "the conversation is locked", "unlock it first"))
    if "x-github-sso" in refusal.headers:
        return AuthFailed(_line(refusal, "the token is not authorized for single sign-on", "authorize it on GitHub"))
    if refusal.anonymous:
        return AuthFailed(_line(refusal, "a token is needed", f"set {TOKEN_VARIABLE}"))
    needed = one_line(refusal.headers.get("x-accepted-github-permissions", ""), _MESSAGE_LIMIT)
    if needed:
        advice = "grant it on the App's page, and let the owner accept it" if refusal.app else "grant it to the token"
        return AuthFailed(_line(refusal, f"the token lacks the permission {needed!r}", advice))
    return AuthFailed(_line(refusal, "the token may not do this", "check the token's permissions"))


def _missing(refusal: Refusal) -> IntegrationError:
    if refusal.anonymous:
        advice = f"check the name; if it is private, set {TOKEN_VARIABLE}"
        return NotFound(_line(refusal, "it does not exist or is private", advice))
    advice = "check the name, and that the token has access to the repository"
    return NotFound(_line(refusal, "it does not exist, or the token may not see it", advice))


def _rejected(refusal: Refusal) -> IntegrationError:
    reasons = "; ".join(detail for detail in refusal.details if detail) or f"status {refusal.status}"
    return RemoteRejected(_line(refusal, f"it was refused, {reasons}", "correct that and retry the task"))


def _detail(error: Any) -> str:
    if not isinstance(error, Mapping):
        return one_line(str(error), _MESSAGE_LIMIT)
    if error.get("message"):
        return one_line(str(error["message"]), _MESSAGE_LIMIT)
    return one_line(f"{error.get('field', 'something')!s} is {error.get('code', 'wrong')!s}", _MESSAGE_LIMIT)
