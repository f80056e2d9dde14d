"""Linear's door: the hooks of one workspace, verified and understood. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pullwright.agents.intake.door import Headers, Unreadable
from pullwright.agents.ports.inbox import NewDelivery
from pullwright.integrations.linear.deliveries import parse_delivery
from pullwright.integrations.linear.events import interpret
from pullwright.integrations.linear.meaning_codec import CODEC
from pullwright.integrations.linear.meanings import BotIdentity, Ignored, Meaning
from pullwright.integrations.meanings import kept
from pullwright.integrations.signatures import LINEAR, HmacVerifier, Secret

SOURCE: Final = "linear"


class LinearDoor:
    """One webhook.

    A delivery whose signed time is more than a minute away is refused: it may be an old one that somebody kept. What
    Linear itself could not deliver in time is found by polling.
    """

    source: Final = SOURCE
    success_status: Final = 200
    """Linear takes any other status for a failure: it delivers again, and in the end switches the hook off."""

    def __init__(self, connection: str, secrets: Iterable[Secret], bot: BotIdentity) -> None:
        """Raise ConfigError when there is no usable secret."""
        self.connection = connection
        self._verifier = HmacVerifier(LINEAR, secrets)
        self._bot = bot

    def problem(self, headers: Headers, body: bytes, *, now: float) -> str:
        return self._verifier.check(headers, body, now=now).objection

    def read(self, headers: Headers, body: bytes) -> NewDelivery | Unreadable:
        delivery = parse_delivery(headers, body)
        if isinstance(delivery, Unreadable):
            return delivery
        return new_delivery(interpret(delivery, self._bot), self.connection, delivery.id)


def new_delivery(meaning: Meaning, connection: str, key: str) -> NewDelivery:
    """Return what the inbox keeps of a meaning."""
    ignored = meaning.reason if isinstance(meaning, Ignored) else ""
    return kept(meaning, CODEC, source=SOURCE, connection=connection, key=key, ignored=ignored)
