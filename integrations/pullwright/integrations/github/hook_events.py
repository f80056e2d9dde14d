"""What happens around the work: hooks, installations of the App, repositories. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pullwright.integrations.github.delivery_payloads import RepositoryPart
from pullwright.integrations.github.meanings import (
    AuthorizationRevoked,
    HookConfirmed,
    HookDeleted,
    InstallationChanged,
    Meaning,
    RepositoryChanged,
    RepositoryFacts,
)
from pullwright.integrations.github.reading import Missing, Reader, Reading, repository_facts


def _installation(reading: Reading) -> Meaning:
    payload, action = reading.payload, reading.delivery.action
    installation = payload.installation
    if installation is None:
        raise Missing("installation")
    listed = _facts(payload.repositories)
    return InstallationChanged(
        **reading.shared(),
        semantic_key=f"installation:{reading.bot.host}:{installation.id}:{action}@{reading.delivery.id}",
        action=action,
        account=installation.account.login if installation.account else "",
        added=_facts(payload.repositories_added) or (listed if action == "created" else ()),
        removed=_facts(payload.repositories_removed) or (listed if action == "deleted" else ()),
        permissions=installation.permissions or {},
    )


def _repository(reading: Reading) -> Meaning:
    repository = reading.payload.repository
    if repository is None:
        raise Missing("repository")
    action = reading.delivery.action
    return RepositoryChanged(
        **reading.shared(),
        semantic_key=f"repository:{reading.bot.host}:{repository.id}:{action}@{reading.delivery.id}",
        action=action,
    )


def _ping(reading: Reading) -> Meaning:
    return HookConfirmed(**reading.shared(), hook_id=_hook(reading))


def _hook_deleted(reading: Reading) -> Meaning:
    return HookDeleted(**reading.shared(), semantic_key=f"hook_deleted:{_hook(reading)}", hook_id=_hook(reading))


def _revoked(reading: Reading) -> Meaning:
    return AuthorizationRevoked(**reading.shared(), semantic_key=f"revoked@{reading.delivery.id}")


def _hook(reading: Reading) -> int | None:
    return reading.payload.hook_id if reading.payload.hook_id is not None else reading.delivery.hook_id


def _facts(repositories: Sequence[RepositoryPart] | None) -> tuple[RepositoryFacts, ...]:
    return tuple(repository_facts(repository) for repository in repositories or ())


_INSTALLATION_ACTIONS = ("created", "deleted", "suspend", "unsuspend", "new_permissions_accepted")
_REPOSITORY_ACTIONS = ("renamed", "transferred", "archived", "unarchived", "deleted", "privatized", "publicized")

HOOK_READERS: Mapping[str, Reader] = {
    "ping": _ping,
    "meta.deleted": _hook_deleted,
    "github_app_authorization.revoked": _revoked,
    **{f"installation.{action}": _installation for action in _INSTALLATION_ACTIONS},
    **{f"installation_repositories.{action}": _installation for action in ("added", "removed")},
    **{f"repository.{action}": _repository for action in _REPOSITORY_ACTIONS},
}
