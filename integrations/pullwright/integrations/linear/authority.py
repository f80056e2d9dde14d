"""Who may ask the bot for something: members of the workspace, or those of them that the operator names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from pullwright.agents.errors import ConfigError
from pullwright.integrations.linear.answers import Member
from pullwright.integrations.linear.meanings import Actor, BotIdentity
from pullwright.integrations.remembered import Remembered


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether something may be asked for, and why not."""

    reason: str = ""
    """One sentence, fit to be shown to the person; empty when they may."""
    say_aloud: bool = False
    """Whether the reason may be answered; programs are not, or two of them would talk for ever."""

    @property
    def allowed(self) -> bool:
        """Whether it is."""
        return not self.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorityPolicy:
    """What the operator decided; with neither users nor teams every member may ask who is no guest."""

    users: frozenset[str] = frozenset()
    """Ids or e-mail addresses; guests among them may ask as well."""
    teams: frozenset[str] = frozenset()
    """Keys of teams whose members may."""
    denied: frozenset[str] = frozenset()
    """Ids or e-mail addresses that never may, whatever else says so."""

    def __post_init__(self) -> None:
        for name in ("users", "teams", "denied"):
            object.__setattr__(self, name, frozenset(one.strip().casefold() for one in getattr(self, name)))
        strange = sorted(one for one in self.users | self.denied if "*" in one or not one)
        if strange:
            raise ConfigError(f"{strange[0]!r} is no account of Linear; name each by its id or its e-mail address")


class Members(Protocol):
    """Asks Linear."""

    async def member(self, user_id: str) -> Member | None:
        """Return an account; may raise IntegrationError, and then nobody is let in."""
        ...


class Authority:
    """Decides with look-ups that are remembered for a minute, so that a right that was taken away ends soon."""

    def __init__(
        self, members: Members, bot: BotIdentity, policy: AuthorityPolicy, *, monotonic: Callable[[], float]
    ) -> None:
        self._members = members
        self._bot = bot
        self._policy = policy
        self._known: Remembered[str, Verdict] = Remembered(monotonic)

    async def decide(self, actor: Actor | None) -> Verdict:
        """Decide whether somebody may ask for work.

        Raises:
            IntegrationError: It could not be found out.
        """
        if actor is None:
            return Verdict(reason="nobody is named as the one who asks")
        if self._bot.is_me(actor):
            return Verdict(reason="the bot does not answer itself")
        if not actor.person:
            return Verdict(reason="apps and integrations can not ask for work")
        return await self._known.get(actor.id, partial(self._look_up, actor.id))

    async def _look_up(self, user_id: str) -> Verdict:
        return self._judge(await self._members.member(user_id))

    def _judge(self, member: Member | None) -> Verdict:
        if member is None or not member.active:
            return Verdict(reason="they are no member of the workspace")
        if member.app:
            return Verdict(reason="apps and integrations can not ask for work")
        names = {member.id.casefold(), (member.email or "").casefold()} - {""}
        if names & self._policy.denied:
            return Verdict(reason="they are on the list of those who may not ask")
        if names & self._policy.users:
            return Verdict()
        if self._policy.teams & {team.key.casefold() for team in member.teams.nodes}:
            return Verdict()
        if self._policy.users or self._policy.teams:
            return Verdict(reason="you are not among the people or teams that may ask me for work", say_aloud=True)
        if member.guest:
            return Verdict(reason="guests of the workspace can not ask me for work", say_aloud=True)
        return Verdict()
