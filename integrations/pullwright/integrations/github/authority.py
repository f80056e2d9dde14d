"""Who may ask the bot for something: a decision over facts, and the look-up of the one fact that GitHub has to give.

The right to write to the repository decides. ``author_association`` does not: hooks call a member whose membership is
private a CONTRIBUTOR, so it neither grants nor denies anything here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Protocol

from pullwright.agents.errors import ConfigError
from pullwright.integrations.github.meanings import Actor, BotIdentity
from pullwright.integrations.remembered import Remembered

BOT_TRIGGERS_IN_A_ROW = 2

_LOGIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,98}[A-Za-z0-9_])?", re.ASCII)
_TEAM = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,98}/[A-Za-z0-9][A-Za-z0-9_.-]{0,98}", re.ASCII)


class Permission(StrEnum):
    """What somebody may do in a repository, in GitHub's own four words.

    Source: GitHub's REST documentation of collaborator permissions; ``maintain`` is told as write, ``triage`` as read.
    """

    ADMIN = "admin"
    WRITE = "write"
    READ = "read"
    NONE = "none"

    @property
    def writes(self) -> bool:
        """Whether it includes writing."""
        return self in {Permission.ADMIN, Permission.WRITE}


class PermissionSource(Protocol):
    """Asks the code host."""

    async def permission(self, repository: str, login: str) -> Permission:
        """Return what a person may do in ``owner/name``; NONE for somebody who is no user.

        Raises:
            IntegrationError: It could not be found out; then nobody is let in.
        """
        ...


class TeamSource(Protocol):
    """Tells who is in a team."""

    async def is_member(self, team: str, login: str, *, repository: str) -> bool:
        """Return whether somebody is in ``organization/team``; ``repository`` is where they ask.

        Raises:
            IntegrationError: It could not be found out; then nobody is let in.
        """
        ...


class Rule(StrEnum):
    """Which rule decided."""

    ALLOWED = "allowed"
    OWN = "own"
    MARKER = "marker"
    NO_ACTOR = "no_actor"
    BOT = "bot"
    BOT_LOOP = "bot_loop"
    DENY_LIST = "deny_list"
    ALLOW_LIST = "allow_list"
    PERMISSION = "permission"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Whether something may be asked for, and why not."""

    rule: Rule
    reason: str = ""
    """One sentence, fit to be shown to the person; it repeats nothing that somebody wrote."""
    say_aloud: bool = False
    """Whether the reason may be answered. On a public repository it may not: an answer helps to probe and to spam."""

    @property
    def allowed(self) -> bool:
        """Whether it is."""
        return self.rule is Rule.ALLOWED


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorityPolicy:
    """What the operator decided; logins and slugs in any case."""

    users: frozenset[str] = frozenset()
    """When given, only these, and only if they may write as well."""
    teams: frozenset[str] = frozenset()
    """As ``organization/team``: their members count as ``users``."""
    denied: frozenset[str] = frozenset()
    """Never these, whatever else says so."""
    apps: frozenset[str] = frozenset()
    """Slugs of Apps that may ask. They are not asked for a permission: anybody can make an App that opens issues."""

    def __post_init__(self) -> None:
        for name in ("users", "teams", "denied", "apps"):
            object.__setattr__(self, name, frozenset(entry.strip().lower() for entry in getattr(self, name)))
        wild = sorted(entry for entry in self.users | self.denied | self.apps if not _LOGIN.fullmatch(entry))
        if wild:
            raise ConfigError(f"{wild[0]!r} is no login or App; name each one, there are no wildcards")
        odd = sorted(entry for entry in self.teams if not _TEAM.fullmatch(entry))
        if odd:
            raise ConfigError(f"{odd[0]!r} is no team; write it as 'organization/team'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """What is known about somebody who asks."""

    actor: Actor | None
    private: bool
    """Whether the repository is."""
    carries_marker: bool = False
    """Whether the text holds a marker of the bot's own comments."""
    bot_triggers_in_a_row: int = 0
    """How many bots asked for this work before, without a person in between."""


def decide_without_asking(trigger: Trigger, bot: BotIdentity, policy: AuthorityPolicy) -> Decision | None:
    """Return the decision that needs no look-up; None when the permission decides."""
    actor = trigger.actor
    if actor is None:
        return _silent(Rule.NO_ACTOR, "nobody is named as the one who asks")
    if bot.is_me(actor):
        return _silent(Rule.OWN, "the bot does not answer itself")
    if trigger.carries_marker:
        return _silent(Rule.MARKER, "the text holds a marker of the bot's own comments")
    name = actor.login.lower()
    if name in policy.denied or name.removesuffix("[bot]") in policy.denied:
        return _silent(Rule.DENY_LIST, "they are on the list of those who may not ask")
    if actor.kind != "User" or name.endswith("[bot]"):
        return _decide_on_bot(name, trigger, policy)
    if policy.users and not policy.teams and name not in policy.users:
        return _not_listed(trigger)
    return None if _LOGIN.fullmatch(actor.login) else _silent(Rule.NO_ACTOR, "the login has an impossible form")


def decide(
    trigger: Trigger, bot: BotIdentity, policy: AuthorityPolicy, permission: Permission, *, in_team: bool = False
) -> Decision:
    """Return the decision, with the permission that was looked up, and whether one of the teams has them."""
    early = decide_without_asking(trigger, bot, policy)
    if early is not None:
        return early
    if needs_team(trigger, policy) and not in_team:
        return _not_listed(trigger)
    if permission.writes:
        return Decision(rule=Rule.ALLOWED)
    return _refused(Rule.PERMISSION, "only people who may write to this repository can ask for work", trigger)


def needs_team(trigger: Trigger, policy: AuthorityPolicy) -> bool:
    """Whether somebody may ask only as a member of a team."""
    return bool(policy.teams) and trigger.actor is not None and trigger.actor.login.lower() not in policy.users


class Authority:
    """Decides with look-ups that are remembered for a minute, so that a right that was taken away ends soon."""

    def __init__(
        self,
        source: PermissionSource,
        bot: BotIdentity,
        policy: AuthorityPolicy,
        *,
        monotonic: Callable[[], float],
        teams: TeamSource | None = None,
    ) -> None:
        self._source = source
        self._bot = bot
        self._policy = policy
        self._teams = teams
        self._known: Remembered[tuple[int, int], tuple[Permission, bool]] = Remembered(monotonic)

    async def decide(self, trigger: Trigger, *, repository_id: int, repository: str) -> Decision:
        """Decide on one trigger.

        Args:
            trigger: What is known.
            repository_id: Under which the answer is remembered; names can be taken over by others.
            repository: ``owner/name`` as it is now.

        Raises:
            IntegrationError: The permission could not be found out; ask again later, nothing is allowed meanwhile.
        """
        early = decide_without_asking(trigger, self._bot, self._policy)
        if early is not None or trigger.actor is None:
            return early or _silent(Rule.NO_ACTOR, "nobody is named as the one who asks")
        permission, in_team = await self._known.get(
            (repository_id, trigger.actor.id), partial(self._look_up, trigger, trigger.actor, repository)
        )
        return decide(trigger, self._bot, self._policy, permission, in_team=in_team)

    async def _look_up(self, trigger: Trigger, actor: Actor, repository: str) -> tuple[Permission, bool]:
        permission = await self._source.permission(repository, actor.login)
        return permission, permission.writes and await self._is_in_team(trigger, repository)

    async def _is_in_team(self, trigger: Trigger, repository: str) -> bool:
        if self._teams is None or trigger.actor is None or not needs_team(trigger, self._policy):
            return False
        for team in sorted(self._policy.teams):
            if await self._teams.is_member(team, trigger.actor.login, repository=repository):
                return True
        return False


def _decide_on_bot(name: str, trigger: Trigger, policy: AuthorityPolicy) -> Decision:
    if name.removesuffix("[bot]") not in policy.apps:
        return _silent(Rule.BOT, "it is a bot that may not ask")
    if trigger.bot_triggers_in_a_row >= BOT_TRIGGERS_IN_A_ROW:
        return _silent(Rule.BOT_LOOP, f"bots asked {BOT_TRIGGERS_IN_A_ROW} times with no person in between")
    return Decision(rule=Rule.ALLOWED)


def _not_listed(trigger: Trigger) -> Decision:
    return _refused(Rule.ALLOW_LIST, "you are not on the list of those who may ask", trigger)


def _silent(rule: Rule, reason: str) -> Decision:
    return Decision(rule=rule, reason=reason)


def _refused(rule: Rule, reason: str, trigger: Trigger) -> Decision:
    return Decision(rule=rule, reason=reason, say_aloud=trigger.private)
