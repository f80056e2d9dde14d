"""Tells hooks what happened: which hooks hear of an event, and the payload that they get."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from typing import Any

from pullwright.integrations.testing.forge_state import ForgeState, Repository
from pullwright.integrations.testing.github_documents import Document, Documents
from pullwright.integrations.testing.hook_records import AppRecord, Delivery, Hook, Installation
from pullwright.integrations.testing.hook_sender import HookSender

EVENTS = (
    "push",
    "create",
    "delete",
    "issues",
    "issue_comment",
    "pull_request",
    "pull_request_review",
    "pull_request_review_comment",
    "pull_request_review_thread",
    "check_run",
    "check_suite",
    "workflow_run",
    "status",
    "repository",
)


class Announcer:
    """Builds deliveries and hands them to the sender. Called under the state's lock, so payloads are of one moment."""

    def __init__(self, state: ForgeState, documents: Documents, sender: HookSender) -> None:
        self._state = state
        self._documents = documents
        self._sender = sender

    def tell(
        self, repository: Repository, name: str, sender: str, *, only_app: int | None = None, **members: Any
    ) -> None:
        """Tell an event such as ``issues.opened`` to every hook that wants it; ``only_app`` keeps it to one App."""
        event, _, action = name.partition(".")
        payload: Document = {"action": action} if action else {}
        payload |= members
        payload |= {"repository": self._documents.repository(repository), "sender": self._documents.user(sender)}
        if only_app is None:
            for hook in repository.hooks:
                if hook.wants(event):
                    self._deliver(hook, event, action, payload, repository)
        for app, installation in self._listeners(repository):
            if app.hook.wants(event) and only_app in (None, app.id):
                known = {"id": installation.id, "node_id": f"MDIzOkludGVncmF0aW9u{installation.id}"}
                self._deliver(app.hook, event, action, {**payload, "installation": known}, repository, installation)

    def tell_app(self, app: AppRecord, name: str, sender: str, origin: Installation | None, **members: Any) -> None:
        """Tell an event to one App's hook, without a subscription."""
        event, _, action = name.partition(".")
        payload: Document = {"action": action} if action else {}
        payload |= {**members, "sender": self._documents.user(sender)}
        if app.hook.active and app.hook.url:
            self._deliver(app.hook, event, action, payload, None, origin)

    def ping(self, hook: Hook, repository: Repository | None, sender: str, config: Document) -> None:
        """Send a hook's ping."""
        payload: Document = {"zen": "Keep it logically awesome.", "hook_id": hook.id, "hook": config}
        if repository is not None:
            payload |= {"repository": self._documents.repository(repository), "sender": self._documents.user(sender)}
        self._deliver(hook, "ping", "", payload, repository)

    def again(self, delivery: Delivery) -> None:
        """Send a delivery once more: the same bytes, the same GUID, another delivery id."""
        self._sender.send(
            Delivery(
                id=self._state.next_id(),
                hook=delivery.hook,
                guid=delivery.guid,
                event=delivery.event,
                action=delivery.action,
                body=delivery.body,
                at=self._state.now(),
                repository_id=delivery.repository_id,
                installation_id=delivery.installation_id,
                redelivery=True,
            )
        )

    def _listeners(self, repository: Repository) -> Iterable[tuple[AppRecord, Installation]]:
        for installation in self._state.installed(repository):
            app = self._state.app(installation.app_id)
            if app is not None and not installation.suspended:
                yield app, installation

    def _deliver(
        self,
        hook: Hook,
        event: str,
        action: str,
        payload: Document,
        repository: Repository | None,
        installation: Installation | None = None,
    ) -> None:
        self._sender.send(
            Delivery(
                id=self._state.next_id(),
                hook=hook,
                guid=str(uuid.uuid4()),
                event=event,
                action=action,
                body=json.dumps(payload, separators=(",", ":")).encode(),
                at=self._state.now(),
                repository_id=repository.id if repository else None,
                installation_id=installation.id if installation else None,
            )
        )
