"""Who may ask the bot for something: lists, groups and roles that the operator names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Protocol

from pullwright.agents.errors import ConfigError
from pullwright.integrations.jira.meanings import Actor, BotIdentity
from pullwright.integrations.remembered import Remembered


class Rule(StrEnum):
    """Which rule decided."""

    ALLOWED = "allowed"
    OWN = "own"
    NO_ACTOR = "no_actor"
    CUSTOMER = "customer"
    PUBLIC = "public"
    APP = "app"
    DENY_LIST = "deny_list"
    MEMBERSHIP = "membership"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether something may be asked for, and why not."""

    rule: Rule
    reason: str = ""
    """One sentence, fit to be shown to the person; it repeats nothing that somebody wrote."""
    say_aloud: bool = False
    """Whether the reason may be answered. Customers are not answered: it would be a way to make the bot talk."""

    @property
    def allowed(self) -> bool:
        """Whether it is."""
        return self.rule is Rule.ALLOWED


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorityPolicy:
    """What the operator decided. Accounts are ids on Cloud and user names on Data Center, never e-mail addresses."""

    users: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    """Names of roles in the ticket's project."""
    denied: frozenset[str] = frozenset()
    """Never these accounts, whatever else says so."""

    def __post_init__(self) -> None:
        for name in ("groups", "roles"):
            object.__setattr__(self, name, frozenset(entry.strip().casefold() for entry in getattr(self, name)))
        if not (self.users or self.groups or self.roles):
            raise ConfigError("nobody may ask for work in Jira; set AGENT_JIRA_GROUPS, AGENT_JIRA_ROLES or _USERS")
        strange = sorted(entry for entry in self.users | self.denied if "*" in entry or "@" in entry)
        if strange:
            raise ConfigError(f"{strange[0]!r} is no account; name each by its account id (Cloud) or user name")


class Memberships(Protocol):
    """Asks Jira. Both methods may raise IntegrationError; then nobody is let in."""

    async def groups(self, account: str) -> frozenset[str]:
        """Return the names of somebody's groups."""
        ...

    async def roles(self, account: str, project: str, wanted: frozenset[str]) -> frozenset[str]:
        """Return those of the wanted roles that somebody has in a project, by themselves or by a group."""
        ...


class Authority:
    """Decides with look-ups that are remembered for a minute, so that a right that was taken away ends soon."""

    def __init__(
        self,
        memberships: Memberships,
        bot: BotIdentity,
        policy: AuthorityPolicy,
        *,
        monotonic: Callable[[], float],
    ) -> None:
        self._memberships = memberships
        self._bot = bot
        self._policy = policy
        self._known: Remembered[tuple[str, str], bool] = Remembered(monotonic)

    async def decide(self, actor: Actor | None, *, project: str, public: bool = False) -> Verdict:
        """Decide whether somebody may ask for work in a project.

        Args:
            actor: Who asks.
            project: Key of the project that the ticket is in now.
            public: Whether they ask where customers of a service desk can read it.

        Raises:
            IntegrationError: It could not be found out.
        """
        early = self._without_asking(actor, public=public)
        if early is not None or actor is None:
            return early or Verdict(rule=Rule.NO_ACTOR)
        ask = partial(self._is_member, actor.account, project)
        if await self._known.get((actor.account, project), ask):
            return Verdict(rule=Rule.ALLOWED)
        reason = "you are not among the people, groups or roles that may ask me for work in this project"
        return Verdict(rule=Rule.MEMBERSHIP, reason=reason, say_aloud=True)

    def _without_asking(self, actor: Actor | None, *, public: bool) -> Verdict | None:
        if actor is None or not actor.account:
            return Verdict(rule=Rule.NO_ACTOR, reason="nobody is named as the one who asks")
        if self._bot.is_me(actor):
            return Verdict(rule=Rule.OWN, reason="the bot does not answer itself")
        if actor.kind == "customer":
            return Verdict(rule=Rule.CUSTOMER, reason="customers of a service desk can not ask for work")
        if actor.account in self._policy.denied:
            return Verdict(rule=Rule.DENY_LIST, reason="they are on the list of those who may not ask")
        if public:
            # The answer is an internal comment, which no customer sees.
            return Verdict(
                rule=Rule.PUBLIC, reason="customers can read that; ask in an internal comment", say_aloud=True
            )
        if actor.account in self._policy.users:
            return Verdict(rule=Rule.ALLOWED)
        if actor.kind == "app":
            # Apps are in no group by anybody's decision, so only being named counts.
            return Verdict(rule=Rule.APP, reason="an app may only ask when it is named in the settings")
        return None

    async def _is_member(self, account: str, project: str) -> bool:
        policy = self._policy
        if policy.groups:
            groups = await self._memberships.groups(account)
            if policy.groups & {name.casefold() for name in groups}:
                return True
        return bool(policy.roles and project and await self._memberships.roles(account, project, policy.roles))
