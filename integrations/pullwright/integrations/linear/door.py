"""Linear's door: the hooks of one workspace, verified and understood. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pullwright.agents.intake.door import Headers, Unreadable
from pullwright.agents.ports.inbox import NewDelivery
from pullwright.integrations.linear.deliveries import parse_delivery
from pullwright.integrations.linear.events import interpret
from pullwright.integrations.linear.meaning_codec import kind_of, meaning_to_json
from pullwright.integrations.linear.meanings import BotIdentity, Ignored, Meaning
from pullwright.integrations.signatures import LINEAR, HmacVerifier, Secret

SOURCE: Final = "linear"


class LinearDoor:
    """One webhook.

    A delivery whose signed time is more than a minute away is refused: it may be an old one that somebody kept. What
    Linear itself could not deliver in time is found by polling.
    """

    success_status: Final = 200
    """Linear takes any other status for a failure: it delivers again, and in the end switches the hook off."""

    def __init__(self, connection: str, secrets: Iterable[Secret], bot: BotIdentity) -> None:
        """Raise ConfigError when there is no usable secret."""
        self._connection = connection
        self._verifier = HmacVerifier(LINEAR, secrets)
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
        if isinstance(delivery, Unreadable):
            return delivery
        return new_delivery(interpret(delivery, self._bot), self._connection, delivery.id)


def new_delivery(meaning: Meaning, connection: str, key: str) -> NewDelivery:
    """Return what the inbox keeps of a meaning."""
    ignored = meaning.reason if isinstance(meaning, Ignored) else ""
    return NewDelivery(
        source=SOURCE,
        connection=connection,
        key=key,
        meaning_key="" if ignored else meaning.semantic_key,
        work_key=meaning.work_key,
        kind=kind_of(meaning),
        content="" if ignored else meaning_to_json(meaning),
        ignored=ignored,
    )
