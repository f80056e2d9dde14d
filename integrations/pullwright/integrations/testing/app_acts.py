"""Apps of the rehearsal: keys, installations, tokens, and who may ask for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from pullwright.integrations.testing.access import ALL, TokenRights
from pullwright.integrations.testing.forge_parts import ForgeParts
from pullwright.integrations.testing.forge_state import Repository
from pullwright.integrations.testing.github_calls import ApiError
from pullwright.integrations.testing.github_documents import Document
from pullwright.integrations.testing.hook_records import AppRecord, Hook, Installation

TOKEN_LIFE = timedelta(hours=1)
_LONGEST_JWT = 600
_DRIFT = 60
_LEVELS = {"read": 1, "write": 2, "admin": 3}


class AppActs:
    """Acts on Apps and their installations."""

    def __init__(self, parts: ForgeParts) -> None:
        self._parts = parts
        self._state = parts.state
        self._manifests: dict[str, tuple[str, Mapping[str, Any]]] = {}

    def create(
        self,
        slug: str,
        *,
        owner: str,
        permissions: Mapping[str, str],
        events: Iterable[str],
        url: str = "",
        secret: str = "",
    ) -> AppRecord:
        """Register an App with a new key."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        number, stamp = self._state.next_id(), self._state.stamp()
        hook = Hook(
            id=self._state.next_id(),
            url=url,
            secret=secret,
            events=tuple(events),
            target_type="integration",
            target_id=number,
            created=stamp,
        )
        app = AppRecord(
            id=number,
            slug=slug,
            owner=owner,
            client_id=f"Iv23li{number:014d}",
            private_key=private.decode(),
            public_key=public.decode(),
            permissions=dict(permissions),
            events=hook.events,
            hook=hook,
            created=stamp,
        )
        self._state.apps.append(app)
        return app

    def begin(self, owner: str, manifest: Mapping[str, Any]) -> str:
        """Press "Create GitHub App" below a manifest, and return the code that the redirect has."""
        code = f"code{self._state.next_id():036d}"
        self._manifests[code] = (owner, manifest)
        return code

    def convert(self, code: str) -> AppRecord:
        """Make the App of a manifest; each code is good once.

        Raises:
            ApiError: It is unknown, or was used.
        """
        owner, manifest = self._manifests.pop(code, ("", {}))
        if not owner:
            raise ApiError(404, "Not Found")
        hook: Mapping[str, Any] = manifest.get("hook_attributes") or {}
        return self.create(
            str(manifest["name"]).lower().replace(" ", "-"),
            owner=owner,
            permissions=manifest.get("default_permissions") or {},
            events=manifest.get("default_events") or (),
            url=str(hook.get("url", "")) if hook.get("active", True) else "",
            secret="made by the forge at conversion",
        )

    def install(
        self,
        app: AppRecord,
        account: str,
        repositories: Iterable[Repository] | None,
        permissions: Mapping[str, str] | None = None,
    ) -> Installation:
        """Install an App at an account: for all of its repositories when none are named."""
        installation = Installation(
            id=self._state.next_id(),
            app_id=app.id,
            account=account,
            permissions=dict(app.permissions if permissions is None else permissions),
            repository_ids=None if repositories is None else {r.id for r in repositories},
            created=self._state.stamp(),
        )
        self._state.installations.append(installation)
        self._tell(app, installation, "installation.created", repositories=self._short(installation))
        return installation

    def uninstall(self, installation: Installation) -> None:
        """Remove an installation; its tokens end with it."""
        app = self._app(installation)
        listed = self._short(installation)
        self._state.installations.remove(installation)
        self._revoke(installation)
        self._tell(app, installation, "installation.deleted", repositories=listed)

    def suspend(self, installation: Installation, *, suspended: bool = True) -> None:
        """Suspend an installation, or let it work again."""
        installation.suspended = self._state.stamp() if suspended else ""
        name = "suspend" if suspended else "unsuspend"
        listed = self._short(installation)
        self._tell(self._app(installation), installation, f"installation.{name}", repositories=listed)

    def set_repositories(self, installation: Installation, repositories: Iterable[Repository]) -> None:
        """Choose the repositories that an installation sees."""
        old = {r.id: r for r in self._visible(installation)}
        new = {r.id: r for r in repositories}
        installation.repository_ids = set(new)
        for name, found in (
            ("added", [r for number, r in new.items() if number not in old]),
            ("removed", [r for number, r in old.items() if number not in new]),
        ):
            if found:
                members: dict[str, Any] = {"repositories_added": [], "repositories_removed": []}
                members[f"repositories_{name}"] = [_short(r) for r in found]
                members |= {"repository_selection": "selected", "requester": None}
                self._tell(self._app(installation), installation, f"installation_repositories.{name}", **members)

    def authenticate(self, token: str) -> AppRecord:
        """Return the App that made a JWT.

        Raises:
            ApiError: Its signature, issuer or times are wrong.
        """
        try:
            claims = jwt.decode(token, options={"verify_signature": False})
        except jwt.InvalidTokenError:
            raise ApiError(401, "A JSON web token could not be decoded") from None
        issuer = str(claims.get("iss", ""))
        app = next((a for a in self._state.apps if issuer in (str(a.id), a.client_id)), None)
        if app is None:
            raise ApiError(404, "Integration not found")
        try:
            jwt.decode(token, app.public_key, algorithms=["RS256"], options={"verify_exp": False, "verify_iat": False})
        except jwt.InvalidTokenError:
            raise ApiError(401, "A JSON web token could not be decoded") from None
        _check_times(claims, self._state.now())
        return app

    def mint(self, installation: Installation, fields: Mapping[str, Any], *, stateless: bool = True) -> Document:
        """Make a token, narrowed to what is asked for.

        Raises:
            ApiError: The installation is suspended, or more is asked than was granted.
        """
        app = self._app(installation)
        if installation.suspended:
            raise ApiError(403, "This installation has been suspended")
        permissions = _narrowed(installation.permissions, fields.get("permissions"))
        chosen = self._chosen(installation, fields)
        expires = self._state.now().replace(microsecond=0) + TOKEN_LIFE
        token = self._token(app, installation, expires, stateless=stateless)
        self._state.tokens[token] = TokenRights(
            user=app.login,
            permissions=permissions,
            repositories=tuple(r.slug for r in chosen),
            app_id=app.id,
            installation_id=installation.id,
            expires=expires,
        )
        narrowed = "repositories" in fields or "repository_ids" in fields
        document: Document = {
            "token": token,
            "expires_at": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "permissions": permissions,
            "repository_selection": "selected" if narrowed else _selection(installation),
        }
        if narrowed:
            document["repositories"] = [self._parts.documents.repository(r) for r in chosen]
        return document

    def _token(self, app: AppRecord, installation: Installation, expires: datetime, *, stateless: bool) -> str:
        serial = self._state.next_id()
        if not stateless:
            return f"ghs_{serial:036d}"
        claims = {"iss": "rehearsal", "aud": "api", "sub": str(installation.id), "jti": f"{serial:024d}"}
        signed = jwt.encode({**claims, "exp": int(expires.timestamp())}, app.private_key, algorithm="RS256")
        return f"ghs_{app.id}_{signed}"

    def _chosen(self, installation: Installation, fields: Mapping[str, Any]) -> list[Repository]:
        visible = self._visible(installation)
        names = {str(name).lower() for name in fields.get("repositories", ())}
        numbers = set(fields.get("repository_ids", ()))
        chosen = [r for r in visible if r.name.lower() in names or r.id in numbers]
        if not (names or numbers):
            return visible
        if len(chosen) < max(len(names), len(numbers)):
            raise ApiError(422, "There is at least one repository that does not exist or is not accessible.")
        return chosen

    def _visible(self, installation: Installation) -> list[Repository]:
        return [r for r in self._state.repositories if installation in self._state.installed(r)]

    def _revoke(self, installation: Installation) -> None:
        tokens = self._state.tokens
        for token in [t for t, rights in tokens.items() if rights.installation_id == installation.id]:
            del tokens[token]

    def _app(self, installation: Installation) -> AppRecord:
        found = self._state.app(installation.app_id)
        if found is None:
            raise ApiError(404, "Integration not found")
        return found

    def _short(self, installation: Installation) -> list[Document]:
        return [_short(r) for r in self._visible(installation)]

    def _tell(self, app: AppRecord, installation: Installation, name: str, **members: Any) -> None:
        shown = self.installation(installation)
        self._parts.announcer.tell_app(app, name, installation.account, installation, installation=shown, **members)

    def installation(self, installation: Installation) -> Document:
        """Return an installation as GitHub's document of it."""
        app, documents = self._app(installation), self._parts.documents
        account = documents.user(installation.account)
        address = f"{documents.api}/app/installations/{installation.id}"
        return {
            "id": installation.id,
            "client_id": app.client_id,
            "account": account,
            "repository_selection": _selection(installation),
            "access_tokens_url": f"{address}/access_tokens",
            "repositories_url": f"{documents.api}/installation/repositories",
            "html_url": f"{documents.web}/settings/installations/{installation.id}",
            "app_id": app.id,
            "app_slug": app.slug,
            "target_id": account["id"],
            "target_type": account["type"],
            "permissions": installation.permissions,
            "events": [event for event in app.events if event != ALL],
            "created_at": installation.created,
            "updated_at": installation.created,
            "single_file_name": None,
            "has_multiple_single_files": False,
            "single_file_paths": [],
            "suspended_by": account if installation.suspended else None,
            "suspended_at": installation.suspended or None,
        }


def _short(repository: Repository) -> Document:
    shared = {"id": repository.id, "node_id": f"R_{repository.id}", "name": repository.name}
    return {**shared, "full_name": repository.slug, "private": repository.private}


def _selection(installation: Installation) -> str:
    return "all" if installation.repository_ids is None else "selected"


def _narrowed(granted: Mapping[str, str], asked: Mapping[str, str] | None) -> dict[str, str]:
    """Return the permissions of a token; nobody gets more than was granted to the installation."""
    if not asked:
        return dict(granted)
    for name, level in asked.items():
        base = granted.get(name, "read" if name == "metadata" else "")
        if _LEVELS.get(level, 9) > _LEVELS.get(base, 0):
            raise ApiError(422, "The permissions requested are not granted to this installation.")
    return dict(asked)


def _check_times(claims: Mapping[str, Any], now: datetime) -> None:
    issued, expires = claims.get("iat"), claims.get("exp")
    moment = now.timestamp()
    if not isinstance(issued, int) or issued > moment + _DRIFT:
        message = "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued"
        raise ApiError(401, message)
    if not isinstance(expires, int) or expires <= moment:
        message = "'Expiration time' claim ('exp') must be a numeric value representing the future time"
        raise ApiError(401, f"{message} at which the assertion expires")
    if expires > moment + _LONGEST_JWT:
        raise ApiError(401, "'Expiration time' claim ('exp') is too far in the future")
