"""Sentry's doors: the hooks of one internal integration, and those of the legacy plugin. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pullwright.agents.intake.door import PATH_SECRET, Headers, Unreadable
from pullwright.agents.ports.inbox import NewDelivery
from pullwright.integrations.meanings import kept
from pullwright.integrations.sentry.deliveries import parse_delivery
from pullwright.integrations.sentry.meaning_codec import CODEC
from pullwright.integrations.sentry.meanings import Ignored, Meaning, SentryIdentity
from pullwright.integrations.sentry.reading import interpret, interpret_legacy
from pullwright.integrations.signatures import SENTRY, HmacVerifier, Secret, SharedSecretVerifier

SOURCE: Final = "sentry"


class SentryDoor:
    """The hooks of one integration.

    A legacy hook is not signed, so it does not come in here. The time that a hook carries is not signed either: what is
    delivered again is known by its ``Request-ID`` and by what it means.
    """

    source: Final = SOURCE

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
        self.connection = connection
        self._verifier = HmacVerifier(SENTRY, secrets)
        self._second = SharedSecretVerifier(second_header, second_secrets) if second_header else None
        self._me = me

    def problem(self, headers: Headers, body: bytes, *, now: float) -> str:
        verdict = self._verifier.check(headers, body, now=now)
        if verdict.accepted and self._second is not None:
            verdict = self._second.check(headers, body, now=now)
        return verdict.objection

    def read(self, headers: Headers, body: bytes) -> NewDelivery | Unreadable:
        delivery = parse_delivery(headers, body)
        if isinstance(delivery, Unreadable):
            return delivery
        return new_delivery(interpret(delivery, self._me), self.connection, delivery.id)


class SentryLegacyDoor:
    """The hooks of the legacy WebHooks plugin, which nobody signs: the address itself holds a secret.

    That is little, and so is what they can do: they name an issue, which is looked at as if an alert had told of it.
    """

    source: Final = SOURCE

    def __init__(self, connection: str, secrets: Iterable[Secret], me: SentryIdentity) -> None:
        """Make one.

        Args:
            connection: Its name.
            secrets: What the address may end with.
            me: Who we are there.

        Raises:
            ConfigError: There is no usable secret.
        """
        self.connection = connection
        self._verifier = SharedSecretVerifier(PATH_SECRET, secrets)
        self._me = me

    def problem(self, headers: Headers, body: bytes, *, now: float) -> str:
        return self._verifier.check(headers, body, now=now).objection

    def read(self, headers: Headers, body: bytes) -> NewDelivery | Unreadable:
        # Whatever it says it is about: only what the plugin sends is understood here.
        named = [(name, value) for name, value in headers if name.lower() != "sentry-hook-resource"]
        delivery = parse_delivery(named, body)
        if isinstance(delivery, Unreadable):
            return delivery
        return new_delivery(interpret_legacy(delivery, self._me), self.connection, delivery.id)


def new_delivery(meaning: Meaning, connection: str, key: str) -> NewDelivery:
    """Return what the inbox keeps of a meaning."""
    ignored = meaning.reason if isinstance(meaning, Ignored) else ""
    return kept(meaning, CODEC, source=SOURCE, connection=connection, key=key, ignored=ignored)
