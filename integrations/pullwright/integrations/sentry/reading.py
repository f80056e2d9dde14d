"""From a delivery to its meaning. Pure; never raises for what is inside."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypedDict

from pydantic import ValidationError

from pullwright.integrations.commands import read_request
from pullwright.integrations.sentry import meanings as m
from pullwright.integrations.sentry.deliveries import Delivery
from pullwright.integrations.sentry.payloads import AssigneePart, HookPayload, IssuePart, LegacyPayload
from pullwright.integrations.untrusted import sanitise_line

_ISSUE_URL: Final = re.compile(r"/issues/([0-9]{1,20})/?\Z", re.ASCII)

NOT_FOR_US: Final[Mapping[str, str]] = {
    "metric_alert": "a metric alert has no stack, so there is nothing to reproduce",
    "error": "single errors are not listened to; subscribe to issues and alerts only",
    "activity_alert": "the activity of an issue is not followed",
    "preprod_artifact": "builds are not followed",
    "external_issue": "it is a part of Sentry's user interface",
    "select_options": "it is a part of Sentry's user interface",
    "alert_rule_action": "it is a part of Sentry's user interface",
}

LEGACY: Final = "it is of the legacy WebHooks plugin, which has an address of its own, with a secret in it"


class Missing(Exception):
    """A payload lacks what its event should have."""


class _Shared(TypedDict):
    delivery_id: str
    issue_id: str
    project: str
    actor: m.Actor
    work_key: str


@dataclass(frozen=True, slots=True)
class _Reading:
    """A payload that is being read."""

    delivery: Delivery
    payload: HookPayload
    me: m.SentryIdentity

    @property
    def actor(self) -> m.Actor:
        part = self.payload.actor
        if part is None:
            return m.Actor()
        known = part.type in (m.ActorKind.USER.value, m.ActorKind.APPLICATION.value)
        kind = m.ActorKind(part.type) if known else m.ActorKind.UNKNOWN
        app = self.payload.installation.app if self.payload.installation else None
        ours = app is not None and bool(app.uuid) and app.uuid == part.id
        return m.Actor(kind=kind, id=part.id, name=sanitise_line(part.name, 100), ours=ours)

    @property
    def issue(self) -> IssuePart:
        if self.payload.data.issue is None:
            raise Missing("data.issue")
        return self.payload.data.issue

    def news(self, issue_id: str, project: str = "") -> _Shared:
        """Return the same for what nobody asked for."""
        return {**self.shared(issue_id, project), "work_key": self.me.news_key(issue_id)}

    def shared(self, issue_id: str, project: str = "") -> _Shared:
        return {
            "delivery_id": self.delivery.id,
            "issue_id": issue_id,
            "project": project,
            "actor": self.actor,
            "work_key": self.me.work_key(issue_id),
        }

    def of_issue(self) -> _Shared:
        return self.shared(self.issue.id, self.issue.project.slug)

    def ignored(self, reason: str) -> m.Ignored:
        return m.Ignored(delivery_id=self.delivery.id, reason=reason)


def interpret(delivery: Delivery, me: m.SentryIdentity) -> m.Meaning:
    """Return what a delivery means; ``Ignored`` for everything that is not listened to or can not be read."""
    if not delivery.resource:
        return m.Ignored(delivery_id=delivery.id, reason=LEGACY)
    if reason := NOT_FOR_US.get(delivery.resource):
        return m.Ignored(delivery_id=delivery.id, reason=reason)
    reader = _READERS.get(delivery.name)
    if reader is None:
        return m.Ignored(delivery_id=delivery.id, reason=f"{delivery.name} is nothing to listen to")
    try:
        return reader(_Reading(delivery, HookPayload.model_validate(delivery.document), me))
    except ValidationError as exc:
        return _unexpected(delivery, exc)
    except Missing as exc:
        return m.Ignored(delivery_id=delivery.id, reason=f"{delivery.name} lacks {str(exc)!r}")


def interpret_legacy(delivery: Delivery, me: m.SentryIdentity) -> m.Meaning:
    """Return what a delivery of the legacy plugin means: no more than that an alert fired for an issue."""
    try:
        payload = LegacyPayload.model_validate(delivery.document)
    except ValidationError as exc:
        return _unexpected(delivery, exc)
    event_id = payload.event.event_id if payload.event else ""
    return m.IssueRaised(
        delivery_id=delivery.id,
        issue_id=payload.id,
        project=payload.project_slug,
        work_key=me.news_key(payload.id),
        semantic_key=f"alert:{payload.id}:{event_id or delivery.id}",
        cause=m.Cause.ALERT,
        event_id=event_id,
    )


def _unexpected(delivery: Delivery, error: ValidationError) -> m.Ignored:
    place = ".".join(str(part) for part in error.errors(include_url=False)[0]["loc"])[:200]
    return m.Ignored(delivery_id=delivery.id, reason=f"{delivery.name or 'it'} has an unexpected {place!r}")


def _alert(reading: _Reading) -> m.Meaning:
    event = reading.payload.data.event
    if event is None:
        raise Missing("data.event")
    found = _ISSUE_URL.search(event.issue_url)
    issue_id = event.issue_id or (found[1] if found else "")
    if not issue_id:
        raise Missing("data.event.issue_id")
    return m.IssueRaised(
        **reading.news(issue_id),
        cause=m.Cause.ALERT,
        event_id=event.event_id,
        rule=sanitise_line(reading.payload.data.triggered_rule, 200),
        semantic_key=f"alert:{issue_id}:{event.event_id or reading.delivery.id}",
    )


def _created(reading: _Reading) -> m.Meaning:
    key = f"created:{reading.issue.id}"
    news = reading.news(reading.issue.id, reading.issue.project.slug)
    return m.IssueRaised(**news, cause=m.Cause.CREATED, semantic_key=key)


def _returned(reading: _Reading) -> m.Meaning:
    if reading.actor.kind is m.ActorKind.USER:
        return reading.ignored("a person has opened it again; assign it, or ask in a comment")
    seen = reading.issue.last_seen
    key = f"returned:{reading.issue.id}:{seen.isoformat() if seen else reading.delivery.id}"
    news = reading.news(reading.issue.id, reading.issue.project.slug)
    return m.IssueRaised(**news, cause=m.Cause.RETURNED, semantic_key=key)


def _assigned(reading: _Reading) -> m.Meaning:
    given = (reading.issue.assigned_to, reading.payload.data.assignee)
    if not any(_name(part) in reading.me.assignees for part in given if part):
        return reading.ignored("it is assigned to somebody else")
    if reading.actor.kind is not m.ActorKind.USER:
        news = reading.news(reading.issue.id, reading.issue.project.slug)
        return m.IssueRaised(**news, cause=m.Cause.ASSIGNED)
    return m.WorkRequested(**reading.of_issue())


def _name(part: AssigneePart) -> str:
    return f"{part.type}:{part.id}"


def _gone(why: m.Gone) -> Callable[[_Reading], m.Meaning]:
    def read(reading: _Reading) -> m.Meaning:
        return m.IssueGone(**reading.of_issue(), why=why)

    return read


def _comment(reading: _Reading) -> tuple[str, _Shared]:
    comment = reading.payload.data
    if comment.comment_id is None or comment.issue_id is None:
        raise Missing("data.comment_id or data.issue_id")
    return comment.comment_id, reading.shared(comment.issue_id, comment.project_slug)


def _commented(reading: _Reading) -> m.Meaning:
    comment_id, shared = _comment(reading)
    if reading.actor.kind is not m.ActorKind.USER:
        return reading.ignored("only comments of persons are read")
    request = read_request(reading.payload.data.comment, _mention(reading.me.name))
    if request is None:
        return reading.ignored("the comment asks nothing of the agent")
    key = f"comment:{comment_id}"
    if request.verb.starts_work:
        return m.WorkRequested(
            **shared,
            verb=request.verb,
            instruction=request.instruction,
            base=request.arguments.get("base", ""),
            model=request.arguments.get("model", ""),
            comment_id=comment_id,
            semantic_key=key,
        )
    return m.ControlRequested(
        **shared, verb=request.verb, comment_id=comment_id, unknown=request.unknown, semantic_key=key
    )


@lru_cache(maxsize=8)
def _mention(name: str) -> re.Pattern[str]:
    """Sentry has no account for an integration, so a mention is a word."""
    return re.compile(rf"(?<![\w@/.-])@{re.escape(name)}(?![\w-])", re.IGNORECASE)


def _uncommented(reading: _Reading) -> m.Meaning:
    comment_id, shared = _comment(reading)
    return m.RequestWithdrawn(**shared, comment_id=comment_id)


def _rival(reading: _Reading) -> m.Meaning:
    issue_id = reading.payload.data.group_id or reading.payload.data.issue_id
    if issue_id is None:
        raise Missing("data.group_id")
    return m.RivalFix(**reading.shared(issue_id))


def _installation(installed: bool) -> Callable[[_Reading], m.Meaning]:
    def read(reading: _Reading) -> m.Meaning:
        return m.InstallationChanged(delivery_id=reading.delivery.id, actor=reading.actor, installed=installed)

    return read


_READERS: Final[Mapping[str, Callable[[_Reading], m.Meaning]]] = {
    "event_alert.triggered": _alert,
    "issue.created": _created,
    "issue.unresolved": _returned,
    "issue.assigned": _assigned,
    "issue.resolved": _gone(m.Gone.RESOLVED),
    "issue.archived": _gone(m.Gone.ARCHIVED),
    "issue.ignored": _gone(m.Gone.IGNORED),
    "comment.created": _commented,
    "comment.deleted": _uncommented,
    "seer.pr_created": _rival,
    "installation.created": _installation(True),
    "installation.deleted": _installation(False),
}
