"""The look-up of what a person may do in a repository."""

from __future__ import annotations

from functools import partial
from urllib.parse import quote

from pullwright.integrations.github.authority import Permission
from pullwright.integrations.github.client import GitHubClient, Refused, Session
from pullwright.integrations.github.credentials import Need, Step
from pullwright.integrations.github.payloads import Payload


class PermissionPayload(Payload):
    """GitHub's answer; ``role_name`` may be a role that a company made, ``permission`` never is."""

    permission: str


class GitHubPermissions:
    """``PermissionSource`` over the REST API."""

    def __init__(self, client: GitHubClient) -> None:
        self._client = client

    async def permission(self, repository: str, login: str) -> Permission:
        need = Need(repository=repository, step=Step.READ)
        return await self._client.talk(partial(read_permission, slug=repository, login=login), need=need)


def read_permission(session: Session, slug: str, login: str) -> Permission:
    """Return what a person may do; NONE for somebody who is no user, and for a word that nobody knows."""
    path = f"/repos/{slug}/collaborators/{quote(login, safe='')}/permission"
    try:
        answer = session.get(PermissionPayload, path, action=f"reading what {login!r} may do in {slug!r}")
    except Refused as exc:
        # Apps are no users. A repository that can not be seen lets nobody in either.
        if exc.refusal.status == 404:
            return Permission.NONE
        raise
    try:
        return Permission(answer.permission)
    except ValueError:
        return Permission.NONE
