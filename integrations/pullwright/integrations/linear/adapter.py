"""Puts the parts for one workspace together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pullwright.agents.change import RepositoryRef
from pullwright.agents.ports.clock import Clock
from pullwright.agents.ports.inbox import InboxStore
from pullwright.agents.ports.report import Standing
from pullwright.integrations.linear.api import LinearApi
from pullwright.integrations.linear.authority import Authority, AuthorityPolicy
from pullwright.integrations.linear.client import LinearClient
from pullwright.integrations.linear.handler import LinearHandler
from pullwright.integrations.linear.meanings import BotIdentity
from pullwright.integrations.linear.missed import LinearPolling
from pullwright.integrations.linear.reports import LinearLandings, LinearReports
from pullwright.integrations.linear.repository_choice import RepositoryRule
from pullwright.integrations.linear.requested_work import WorkTerms
from pullwright.integrations.linear.settings import LinearSettings
from pullwright.integrations.linear.texts import LinearTexts
from pullwright.integrations.linear.voice import LinearVoice
from pullwright.integrations.redaction import Redactor
from pullwright.integrations.repository_choice import RepositoryChoice


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearTerms:
    """What the operator decided about one workspace."""

    settings: LinearSettings
    bot: BotIdentity
    rules: Sequence[RepositoryRule]
    """Which repository an issue is about."""
    policy: AuthorityPolicy = field(default_factory=AuthorityPolicy)
    work: WorkTerms = field(default_factory=WorkTerms)


class LinearAdapter:
    """Everything that listens to one workspace and speaks there; nothing is asked of it before it is used."""

    def __init__(
        self,
        terms: LinearTerms,
        *,
        inbox: InboxStore,
        repository: Callable[[str], RepositoryRef],
        key: bytes,
        redactor: Redactor,
        clock: Clock,
        cost: Callable[[Standing], str],
    ) -> None:
        """Make one.

        Args:
            terms: What the operator decided.
            inbox: Where deliveries and tasks are.
            repository: Makes a reference of ``owner/name``.
            key: At least 16 bytes that every host of an installation has, and nobody else.
            redactor: Takes secrets out of what is said.
            clock: For how long look-ups are remembered.
            cost: Says how much money a task has spent; empty when that is not known.

        Raises:
            ConfigError: The settings contradict each other.
        """
        self._bot = terms.bot
        self._api = LinearApi(LinearClient(terms.settings, now=lambda: clock.now().timestamp()))
        texts, voice = LinearTexts(redactor), LinearVoice(self._api, terms.bot, key)
        self.reports = LinearReports(voice, texts, terms.work, cost)
        self.landings = LinearLandings(self.reports, voice, terms.work)
        self.handler = LinearHandler(
            bot=terms.bot,
            inbox=inbox,
            authority=Authority(self._api, terms.bot, terms.policy, monotonic=clock.monotonic),
            api=self._api,
            choice=RepositoryChoice(terms.rules, tracker="Linear"),
            repository=repository,
            voice=voice,
            texts=texts,
            terms=terms.work,
        )

    def polling(self, connection: str) -> LinearPolling:
        """Return what looks for changes; ``connection`` is what its deliveries say that they came by."""
        return LinearPolling(self._api, self._bot, connection=connection)
