"""Holds every request against Atlassian's own OpenAPI document, when that document is at hand.

``openapi-core`` is a test-only dependency, so it is imported when the first request is checked and not before.
"""

from __future__ import annotations

import functools
import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl

from pullwright.integrations.testing.contract_gate import RecordedRequest, Violation, contracts_folder

_DOCUMENT: Final = Path("jira") / "openapi.jira-cloud-v3.json.gz"
_OPERATIONS: Final = Path("jira") / "operations-used.txt"
_HOST: Final = "https://jira.example.invalid"
_ALSO: Final = """\
GET /rest/api/3/user/groups
GET /rest/api/3/project/{projectIdOrKey}/role
GET /rest/api/3/project/{projectIdOrKey}/role/{id}
GET /rest/api/3/comment/{commentId}/properties/{propertyKey}
"""
"""What the rehearsal answers beyond the list in the contracts."""


class JiraGate:
    """Checks recorded requests to Cloud; ``active`` says whether there is a document to check with."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or contracts_folder()

    @property
    def active(self) -> bool:
        """Whether the document is there."""
        return (self._folder / _DOCUMENT).is_file() and (self._folder / _OPERATIONS).is_file()

    def check(self, request: RecordedRequest) -> Violation | None:
        """Return what is wrong with a request; None when nothing is, or when the gate is off."""
        if not self.active or not request.path.startswith("/rest/api/3/"):
            return None
        from openapi_core.exceptions import OpenAPIError
        from openapi_core.testing import MockRequest

        candidate = MockRequest(
            _HOST,
            request.method,
            request.path,
            args=dict(parse_qsl(request.query, keep_blank_values=True)),
            headers=dict(request.headers),
            data=request.body or None,
        )
        try:
            _load(self._folder).validate_request(candidate)
        except OpenAPIError as exc:
            return Violation(request=f"{request.method} {request.path}", reason=_reasons(exc))
        return None


def _reasons(error: BaseException) -> str:
    texts = [str(error)]
    cause: BaseException | None = error.__cause__
    while cause is not None:
        texts += [str(inner)[:300] for inner in getattr(cause, "schema_errors", ())] or [str(cause)[:300]]
        cause = cause.__cause__
    return " · ".join(text for text in texts if text)


@functools.cache
def _load(folder: Path) -> Any:
    from openapi_core import Config, OpenAPI

    with gzip.open(folder / _DOCUMENT) as stream:
        document = json.load(stream)
    listed = (folder / _OPERATIONS).read_text() + _ALSO
    used = {tuple(line.split()) for line in listed.splitlines() if line.strip()}
    document["paths"] = {path: kept for path, item in document["paths"].items() if (kept := _kept(path, item, used))}
    document["servers"] = [{"url": _HOST}]
    # Validating the document itself is Atlassian's business; who signs a request is checked by the rehearsal.
    document.pop("security", None)
    for item in document["paths"].values():
        for operation in item.values():
            if isinstance(operation, dict):
                operation.pop("security", None)
    return OpenAPI.from_dict(document, config=Config(spec_validator_cls=None))


def _kept(path: str, item: Mapping[str, Any], used: set[tuple[str, ...]]) -> dict[str, Any]:
    operations = {method: value for method, value in item.items() if (method.upper(), path) in used}
    shared = {key: item[key] for key in ("parameters",) if key in item}
    return {**shared, **operations} if operations else {}
