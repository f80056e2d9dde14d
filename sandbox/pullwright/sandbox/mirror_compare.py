"""Commits of a bare mirror beside one another: where they part, what differs, and one's change brought onto another.

Nothing is checked out. A merge is made of trees alone, by commits that share nothing but one parent, so that the
histories between them do not matter and the same three trees always merge to the same.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Final

from pullwright.agents.change import FileStat
from pullwright.agents.errors import ChangeRefused, NotFound, PatchTooLarge
from pullwright.agents.ports.sandbox import Base
from pullwright.sandbox.git_env import git_environment
from pullwright.sandbox.git_errors import first_reason
from pullwright.sandbox.mirror_checkpoints import FIXED
from pullwright.sandbox.mirror_git import Completed, GitRunner
from pullwright.sandbox.mirror_place import full_sha
from pullwright.sandbox.policy_tree import parse_raw

MOST_SHOWN: Final = 3
_CONFLICTS: Final = 1
"""The exit code of ``git merge-tree`` when it made a tree that still has conflicts in it."""


class MirrorComparisons:
    """The part of a mirror that compares commits; see the port for what the methods do."""

    def __init__(self, git: GitRunner) -> None:
        self._git = git

    async def difference(self, base: Base, old: str, new: str, *, limit: int) -> bytes:
        """Return the binary patch between two commits."""
        options = ["-p", "--binary", "--full-index", "--no-renames", "--no-ext-diff", "--no-textconv", "--no-color"]
        prefixes = ["--src-prefix=a/", "--dst-prefix=b/"]
        sides = [_commit(old), _commit(new)]
        done = await self._run(base, ["diff-tree", *options, *prefixes, *sides], output_limit=limit + 1)
        if len(done.stdout) > limit:
            raise PatchTooLarge(f"difference between {old[:12]!r} and {new[:12]!r} is larger than {limit} bytes")
        return _there(done, old, new).stdout

    async def part(self, base: Base, old: str, new: str, paths: Collection[str]) -> str:
        """Return a commit that has these files as the new one has them, and all others as the old one has them."""
        arguments = ["diff-tree", "-r", "-z", "--no-renames", "--raw", "--full-index", _commit(old), _commit(new)]
        changes = parse_raw(_there(await self._run(base, arguments), old, new).stdout)
        kept = [one for one in changes if path_name(one.path) in paths]
        # Takes files away first, so that a folder may take the place of a file.
        lines = sorted(f"{one.new_mode} {one.new_blob}\t".encode() + one.path for one in kept)
        with tempfile.TemporaryDirectory(prefix="pullwright-index-") as folder:
            environment = git_environment(git_dir=base.mirror, index=Path(folder, "index"))
            await self._git.done(["read-tree", _commit(old)], environment)
            stdin = b"".join(line + b"\0" for line in lines)
            await self._git.done(["update-index", "-z", "--index-info"], environment, stdin=stdin)
            tree = (await self._git.done(["write-tree"], environment)).text
        return await self._tree_commit(base, tree, old)

    async def stat(self, base: Base, old: str, new: str) -> tuple[FileStat, ...]:
        """Return how many lines of each file differ."""
        arguments = ["diff-tree", "-r", "-z", "--no-renames", "--numstat", _commit(old), _commit(new)]
        return parse_numstat(_there(await self._run(base, arguments), old, new).stdout)

    async def fork_point(self, base: Base, other: str) -> str:
        """Return the newest commit that both come from."""
        return _there(await self._run(base, ["merge-base", base.sha, _commit(other)]), base.sha, other).text

    async def authors(self, base: Base, old: str, new: str) -> frozenset[str]:
        """Return who wrote the commits that one has and the other has not."""
        arguments = ["log", "--no-merges", "--format=%ae", _commit(new), f"^{_commit(old)}"]
        return frozenset(_there(await self._run(base, arguments), old, new).text.splitlines())

    async def carried(self, base: Base, old: str, new: str, *, limit: int) -> bytes:
        """Return the patch that brings what lies between two commits onto the base."""
        root = await self._bare(base, old)
        ours, theirs = await self._bare(base, base.sha, root), await self._bare(base, new, root)
        tree = await self._merged(base, ours, theirs)
        merged = await self._tree_commit(base, tree, root)
        return await self.difference(base, base.sha, merged, limit=limit)

    async def _merged(self, base: Base, ours: str, theirs: str) -> str:
        """Return the tree that two commits merge to.

        Raises:
            ChangeRefused: They conflict, it takes too long, or git is older than 2.38 and can not do it.
        """
        arguments = ["merge-tree", "--write-tree", "--name-only", "--no-messages", "-z", ours, theirs]
        refused = f"change does not fit onto {base.sha[:12]!r}"
        try:
            done = await self._run(base, arguments)
        except TimeoutError as exc:
            raise ChangeRefused(f"{refused}: merging it takes too long") from exc
        tree, *conflicts = done.stdout.decode("utf-8", "backslashreplace").rstrip("\0").split("\0")
        if done.code == _CONFLICTS:
            shown = ", ".join(repr(path) for path in conflicts[:MOST_SHOWN])
            raise ChangeRefused(f"{refused}: it conflicts in {shown}")
        if done.code:
            raise ChangeRefused(f"{refused}: {first_reason(done.stderr)}")
        return tree

    async def _bare(self, base: Base, sha: str, parent: str = "") -> str:
        """Return a commit with the files of another one and no history but the parent."""
        found = await self._run(base, ["rev-parse", "--verify", "--end-of-options", f"{_commit(sha)}^{{tree}}"])
        return await self._tree_commit(base, _there(found, sha, sha).text, parent)

    async def _tree_commit(self, base: Base, tree: str, parent: str) -> str:
        parents = ["-p", parent] if parent else []
        environment = git_environment(git_dir=base.mirror, more=FIXED)
        return (await self._git.done(["commit-tree", tree, *parents, "-m", "merge"], environment)).text

    async def _run(self, base: Base, arguments: list[str], *, output_limit: int | None = None) -> Completed:
        return await self._git.run(arguments, git_environment(git_dir=base.mirror), output_limit=output_limit)


def parse_numstat(output: bytes) -> tuple[FileStat, ...]:
    """Read the output of ``git diff-tree -r --numstat -z --no-renames``."""
    files: list[FileStat] = []
    for line in output.split(b"\0"):
        fields = line.split(b"\t", 2)
        if len(fields) == 3:
            added, removed = (int(field) if field.isdigit() else None for field in fields[:2])
            files.append(FileStat(path=path_name(fields[2]), added=added, removed=removed))
    return tuple(files)


def path_name(path: bytes) -> str:
    """Return what a file is called in a ``FileStat``."""
    return path.decode("utf-8", "backslashreplace")


def _commit(sha: str) -> str:
    if not full_sha(sha):
        raise NotFound(f"{sha!r} is no whole commit id")
    return f"{sha}^{{commit}}"


def _there(done: Completed, one: str, other: str) -> Completed:
    if done.code:
        reason = first_reason(done.stderr)
        raise NotFound(f"mirror does not hold both {one[:12]!r} and {other[:12]!r}, or they share nothing: {reason}")
    return done
