"""Checkpoints in a bare mirror: commits that only private refs name, made by an index and never checked out.

The index of a task's last checkpoint stays beside its mirror under the name of the tree that it holds, so that the next
checkpoint writes only what changed.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from anyio import to_thread

from pullwright.agents.errors import ChangeRefused
from pullwright.agents.file_lock import file_lock
from pullwright.agents.ports.mirror import Checkpoint
from pullwright.agents.ports.sandbox import Base
from pullwright.sandbox.git_env import git_environment
from pullwright.sandbox.git_errors import first_reason
from pullwright.sandbox.mirror_git import APPLY_KIB, GitRunner
from pullwright.sandbox.mirror_place import full_sha

REFS: Final = "refs/pullwright/checkpoints"

FIXED: Final = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Pullwright"), ("EMAIL", "pullwright@localhost"), ("DATE", "1000000000 +0000"))
}
"""The same on every host and at any time, so that the same files are the same commit."""


class MirrorCheckpoints:
    """The part of a mirror that keeps checkpoints; see the port for what the methods do."""

    def __init__(self, git: GitRunner) -> None:
        self._git = git

    async def make(
        self, base: Base, patch: bytes, *, task_id: str, number: int, parent: Checkpoint | None
    ) -> Checkpoint:
        """Keep the files that a patch makes of ``parent``."""
        folder = _folder(base, task_id)
        async with file_lock(base.mirror / "pullwright-locks" / folder.name):
            tree = await self._tree(base, patch, folder, parent)
        message = f"checkpoint {number}\n".encode()
        arguments = ["commit-tree", tree, "-p", base.sha, "-F", "-"]
        environment = git_environment(git_dir=base.mirror, more=FIXED)
        sha = (await self._git.done(arguments, environment, stdin=message)).text
        await self._git.done(["update-ref", f"{_refs(task_id)}/{number}", sha], environment)
        return Checkpoint(number=number, sha=sha, tree=tree)

    async def listed(self, base: Base, *, task_id: str) -> tuple[Checkpoint, ...]:
        """Return the checkpoints of a task, in order."""
        arguments = ["for-each-ref", "--format=%(refname) %(objectname) %(tree)", f"{_refs(task_id)}/"]
        found = await self._git.done(arguments, git_environment(git_dir=base.mirror))
        fields = (line.split(" ") for line in found.text.splitlines())
        made = (Checkpoint(number=int(name.rpartition("/")[2]), sha=sha, tree=tree) for name, sha, tree in fields)
        return tuple(sorted(made, key=lambda checkpoint: checkpoint.number))

    async def forget(self, base: Base, *, task_id: str) -> None:
        """Let go of the checkpoints of a task."""
        checkpoints = await self.listed(base, task_id=task_id)
        lines = "".join(f"delete {_refs(task_id)}/{checkpoint.number}\n" for checkpoint in checkpoints)
        if lines:
            environment = git_environment(git_dir=base.mirror)
            await self._git.done(["update-ref", "--stdin"], environment, stdin=lines.encode())
        folder = _folder(base, task_id)
        async with file_lock(base.mirror / "pullwright-locks" / folder.name):
            await to_thread.run_sync(lambda: shutil.rmtree(folder, ignore_errors=True))

    async def _tree(self, base: Base, patch: bytes, folder: Path, parent: Checkpoint | None) -> str:
        """Apply a patch on the index of the parent and keep the index for the next one.

        Raises:
            ChangeRefused: It does not apply.
        """
        index = folder / "index"
        environment = git_environment(git_dir=base.mirror, index=index)
        if not await to_thread.run_sync(_take, folder, parent.tree if parent else base.sha):
            await self._git.done(["read-tree", parent.tree if parent else base.sha], environment)
        tree = await apply_to_index(self._git, patch, environment, where=parent.sha if parent else base.sha)
        await to_thread.run_sync(_keep, folder, tree)
        return tree


async def patched_tree(git: GitRunner, base: Base, patch: bytes) -> str:
    """Return the tree that a patch makes of the base, by an index that is gone afterwards.

    Raises:
        ChangeRefused: It does not apply.
    """
    with tempfile.TemporaryDirectory(prefix="pullwright-index-") as folder:
        environment = git_environment(git_dir=base.mirror, index=Path(folder, "index"))
        await git.done(["read-tree", base.sha], environment)
        return await apply_to_index(git, patch, environment, where=base.sha)


async def apply_to_index(git: GitRunner, patch: bytes, environment: Mapping[str, str], *, where: str) -> str:
    """Apply a patch on the index that the environment names and return the tree that comes of it.

    Raises:
        ChangeRefused: It does not apply, or wants more memory than any sensible patch.
    """
    if patch.strip():
        arguments = ["apply", "--cached", "--binary", "--whitespace=nowarn", "-"]
        done = await git.run(arguments, environment, stdin=patch, memory_kib=APPLY_KIB)
        if done.code:
            raise ChangeRefused(f"patch does not apply on {where[:12]!r}: {first_reason(done.stderr)}")
    return (await git.done(["write-tree"], environment)).text


def _take(folder: Path, tree: str) -> bool:
    """Make the index of a tree the working one, if there is one; whatever an earlier process left is gone."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.lock").unlink(missing_ok=True)
    kept = folder / tree
    if not kept.exists():
        (folder / "index").unlink(missing_ok=True)
        return False
    kept.replace(folder / "index")
    return True


def _keep(folder: Path, tree: str) -> None:
    """Keep the working index under its tree's name; those of earlier trees are not needed any more."""
    for other in folder.iterdir():
        if full_sha(other.name):
            with suppress(FileNotFoundError):
                other.unlink()
    (folder / "index").replace(folder / tree)


def _refs(task_id: str) -> str:
    return f"{REFS}/{_quoted(task_id)}"


def _folder(base: Base, task_id: str) -> Path:
    return base.mirror / "pullwright-indexes" / _quoted(task_id)


def _quoted(task_id: str) -> str:
    """Return a task's id as one part of a ref, and as a file name."""
    return re.sub(r"[^A-Za-z0-9_-]", lambda char: "".join(f"%{byte:02X}" for byte in char[0].encode()), task_id)
