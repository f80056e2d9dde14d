"""What Jira's refusals mean for us. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from pullwright.agents.errors import (
    AuthFailed,
    ConfigError,
    NotFound,
    PullwrightError,
    RemoteRateLimited,
    RemoteRejected,
    RemoteUnavailable,
)
from pullwright.integrations.jira.settings import TOKEN_VARIABLE, URL_VARIABLE
from pullwright.integrations.redaction import redact
from pullwright.integrations.untrusted import sanitise_line

DEFAULT_WAIT: Final = 60.0
PER_TICKET: Final = "jira-per-issue-on-write"
"""Of the reasons for 429 the only one that is about one ticket."""
_PAGE: Final = re.compile(r"\s{0,100}<(?:!doctype|html)", re.IGNORECASE)


def to_error(
    status: int, text: str, headers: Mapping[str, str], *, site: str, action: str, cloud: bool, now: datetime
) -> PullwrightError:
    """Return the error for an answer that is none.

    Args:
        status: Of the answer.
        text: What the client made of its body.
        headers: Of the answer; any case.
        site: Whose answer it is.
        action: What was tried, as in ``reading ticket 'A-1'``.
        cloud: Whether it is Cloud.
        now: For waits that are said as a moment.
    """
    known = {name.lower(): value for name, value in headers.items()}

    def line(what: str, advice: str) -> str:
        return f"Jira at {site!r} failed {action}: {what}; {advice}"

    if status in (401, 403):
        return AuthFailed(line(*_auth(status, text, known, cloud=cloud)))
    if status == 404:
        return NotFound(line("it is not there, or the token may not see it", "check the ticket and the permissions"))
    if status == 410:
        advice = (
            f"this is Jira Cloud, which has another search than Data Center: set AGENT_JIRA_CLOUD or {URL_VARIABLE}"
        )
        return ConfigError(line("what was asked for was removed from Jira", advice))
    if status == 429:
        reason = sanitise_line(known.get("ratelimit-reason", "too many requests"), 100)
        if reason == PER_TICKET:
            # Others may be written to: only what is about this one is put off.
            return RemoteUnavailable(line("too many changes of this ticket", "it is tried again later"))
        return RemoteRateLimited(line(reason, "it is tried again later"), wait_of(known.get("retry-after", ""), now))
    if status >= 500 or status in (408, 425):
        return RemoteUnavailable(line(f"it answered {status}", "it is tried again later"))
    return RemoteRejected(line(_shown(text) or f"it answered {status}", "see the message"))


def wait_of(value: str, now: datetime) -> float:
    """Return the seconds of a ``Retry-After``: a number or a date."""
    if value.strip().isdecimal():
        return float(value.strip()[:9])
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError):
        return DEFAULT_WAIT
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max((moment - now).total_seconds(), 0.0)


def is_page(text: str) -> bool:
    """Whether an answer is a page for people: a sign-in, a proxy, a maintenance notice."""
    return _PAGE.match(text) is not None


def _auth(status: int, text: str, headers: Mapping[str, str], *, cloud: bool) -> tuple[str, str]:
    if "captcha" in headers.get("x-authentication-denied-reason", "").lower():
        return "it wants a person to solve a captcha", "sign in once with a browser as the bot"
    if not cloud and ("basic auth" in text.lower() or headers.get("x-seraph-loginreason") == "AUTHENTICATION_DENIED"):
        return "it has basic authentication switched off", f"put a personal access token into {TOKEN_VARIABLE}"
    if status == 401:
        return "the token was refused", f"make a new one and set {TOKEN_VARIABLE}"
    return _shown(text) or "the account may not do that", "give the bot's account the permission"


def _shown(text: str) -> str:
    return "" if is_page(text) else redact(sanitise_line(text, 300)).rstrip(".;")
