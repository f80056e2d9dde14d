"""The settings about Sentry: what ``Settings`` is to have besides its own."""

from __future__ import annotations

from typing import ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

SENTRY_TRUSTED_ONLY: Final = frozenset(
    {
        "sentry_url",
        "sentry_organization",
        "sentry_token",
        "sentry_webhook_secrets",
        "sentry_webhook_header",
        "sentry_path_secrets",
        "sentry_connection",
        "sentry_installation",
        "sentry_app",
        "sentry_assignees",
        "sentry_users",
        "sentry_projects",
        "sentry_min_events",
        "sentry_environments",
        "sentry_level",
        "sentry_known_days",
        "sentry_quiet_days",
        "sentry_personal_data",
        "sentry_resolve_on_merge",
    }
)
"""All of them: a file inside a checkout may not set them."""


class SentryProjectTable(BaseModel):
    """A project and its code: a table ``[[sentry_projects]]``, or an object in the list ``AGENT_SENTRY_PROJECTS``."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    project: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,99}$")
    """Slug."""
    repo: str = Field(pattern=r"^[A-Za-z0-9._-]{1,100}/[A-Za-z0-9._-]{1,100}$")
    """``owner/name`` on the code host."""
    base: str = ""
    """The branch that fixes go to; empty for the default branch."""
    stack_root: str = ""
    """What the paths in stacks begin with, such as ``/srv/app/`` …"""
    source_root: str = ""
    """… and what the repository has in its place, such as ``src/``."""


class SentryFields(BaseModel):
    """One organization of one Sentry."""

    sentry_url: str = "https://sentry.io"
    """Where people open it: sentry.io, a region of it, or a self-hosted one."""
    sentry_organization: str = ""
    """Slug of the organization; without it there is no Sentry."""
    sentry_token: SecretStr = SecretStr("")
    """Token of an internal integration: event (write), project and organization (read)."""
    sentry_webhook_secrets: tuple[SecretStr, ...] = ()
    """Client secrets of the integration, two while one replaces the other; without any, no webhook is let in."""
    sentry_webhook_header: SecretStr = SecretStr("")
    """A header that you have added to the integration's webhook, ``Name: value``; then it is asked for as well."""
    sentry_path_secrets: tuple[SecretStr, ...] = ()
    """For the legacy WebHooks plugin, which signs nothing: ``/webhooks/sentry/main-legacy/SECRET``."""
    sentry_connection: str = Field(default="main", pattern=r"^[A-Za-z0-9_-]{1,64}$")
    """The end of the address of Sentry's webhooks: ``/webhooks/sentry/main``."""
    sentry_installation: str = Field(default="", max_length=100)
    """Uuid of the integration's installation, to show pull requests in the sidebar of issues."""
    sentry_app: str = Field(default="", max_length=100)
    """Uuid or name of the integration, for older Sentries whose hooks do not say it: the bot never answers itself."""
    sentry_assignees: tuple[str, ...] = ()
    """``user:ID`` and ``team:ID``: issues that are assigned to one of them are work."""
    sentry_users: tuple[str, ...] = ()
    """When given, only people with these ids may ask in comments and by assigning."""
    sentry_projects: tuple[SentryProjectTable, ...] = ()
    """Which projects are worked on, and where their code is."""
    sentry_min_events: int = Field(default=1, ge=1)
    """How often an issue has to happen before it is worked on."""
    sentry_environments: tuple[str, ...] = ()
    """Which environments count; empty for all."""
    sentry_level: Literal["debug", "info", "warning", "error", "fatal"] = "error"
    """The lowest level that counts."""
    sentry_known_days: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """Issues that are known for longer are left alone; 0 for no limit."""
    sentry_quiet_days: float = Field(default=14.0, ge=0, allow_inf_nan=False)
    """Issues that were not seen for longer are left alone; 0 for no limit."""
    sentry_personal_data: bool = False
    """Whether the model sees who is named in events: addresses, user names. Secrets it never sees."""

    sentry_resolve_on_merge: bool = True
    """Whether a merged fix resolves its issues in the next release."""

    @property
    def sentry_secrets(self) -> tuple[str, ...]:
        """Every secret of Sentry; none of them may be in what leaves this process."""
        held = (self.sentry_token, *self.sentry_webhook_secrets, *self.sentry_path_secrets)
        header = self.sentry_webhook_header.get_secret_value().partition(":")[2].strip()
        return tuple(filter(None, (*(secret.get_secret_value() for secret in held), header)))
