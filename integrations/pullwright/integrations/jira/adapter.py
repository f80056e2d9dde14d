"""Puts the parts for one Jira together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pullwright.agents.change import RepositoryRef
from pullwright.agents.errors import ConfigError
from pullwright.agents.ports.clock import Clock
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.report import Standing
from pullwright.integrations.jira.authority import Authority, AuthorityPolicy
from pullwright.integrations.jira.client import JiraClient
from pullwright.integrations.jira.handler import JiraHandler
from pullwright.integrations.jira.markers import MarkerKey
from pullwright.integrations.jira.meanings import BotIdentity
from pullwright.integrations.jira.memberships import JiraMemberships
from pullwright.integrations.jira.polling import JiraPolling
from pullwright.integrations.jira.reports import JiraLandings, JiraReports
from pullwright.integrations.jira.repository_choice import RepositoryRule
from pullwright.integrations.jira.requested_work import WorkTerms
from pullwright.integrations.jira.settings import JiraSettings
from pullwright.integrations.jira.setup_check import SetupFacts, overlap
from pullwright.integrations.jira.speaking import JiraVoice
from pullwright.integrations.jira.status_text import JiraTexts
from pullwright.integrations.jira.ticket_reading import TicketReader
from pullwright.integrations.jira.tuning import JiraTuning
from pullwright.integrations.redaction import Redactor
from pullwright.integrations.repository_choice import RepositoryChoice


@dataclass(frozen=True, slots=True, kw_only=True)
class JiraTerms:
    """What the operator decided about one Jira."""

    settings: JiraSettings
    bot: BotIdentity
    policy: AuthorityPolicy
    rules: Sequence[RepositoryRule]
    """Which repository a ticket is about."""
    repository_field: str = ""
    """Id or name of the field that holds a repository; empty for none."""
    acceptance_field: str = ""
    """Id or name of the field with the acceptance criteria; empty for none."""
    work: WorkTerms = field(default_factory=WorkTerms)
    tuning: JiraTuning = field(default_factory=JiraTuning)

    @property
    def facts(self) -> SetupFacts:
        """What a look at the setup compares with Jira."""
        return SetupFacts(
            bot=self.bot,
            terms=self.work,
            policy=self.policy,
            rules=self.rules,
            acceptance_field=self.acceptance_field,
            repository_field=self.repository_field,
        )


class JiraAdapter:
    """Everything that listens to one Jira and speaks there; nothing is asked of it before it is used."""

    def __init__(
        self,
        terms: JiraTerms,
        *,
        store: DurableStore,
        repository: Callable[[str], RepositoryRef],
        marker_key: bytes,
        redactor: Redactor,
        clock: Clock,
        cost: Callable[[Standing], str] = lambda standing: "",
    ) -> None:
        """Make one.

        Args:
            terms: What the operator decided.
            store: Where deliveries and tasks are.
            repository: Makes a reference of ``owner/name``.
            marker_key: At least 16 bytes that every host of an installation has, and nobody else.
            redactor: Takes secrets out of what is said.
            clock: For how long look-ups are remembered, and how far polling looks back.
            cost: Says how much money was spent; empty when that is not known.

        Raises:
            ConfigError: The settings contradict each other.
        """
        if circular := overlap(terms.facts):
            raise ConfigError(
                f"the status {circular[0]!r} starts work, and tickets are moved there when work is done; "
                "use another one for AGENT_JIRA_TRIGGER_STATUSES"
            )
        self.client = JiraClient(terms.settings, terms.tuning)
        self.voice = JiraVoice(self.client, terms.bot, MarkerKey(marker_key))
        texts = JiraTexts(redactor)
        self.reports = JiraReports(self.voice, texts, terms.work, cost)
        self.landings = JiraLandings(self.voice, texts, terms.work)
        self.handler = JiraHandler(
            bot=terms.bot,
            inbox=store,
            authority=Authority(JiraMemberships(self.client), terms.bot, terms.policy, monotonic=clock.monotonic),
            reader=TicketReader(self.client, acceptance_field=terms.acceptance_field),
            choice=RepositoryChoice(terms.rules, tracker="Jira"),
            repository_field=terms.repository_field,
            repository=repository,
            voice=self.voice,
            texts=texts,
            terms=terms.work,
        )
        self._bot = terms.bot
        self._store = store
        self._clock = clock

    def polling(self, connection: str) -> JiraPolling:
        """Return what looks for changes; ``connection`` is what its deliveries say that they came by."""
        return JiraPolling(self.client, self._bot, self._store, connection=connection, now=self._clock.now)
