"""Where a mirror lives, what may be fetched by which protocol, and which names are names. Pure, no I/O."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from pullwright.agents.change import RepositoryRef
from pullwright.agents.errors import ConfigError
from pullwright.agents.ports.mirror import Credential

# Answers only for the host that the token is for: a redirect or a submodule elsewhere gets nothing.
ASKPASS = """#!/bin/sh
case "$1" in
  *"://$AGENT_GIT_HOST'"*|*"@$AGENT_GIT_HOST'"*) ;;
  *) exit 1 ;;
esac
case "$1" in
  Username*) printf '%s\\n' "$AGENT_GIT_USER" ;;
  *) printf '%s\\n' "$AGENT_GIT_TOKEN" ;;
esac
"""

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_PART = re.compile(r"[A-Za-z0-9_.-]+")
_FORBIDDEN_IN_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|\.lock(/|$)|(^|/)\.|[./]$|^[-/@]")


def signed_in_at_once(repository: RepositoryRef, credential: Credential) -> Mapping[str, str]:
    """Return the settings with which git shows a credential, to this host only, before it is asked for one.

    git that is asked first, and then redirected because the repository has another name now, goes on at the old
    address (seen in 2.39), where nothing can be read or pushed.
    """
    basic = base64.b64encode(f"{credential.user}:{credential.token}".encode()).decode()
    url = urlsplit(repository.url)
    return {f"http.{url.scheme}://{repository.host}/.extraHeader": f"Authorization: Basic {basic}"}


def mirror_path(root: Path, repository: RepositoryRef) -> Path:
    """Return the folder of a repository's mirror.

    Raises:
        ConfigError: The repository has no usable name.
    """
    if not repository.host:
        digest = hashlib.sha256(repository.url.encode()).hexdigest()[:16]
        return root / "local" / f"{_clean(Path(repository.url).name)}-{digest}.git"
    parts = (repository.host.replace(":", "_").lower(), *repository.owner.split("/"), repository.name)
    for part in parts:
        if not _PART.fullmatch(part) or part.startswith("."):
            raise ConfigError(f"repository {repository.url!r} has no usable name: expected HOST/OWNER/NAME")
    return root.joinpath(*parts[:-1], f"{parts[-1]}.git")


def protocols(repository: RepositoryRef) -> tuple[str, ...]:
    """Return what git may speak for a repository.

    Raises:
        ConfigError: The URL is of a kind that is not allowed, or holds credentials.
    """
    if not repository.host:
        if not repository.url.startswith("/"):
            raise ConfigError(f"local repository {repository.url!r} is not an absolute path: write the whole path")
        return ("file",)
    url = urlsplit(repository.url)
    if url.username is not None or url.password is not None:
        raise ConfigError(f"URL of {repository.slug!r} holds credentials: leave them out and set GITHUB_TOKEN")
    if url.scheme == "https":
        return ("https",)
    if url.scheme == "http" and url.hostname in _LOOPBACK:
        return ("http",)
    raise ConfigError(f"repository {repository.url!r} can not be fetched: use an https URL")


def checked_ref(name: str) -> str:
    """Return a branch or tag name, or a commit id, that git can not misread.

    Raises:
        ConfigError: It is not one.
    """
    if not name or len(name.encode()) > 200 or _FORBIDDEN_IN_REF.search(name):
        raise ConfigError(f"{name!r} is not a branch or tag name: use letters, digits, '-', '_', '.' and '/'")
    return name


def full_sha(name: str) -> bool:
    """Whether a name is a whole commit id."""
    return re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", name) is not None


def _clean(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip(".")[:60] or "repository"
