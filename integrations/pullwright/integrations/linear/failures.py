"""What Linear's refusals mean for the person who runs this. Pure: an answer in, an error out.

GraphQL says what is wrong in ``errors``, with status 200 or 400; the status alone says it of what stands in front.
"""

from __future__ import annotations

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
from pullwright.integrations.linear.settings import TOKEN_VARIABLE, URL_VARIABLE
from pullwright.integrations.untrusted import sanitise_line

_NUMBER: Final = re.compile(r"[0-9]{1,15}", re.ASCII)
_RESETS: Final = ("x-ratelimit-requests-reset", "x-ratelimit-complexity-reset", "x-ratelimit-endpoint-requests-reset")
_LEFT: Final = "remaining"
_UNSTATED_WAIT: Final = 60.0
_LONGEST_WAIT: Final = 3600.0
"""Linear's limits are of an hour; more is a wrong clock."""

_AUTHENTICATION: Final = frozenset({"AUTHENTICATION_ERROR", "UNAUTHENTICATED"})
_FORBIDDEN: Final = frozenset({"FORBIDDEN"})
_LIMITED: Final = frozenset({"RATELIMITED", "RATE_LIMITED"})
_TROUBLE: Final = frozenset(
    {"INTERNAL_SERVER_ERROR", "INTERNAL_ERROR", "LOCK_TIMEOUT", "NETWORK_ERROR", "BOOTSTRAP_ERROR"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An answer of Linear that is not what was asked for."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    errors: tuple[Mapping[str, object], ...] = ()
    page: bool = False
    """Whether it is a page for people: of a proxy, or of a wrong address."""
    host: str
    action: str
    """What was tried, as the end of a sentence: ``reading issue 'ENG-1'``."""

    @property
    def codes(self) -> frozenset[str]:
        """The codes and types of all errors, in one form."""
        found = (self._extensions(one).get(name) for one in self.errors for name in ("code", "type"))
        return frozenset(one.upper().replace(" ", "_") for one in found if isinstance(one, str))

    @property
    def message(self) -> str:
        """Linear's own words about the first error, on one line."""
        if not self.errors:
            return ""
        first = self.errors[0]
        said = self._extensions(first).get("userPresentableMessage") or first.get("message")
        return sanitise_line(said, 300) if isinstance(said, str) else ""

    @property
    def is_missing(self) -> bool:
        """Whether what was asked for does not exist."""
        found = (one.get("message") for one in self.errors)
        return any(isinstance(one, str) and one.startswith("Entity not found") for one in found)

    @staticmethod
    def _extensions(error: Mapping[str, object]) -> Mapping[str, object]:
        found = error.get("extensions")
        return found if isinstance(found, Mapping) else {}


def to_error(refusal: Refusal, now: float) -> IntegrationError:
    """Return the error that says what happened and what to do next; ``now`` is in seconds since 1970."""
    codes, status = refusal.codes, refusal.status
    if status == 429 or codes & _LIMITED:
        wait = _wait(refusal.headers, now)
        return RemoteRateLimited(_line(refusal, "the rate limit is used up", f"try again in {wait:.0f} s"), wait)
    if codes & _AUTHENTICATION or status == 401:
        return AuthFailed(_line(refusal, "the token was refused", f"put a valid one in {TOKEN_VARIABLE}"))
    if codes & _FORBIDDEN or status == 403:
        advice = "give the account access to the team, and the token read and write"
        return AuthFailed(_line(refusal, "the token may not do this", advice))
    if status >= 500 or codes & _TROUBLE:
        return RemoteUnavailable(_line(refusal, f"it is in trouble ({status})", "try again later"))
    if refusal.is_missing or status == 404:
        advice = "check that it was not removed, and that the account is in its team"
        return NotFound(_line(refusal, "it does not exist, or the account may not see it", advice))
    if refusal.page or 300 <= status < 400:
        what = f"a web page answered instead of the API ({status})"
        return RemoteRejected(_line(refusal, what, f"check {URL_VARIABLE}, and what stands in front of Linear"))
    return RemoteRejected(_line(refusal, f"it was refused ({status})", "correct that and try again"))


def _line(refusal: Refusal, what: str, advice: str) -> str:
    said = f" ({refusal.message})" if refusal.message else ""
    return f"Linear at {refusal.host!r} failed {refusal.action}: {what}{said}; {advice}"


def _wait(headers: Mapping[str, str], now: float) -> float:
    """Return in how many seconds to come again: a header says so, or when the limit that is used up begins anew."""
    after = headers.get("retry-after", "")
    used = [name for name in _RESETS if headers.get(name.replace("reset", _LEFT)) == "0"] or _RESETS[:1]
    resets = [int(text) / 1000 - now + 1.0 for name in used if _NUMBER.fullmatch(text := headers.get(name, ""))]
    wait = int(after) + 1.0 if _NUMBER.fullmatch(after) else max(resets, default=_UNSTATED_WAIT)
    return min(max(wait, 1.0), _LONGEST_WAIT)
