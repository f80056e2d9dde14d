"""What the rehearsal's Sentry remembers: issues, their events, comments, releases. Documents as Sentry writes them."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

EPOCH: Final = datetime(2026, 3, 2, 9, tzinfo=UTC)


@dataclass(slots=True, kw_only=True)
class Event:
    """An event, as the hook's shape has it."""

    id: str
    document: dict[str, Any]
    at: datetime


@dataclass(slots=True, kw_only=True)
class Note:
    """A comment."""

    id: int
    text: str
    author: str


@dataclass(slots=True, kw_only=True)
class Issue:
    """An issue with everything that happened to it."""

    id: int
    short_id: str
    project: str
    title: str
    level: str = "error"
    status: str = "unresolved"
    substatus: str = "new"
    events: list[Event] = field(default_factory=list)
    seen: int = 0
    """How often it happened; Sentry keeps only some of the events."""
    notes: list[Note] = field(default_factory=list)
    activity: list[dict[str, Any]] = field(default_factory=list)
    links: dict[str, str] = field(default_factory=dict)
    """Addresses outside, by their identifier."""
    committers: list[dict[str, Any]] = field(default_factory=list)
    assignee: dict[str, str] | None = None
    seer: dict[str, Any] | None = None
    """What Sentry's own agent knows, as its answer has it."""
    in_next_release: bool = False
    """Whether it is resolved in the next release, and not just resolved."""
    created: datetime = EPOCH

    @property
    def last_seen(self) -> datetime:
        """When its newest event was."""
        return max((event.at for event in self.events), default=self.created)

    def document(self, project_id: int) -> dict[str, Any]:
        """Return it as the API and the hooks have it."""
        return {
            "id": str(self.id),
            "shortId": self.short_id,
            "title": self.title,
            "culprit": "",
            "level": self.level,
            "status": self.status,
            "substatus": self.substatus,
            "statusDetails": {"inNextRelease": True} if self.in_next_release else {},
            "platform": "python",
            "type": "error",
            "project": {"id": str(project_id), "slug": self.project, "name": self.project},
            "count": str(self.seen),
            "userCount": 1,
            "numComments": len(self.notes),
            "assignedTo": self.assignee,
            "permalink": None,
            "metadata": {},
            "firstSeen": _stamp(self.created),
            "lastSeen": _stamp(self.last_seen),
        }


@dataclass(slots=True, kw_only=True)
class SentryState:
    """Everything; whoever changes it holds ``lock``."""

    organization: str = "acme"
    token: str = "sntrys_rehearsal-token-0123456789"
    installation: str = "7a485448-a9e2-4c85-8a3c-4f44175783c9"
    app: str = "64bf2cf4-37ca-4365-8dd3-6b6e56d741b8"
    scopes: frozenset[str] = frozenset({"event:read", "event:write", "project:read", "org:read"})
    projects: dict[str, int] = field(default_factory=dict)
    issues: dict[int, Issue] = field(default_factory=dict)
    groups: dict[str, int] = field(default_factory=dict)
    """Issues by what makes events belong together."""
    releases: dict[str, dict[str, Any]] = field(default_factory=dict)
    merged: dict[int, int] = field(default_factory=dict)
    """What issues that are gone were merged into."""
    mappings: list[dict[str, Any]] = field(default_factory=list)
    """Where code is, as Sentry's own documents say it."""
    now: datetime = EPOCH
    lock: threading.RLock = field(default_factory=threading.RLock)
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1001))

    def issue(self, id_: str) -> Issue | None:
        """Return an issue by its number; of one that was merged into another, that one."""
        number = int(id_) if id_.isascii() and id_.isdigit() and len(id_) < 20 else 0
        return self.issues.get(self.merged.get(number, number))

    def document(self, issue: Issue) -> dict[str, Any]:
        """Return an issue's document."""
        return issue.document(self.projects[issue.project])


def api_event(event: Event, issue: Issue) -> dict[str, Any]:
    """Return an event in the API's shape, which is not the shape of hooks."""
    document = event.document
    entries = [
        {"type": "exception", "data": {"values": [_api_exception(one) for one in _values(document, "exception")]}},
        {"type": "breadcrumbs", "data": {"values": _values(document, "breadcrumbs")}},
        {"type": "request", "data": document.get("request") or {}},
    ]
    release = document.get("release")
    return {
        "id": event.id,
        "eventID": event.id,
        "groupID": str(issue.id),
        "title": issue.title,
        "platform": document.get("platform"),
        "dateCreated": _stamp(event.at),
        "culprit": document.get("culprit"),
        "entries": [entry for entry in entries if entry["data"]],
        "tags": [{"key": key, "value": value} for key, value in document.get("tags") or ()],
        "release": {"version": release} if release else None,
        "errors": document.get("errors") or [],
    }


def tags_of(event: Event) -> list[tuple[str, str]]:
    """Return an event's tags, its release among them."""
    release = event.document.get("release")
    own = [(key, value) for key, value in event.document.get("tags") or ()]
    return [*own, *([("release", release)] if isinstance(release, str) else [])]


def _values(document: Mapping[str, Any], name: str) -> list[Any]:
    inside = document.get(name) or {}
    return inside.get("values") or []


def _api_exception(value: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if value is None:
        return None
    stack = value.get("stacktrace")
    frames = [_api_frame(frame) for frame in stack["frames"]] if stack else None
    return {**value, "stacktrace": {"frames": frames} if frames is not None else None}


def _api_frame(frame: Mapping[str, Any]) -> dict[str, Any]:
    line, text = frame.get("lineno"), frame.get("context_line")
    above, below = frame.get("pre_context") or [], frame.get("post_context") or []
    context = []
    if line is not None and text:
        context = [[line + place, one] for place, one in enumerate([*above, text, *below], start=-len(above))]
    return {
        "filename": frame.get("filename"),
        "absPath": frame.get("abs_path"),
        "module": frame.get("module"),
        "function": frame.get("function"),
        "lineNo": line,
        "colNo": frame.get("colno"),
        "inApp": frame.get("in_app"),
        "context": context,
        "vars": frame.get("vars"),
    }


def _stamp(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
