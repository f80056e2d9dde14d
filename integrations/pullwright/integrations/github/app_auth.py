"""Signing in as a GitHub App: who we are by our key, then tokens of an hour for one repository and one step.

Sources: GitHub's documentation of App JWTs (RS256, ``iat`` a minute back, ``exp`` at most ten minutes on) and of
installation tokens. Their form is nobody's business: since 2026 they may have 520 characters.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
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
from pullwright.integrations.github.payloads import Payload, RepositoryPayload
from pullwright.integrations.github.settings import APP_ID_VARIABLE, APP_KEY_VARIABLE, GitHubSettings
from pullwright.integrations.github.tuning import GitHubTuning

RENEW_BEFORE = timedelta(minutes=5)

_BACK = timedelta(seconds=60)
_LIFE = timedelta(minutes=9)
_PAGE = 100
_PAGES = 100
_LISTING = "listing where the App is installed"
T = TypeVar("T")

_ID = re.compile(r"[A-Za-z0-9._-]{1,100}", re.ASCII)


class TokenPayload(Payload):
    """A new installation token."""

    token: Annotated[str, Field(min_length=10, max_length=5000, pattern=r"^[!-~]+$", repr=False)]
    expires_at: AwareDatetime


class InstallationIdPayload(Payload):
    """An installation of the App."""

    id: int
    suspended_at: str | None = None


class NamePayload(Payload):
    """A repository by its name."""

    full_name: str
    archived: bool = False


class InstalledRepositoriesPayload(Payload):
    """What an installation sees."""

    repositories: list[NamePayload]


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


class _UnknownRepository(AuthFailed):
    """The installation has no repository of that name."""


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
            AuthFailed: The App is not installed there.
            IntegrationError.
        """
        with self._alone(repository.lower()):
            known = self._installations.get(repository.lower())
            if known is None:
                known = self._look_up(repository)
                with self._lock:
                    self._installations[repository.lower()] = known
            return known

    def repositories(self) -> list[str]:
        """Return every repository that the App is installed at, as ``owner/name``; blocks.

        Raises:
            AuthFailed: GitHub does not know the App by its key.
            IntegrationError.
        """
        found: list[str] = []
        for installation in self.ask(_read_installations):
            try:
                found += self._seeing(installation.id, _read_repositories)
            except NotFound:
                continue  # it was removed just now
            except Refused as exc:
                raise to_error(exc.refusal) from exc
        return found

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
            raise AuthFailed(f"the GitHub App is not installed at {repository!r}; install it there first") from exc

    def _mint(self, installation: int, need: Need) -> _Token:
        try:
            if need.repository_id:
                return self._narrowed(installation, need, {"repository_ids": [need.repository_id]})
            return self._narrowed(installation, need, {"repositories": [need.name]})
        except _UnknownRepository:
            found = self._find(installation, need)
        return self._narrowed(installation, need, {"repository_ids": [found]})

    def _narrowed(self, installation: int, need: Need, scope: Mapping[str, object]) -> _Token:
        content = {**scope, "permissions": dict(need.step.permissions)}
        try:
            return self._minted(installation, content, f"getting a token to {need.step} in {need.repository!r}")
        except NotFound as exc:
            raise self._gone(installation, need) from exc

    def _minted(self, installation: int, content: Mapping[str, object], action: str) -> _Token:
        path = f"/app/installations/{installation}/access_tokens"
        made = self.ask(lambda session: session.post(TokenPayload, path, content, action=action))
        return _Token(made.token, made.expires_at)

    def _seeing(self, installation: int, work: Callable[[Session], T]) -> T:
        """Ask something with a token that only sees which repositories there are.

        Raises:
            Refused: GitHub answered with an error status.
            IntegrationError.
        """
        token = self._minted(installation, {"permissions": {"metadata": "read"}}, "getting a token to look around")
        with connect(self._settings, self._tuning, github.Auth.Token(token.value)) as api:
            return work(Session(api, self._settings))

    def _find(self, installation: int, need: Need) -> int:
        """Return the id of a repository that has another name now: only a request for itself is led to it."""
        path, action = f"/repos/{need.repository}", f"looking for repository {need.repository!r}"
        try:
            return self._seeing(installation, lambda session: session.get(RepositoryPayload, path, action=action)).id
        except Refused as exc:
            if exc.refusal.status == 404:
                raise self._gone(installation, need) from exc
            raise to_error(exc.refusal) from exc

    def _gone(self, installation: int, need: Need) -> AuthFailed:
        # It may be installed again tomorrow, under another id.
        self.forget_installation(installation)
        return AuthFailed(f"the GitHub App is not installed at {need.repository!r} any more; install it there")

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


def _read_installations(session: Session) -> list[InstallationIdPayload]:
    """Return the installations that may act."""
    page = session.page(f"/app/installations?per_page={_PAGE}", action=_LISTING)
    found = list(page.items or ())
    while page.next:
        page = session.page(page.next, action=_LISTING)
        found += page.items or ()
    installations = [InstallationIdPayload.model_validate(item) for item in found]
    return [one for one in installations if one.suspended_at is None]


def _read_repositories(session: Session) -> list[str]:
    found: list[str] = []
    for number in range(1, _PAGES + 1):
        parameters = {"per_page": _PAGE, "page": number}
        page = session.get(
            InstalledRepositoriesPayload, "/installation/repositories", action=_LISTING, parameters=parameters
        )
        found += [one.full_name for one in page.repositories if not one.archived]
        if len(page.repositories) < _PAGE:
            break
    return found


def _explained(refused: Refused) -> IntegrationError:
    refusal = refused.refusal
    if refusal.status == 401:
        advice = f"check {APP_ID_VARIABLE}, {APP_KEY_VARIABLE} and the clock of this machine"
        return AuthFailed(f"GitHub at {refusal.host!r} does not know the App by this key; {advice}")
    if refusal.status == 422:
        said = "; ".join((refusal.message, *refusal.details))
        if "repository" in said:
            return _UnknownRepository(
                f"GitHub at {refusal.host!r} failed {refusal.action}: {said}; install the App there"
            )
        advice = "grant the App what `agent github setup` lists, and let the owner accept it"
        return AuthFailed(f"GitHub at {refusal.host!r} failed {refusal.action}: {said}; {advice}")
    if refusal.status == 403 and "suspended" in refusal.message.lower():
        return AuthFailed(f"GitHub at {refusal.host!r} failed {refusal.action}: the installation is suspended")
    return to_error(refusal)
