"""The settings about signed requests of one's own systems: what ``Settings`` is to have besides its own."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field, SecretStr

GENERIC_TRUSTED_ONLY: Final = frozenset({"generic_webhook_secrets", "generic_repositories", "generic_webhooks"})
"""All of them: a file inside a checkout may not set them."""

RepositoryPattern = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.*-]{1,100}/[A-Za-z0-9_.*-]{1,100}$")]


class GenericWebhookTable(BaseModel):
    """A connection: a table ``[[generic_webhooks]]``, or an object in the list ``AGENT_GENERIC_WEBHOOKS``."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    """The end of its address: ``/webhooks/generic/NAME``."""
    secrets: tuple[SecretStr, ...] = Field(min_length=1)
    """``whsec_`` and 24 to 64 bytes in Base64; two while one replaces the other."""
    repositories: tuple[RepositoryPattern, ...] = Field(min_length=1)
    """Where work may be asked for: ``owner/name``, in which ``*`` stands for anything."""
    checks: tuple[str, ...] = ()
    """What changes have to pass where a request names no checks; empty for the setting of that name."""
    own_checks: bool = True
    """Whether a request may name other checks than those."""


class GenericFields(BaseModel):
    """What ``POST /webhooks/generic`` and its connections let in."""

    generic_webhook_secrets: tuple[SecretStr, ...] = ()
    """Secrets of ``/webhooks/generic``, two while one replaces the other; without any there is no such door."""
    generic_repositories: tuple[RepositoryPattern, ...] = ()
    """Where work may be asked for there: ``owner/name``, in which ``*`` stands for anything."""
    generic_webhooks: tuple[GenericWebhookTable, ...] = ()
    """More connections, each with an address, secrets and repositories of its own."""

    @property
    def generic_secrets(self) -> tuple[str, ...]:
        """Every secret of them; none of them may be in what leaves this process."""
        held = (*self.generic_webhook_secrets, *(one for table in self.generic_webhooks for one in table.secrets))
        return tuple(filter(None, (secret.get_secret_value() for secret in held)))
