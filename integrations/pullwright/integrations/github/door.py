"""GitHub's door: its webhooks, verified and understood. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from pullwright.agents.intake.door import Headers, Unreadable
from pullwright.agents.ports.inbox import NewDelivery
from pullwright.integrations.github.deliveries import UnreadableDelivery, parse_delivery
from pullwright.integrations.github.events import interpret
from pullwright.integrations.github.meaning_codec import kind_of, meaning_to_json
from pullwright.integrations.github.meanings import BotIdentity, Ignored, Meaning
from pullwright.integrations.signatures import GITHUB, HmacVerifier, Secret

SOURCE = "github"


class GitHubDoor:
    """One App, or the hooks of the repositories that share its secrets."""

    def __init__(self, connection: str, secrets: Iterable[Secret], bot: BotIdentity) -> None:
        """Raise ConfigError without a usable secret."""
        self._connection = connection
        self._verifier = HmacVerifier(GITHUB, secrets)
        self._bot = bot

    @property
    def source(self) -> str:
        return SOURCE

    @property
    def connection(self) -> str:
        return self._connection

    def problem(self, headers: Headers, body: bytes, *, now: float) -> str:
        verdict = self._verifier.check(headers, body, now=now)
        return "" if verdict.problem is None else verdict.problem.value

    def read(self, headers: Headers, body: bytes) -> NewDelivery | Unreadable:
        delivery = parse_delivery(headers, body)
        if isinstance(delivery, UnreadableDelivery):
            return Unreadable(status=delivery.fault.status, detail=f"{delivery.fault} {delivery.detail}".strip())
        return new_delivery(interpret(delivery, self._bot), self._connection, delivery.id)


def new_delivery(meaning: Meaning, connection: str, key: str) -> NewDelivery:
    """Return what the inbox keeps of a meaning."""
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
