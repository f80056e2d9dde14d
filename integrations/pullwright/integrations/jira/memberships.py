"""Looks up groups and roles in Jira; see ``Memberships``."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from pydantic import Field

from pullwright.agents.errors import NotFound
from pullwright.integrations.jira.client import JiraClient, Session
from pullwright.integrations.jira.payloads import Account, Loose, NamedPart, Part, Text


class _Groups(Part):
    items: list[NamedPart] = Field(default_factory=list)


class _UserWithGroups(Part):
    groups: _Groups = _Groups()


class _ActorUser(Part):
    account_id: Account = Field(default="", alias="accountId")


class _ActorGroup(Part):
    name: Text = ""
    display_name: Text = Field(default="", alias="displayName")


class _RoleActor(Part):
    kind: Text = Field(default="", alias="type")
    name: Text = ""
    user: _ActorUser | None = Field(default=None, alias="actorUser")
    group: _ActorGroup | None = Field(default=None, alias="actorGroup")


class _Role(Part):
    name: Text = ""
    actors: list[_RoleActor] = Field(default_factory=list)


class JiraMemberships:
    """Implements ``Memberships``."""

    def __init__(self, client: JiraClient) -> None:
        self._client = client

    async def groups(self, account: str) -> frozenset[str]:
        return await self._client.talk(partial(groups_of, account=account))

    async def roles(self, account: str, project: str, wanted: frozenset[str]) -> frozenset[str]:
        return await self._client.talk(partial(_roles, account=account, project=project, wanted=wanted))


def groups_of(session: Session, account: str) -> frozenset[str]:
    """Return the names of somebody's groups.

    Raises:
        AuthFailed: The bot may not see them: on Cloud it needs the global permission to browse users and groups.
        IntegrationError, ConfigError.
    """
    action = f"reading the groups of {account!r}"
    try:
        if session.settings.is_cloud:
            found = session.get(list[NamedPart], "user/groups", action=action, parameters={"accountId": account})
        else:
            user = session.get(
                _UserWithGroups, "user", action=action, parameters={"username": account, "expand": "groups"}
            )
            found = user.groups.items
    except NotFound:
        return frozenset()  # nobody that Jira knows
    return frozenset(one.name for one in found)


def _roles(session: Session, account: str, project: str, wanted: frozenset[str]) -> frozenset[str]:
    action = f"reading the roles of project {project!r}"
    addresses = session.get(dict[str, Loose], f"project/{project}/role", action=action)
    ids = {name: url.rstrip("/").rpartition("/")[2] for name, url in addresses.items() if name.casefold() in wanted}
    groups = groups_of(session, account)
    return frozenset(
        name
        for name, number in ids.items()
        if number.isdecimal() and _holds(session, f"project/{project}/role/{number}", action, account, groups)
    )


def _holds(session: Session, path: str, action: str, account: str, groups: frozenset[str]) -> bool:
    actors = session.get(_Role, path, action=action).actors
    return any(_is(actor, account, groups) for actor in actors)


def _is(actor: _RoleActor, account: str, groups: Iterable[str]) -> bool:
    if actor.kind == "atlassian-group-role-actor":
        name = (actor.group.name or actor.group.display_name) if actor.group else actor.name
        return bool(name) and name in groups
    return (actor.user.account_id if actor.user else actor.name) == account
