"""Holds every request against GitHub's own OpenAPI document, when that document is at hand.

``openapi-core`` is a test-only dependency, so it is imported when the first request is checked and not before.
"""

from __future__ import annotations

import functools
import gzip
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote

CONTRACTS_VARIABLE = "CONTRACTS_DIR"
_DOCUMENT = Path("github") / "openapi.api.github.com.json.gz"
_OPERATIONS = Path("github") / "operations-used.txt"
_REFERENCE = re.compile(r"^(/repos/[^/]+/[^/]+/git/(?:ref|refs|matching-refs)/)(.+)$")
_ALSO = """\
POST /app-manifests/{code}/conversions
PATCH /app/hook/config
POST /repos/{owner}/{repo}/labels
GET /repos/{owner}/{repo}/labels/{name}
GET /repos/{owner}/{repo}/commits/{commit_sha}/pulls
GET /repos/{owner}/{repo}/commits/{ref}/statuses
GET /repos/{owner}/{repo}/hooks/{hook_id}
PATCH /repos/{owner}/{repo}/hooks/{hook_id}
DELETE /repos/{owner}/{repo}/hooks/{hook_id}
POST /repos/{owner}/{repo}/hooks/{hook_id}/pings
GET /repos/{owner}/{repo}/hooks/{hook_id}/deliveries/{delivery_id}
GET /repos/{owner}/{repo}/issues/events
GET /repos/{owner}/{repo}/issues/comments
GET /repos/{owner}/{repo}/pulls/comments
GET /repos/{owner}/{repo}/issues/{issue_number}/events
GET /repos/{owner}/{repo}/issues/{issue_number}/reactions
PUT /repos/{owner}/{repo}/issues/{issue_number}/lock
DELETE /repos/{owner}/{repo}/issues/{issue_number}/lock
GET /repos/{owner}/{repo}/pulls/{pull_number}/reviews/{review_id}
PATCH /repos/{owner}/{repo}/pulls/comments/{comment_id}
GET /repos/{owner}/{repo}/pulls/comments/{comment_id}/reactions
GET /repos/{owner}/{repo}/branches
POST /repos/{owner}/{repo}/check-runs/{check_run_id}/rerequest
GET /repos/{owner}/{repo}/check-suites/{check_suite_id}/check-runs
GET /repos/{owner}/{repo}/actions/runs
GET /repos/{owner}/{repo}/actions/jobs/{job_id}
GET /orgs/{org}/teams/{team_slug}/memberships/{username}
"""
"""What the forge answers beyond the list in the contracts."""
_ROOT = Path(__file__).resolve().parents[4]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRequest:
    """A request to the REST API as it came in; the token is not kept."""

    method: str
    path: str
    """Below the API's base address."""
    query: str
    headers: Mapping[str, str]
    body: bytes
    authorized: bool
    raw_path: str = ""
    """The path as it was sent, with its escapes."""

    def json(self) -> Any:
        """Return the body's JSON value."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A request that GitHub's document does not allow."""

    request: str
    reason: str


def contracts_folder() -> Path:
    """Return where the documents are expected: ``CONTRACTS_DIR``, else beside the repository."""
    chosen = os.environ.get(CONTRACTS_VARIABLE, "")
    return Path(chosen) if chosen else _ROOT.parent / "shared" / "contracts"


class ContractGate:
    """Checks recorded requests; ``active`` says whether there is a document to check with."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or contracts_folder()

    @property
    def active(self) -> bool:
        """Whether the documents are there."""
        return (self._folder / _DOCUMENT).is_file() and (self._folder / _OPERATIONS).is_file()

    def check(self, request: RecordedRequest) -> Violation | None:
        """Return what is wrong with a request; None when nothing is, or when the gate is off."""
        # GitHub redirects renamed repositories to addresses by id, which its own document does not have.
        if not self.active or request.path.startswith("/repositories/"):
            return None
        from openapi_core.exceptions import OpenAPIError
        from openapi_core.testing import MockRequest

        candidate = MockRequest(
            "https://api.github.com",
            request.method,
            _REFERENCE.sub(_one_part, request.raw_path or request.path),
            args=dict(parse_qsl(request.query, keep_blank_values=True)),
            headers=dict(request.headers),
            data=request.body or None,
        )
        try:
            _load(self._folder).validate_request(candidate)
        except OpenAPIError as exc:
            return Violation(request=f"{request.method} {request.path}", reason=_reasons(exc))
        return None


def _one_part(found: re.Match[str]) -> str:
    """Write a reference as one part of a path: GitHub takes its slashes as they are, templates of paths do not."""
    return found[1] + quote(found[2], safe="%")


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
    document["servers"] = [{"url": "https://api.github.com"}]
    # Validating the document itself takes longer than all tests together, and it is GitHub's business.
    return OpenAPI.from_dict(document, config=Config(spec_validator_cls=None))


def _kept(path: str, item: Mapping[str, Any], used: set[tuple[str, ...]]) -> dict[str, Any]:
    operations = {method: value for method, value in item.items() if (method.upper(), path) in used}
    shared = {key: item[key] for key in ("parameters",) if key in item}
    return {**shared, **operations} if operations else {}
