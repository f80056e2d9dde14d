"""What the host reads of a base commit, out of the bare mirror: names, ids and an archive. Nothing is checked out."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import anyio

from pullwright.agents.errors import ConfigError
from pullwright.agents.ports.sandbox import Base
from pullwright.sandbox.git_env import git_environment

ARCHIVE_LIMIT = 600.0
"""Seconds that writing an archive may take."""


async def tracked_files(base: Base) -> dict[bytes, bytes]:
    """Return the object id of every file of the commit by its path."""
    listed = await _git(base, "ls-tree", "-r", "-z", "--full-tree", base.sha)
    files: dict[bytes, bytes] = {}
    for entry in listed.split(b"\0"):
        head, _, path = entry.partition(b"\t")
        if path:
            files[path] = head.split(b" ")[2]
    return files


async def folder_tree(base: Base, folder: str) -> str:
    """Return the tree id of a folder of the commit.

    Raises:
        ConfigError: There is no such folder.
    """
    name = f"{base.sha}^{{tree}}" if folder == "." else f"{base.sha}:{folder}"
    try:
        found = await _git(base, "rev-parse", "--verify", "--quiet", "--end-of-options", name)
        kind = await _git(base, "cat-file", "-t", found.decode("ascii").strip())
    except ConfigError:
        kind = b""
    if kind.strip() != b"tree":
        raise ConfigError(f"folder {folder!r} is not in the base commit {base.sha[:12]!r}: check the path")
    return found.decode("ascii").strip()


async def write_archive(base: Base, tree: str, file: Path) -> int:
    """Write a tree of the commit as a tar file and return its size in bytes."""
    with anyio.fail_after(ARCHIVE_LIMIT):
        await _git(base, "archive", "--format=tar", f"--output={file}", tree)
    return (await anyio.Path(file).stat()).st_size


def below(path: str, folder: str) -> str | None:
    """Return a path relative to a folder of the repository, or None if it is not in it."""
    inner, outer = PurePosixPath(path), PurePosixPath(folder)
    return str(inner.relative_to(outer)) if inner.is_relative_to(outer) else None


async def _git(base: Base, *arguments: str) -> bytes:
    environment = git_environment(git_dir=base.mirror)
    done = await anyio.run_process(["git", *arguments], env=environment, check=False)
    if done.returncode:
        said = " ".join(done.stderr.decode("utf-8", "replace").split())[:300]
        raise ConfigError(f"mirror {str(base.mirror)!r} could not {arguments[0]} {base.sha[:12]!r}: {said}")
    return done.stdout
