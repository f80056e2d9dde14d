"""The look-up of what a person may do in a repository, and of who is in a team."""

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


class MembershipPayload(Payload):
    """GitHub's answer; ``pending`` is somebody who was invited."""

    state: str


class GitHubTeams:
    """``TeamSource`` over the REST API; an App needs to read the members of the organization."""

    def __init__(self, client: GitHubClient) -> None:
        self._client = client

    async def is_member(self, team: str, login: str, *, repository: str) -> bool:
        need = Need(repository=repository, step=Step.TEAMS)
        return await self._client.talk(partial(read_membership, team=team, login=login), need=need)


def read_membership(session: Session, team: str, login: str) -> bool:
    """Return whether somebody is in ``organization/team``, also by a team below it."""
    organization, _, slug = team.partition("/")
    path = f"/orgs/{organization}/teams/{slug}/memberships/{quote(login, safe='')}"
    try:
        answer = session.get(MembershipPayload, path, action=f"reading whether {login!r} is in {team!r}")
    except Refused as exc:
        if exc.refusal.status == 404:
            return False
        raise
    return answer.state == "active"


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
