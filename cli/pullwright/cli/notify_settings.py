"""The settings about notifications: what ``Settings`` has besides its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import ClassVar, Final
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from pullwright.agents.ports.notice import Moment

_DIVIDERS: Final = re.compile(r"[/?&=:@,;#]+")
_TOKEN: Final = re.compile(r"(?=.*\d)[^.\s]{16,}|(?=.*[a-z])(?=.*[A-Z])\S{16,}")
"""What has digits, or letters of both cases, is no word; with dots it may be a host."""


class NotificationTable(BaseModel):
    """A target that wants to be told something of its own: a table ``[[notifications]]``, or an object in the list."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    url: SecretStr = Field(min_length=1)
    """As in ``notify``."""
    repositories: tuple[str, ...] = ()
    """Patterns (``acme/*``) of the repositories that it wants to be told of; empty for all."""
    about: tuple[Moment, ...] | None = None
    """What it wants to be told; left out for what ``notify_about`` says."""


class NotifyFields(BaseModel):
    """Who is told what, where people are anyway."""

    notify: tuple[SecretStr, ...] = ()
    """Addresses as Apprise writes them (Slack, Teams, Discord, e-mail, …); they hold secrets."""
    notify_about: tuple[Moment, ...] = (Moment.STARTED, Moment.QUESTION, Moment.PULL_REQUEST, Moment.FAILED)
    """What they are told: ``started``, ``question``, ``pull_request``, ``failed``, ``done``, ``canceled``."""
    notifications: tuple[NotificationTable, ...] = ()
    """Targets that want to be told something of their own."""

    @property
    def notify_secrets(self) -> tuple[str, ...]:
        """Every address, and the secrets within; none of them may be in what leaves this process."""
        held = (*self.notify, *(table.url for table in self.notifications))
        urls = [secret.get_secret_value() for secret in held]
        return tuple(dict.fromkeys(part for url in urls for part in (url, *secret_parts(url))))


NOTIFY_TRUSTED_ONLY: Final = frozenset(NotifyFields.model_fields)
"""All of them: a file inside a checkout may not set them."""


def secret_parts(url: str) -> Iterator[str]:
    """Yield what may be a secret within an address: its password, and whatever is long and looks like a token.

    A channel or a mailbox is none: what counts as a secret is taken out of every text, and may not be in a change.
    """
    with suppress(ValueError):
        parts = urlsplit(url)
        no_port = parts.netloc.rpartition("@")[2].partition(":")[2]  # of a bot, where others have a port
        for secret in (parts.password, "" if no_port.isdigit() else no_port):
            if secret:
                yield from (secret, unquote(secret))
    for piece in _DIVIDERS.split(url):
        if _TOKEN.fullmatch(unquote(piece)):
            yield from (piece, unquote(piece))
