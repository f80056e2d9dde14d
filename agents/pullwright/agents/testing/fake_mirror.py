"""A mirror in memory: remembers what was committed, kept, pushed and delivered."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from anyio.lowlevel import checkpoint

from pullwright.agents.change import Change, FileStat, RepositoryRef
from pullwright.agents.errors import (
    ChangeError,
    ChangeRefused,
    EmptyChange,
    NotFound,
    PatchTooLarge,
    PullwrightError,
    PushRejected,
)
from pullwright.agents.ports.mirror import Checkpoint, CommitMeta, Credential
from pullwright.agents.ports.sandbox import Base
from pullwright.agents.testing.fake_patch import FakePatch, back_from, digest_of, read_patch, text_of, then, write_patch
from pullwright.agents.testing.fake_sandbox import WORKSPACE

SOMEBODY = "somebody@example.test"


class FakeCommit(NamedTuple):
    """A commit, or a checkpoint."""

    parent: str
    whole: FakePatch
    """What it changes of the files that a ``FakeMirror`` is given."""
    author: str


class FakeRemote(dict[str, str]):
    """The commit that each branch has on the code host, and what those commits are; several mirrors may share it."""

    def __init__(self) -> None:
        super().__init__()
        self.commits: dict[str, FakeCommit] = {}

    def lineage(self, sha: str) -> Iterator[str]:
        """Yield a commit and those that it comes from, newest first."""
        while sha:
            yield sha
            sha = self.commits[sha].parent if sha in self.commits else ""


class FakeMirror:
    """See ``Mirror`` for the contract.

    Checkpoints are made of the patches of a ``FakeSandbox``, whose files should be the ones given here.

    Args:
        files: What the base commit holds.
        default_branch: What an empty ref stands for.
        remote: What the code host has; the mirrors of several hosts may share it.
    """

    def __init__(
        self,
        files: dict[str, bytes] | None = None,
        *,
        default_branch: str = "main",
        remote: FakeRemote | None = None,
    ) -> None:
        self.remote = FakeRemote() if remote is None else remote
        self.files = dict(files or {})
        self.commits: list[CommitMeta] = []
        self.allowed: list[tuple[str, ...]] = []
        """The paths that each commit was allowed to touch."""
        self.notices: tuple[str, ...] = ()
        """What every change is said to need a look at."""
        self.kept: dict[str, dict[int, Checkpoint]] = {}
        """The checkpoints by task and number."""
        self.pushed: list[tuple[Change, Credential | None]] = []
        self.delivered: list[tuple[Change, Path]] = []
        self.failures: dict[str, PullwrightError] = {}
        """Raised by the method of that name."""
        self._default_branch = default_branch
        self._own: dict[str, FakeCommit] = {}
        """Commits and checkpoints that were made here."""
        self._fetched: set[str] = set()

    async def sync(self, repository: RepositoryRef, ref: str, credential: Credential | None) -> Base:
        await self._begin("sync")
        found = self.tip(repository, ref)
        self._fetched.update(self.remote.lineage(found.sha))
        return found

    def tip(self, repository: RepositoryRef, ref: str) -> Base:
        """Return what a ref names now."""
        name = ref or self._default_branch
        whole = re.fullmatch("[0-9a-f]{40}", name)
        sha = name if whole else self.remote.get(name) or _sha(f"{repository.url} {name}".encode())
        return Base(mirror=Path("/mirror"), ref=name, sha=sha)

    def push_by_person(self, base: Base, branch: str, files: Mapping[str, bytes]) -> str:
        """Put a commit of somebody else, who gives files these contents, on a branch of the host and return its id."""
        before = {path: digest_of(text_of(content)) for path, content in self._absolute(base.sha).items()}
        paths = {f"{WORKSPACE}/{path}": text_of(content) for path, content in files.items()}
        whole = then(self._patch_of(base, base.sha), {path: (before.get(path), text) for path, text in paths.items()})
        sha = _sha(f"{base.sha} somebody".encode() + write_patch(whole))
        self.remote.commits[sha] = FakeCommit(base.sha, whole, SOMEBODY)
        self.remote[branch] = sha
        return sha

    def files_at(self, base: Base) -> dict[str, bytes]:
        """Return the files of a commit, as a ``FakeProvider`` takes them."""
        return {path.removeprefix(f"{WORKSPACE}/"): content for path, content in self._absolute(base.sha).items()}

    async def read_file(self, base: Base, path: str, *, limit: int) -> bytes | None:
        await self._begin("read_file")
        content = self.files_at(base).get(path)
        return None if content is None else content[:limit]

    async def commit(
        self,
        repository: RepositoryRef,
        base: Base,
        patch: bytes,
        meta: CommitMeta,
        *,
        allow_paths: tuple[str, ...] = (),
    ) -> Change:
        await self._begin("commit")
        if not patch.strip():
            raise EmptyChange(f"patch for {repository.slug!r} is empty: the agent changed nothing")
        changes = read_patch(patch)
        whole = self._then(base.sha, changes)
        self.commits.append(meta)
        self.allowed.append(allow_paths)
        head = _sha(base.sha.encode() + patch + meta.title.encode())
        self._own[head] = FakeCommit(base.sha, whole, meta.author_email)
        sides = self._absolute(base.sha), self._absolute(head)
        return Change(
            repository=repository,
            base_ref=base.ref,
            base_sha=base.sha,
            head_sha=head,
            branch=meta.branch,
            title=meta.title,
            files=tuple(_stat(path, *(side.get(path, b"") for side in sides)) for path in sorted(changes)),
            notices=self.notices,
        )

    async def checkpoint(
        self, base: Base, patch: bytes, *, task_id: str, number: int, parent: Checkpoint | None
    ) -> Checkpoint:
        await self._begin("checkpoint")
        whole = self._then(parent.sha if parent else base.sha, read_patch(patch))
        tree = _sha(base.sha.encode() + write_patch(whole))
        sha = _sha(f"{base.sha} {tree} {number}".encode())
        self._own[sha] = FakeCommit(base.sha, whole, "")
        made = Checkpoint(number=number, sha=sha, tree=tree)
        self.kept.setdefault(task_id, {})[number] = made
        return made

    async def checkpoints(self, base: Base, *, task_id: str) -> tuple[Checkpoint, ...]:
        await self._begin("checkpoints")
        return tuple(made for _, made in sorted(self.kept.get(task_id, {}).items()))

    async def difference(
        self, base: Base, old: str, new: str, *, limit: int, paths: Collection[str] | None = None
    ) -> bytes:
        await self._begin("difference" if paths is None else "part")
        patch = self._between(base, old, new)
        kept = patch if paths is None else {f"{WORKSPACE}/{path}" for path in paths}
        return _limited({path: change for path, change in patch.items() if path in kept}, limit)

    async def carried(self, base: Base, old: str, new: str, *, limit: int) -> bytes:
        await self._begin("carried")
        patch: dict[str, tuple[str | None, str | None]] = {}
        here = self._absolute(base.sha)
        for path, (before, after) in self._between(base, old, new).items():
            now = digest_of(text_of(here.get(path)))
            if now not in (before, digest_of(after)):
                raise ChangeRefused(f"change does not fit onto {base.sha[:12]!r}: it conflicts in {path!r}")
            if now == before:
                patch[path] = (before, after)
        return _limited(patch, limit)

    async def fork_point(self, base: Base, other: str) -> str:
        await self._begin("fork_point")
        self._patch_of(base, other)
        ours = set(self.remote.lineage(base.sha))
        found = next((sha for sha in self.remote.lineage(other) if sha in ours), "")
        if not found:
            raise NotFound(f"{base.sha[:12]!r} and {other[:12]!r} share nothing")
        return found

    async def authors(self, base: Base, old: str, new: str) -> frozenset[str]:
        await self._begin("authors")
        for sha in (old, new):
            self._patch_of(base, sha)
        known = set(self.remote.lineage(old))
        commits = self.remote.commits
        return frozenset(commits[sha].author for sha in self.remote.lineage(new) if sha not in known and sha in commits)

    async def stat(self, base: Base, old: str, new: str) -> tuple[FileStat, ...]:
        await self._begin("stat")
        sides = self._absolute(old), self._absolute(new)
        paths = sorted(self._between(base, old, new))
        return tuple(_stat(path, *(side.get(path, b"") for side in sides)) for path in paths)

    async def forget(self, base: Base, *, task_id: str) -> None:
        await self._begin("forget")
        self.kept.pop(task_id, None)

    async def push(self, change: Change, credential: Credential | None, *, replaces: str = "") -> None:
        await self._begin("push")
        if self.remote.get(change.branch, replaces) not in (replaces, change.head_sha):
            raise PushRejected(f"branch {change.branch!r} holds other commits; choose another name")
        if self.remote.get(change.branch) != change.head_sha:
            self.remote[change.branch] = change.head_sha
            self.remote.commits[change.head_sha] = self._own[change.head_sha]
            self.pushed.append((change, credential))

    async def deliver(self, change: Change, checkout: Path) -> None:
        await self._begin("deliver")
        if not checkout.is_absolute():
            raise ChangeError(f"{str(checkout)!r} is no absolute path")
        self.delivered.append((change, checkout))

    @property
    def _originals(self) -> dict[str, bytes]:
        return {f"{WORKSPACE}/{path}": content for path, content in self.files.items()}

    def _absolute(self, sha: str) -> dict[str, bytes]:
        """Return the files of a commit by absolute path."""
        files = self._originals
        for path, (_, after) in self._changes(sha).items():
            files.pop(path, None)
            if after is not None:
                files[path] = base64.b64decode(after)
        return files

    def _changes(self, sha: str) -> FakePatch:
        known = self._own.get(sha) or self.remote.commits.get(sha)
        return known.whole if known else {}

    def _then(self, sha: str, patch: FakePatch) -> FakePatch:
        """Return what a commit changes, and then a patch on it."""
        here = self._absolute(sha)
        for path, (before, _) in patch.items():
            if path in here and digest_of(text_of(here[path])) != before:
                raise ChangeRefused(f"patch does not apply on {sha[:12]!r}: {path!r} differs")
        return then(self._changes(sha), patch)

    def _between(self, base: Base, old: str, new: str) -> FakePatch:
        back = back_from(self._patch_of(base, old), self._originals)
        return then(back, self._patch_of(base, new))

    def _patch_of(self, base: Base, sha: str) -> FakePatch:
        if sha not in {base.sha, *self._own, *self._fetched}:
            raise NotFound(f"mirror does not hold {sha[:12]!r}")
        return self._changes(sha)

    async def _begin(self, method: str) -> None:
        await checkpoint()
        if method in self.failures:
            raise self.failures[method]


def _limited(patch: FakePatch, limit: int) -> bytes:
    content = write_patch(patch)
    if len(content) > limit:
        raise PatchTooLarge(f"difference is larger than {limit} bytes")
    return content


def _stat(path: str, old: bytes, new: bytes) -> FileStat:
    name = path.removeprefix(f"{WORKSPACE}/")
    if b"\0" in old + new:
        return FileStat(path=name, added=None, removed=None)
    before, after = old.splitlines(), new.splitlines()
    added, removed = sum(line not in before for line in after), sum(line not in after for line in before)
    return FileStat(path=name, added=added, removed=removed)


def _sha(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()
