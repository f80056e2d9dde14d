"""GitHub's door: its webhooks, verified and understood. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pullwright.agents.intake.door import Headers, Unreadable
from pullwright.agents.ports.inbox import NewDelivery
from pullwright.integrations.github.deliveries import UnreadableDelivery, parse_delivery
from pullwright.integrations.github.events import interpret
from pullwright.integrations.github.meaning_codec import CODEC
from pullwright.integrations.github.meanings import BotIdentity, Ignored, Meaning
from pullwright.integrations.meanings import kept
from pullwright.integrations.signatures import GITHUB, HmacVerifier, Secret

SOURCE: Final = "github"


class GitHubDoor:
    """One App, or the hooks of the repositories that share its secrets."""

    source: Final = SOURCE

    def __init__(self, connection: str, secrets: Iterable[Secret], bot: BotIdentity) -> None:
        """Raise ConfigError without a usable secret."""
        self.connection = connection
        self._verifier = HmacVerifier(GITHUB, secrets)
        self._bot = bot

    def problem(self, headers: Headers, body: bytes, *, now: float) -> str:
        return self._verifier.check(headers, body, now=now).objection

    def read(self, headers: Headers, body: bytes) -> NewDelivery | Unreadable:
        delivery = parse_delivery(headers, body)
        if isinstance(delivery, UnreadableDelivery):
            return Unreadable(status=delivery.fault.status, detail=f"{delivery.fault} {delivery.detail}".strip())
        return new_delivery(interpret(delivery, self._bot), self.connection, delivery.id)


def new_delivery(meaning: Meaning, connection: str, key: str) -> NewDelivery:
    """Return what the inbox keeps of a meaning."""
    ignored = meaning.reason if isinstance(meaning, Ignored) else ""
    return kept(meaning, CODEC, source=SOURCE, connection=connection, key=key, ignored=ignored)
