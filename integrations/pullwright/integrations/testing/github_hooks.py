"""Hooks and the log of their deliveries, for repositories and for Apps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pullwright.integrations.testing.forge_parts import ForgeParts
from pullwright.integrations.testing.forge_state import Repository
from pullwright.integrations.testing.github_calls import Call, Table, not_found, page, validation_failed
from pullwright.integrations.testing.github_documents import Document
from pullwright.integrations.testing.hook_records import Delivery, Hook
from pullwright.integrations.testing.web_server import Response, json_response

_HIDDEN = "********"


class HookEndpoints:
    """Everything below ``/hooks`` of a repository."""

    def __init__(self, parts: ForgeParts) -> None:
        self._parts = parts

    def table(self) -> Table:
        """Return the operations."""
        hook, right = r"/hooks/(?P<hook>\d+)", "repository_hooks"
        one = hook + r"/deliveries/(?P<delivery>\d+)"
        return (
            ("GET", "/hooks", self.list, right),
            ("POST", "/hooks", self.create, right),
            ("GET", hook, self.get, right),
            ("PATCH", hook, self.edit, right),
            ("DELETE", hook, self.delete, right),
            ("POST", f"{hook}/pings", self.ping, right),
            ("GET", f"{hook}/deliveries", self.deliveries, right),
            ("GET", one, self.delivery, right),
            ("POST", f"{one}/attempts", self.attempt, right),
        )

    def _hook(self, call: Call) -> Hook:
        found = next((hook for hook in call.repository.hooks if hook.id == call.number("hook")), None)
        if found is None:
            raise not_found()
        return found

    def document(self, repository: Repository, hook: Hook) -> Document:
        """Return a hook of a repository."""
        url = f"{self._parts.documents.api}/repos/{repository.slug}/hooks/{hook.id}"
        return {
            "type": "Repository",
            "id": hook.id,
            "name": "web",
            "active": hook.active,
            "events": list(hook.events),
            "config": config(hook),
            "created_at": hook.created,
            "updated_at": hook.created,
            "url": url,
            "test_url": f"{url}/test",
            "ping_url": f"{url}/pings",
            "deliveries_url": f"{url}/deliveries",
            "last_response": self._last_response(hook),
        }

    def _last_response(self, hook: Hook) -> Document:
        sent = [d for d in self._parts.state.deliveries if d.hook is hook and d.status != "pending"]
        if not sent:
            return {"code": None, "status": "unused", "message": None}
        return {"code": sent[-1].status_code, "status": "active", "message": sent[-1].status}

    def add(self, repository: Repository, hook: Hook, login: str) -> None:
        """Add a hook and send its ping."""
        repository.hooks.append(hook)
        self._parts.announcer.ping(hook, repository, login, self.document(repository, hook))

    def list(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/hooks``."""
        found = [self.document(call.repository, hook) for hook in call.repository.hooks]
        return page(call, found, self._parts.documents.api)

    def create(self, call: Call) -> Response:
        """Answer ``POST /repos/{owner}/{repo}/hooks``."""
        fields, repository = call.fields(), call.repository
        wanted: dict[str, Any] = fields.get("config") or {}
        if any(hook.url == wanted.get("url") for hook in repository.hooks):
            message = "Hook already exists on this repository"
            raise validation_failed({"resource": "Hook", "code": "custom", "message": message})
        hook = Hook(
            id=self._parts.state.next_id(),
            url=str(wanted.get("url", "")),
            target_id=repository.id,
            created=self._parts.state.stamp(),
            content_type="form",
        )
        _change(hook, fields)
        self.add(repository, hook, call.user)
        return json_response(self.document(repository, hook), 201)

    def get(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/hooks/{id}``."""
        return json_response(self.document(call.repository, self._hook(call)))

    def edit(self, call: Call) -> Response:
        """Answer ``PATCH /repos/{owner}/{repo}/hooks/{id}``."""
        hook = self._hook(call)
        _change(hook, call.fields())
        return json_response(self.document(call.repository, hook))

    def delete(self, call: Call) -> Response:
        """Answer ``DELETE /repos/{owner}/{repo}/hooks/{id}``."""
        call.repository.hooks.remove(self._hook(call))
        return Response(status=204)

    def ping(self, call: Call) -> Response:
        """Answer ``POST /repos/{owner}/{repo}/hooks/{id}/pings``."""
        hook = self._hook(call)
        self._parts.announcer.ping(hook, call.repository, call.user, self.document(call.repository, hook))
        return Response(status=204)

    def deliveries(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/hooks/{id}/deliveries``, newest first."""
        return list_deliveries(self._parts, call, self._hook(call))

    def delivery(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/hooks/{id}/deliveries/{delivery}``."""
        return json_response(full_delivery(find_delivery(self._parts, call, self._hook(call))))

    def attempt(self, call: Call) -> Response:
        """Answer ``POST /repos/{owner}/{repo}/hooks/{id}/deliveries/{delivery}/attempts``."""
        self._parts.announcer.again(find_delivery(self._parts, call, self._hook(call)))
        return json_response({}, 202)


def config(hook: Hook) -> Document:
    """Return where a hook goes; its secret is never shown."""
    shown: Document = {"content_type": hook.content_type, "insecure_ssl": str(int(hook.insecure_ssl)), "url": hook.url}
    return {**shown, "secret": _HIDDEN} if hook.secret else shown


def _change(hook: Hook, fields: dict[str, Any]) -> None:
    change_config(hook, fields.get("config") or {})
    hook.events = tuple(str(event) for event in fields.get("events", hook.events))
    hook.active = bool(fields.get("active", hook.active))


def change_config(hook: Hook, wanted: Mapping[str, Any]) -> None:
    """Change where a hook goes; what is not named stays."""
    hook.url = str(wanted.get("url", hook.url))
    hook.secret = str(wanted.get("secret", hook.secret))
    hook.content_type = str(wanted.get("content_type", hook.content_type))
    hook.insecure_ssl = str(wanted.get("insecure_ssl", int(hook.insecure_ssl))) == "1"


def find_delivery(parts: ForgeParts, call: Call, hook: Hook) -> Delivery:
    """Return the delivery of the address.

    Raises:
        ApiError: There is none, or it was for another hook.
    """
    number = call.number("delivery")
    found = next((d for d in parts.state.deliveries if d.id == number and d.hook is hook), None)
    if found is None:
        raise not_found()
    return found


def list_deliveries(parts: ForgeParts, call: Call, hook: Hook) -> Response:
    """Return one page of a hook's deliveries, newest first; the Link header has a cursor instead of a number."""
    query = call.request.query
    size = min(max(int(query.get("per_page", "30")), 1), 100)
    below = int(query.get("cursor", "").removeprefix("v1_") or 2**62)
    sent = sorted((d for d in parts.state.deliveries if d.hook is hook), key=lambda d: -d.id)
    found = [d for d in sent if d.id < below]
    headers: dict[str, str] = {}
    if len(found) > size:
        path = parts.documents.api + call.request.path.removeprefix("/api/v3")
        address = f"{path}?per_page={size}&cursor=v1_{found[size - 1].id}"
        headers["Link"] = f'<{address}>; rel="next"'
    return json_response([_short(d) for d in found[:size]], headers=headers)


def _short(delivery: Delivery) -> Document:
    return {
        "id": delivery.id,
        "guid": delivery.guid,
        "delivered_at": delivery.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "redelivery": delivery.redelivery,
        "duration": delivery.seconds,
        "status": delivery.status,
        "status_code": delivery.status_code,
        "event": delivery.event,
        "action": delivery.action or None,
        "installation_id": delivery.installation_id,
        "repository_id": delivery.repository_id,
        "throttled_at": None,
    }


def full_delivery(delivery: Delivery) -> Document:
    """Return a delivery with its request and answer."""
    request = {"headers": dict(delivery.request_headers), "payload": json.loads(delivery.body)}
    response = {"headers": dict(delivery.response_headers), "payload": delivery.response_body}
    return {**_short(delivery), "url": delivery.hook.url, "request": request, "response": response}
