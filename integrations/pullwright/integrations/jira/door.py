"""Jira's door: its hooks, verified and understood. Pure."""

from __future__ import annotations

from typing import Final

from pullwright.agents.intake.door import Headers, Unreadable
from pullwright.agents.ports.inbox import NewDelivery
from pullwright.integrations.jira.admission import Admission
from pullwright.integrations.jira.deliveries import parse_delivery
from pullwright.integrations.jira.events import interpret
from pullwright.integrations.jira.meaning_codec import CODEC
from pullwright.integrations.jira.meanings import BotIdentity, Ignored, Meaning
from pullwright.integrations.meanings import kept

SOURCE: Final = "jira"


class JiraDoor:
    """One webhook, app or rule of one Jira."""

    source: Final = SOURCE

    def __init__(self, connection: str, admission: Admission, bot: BotIdentity) -> None:
        self.connection = connection
        self._admission = admission
        self._bot = bot

    def problem(self, headers: Headers, body: bytes, *, now: float) -> str:
        return self._admission.problem(headers, body, now=now)

    def read(self, headers: Headers, body: bytes) -> NewDelivery | Unreadable:
        delivery = parse_delivery(headers, body)
        if isinstance(delivery, Unreadable):
            return delivery
        return new_delivery(interpret(delivery, self._bot), self.connection, delivery.id)


def new_delivery(meaning: Meaning, connection: str, key: str) -> NewDelivery:
    """Return what the inbox keeps of a meaning."""
    ignored = meaning.reason if isinstance(meaning, Ignored) else ""
    return kept(meaning, CODEC, source=SOURCE, connection=connection, key=key, ignored=ignored)
