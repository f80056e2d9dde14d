"""The settings about Linear: what ``Settings`` has besides its own."""

from __future__ import annotations

from typing import ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class LinearRepositoryTable(BaseModel):
    """Which issues are about a repository: a table ``[[linear_repositories]]``, or an object in the list of that name.

    An issue fits when everything that is given here is true of it; with nothing given, every issue fits.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    repository: str = Field(pattern=r"^[A-Za-z0-9._-]{1,100}/[A-Za-z0-9._-]{1,100}$")
    """``owner/name`` on the code host."""
    team: str = ""
    """Key or name."""
    project: str = ""
    label: str = ""
    path: str = ""
    """The folder in the repository that the work is about."""
    base: str = ""
    """The branch that changes go to; empty for the default branch."""


class LinearFields(BaseModel):
    """One workspace of Linear."""

    linear_token: SecretStr = SecretStr("")
    """A personal API key of the bot's account, or the OAuth token of an app; without it there is no Linear."""
    linear_api_url: str = "https://api.linear.app/graphql"
    """Where programs go."""
    linear_upload_hosts: tuple[str, ...] = ("uploads.linear.app",)
    """Where pictures of issues are; only these hosts are asked for them, with the token."""
    linear_user: str = Field(default="", max_length=64)
    """Id of the bot's account, so that it never answers itself; ``agent linear setup`` shows it."""
    linear_user_name: str = Field(default="", max_length=100)
    """The display name that people mention it by; empty where only commands count."""
    linear_connection: str = Field(default="main", pattern=r"^[A-Za-z0-9_-]{1,50}$")
    """The end of the address of the webhook: ``/webhooks/linear/main``."""
    linear_webhook_secrets: tuple[SecretStr, ...] = ()
    """Signing secrets of the webhook; two while one replaces the other."""
    linear_label: str = Field(default="agent", min_length=1, max_length=100)
    """The label that asks for work."""
    linear_assignment: bool = True
    """Whether assigning or delegating an issue to the bot asks for work."""
    linear_teams: tuple[str, ...] = ()
    """Keys of the teams that are listened to; empty for all that the bot can see."""
    linear_repositories: tuple[LinearRepositoryTable, ...] = ()
    """Which repository an issue is about."""
    linear_in_progress: tuple[str, ...] | None = None
    """States, the best first, that an issue is moved to when work begins; unset for the first one that counts as
    started, empty to leave it where it is."""
    linear_review: tuple[str, ...] = ("In Review",)
    """The same, for when its pull request is open; a team without such a state keeps its issues where they are."""
    linear_done_state: tuple[str, ...] = ()
    """The same, for when its pull request is merged; empty to leave that to people, or to Linear itself."""
    linear_users: tuple[str, ...] = ()
    """Ids or e-mail addresses of who may ask for work; with nothing here and below, every member but guests."""
    linear_user_teams: tuple[str, ...] = ()
    """Keys of teams whose members may."""
    linear_denied_users: tuple[str, ...] = ()
    """Ids or e-mail addresses of who may never."""

    @property
    def linear_secrets(self) -> tuple[str, ...]:
        """Every secret of Linear; none of them may be in what leaves this process."""
        held = (self.linear_token, *self.linear_webhook_secrets)
        return tuple(filter(None, (secret.get_secret_value() for secret in held)))


LINEAR_TRUSTED_ONLY: Final = frozenset(LinearFields.model_fields)
"""All of them: a file inside a checkout may not set them."""
