"""Jira's door: its hooks, verified and understood. Pure."""

from __future__ import annotations

from dataclasses import replace

from pullwright.agents.intake.door import Headers, Unreadable
from pullwright.agents.ports.inbox import NewDelivery
from pullwright.integrations.jira.admission import Admission
from pullwright.integrations.jira.deliveries import parse_delivery
from pullwright.integrations.jira.events import interpret
from pullwright.integrations.jira.meaning_codec import kind_of, meaning_to_json
from pullwright.integrations.jira.meanings import BotIdentity, Ignored, Meaning

SOURCE = "jira"


class JiraDoor:
    """One webhook, app or rule of one Jira."""

    def __init__(self, connection: str, admission: Admission, bot: BotIdentity) -> None:
        self._connection = connection
        self._admission = admission
        self._bot = bot

    @property
    def source(self) -> str:
        return SOURCE

    @property
    def connection(self) -> str:
        return self._connection

    def problem(self, headers: Headers, body: bytes, *, now: float) -> str:
        return self._admission.problem(headers, body, now=now)

    def read(self, headers: Headers, body: bytes) -> NewDelivery | Unreadable:
        delivery = parse_delivery(headers, body)
        if isinstance(delivery, Unreadable):
            return delivery
        return new_delivery(interpret(delivery, self._bot), self._connection, delivery.id)


def new_delivery(meaning: Meaning, connection: str, key: str) -> NewDelivery:
    """Return what the inbox keeps of a meaning."""
    if isinstance(meaning, Ignored):
        meaning = replace(meaning, semantic_key="")
    ignored = meaning.reason if isinstance(meaning, Ignored) else ""
    return NewDelivery(
        source=SOURCE,
        connection=connection,
        key=key,
        meaning_key=meaning.semantic_key,
        work_key=meaning.work_key,
        kind=kind_of(meaning),
        content="" if ignored else meaning_to_json(meaning),
        ignored=ignored,
    )
