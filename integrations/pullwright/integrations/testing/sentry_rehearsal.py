"""A Sentry on loopback that keeps state: errors become issues, issues tell hooks, and the API shows both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from pullwright.integrations.testing.certificate import make_certificate
from pullwright.integrations.testing.faults import Fault, FaultyResponder
from pullwright.integrations.testing.sentry_api import SentryApiServer
from pullwright.integrations.testing.sentry_hooks import SentHook, SentryHooks
from pullwright.integrations.testing.sentry_state import Event, Issue, Note, SentryState
from pullwright.integrations.testing.web_server import WebServer


class SentryRehearsal:
    """One organization with one integration; blocks while it sends, so call it from a thread."""

    def __init__(self, folder: Path, *, state: SentryState | None = None) -> None:
        """Make one that serves until it is closed; ``folder`` gets its certificate."""
        self.state = state or SentryState()
        certificate = make_certificate(folder)
        self.ca_file = certificate.certificate
        self.api = SentryApiServer(self.state)
        self._faults = FaultyResponder(self.api)
        self._server = WebServer(self._faults, certificate.server_context())
        self.hooks: SentryHooks | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"https://127.0.0.1:{self._server.port}"

    def close(self) -> None:
        """Stop serving."""
        self._server.close()

    def add_fault(self, fault: Fault) -> None:
        """Answer the next fitting request with trouble."""
        self._faults.add(fault)

    def add_project(self, slug: str) -> None:
        """Add a project."""
        with self.state.lock:
            self.state.projects[slug] = next(self.state.numbers)

    def happen(
        self, project: str, event: Mapping[str, Any], *, group: str, times: int = 1, rule: str = ""
    ) -> tuple[Issue, list[SentHook]]:
        """Let an error happen, as an event in the hooks' shape; return its issue and the hooks that told of it.

        Args:
            project: Slug.
            event: Its exception, tags, release and so on.
            group: Events with the same are one issue.
            times: How often it happened since the last time.
            rule: The alert rule that fires; empty for none.
        """
        with self.state.lock:
            issue, told = self._group(project, event, group)
            happened = self._keep(issue, event, times)
            if issue.status == "resolved":
                issue.status, issue.substatus, issue.in_next_release = "unresolved", "regressed", False
                issue.activity.append({"type": "set_regression", "dateCreated": happened.at.isoformat()})
                told.append("unresolved")
            hooks = [("issue", self._about_issue(issue, action)) for action in told]
            if rule:
                hooks.append(("event_alert", self._about_event(issue, happened, rule)))
        return issue, [self.hooks.send(resource, document) for resource, document in hooks] if self.hooks else []

    def resolve(self, issue: Issue, *, actor: Mapping[str, Any] | None = None) -> list[SentHook]:
        """Let a person, or a release, resolve an issue."""
        with self.state.lock:
            issue.status, issue.substatus = "resolved", ""
            document = self._about_issue(issue, "resolved", actor=actor)
        return [self.hooks.send("issue", document)] if self.hooks else []

    def assign(self, issue: Issue, assignee: str, *, actor: Mapping[str, Any] | None = None) -> list[SentHook]:
        """Let a person assign an issue to ``user:ID`` or ``team:ID``."""
        kind, _, id_ = assignee.partition(":")
        with self.state.lock:
            issue.assignee = {"type": kind, "id": id_, "name": "x"}
            document = self._about_issue(issue, "assigned", actor=actor or PERSON)
        return [self.hooks.send("issue", document)] if self.hooks else []

    def comment(self, issue: Issue, text: str, *, actor: Mapping[str, Any] | None = None) -> list[SentHook]:
        """Let a person comment on an issue."""
        with self.state.lock:
            note = Note(id=next(self.state.numbers), text=text, author="ann")
            issue.notes.append(note)
            data = {
                "comment_id": note.id,
                "issue_id": str(issue.id),
                "project_slug": issue.project,
                "timestamp": self.state.now.isoformat(),
                "comment": text,
            }
            document = self._envelope("created", data, actor or PERSON)
        return [self.hooks.send("comment", document)] if self.hooks else []

    def merge(self, issue: Issue, into: Issue) -> None:
        """Let a person merge an issue into another one; Sentry tells nobody."""
        with self.state.lock:
            into.events[:0] = issue.events
            into.notes += issue.notes
            into.seen += issue.seen
            self.state.merged[issue.id] = into.id
            self.state.issues.pop(issue.id)
            self.state.groups = {group: self.state.merged.get(id_, id_) for group, id_ in self.state.groups.items()}

    def said(self, issue: Issue) -> Sequence[str]:
        """Return what was commented by the integration."""
        with self.state.lock:
            return [note.text for note in issue.notes if note.author == "pullwright"]

    def _group(self, project: str, event: Mapping[str, Any], group: str) -> tuple[Issue, list[str]]:
        if group in self.state.groups:
            return self.state.issues[self.state.groups[group]], []
        number = next(self.state.numbers)
        raised = ((event.get("exception") or {}).get("values") or [{}])[-1]
        title = f"{raised.get('type', '')}: {raised.get('value', '')}" if raised else str(event.get("message", ""))
        short = f"{project.upper()}-{len(self.state.issues) + 1:X}"
        issue = Issue(id=number, short_id=short, project=project, title=title, created=self.state.now)
        self.state.issues[number] = issue
        self.state.groups[group] = number
        return issue, ["created"]

    def _keep(self, issue: Issue, event: Mapping[str, Any], times: int) -> Event:
        self.state.now += timedelta(minutes=1)
        id_ = f"{next(self.state.numbers):032x}"
        happened = Event(id=id_, document={**event, "event_id": id_}, at=self.state.now)
        issue.events.append(happened)
        issue.seen += times
        return happened

    def _about_issue(self, issue: Issue, action: str, *, actor: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return self._envelope(action, {"issue": self.state.document(issue)}, actor or SENTRY_ITSELF)

    def _about_event(self, issue: Issue, event: Event, rule: str) -> dict[str, Any]:
        document = {**event.document, "issue_id": str(issue.id), "issue_url": f"{self.url}/api/0/issues/{issue.id}/"}
        return self._envelope("triggered", {"event": document, "triggered_rule": rule}, SENTRY_ITSELF)

    def _envelope(self, action: str, data: dict[str, Any], actor: Mapping[str, Any]) -> dict[str, Any]:
        app = {"uuid": self.state.app, "slug": "pullwright"}
        installation = {"uuid": self.state.installation, "app": app}
        return {"action": action, "installation": installation, "data": data, "actor": dict(actor)}


PERSON: Mapping[str, Any] = {"type": "user", "id": 123, "name": "ann"}
SENTRY_ITSELF: Mapping[str, Any] = {"type": "application", "id": "sentry", "name": "Sentry"}
