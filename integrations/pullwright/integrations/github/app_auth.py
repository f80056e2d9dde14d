"""Signing in as a GitHub App: who we are by our key, then tokens of an hour for one repository and one step.

Sources: GitHub's documentation of App JWTs (RS256, ``iat`` a minute back, ``exp`` at most ten minutes on) and of
installation tokens. Their form is nobody's business: since 2026 they may have 520 characters.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, TypeVar

import github
import jwt
from pydantic import AwareDatetime, Field

from pullwright.agents.errors import AuthFailed, ConfigError, IntegrationError, NotFound
from pullwright.integrations.github.client import Refused, Session, connect
from pullwright.integrations.github.credentials import Need
from pullwright.integrations.github.failures import to_error
from pullwright.integrations.github.payloads import Payload
from pullwright.integrations.github.settings import GitHubSettings
from pullwright.integrations.github.tuning import GitHubTuning

APP_ID_VARIABLE = "AGENT_GITHUB_APP_ID"
APP_KEY_VARIABLE = "AGENT_GITHUB_APP_KEY"
RENEW_BEFORE = timedelta(minutes=5)

_BACK = timedelta(seconds=60)
_LIFE = timedelta(minutes=9)
T = TypeVar("T")

_ID = re.compile(r"[A-Za-z0-9._-]{1,100}", re.ASCII)


class TokenPayload(Payload):
    """A new installation token."""

    token: Annotated[str, Field(min_length=10, max_length=5000, pattern=r"^[!-~]+$", repr=False)]
    expires_at: AwareDatetime


class InstallationIdPayload(Payload):
    """An installation of the App."""

    id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AppKey:
    """Who the App is."""

    app_id: str
    """The client id (recommended by GitHub) or the number of the App."""
    private_key: str = field(repr=False)
    """PEM, as GitHub lets it be downloaded."""

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.app_id):
            raise ConfigError(f"{APP_ID_VARIABLE} is {self.app_id!r}; use the client id that the App's page shows")
        # A key in an environment variable often has its line ends written out.
        object.__setattr__(self, "private_key", self.private_key.replace("\\n", "\n").strip() + "\n")
        self.token(datetime.now(UTC))

    def token(self, now: datetime) -> str:
        """Return a JWT for the next nine minutes.

        Raises:
            ConfigError: The key can not sign.
        """
        claims = {"iat": int((now - _BACK).timestamp()), "exp": int((now + _LIFE).timestamp()), "iss": self.app_id}
        try:
            return jwt.encode(claims, self.private_key, algorithm="RS256")
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError):
            # AttributeError: PyJWT takes a public key for a private one. The cause is not chained: it may show the key.
            advice = "download a private key on the App's page and put the whole file there"
            raise ConfigError(f"{APP_KEY_VARIABLE} holds no RSA private key; {advice}") from None


@dataclass(frozen=True, slots=True)
class _Token:
    value: str = field(repr=False)
    expires: datetime


class AppCredentials:
    """``Credentials`` of an App. May be used by many threads; each scope is asked for once at a time."""

    def __init__(
        self,
        key: AppKey,
        settings: GitHubSettings,
        tuning: GitHubTuning | None = None,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._key = key
        self._settings = settings
        self._tuning = tuning or GitHubTuning()
        self._now = now
        self._lock = threading.Lock()
        self._busy: dict[object, threading.Lock] = {}
        self._tokens: dict[object, _Token] = {}
        self._installations: dict[str, int] = {}

    def token(self, need: Need) -> str:
        installation = need.installation_id or self.installation(need.repository)
        scope = (installation, need.repository_id or need.repository.lower(), need.step)
        with self._alone(scope):
            known = self._tokens.get(scope)
            if known is None or known.expires - self._now() <= RENEW_BEFORE:
                known = self._mint(installation, need)
                self._keep(scope, known)
            return known.value

    def forget(self, token: str) -> None:
        with self._lock:
            self._tokens = {scope: known for scope, known in self._tokens.items() if known.value != token}

    def forget_installation(self, installation_id: int) -> None:
        """Drop everything of an installation that was removed, suspended or changed."""
        with self._lock:
            gone = [slug for slug, known in self._installations.items() if known == installation_id]
            for slug in gone:
                del self._installations[slug]
            for scope in [s for s in self._tokens if isinstance(s, tuple) and s[0] == installation_id]:
                del self._tokens[scope]

    def installation(self, repository: str) -> int:
        """Return the id of the installation that sees a repository.

        Raises:
            NotFound: The App is not installed there.
            IntegrationError.
        """
        with self._alone(repository.lower()):
            known = self._installations.get(repository.lower())
            if known is None:
                known = self._look_up(repository)
                with self._lock:
                    self._installations[repository.lower()] = known
            return known

    def ask(self, work: Callable[[Session], T]) -> T:
        """Ask something as the App itself; blocks.

        Raises:
            AuthFailed: GitHub does not know the App by this key, or the installation lacks a permission.
            IntegrationError.
        """
        auth = github.Auth.AppAuthToken(self._key.token(self._now()))
        with connect(self._settings, self._tuning, auth) as api:
            try:
                return work(Session(api, self._settings))
            except Refused as exc:
                raise _explained(exc) from exc

    def _look_up(self, repository: str) -> int:
        action = f"looking for the App's installation at {repository!r}"
        path = f"/repos/{repository}/installation"
        try:
            return self.ask(lambda session: session.get(InstallationIdPayload, path, action=action)).id
        except NotFound as exc:
            raise NotFound(f"the GitHub App is not installed at {repository!r}; install it there first") from exc

    def _mint(self, installation: int, need: Need) -> _Token:
        scope = {"repository_ids": [need.repository_id]} if need.repository_id else {"repositories": [need.name]}
        content = {**scope, "permissions": dict(need.step.permissions)}
        action = f"getting a token to {need.step} in {need.repository!r}"
        path = f"/app/installations/{installation}/access_tokens"
        try:
            made = self.ask(lambda session: session.post(TokenPayload, path, content, action=action))
        except NotFound as exc:
            # It may be installed again tomorrow, under another id.
            self.forget_installation(installation)
            raise NotFound(
                f"the GitHub App is not installed at {need.repository!r} any more; install it there"
            ) from exc
        return _Token(made.token, made.expires_at)

    def _keep(self, scope: object, token: _Token) -> None:
        with self._lock:
            now = self._now()
            self._tokens = {s: known for s, known in self._tokens.items() if known.expires > now}
            self._tokens[scope] = token

    @contextmanager
    def _alone(self, scope: object) -> Iterator[None]:
        with self._lock:
            lock = self._busy.setdefault(scope, threading.Lock())
        with lock:
            yield


def _explained(refused: Refused) -> IntegrationError:
    refusal = refused.refusal
    if refusal.status == 401:
        advice = f"check {APP_ID_VARIABLE}, {APP_KEY_VARIABLE} and the clock of this machine"
        return AuthFailed(f"GitHub at {refusal.host!r} does not know the App by this key; {advice}")
    if refusal.status == 422:
        said = "; ".join((refusal.message, *refusal.details))
        advice = "grant the App what `agent github setup` lists, and let the owner accept it"
        return AuthFailed(f"GitHub at {refusal.host!r} failed {refusal.action}: {said}; {advice}")
    if refusal.status == 403 and "suspended" in refusal.message.lower():
        return AuthFailed(f"GitHub at {refusal.host!r} failed {refusal.action}: the installation is suspended")
    return to_error(refusal)
