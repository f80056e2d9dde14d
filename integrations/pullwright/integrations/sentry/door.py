"""Sentry's door: the hooks of one internal integration, verified and understood. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pullwright.agents.intake.door import Headers, Unreadable
from pullwright.agents.ports.inbox import NewDelivery
from pullwright.integrations.sentry.deliveries import UnreadableDelivery, parse_delivery
from pullwright.integrations.sentry.meaning_codec import kind_of, meaning_to_json
from pullwright.integrations.sentry.meanings import Ignored, Meaning, SentryIdentity
from pullwright.integrations.sentry.reading import interpret
from pullwright.integrations.signatures import SENTRY, HmacVerifier, Secret, SharedSecretVerifier

SOURCE: Final = "sentry"


class SentryDoor:
    """The hooks of one integration.

    A legacy hook is not signed, so it never comes in. The time that a hook carries is not signed either: what is
    delivered again is known by its ``Request-ID`` and by what it means.
    """

    def __init__(
        self,
        connection: str,
        secrets: Iterable[Secret],
        me: SentryIdentity,
        *,
        second_header: str = "",
        second_secrets: Iterable[Secret] = (),
    ) -> None:
        """Make one.

        Args:
            connection: Its name.
            secrets: The integration's client secrets.
            me: Who we are there.
            second_header: A header that the operator has added to the hook, to be checked as well; empty for none.
            second_secrets: Its whole value.

        Raises:
            ConfigError: There is no usable secret.
        """
        self._connection = connection
        self._verifier = HmacVerifier(SENTRY, secrets)
        self._second = SharedSecretVerifier(second_header, second_secrets) if second_header else None
        self._me = me

    @property
    def source(self) -> str:
        return SOURCE

    @property
    def connection(self) -> str:
        return self._connection

    def problem(self, headers: Headers, body: bytes, *, now: float) -> str:
        verdict = self._verifier.check(headers, body, now=now)
        if verdict.problem is None and self._second is not None:
            verdict = self._second.check(headers, body, now=now)
        return "" if verdict.problem is None else verdict.problem.value

    def read(self, headers: Headers, body: bytes) -> NewDelivery | Unreadable:
        delivery = parse_delivery(headers, body)
        if isinstance(delivery, UnreadableDelivery):
            return Unreadable(status=delivery.fault.status, detail=f"{delivery.fault} {delivery.detail}".strip())
        return new_delivery(interpret(delivery, self._me), self._connection, delivery.id)


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
