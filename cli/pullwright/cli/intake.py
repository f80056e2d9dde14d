"""Turns what a person typed into a task specification: which repository, which issue, which limits."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pullwright.agents.budget import Budget
from pullwright.agents.change import RepositoryRef
from pullwright.agents.clock import in_utc
from pullwright.agents.errors import ConfigError
from pullwright.agents.ports.code_host import Access, CodeHost, Issue
from pullwright.agents.task import TaskSpec
from pullwright.cli.settings import Settings

_ISSUE_URL = re.compile(r"https?://(?P<host>[^/\s]+)/(?P<slug>[\w.-]+/[\w.-]+)/issues/(?P<number>\d+)")
_ISSUE = re.compile(r"(?<![\w#/&])(?P<slug>[\w.-]+/[\w.-]+)?#(?P<number>\d+)\b")

_FROM_NOW = re.compile(r"\+(?P<number>\d{1,6}(?:\.\d{1,3})?)(?P<unit>[smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What was typed."""

    instruction: str
    repo: str = ""
    base: str = ""
    checks: tuple[str, ...] = ()
    no_pr: bool = False
    max_steps: int | None = None
    max_minutes: float | None = None
    max_tokens: int | None = None
    max_fresh_tokens: int | None = None
    max_cost: float | None = None
    """Dollars."""
    priority: int = 0
    not_before: datetime | None = None
    plan: bool = False
    """A person approves the plan before the work begins."""
    may_ask: bool = False
    """Somebody is there to answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where the work comes from: the repository on its code host, the person's own checkout, or both."""

    remote: RepositoryRef | None
    checkout: Path | None
    dirty: bool = False
    """The checkout holds changes that are not committed, which are no part of the task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueRef:
    """An issue that the instruction names."""

    number: int
    slug: str = ""


def moment(text: str, now: datetime) -> datetime:
    """Return the moment that somebody typed: ``+2h``, or an ISO 8601 time, without a zone that of this host.

    Args:
        text: What was typed.
        now: The present moment, in this host's zone.

    Raises:
        ConfigError: It is neither.
    """
    try:
        match = _FROM_NOW.fullmatch(text.strip())
        if match is not None:
            return in_utc(now + timedelta(**{_UNITS[match["unit"]]: float(match["number"])}))
        typed = datetime.fromisoformat(text.strip())
        return in_utc(typed if typed.tzinfo else typed.replace(tzinfo=now.tzinfo))
    except (ValueError, OverflowError):
        raise ConfigError(
            f"{text!r} is no moment; give something like +2h, +30m or {now:%Y-%m-%dT%H:%M} (ISO 8601)"
        ) from None


def find_issue(instruction: str) -> IssueRef | None:
    """Return the first issue that the text names: ``#42``, ``owner/repo#42`` or its URL."""
    match = _ISSUE_URL.search(instruction) or _ISSUE.search(instruction)
    if match is None:
        return None
    return IssueRef(number=int(match["number"]), slug=match["slug"] or "")


async def specify(
    request: RunRequest,
    settings: Settings,
    origin: Origin,
    host: CodeHost | None,
    render_issue: Callable[[Issue], str],
) -> TaskSpec:
    """Make the specification, reading the issue if the instruction names one.

    Raises:
        ConfigError: The issue can not be read here, or is of another repository.
        IntegrationError: The code host did not give the issue.
    """
    reference = find_issue(request.instruction)
    issue = await _read_issue(reference, origin, host) if reference else None
    publish = not request.no_pr and await _is_signed_in(origin, host)
    repository = _repository(origin, publish=publish)
    checkout = origin.checkout if not publish else None
    return TaskSpec(
        instruction=request.instruction,
        repository=repository,
        base_ref=request.base,
        title=issue.title if issue else request.instruction.splitlines()[0][:120],
        context=render_issue(issue) if issue else "",
        images=issue.images if issue else (),
        issue_number=issue.number if issue else None,
        checks=request.checks or settings.checks,
        budget=_budget(request, settings),
        publish=publish,
        checkout=str(checkout) if checkout else "",
        priority=request.priority,
        not_before=request.not_before,
        may_ask=request.may_ask,
        approve_plan=request.plan,
        work_key=issue.work_key if issue else "",
    )


async def _is_signed_in(origin: Origin, host: CodeHost | None) -> bool:
    """Whether somebody may act at the code host; one who may not in this repository is told so now."""
    if host is None or origin.remote is None:
        return False
    return await host.credential(origin.remote, Access.READ) is not None


async def _read_issue(reference: IssueRef, origin: Origin, host: CodeHost | None) -> Issue:
    if origin.remote is None:
        raise ConfigError(
            f"issue #{reference.number} can not be read: this repository has no git remote; "
            "add one (git remote add origin URL), or say in words what to do"
        )
    if reference.slug and reference.slug.lower() != origin.remote.slug.lower():
        raise ConfigError(
            f"{reference.slug}#{reference.number} is an issue of another repository than {origin.remote.slug!r}; "
            f"add --repo https://{origin.remote.host}/{reference.slug}"
        )
    if host is None:
        raise ConfigError(
            f"issue #{reference.number} can not be read: {origin.remote.host or origin.remote.url!r} is not the code "
            "host of AGENT_GITHUB_API_URL; set it to that host's API (https://HOST/api/v3)"
        )
    return await host.get_issue(origin.remote, reference.number)


def _repository(origin: Origin, *, publish: bool) -> RepositoryRef:
    """Without a pull request to make, a checkout at hand is fetched from: it needs no credential and is up to date."""
    if origin.checkout is not None and not publish:
        known = origin.remote or RepositoryRef(url="", name=origin.checkout.name)
        return RepositoryRef(url=str(origin.checkout), owner=known.owner, name=known.name)
    if origin.remote is None:
        raise ConfigError("there is no repository to work on; give --repo PATH-or-URL")
    return origin.remote


def _budget(request: RunRequest, settings: Settings) -> Budget:
    return Budget(
        max_steps=request.max_steps or settings.max_steps,
        max_tokens=request.max_tokens or settings.max_tokens,
        max_seconds=60 * (request.max_minutes or settings.max_minutes),
        max_fresh_tokens=request.max_fresh_tokens or settings.max_fresh_tokens,
        max_cost=request.max_cost or settings.max_cost,
    )
