"""What a set-up asks of the rehearsal's REST API: labels of a repository, and Apps that are made from a manifest."""

from __future__ import annotations

from urllib.parse import unquote

from pullwright.integrations.testing.forge_parts import ForgeParts
from pullwright.integrations.testing.forge_state import Repository
from pullwright.integrations.testing.github_calls import Call, Table, not_found, validation_failed
from pullwright.integrations.testing.hook_records import AppRecord
from pullwright.integrations.testing.web_server import Response, json_response


class LabelEndpoints:
    """Everything below ``/labels``."""

    def __init__(self, parts: ForgeParts) -> None:
        self._documents = parts.documents

    def table(self) -> Table:
        """Return the operations."""
        either = "issues|pull_requests"
        return (("GET", "/labels/(?P<label>[^/]+)", self.get, either), ("POST", "/labels", self.create, either))

    def get(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/labels/{name}``."""
        name = unquote(call.match["label"])
        if name.lower() not in known_labels(call.repository):
            raise not_found()
        return json_response(self._documents.label(call.repository, name))

    def create(self, call: Call) -> Response:
        """Answer ``POST /repos/{owner}/{repo}/labels``."""
        name = str(call.fields().get("name", ""))
        if not name or name.lower() in known_labels(call.repository):
            code = "already_exists" if name else "missing_field"
            raise validation_failed({"resource": "Label", "code": code, "field": "name"})
        call.repository.labels.add(name)
        return json_response(self._documents.label(call.repository, name), 201)


def known_labels(repository: Repository) -> set[str]:
    """Return the labels of a repository in lower case."""
    used = {name for issue in repository.issues.values() for name in issue.labels}
    return {name.lower() for name in repository.labels | used}


def converted(parts: ForgeParts, app: AppRecord) -> Response:
    """Answer ``POST /app-manifests/{code}/conversions``: the App with all its secrets, this once."""
    secrets = {"client_secret": "0" * 40, "webhook_secret": app.hook.secret or None, "pem": app.private_key}
    return json_response({**parts.documents.app(app), "client_id": app.client_id, **secrets}, 201)
