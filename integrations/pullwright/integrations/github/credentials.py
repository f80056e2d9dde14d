"""With what right something is asked of GitHub: the least that a step needs, in one repository. No PyGithub here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from pullwright.agents.errors import ConfigError

_SLUG = re.compile(r"[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}", re.ASCII)


class Step(StrEnum):
    """What a token is needed for."""

    READ = "read"
    """Issues, pull requests and code; while planning and working."""
    LOGS = "logs"
    """Checks and the logs of failed jobs."""
    TALK = "talk"
    """Comments, labels, reactions, pull requests."""
    PUSH = "push"
    """A branch. Only here can code be written."""
    PUSH_WORKFLOWS = "push_workflows"
    """A branch that changes ``.github/workflows``; the operator has to allow it."""
    CHECKS = "checks"
    """The bot's own check runs."""
    TEAMS = "teams"
    """Who is in a team; only where teams say who may ask."""

    @property
    def permissions(self) -> Mapping[str, str]:
        """The permissions of the App that it takes, as the REST API names them."""
        return {"metadata": "read", **_PERMISSIONS[self]}


_PERMISSIONS: Mapping[Step, Mapping[str, str]] = {
    Step.READ: {"contents": "read", "issues": "read", "pull_requests": "read"},
    Step.LOGS: {"actions": "read", "checks": "read", "statuses": "read"},
    Step.TALK: {"issues": "write", "pull_requests": "write", "contents": "read"},
    Step.PUSH: {"contents": "write"},
    Step.PUSH_WORKFLOWS: {"contents": "write", "workflows": "write"},
    Step.CHECKS: {"checks": "write"},
    Step.TEAMS: {"members": "read"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One repository and one step."""

    repository: str
    """``owner/name`` as it is now."""
    step: Step
    repository_id: int | None = None
    """When known; survives a new name."""
    installation_id: int | None = None
    """When the delivery said it; otherwise it is looked up."""

    def __post_init__(self) -> None:
        if not _SLUG.fullmatch(self.repository) or self.repository.endswith(("/.", "/..")):
            raise ConfigError(f"{self.repository!r} is no repository; write it as 'owner/name'")

    @property
    def name(self) -> str:
        """The repository's name without its owner."""
        return self.repository.partition("/")[2]


class Credentials(Protocol):
    """Gives tokens. Its calls may ask GitHub and block: they belong on a worker thread."""

    def token(self, need: Need) -> str:
        """Return a token that is good for at least five minutes; empty for anonymous reads.

        Raises:
            IntegrationError: GitHub gave none.
        """
        ...

    def forget(self, token: str) -> None:
        """Say that GitHub refused a token, so that the next one is a new one."""
        ...


class FixedToken:
    """A token that a person made: it has the rights that it has."""

    def __init__(self, token: str) -> None:
        self._token = token

    def token(self, need: Need) -> str:
        return self._token

    def forget(self, token: str) -> None:
        """There is no other."""
