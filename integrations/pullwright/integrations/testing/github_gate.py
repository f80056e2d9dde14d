"""What GitHub's own OpenAPI document says of requests; see ``ContractGate``."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

from pullwright.integrations.testing.contract_gate import Contract, RecordedRequest

_REFERENCE: Final = re.compile(r"^(/repos/[^/]+/[^/]+/git/(?:ref|refs|matching-refs)/)(.+)$")
_ALSO: Final = """\
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


def _path(request: RecordedRequest) -> str:
    # GitHub redirects renamed repositories to addresses by id, which its own document does not have.
    if request.path.startswith("/repositories/"):
        return ""
    return _REFERENCE.sub(_one_part, request.raw_path or request.path)


def _one_part(found: re.Match[str]) -> str:
    """Write a reference as one part of a path: GitHub takes its slashes as they are, templates of paths do not."""
    return found[1] + quote(found[2], safe="%")


GITHUB: Final = Contract(
    document="github/openapi.api.github.com.json.gz",
    operations="github/operations-used.txt",
    also=_ALSO,
    host="https://api.github.com",
    path_in=_path,
)
