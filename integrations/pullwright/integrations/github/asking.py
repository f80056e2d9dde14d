"""Asks GitHub one thing after another as whoever the settings say, for commands of people; everything blocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import github

from pullwright.agents.errors import ConfigError, IntegrationError
from pullwright.integrations.github.app_auth import AppCredentials
from pullwright.integrations.github.client import Refused, Session, connect
from pullwright.integrations.github.credentials import Need, Step
from pullwright.integrations.github.failures import to_error
from pullwright.integrations.github.identity import sign_in
from pullwright.integrations.github.settings import GitHubSettings
from pullwright.integrations.github.setup_facts import read_app, read_user
from pullwright.integrations.github.tuning import GitHubTuning

T = TypeVar("T")


class Asking:
    """Conversations with one GitHub."""

    def __init__(self, settings: GitHubSettings, tuning: GitHubTuning | None = None) -> None:
        """Raise ConfigError when the App's key is no key."""
        self.settings = settings
        self._tuning = tuning or GitHubTuning()
        self._credentials = sign_in(settings, self._tuning)

    @property
    def app(self) -> AppCredentials | None:
        """The App, if we are one."""
        return self._credentials if isinstance(self._credentials, AppCredentials) else None

    def there(self, repository: str, step: Step, work: Callable[[Session], T]) -> T:
        """Ask something in one repository, with the right to do that step.

        Raises:
            IntegrationError.
        """
        return self._with(self._credentials.token(Need(repository=repository, step=step)), work)

    def as_we_are(self, work: Callable[[Session], T]) -> T:
        """Ask something with the token of the settings.

        Raises:
            IntegrationError.
        """
        return self._with(self.settings.token, work)

    def anonymously(self, work: Callable[[Session], T]) -> T:
        """Ask something as nobody.

        Raises:
            IntegrationError.
        """
        return self._with("", work)

    def bot(self, repository: str) -> tuple[str, int]:
        """Return login and user id of whom we act as.

        Raises:
            IntegrationError: It can not be found out.
        """
        if self.app is None:
            user = self.as_we_are(read_user)
            return user.login, user.id
        login = f"{read_app(self.app).slug}[bot]"
        try:
            user = self.anonymously(lambda session: read_user(session, login))
        except IntegrationError:  # a server that shows nothing to strangers
            if not repository:
                raise
            user = self.there(repository, Step.READ, lambda session: read_user(session, login))
        return user.login, user.id

    def _with(self, token: str, work: Callable[[Session], T]) -> T:
        with connect(self.settings, self._tuning, github.Auth.Token(token) if token else None) as api:
            try:
                return work(Session(api, self.settings))
            except Refused as exc:
                raise to_error(exc.refusal) from exc


def asking(settings: GitHubSettings) -> Asking:
    """Return who asks.

    Raises:
        ConfigError: Nobody is signed in, or the App's key is no key.
    """
    if not (settings.is_app or settings.token):
        raise ConfigError(
            "nobody is signed in to GitHub; make an App with `agent github setup --new-app NAME`, "
            "or set AGENT_GITHUB_TOKEN to a fine-grained token"
        )
    return Asking(settings)
