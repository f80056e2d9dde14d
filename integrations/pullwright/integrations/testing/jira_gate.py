"""What Atlassian's own OpenAPI document says of requests to Cloud; see ``ContractGate``."""

from __future__ import annotations

from typing import Final

from pullwright.integrations.testing.contract_gate import Contract, RecordedRequest

_ALSO: Final = """\
GET /rest/api/3/user/groups
GET /rest/api/3/project/{projectIdOrKey}/role
GET /rest/api/3/project/{projectIdOrKey}/role/{id}
GET /rest/api/3/comment/{commentId}/properties/{propertyKey}
"""
"""What the rehearsal answers beyond the list in the contracts."""


def _path(request: RecordedRequest) -> str:
    return request.path if request.path.startswith("/rest/api/3/") else ""


JIRA: Final = Contract(
    document="jira/openapi.jira-cloud-v3.json.gz",
    operations="jira/operations-used.txt",
    also=_ALSO,
    host="https://jira.example.invalid",
    path_in=_path,
)
