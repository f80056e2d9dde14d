"""Reads a person's own checkout, with git's read-only commands, and what its remote's URL means."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import anyio

from pullwright.agents.change import RepositoryRef
from pullwright.agents.errors import ConfigError
from pullwright.sandbox.git_env import git_environment

_SCP_LIKE = re.compile(r"(?:[^@/\s]+@)?([A-Za-z0-9.-]+):(?!//)(.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """A person's own working copy."""

    root: Path
    remote_url: str | None
    """Where ``origin`` (or the only remote) points, as it is written there; it may hold credentials."""
    head_sha: str | None
    """None before the first commit."""
    branch: str | None
    """None when no branch is checked out."""
    dirty: bool = False
    """Whether there are changes, untracked files included, that are not committed."""


async def read_checkout(path: Path) -> Checkout:
    """Return what is checked out at ``path`` or above it.

    Raises:
        ConfigError: It is not in a git repository.
    """
    code, top, said = await _git(path, "rev-parse", "--show-toplevel")
    if code or not top:
        hint = "run it by its owner" if "dubious" in said else "change into a checkout, or name one with --repo"
        raise ConfigError(f"{str(path)!r} is not in a git repository: {hint}")
    root = Path(top)
    _, head, _ = await _git(root, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    _, branch, _ = await _git(root, "symbolic-ref", "--quiet", "--short", "HEAD")
    _, changes, _ = await _git(root, "status", "--porcelain", "--ignore-submodules=all")
    return Checkout(
        root=root,
        remote_url=await _remote(root),
        head_sha=head or None,
        branch=branch or None,
        dirty=bool(changes),
    )


async def read_branches(root: Path) -> frozenset[str]:
    """Return the names of the branches of the checkout at ``root``.

    Raises:
        ConfigError: It is not in a git repository.
    """
    code, names, said = await _git(root, "for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads/")
    if code:
        raise ConfigError(f"branches of {str(root)!r} could not be read ({said.strip()}): check that it is a checkout")
    return frozenset(names.splitlines())


def parse_remote(url: str) -> RepositoryRef:
    """Return the repository that a remote's URL means; credentials are dropped, ssh becomes https.

    Raises:
        ConfigError: It is neither a URL of a code host nor an absolute path.
    """
    if url.startswith("/"):
        return RepositoryRef(url=url, name=_strip_git(PurePosixPath(url).name))
    if url.startswith("file:///"):
        return parse_remote(url.removeprefix("file://"))
    scheme, host, path = _split(url)
    parts = [part for part in _strip_git(path.strip("/")).split("/") if part]
    if not host or len(parts) < 2:
        raise ConfigError(f"{redacted(url)!r} names no repository: expected something like https://HOST/OWNER/NAME")
    owner, name = "/".join(parts[:-1]), parts[-1]
    return RepositoryRef(url=f"{scheme}://{host}/{owner}/{name}.git", host=host, owner=owner, name=name)


def redacted(url: str) -> str:
    """Return a URL without credentials, for messages."""
    return re.sub(r"(\w+://)[^/@\s]+@", r"\1", url)


def _split(url: str) -> tuple[str, str, str]:
    parts = urlsplit(url)
    if parts.scheme in ("https", "http") and parts.hostname:
        return parts.scheme, _with_port(parts.hostname, parts.netloc), parts.path
    if parts.scheme in ("ssh", "git+ssh", "git") and parts.hostname:
        # The port of ssh says nothing about the one of https.
        return "https", parts.hostname, parts.path
    scp = _SCP_LIKE.fullmatch(url)
    return ("https", scp[1].lower(), scp[2]) if scp and not parts.netloc else ("", "", "")


def _with_port(host: str, netloc: str) -> str:
    port = re.search(r":(\d+)$", netloc)
    shown = f"[{host}]" if ":" in host else host
    return f"{shown}:{port[1]}" if port else shown


def _strip_git(path: str) -> str:
    return path.rstrip("/").removesuffix(".git")


async def _remote(root: Path) -> str | None:
    code, url, _ = await _git(root, "config", "--get", "remote.origin.url")
    if code == 0 and url:
        return url
    _, names, _ = await _git(root, "remote")
    only = names.split()
    if len(only) != 1:
        return None
    _, url, _ = await _git(root, "config", "--get", f"remote.{only[0]}.url")
    return url or None


async def _git(path: Path, *arguments: str) -> tuple[int, str, str]:
    try:
        done = await anyio.run_process(["git", *arguments], cwd=path, env=git_environment(git_dir=None), check=False)
    except FileNotFoundError as exc:
        missing = "git" if exc.filename == "git" else str(path)
        raise ConfigError(f"{missing!r} was not found: install git, or name a folder that exists") from exc
    except NotADirectoryError as exc:
        raise ConfigError(f"{str(path)!r} is not a folder: name a checkout") from exc
    return done.returncode, done.stdout.decode("utf-8", "replace").strip(), done.stderr.decode("utf-8", "replace")
