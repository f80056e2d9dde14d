"""Asks GitHub who we are; blocks."""

from __future__ import annotations

import github

from pullwright.integrations.github.app_auth import AppCredentials
from pullwright.integrations.github.client import Refused, Session, connect
from pullwright.integrations.github.failures import to_error
from pullwright.integrations.github.identity import sign_in
from pullwright.integrations.github.payloads import Payload
from pullwright.integrations.github.settings import GitHubSettings
from pullwright.integrations.github.tuning import GitHubTuning


class _App(Payload):
    slug: str


class _User(Payload):
    login: str


def whoami(settings: GitHubSettings, tuning: GitHubTuning | None = None) -> str:
    """Return who we are there, for people; empty for nobody.

    Raises:
        AuthFailed: GitHub does not know the App, or refuses the token.
        IntegrationError, ConfigError.
    """
    tuning = tuning or GitHubTuning()
    credentials = sign_in(settings, tuning)
    if isinstance(credentials, AppCredentials):
        return f"the App {credentials.ask(_read_app).slug!r} at {settings.web_host}"
    if not settings.token:
        return ""
    with connect(settings, tuning, github.Auth.Token(settings.token)) as api:
        try:
            return f"the user {_read_user(Session(api, settings)).login!r} at {settings.web_host}, by a token"
        except Refused as exc:
            raise to_error(exc.refusal) from exc


def _read_app(session: Session) -> _App:
    return session.get(_App, "/app", action="asking who the App is")


def _read_user(session: Session) -> _User:
    return session.get(_User, "/user", action="asking whose token it is")
