"""The gate: whether an issue becomes a task, and in which repository. Pure; every no has its reason.

It has two halves, because a list of issues says less than an event: ``judge_issue`` keeps what can not pass from being
looked at, ``judge_event`` has the last word.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from pullwright.agents.change import RepositoryRef
from pullwright.integrations.sentry.incident import Incident

LEVELS: Final = ("debug", "info", "warning", "error", "fatal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where the code of a project is."""

    repository: RepositoryRef
    base: str = ""
    """The branch that fixes go to; empty for the default branch."""
    stack_root: str = ""
    """What paths in frames begin with …"""
    source_root: str = ""
    """… and what the repository has in its place."""
    mappings: tuple[tuple[str, str], ...] = ()
    """The same as Sentry knows it, the longest beginnings first; what is configured goes first."""

    def path(self, shown: str) -> str:
        """Return a frame's path as the repository has it; empty when it lies elsewhere."""
        for stack_root, source_root in ((self.stack_root, self.source_root), *self.mappings):
            if stack_root and shown.startswith(stack_root):
                return (source_root + shown[len(stack_root) :]).lstrip("/")
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRules:
    """What the operator wants to be worked on."""

    routes: Mapping[str, Route] = field(default_factory=dict)
    """By the project's slug; no other project passes."""
    min_events: int = 1
    """Fewer may have been a coincidence."""
    longest_known: timedelta | None = None
    """An issue that was first seen longer ago is one that people live with; None for no limit."""
    longest_quiet: timedelta | None = timedelta(days=14)
    """An issue that was last seen longer ago is over; None for no limit."""
    environments: frozenset[str] = frozenset()
    """Empty for all."""
    lowest_level: str = "error"
    """One of ``LEVELS``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueFacts:
    """What is known of an issue without an event."""

    id: str
    short_id: str = ""
    title: str = ""
    project: str = ""
    status: str = "unresolved"
    substatus: str = ""
    level: str = ""
    events: int = 0
    users: int = 0
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    regressed_at: datetime | None = None
    """When it came back after it had been resolved, last; None where Sentry does not say."""
    assignee: str = ""
    """``user:ID`` or ``team:ID``; empty for nobody."""
    url: str = ""

    @property
    def open(self) -> bool:
        """Whether anybody still cares about it."""
        return self.status == "unresolved"

    @property
    def regressed(self) -> bool:
        """Whether it was resolved once and came back."""
        return self.substatus == "regressed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the gate says."""

    route: Route | None = None
    reasons: tuple[str, ...] = ()
    """Why not; none when it passes."""

    @property
    def passed(self) -> bool:
        """Whether it becomes a task."""
        return not self.reasons

    @property
    def reason(self) -> str:
        """All reasons on one line."""
        return "; ".join(self.reasons)


def judge_issue(issue: IssueFacts, rules: GateRules, now: datetime, *, asked: bool = False) -> Verdict:
    """Judge what a list of issues says.

    Args:
        issue: The issue.
        rules: What the operator wants.
        now: With a time zone.
        asked: Whether a person asked for it; then only what makes it impossible counts.
    """
    reasons = [*_impossible(issue, rules)]
    if not asked:
        reasons += _not_worth_it(issue, rules, now)
    return Verdict(route=rules.routes.get(issue.project), reasons=tuple(reasons))


def judge_event(
    issue: IssueFacts, incident: Incident, rules: GateRules, now: datetime, *, asked: bool = False
) -> Verdict:
    """Judge an issue with one of its events; passes only what ``judge_issue`` passes."""
    first = judge_issue(issue, rules, now, asked=asked)
    reasons = [*first.reasons, *_no_frames(incident)]
    if not asked and rules.environments and incident.environment not in rules.environments:
        where = f"the environment {incident.environment!r}" if incident.environment else "no environment"
        reasons.append(f"it happened in {where}, and only {_listed(rules.environments)} count")
    return Verdict(route=first.route, reasons=tuple(reasons))


def _impossible(issue: IssueFacts, rules: GateRules) -> Iterator[str]:
    if issue.project not in rules.routes:
        yield f"no repository is configured for the project {issue.project!r}"
    if not issue.open:
        yield f"the issue is {issue.status}"


def _not_worth_it(issue: IssueFacts, rules: GateRules, now: datetime) -> Iterator[str]:
    if issue.events < rules.min_events:
        yield f"it happened {issue.events} times, and {rules.min_events} are asked for"
    if _rank(issue.level) < _rank(rules.lowest_level):
        yield f"its level is {issue.level!r}, and {rules.lowest_level!r} is asked for"
    # One that came back is news however old it is.
    if not issue.regressed and _longer_ago(issue.first_seen, rules.longest_known, now):
        yield f"it was first seen more than {_days(rules.longest_known)} ago"
    if _longer_ago(issue.last_seen, rules.longest_quiet, now):
        yield f"it was not seen for {_days(rules.longest_quiet)}"


def _no_frames(incident: Incident) -> Iterator[str]:
    frames = [frame for one in incident.raised for frame in one.frames]
    if not frames:
        yield "its event has no stack"
    elif all(frame.minified for frame in frames):
        yield "its frames are minified; upload the source maps"
    elif not incident.in_app_frames():
        yield "no frame of its stack is in your own code"


def _rank(level: str) -> int:
    return LEVELS.index(level) if level in LEVELS else LEVELS.index("error")


def _longer_ago(moment: datetime | None, limit: timedelta | None, now: datetime) -> bool:
    return moment is not None and limit is not None and now - moment > limit


def _days(limit: timedelta | None) -> str:
    return f"{limit.total_seconds() / 86_400:g} days" if limit else "ever"


def _listed(names: frozenset[str]) -> str:
    return ", ".join(repr(name) for name in sorted(names))
