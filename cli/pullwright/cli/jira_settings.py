"""The settings about Jira: what ``Settings`` has besides its own."""

from __future__ import annotations

from typing import ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class JiraRepositoryTable(BaseModel):
    """Which tickets are about a repository: a table ``[[jira_repositories]]``, or an object in the list of that name.

    A ticket fits when everything that is given here is true of it.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    repository: str = Field(pattern=r"^[A-Za-z0-9._-]{1,100}/[A-Za-z0-9._-]{1,100}$")
    """``owner/name`` on the code host."""
    project: str = ""
    component: str = ""
    label: str = ""
    field: str = ""
    """Id or name of a field …"""
    value: str = ""
    """… and what it holds."""
    path: str = ""
    """The folder in the repository that the work is about."""
    base: str = ""
    """The branch that changes go to; empty for the default branch."""


class JiraFields(BaseModel):
    """One Jira, Cloud or Data Center."""

    jira_url: str = ""
    """Where people open it, such as ``https://acme.atlassian.net``; without it there is no Jira."""
    jira_api_url: str = ""
    """``https://api.atlassian.com/ex/jira/CLOUD-ID`` for scoped tokens."""
    jira_cloud: bool | None = None
    """Whether it is Jira Cloud; unset to tell by the address."""
    jira_email: str = ""
    """Of the bot's account; only on Cloud."""
    jira_token: SecretStr = SecretStr("")
    """API token of the bot's account, or its personal access token on Data Center."""
    jira_account: str = Field(default="", max_length=300)
    """Account id of the bot, or its user name on Data Center, so that it never answers itself."""
    jira_account_key: str = Field(default="", max_length=300)
    """The key of its user on Data Center, such as ``JIRAUSER10100``."""
    jira_connection: str = Field(default="main", pattern=r"^[A-Za-z0-9_-]{1,50}$")
    """The end of the address of Jira's webhooks: ``/webhooks/jira/main``."""
    jira_webhook_secrets: tuple[SecretStr, ...] = ()
    """Secrets of webhooks that an administrator made, two while one replaces the other; as for those below."""
    jira_app_secrets: tuple[SecretStr, ...] = ()
    """Client secrets of an OAuth or Connect app; its hooks go to ``…-app``."""
    jira_automation_secrets: tuple[SecretStr, ...] = ()
    """What rules of Automation send in ``X-Pullwright-Secret``; they go to ``…-rule``."""
    jira_path_secrets: tuple[SecretStr, ...] = ()
    """Where nothing is signed (Data Center): the last part of the address, ``…-path/SECRET``."""
    jira_label: str = Field(default="agent", min_length=1, max_length=100)
    """The label that asks for work."""
    jira_trigger_statuses: tuple[str, ...] = ()
    """Names or ids of statuses that ask for work."""
    jira_assignment: bool = True
    """Whether assigning a ticket to the bot asks for work."""
    jira_projects: tuple[str, ...] = ()
    """Keys of the projects that are listened to; empty for all that the bot can see."""
    jira_repositories: tuple[JiraRepositoryTable, ...] = ()
    """Which repository a ticket is about."""
    jira_repository_field: str = ""
    """Id or name of a field that holds a repository."""
    jira_acceptance_field: str = ""
    """Id or name of the field with the acceptance criteria."""
    jira_in_progress: tuple[str, ...] = ("In Progress",)
    """Statuses, the best first, that a ticket is moved to when work begins; empty to leave it where it is."""
    jira_review: tuple[str, ...] = ("In Review", "Review")
    """The same, for when its pull request is open."""
    jira_done: tuple[str, ...] = ()
    """The same, for when its pull request is merged; empty to leave that to people."""
    jira_give_back: bool = True
    """Whether a ticket of the bot's is given to who asked while a question waits, and taken again after that."""
    jira_tasks_per_hour: int = Field(default=12, ge=1)
    """How many tasks one ticket can become within an hour."""
    jira_users: tuple[str, ...] = ()
    """Accounts that may ask for work."""
    jira_groups: tuple[str, ...] = ()
    """Groups whose members may."""
    jira_roles: tuple[str, ...] = ()
    """Roles in the ticket's project that may."""
    jira_denied_users: tuple[str, ...] = ()
    """Who may never ask for work."""

    @property
    def jira_secrets(self) -> tuple[str, ...]:
        """Every secret of Jira; none of them may be in what leaves this process."""
        held = (
            self.jira_token,
            *self.jira_webhook_secrets,
            *self.jira_app_secrets,
            *self.jira_automation_secrets,
            *self.jira_path_secrets,
        )
        return tuple(filter(None, (secret.get_secret_value() for secret in held)))


JIRA_TRUSTED_ONLY: Final = frozenset(JiraFields.model_fields)
"""All of them: a file inside a checkout may not set them."""
