"""What a fine-grained token may do, found out by asking, because GitHub does not tell it. Blocks.

To find out about writing, something is asked for that GitHub has to refuse: a branch at a commit that does not exist,
an issue without a title, a pull request from a branch to itself. It refuses for want of the permission first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pullwright.integrations.github.client import Refused, Session

_NO_COMMIT = "0" * 40
_LACKING = frozenset({403, 404})
_ONE: Mapping[str, str | int] = {"per_page": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One question."""

    permission: str
    path: str
    """Below the repository."""
    content: Mapping[str, object] = field(default_factory=dict)
    """What is written; empty for a read."""

    @property
    def level(self) -> str:
        """What the permission is when this is not forbidden."""
        return "write" if self.content else "read"


def probes(branch: str) -> Sequence[Probe]:
    """Return the questions about a repository with this default branch; for each permission, writing comes first."""
    itself = {"title": "Is this allowed?", "head": branch, "base": branch}
    return (
        Probe(
            permission="contents",
            path="/git/refs",
            content={"ref": "refs/heads/is-this-allowed", "sha": _NO_COMMIT},
        ),
        Probe(permission="contents", path="/commits"),
        Probe(permission="issues", path="/issues", content={"title": ""}),
        Probe(permission="issues", path="/issues"),
        Probe(permission="pull_requests", path="/pulls", content=itself),
        Probe(permission="pull_requests", path="/pulls"),
        Probe(permission="statuses", path=f"/statuses/{_NO_COMMIT}", content={"state": "pending"}),
        Probe(permission="statuses", path=f"/commits/{branch}/status"),
        Probe(permission="checks", path=f"/commits/{branch}/check-runs"),
        Probe(permission="actions", path="/actions/runs"),
    )


def read_token_permissions(session: Session, repository: str, branch: str) -> dict[str, str]:
    """Return the permissions of a token in a repository that it sees.

    Raises:
        Refused: GitHub does not know the token, or wants fewer requests.
        IntegrationError.
    """
    found = {"metadata": "read"}
    for probe in probes(branch):
        if probe.permission not in found and _allowed(session, repository, probe):
            found[probe.permission] = probe.level
    return found


def _allowed(session: Session, repository: str, probe: Probe) -> bool:
    path, action = f"/repos/{repository}{probe.path}", f"finding out what the token may do in {repository!r}"
    try:
        if probe.content:
            session.post(object, path, probe.content, action=action)
        else:
            session.get(object, path, action=action, parameters=_ONE)
    except Refused as exc:
        refusal = exc.refusal
        if refusal.rate_limited or refusal.status == 401 or refusal.status >= 500:
            raise
        return refusal.status not in _LACKING or "archived" in refusal.message.lower()
    return True
