"""A mirror in memory: remembers what was committed, kept, pushed and delivered."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

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


class FakeMirror:
    """See ``Mirror`` for the contract.

    Checkpoints are made of the patches of a ``FakeSandbox``, whose files should be the ones given here.

    Args:
        files: What the base commit holds.
        default_branch: What an empty ref stands for.
        remote: The commit that each branch has on the code host; the mirrors of several hosts may share it.
    """

    def __init__(
        self,
        files: dict[str, bytes] | None = None,
        *,
        default_branch: str = "main",
        remote: dict[str, str] | None = None,
    ) -> None:
        self.remote = {} if remote is None else remote
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
        self._patches: dict[str, FakePatch] = {}

    async def sync(self, repository: RepositoryRef, ref: str, credential: Credential | None) -> Base:
        await self._begin("sync")
        name = ref or self._default_branch
        sha = name if re.fullmatch("[0-9a-f]{40}", name) else _sha(f"{repository.url} {name}".encode())
        return Base(mirror=Path("/mirror"), ref=name, sha=sha)

    async def read_file(self, base: Base, path: str, *, limit: int) -> bytes | None:
        await self._begin("read_file")
        content = self.files.get(path)
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
        self.commits.append(meta)
        self.allowed.append(allow_paths)
        head = _sha(base.sha.encode() + patch + meta.title.encode())
        self._patches[head] = read_patch(patch)
        return Change(
            repository=repository,
            base_ref=base.ref,
            base_sha=base.sha,
            head_sha=head,
            branch=meta.branch,
            title=meta.title,
            files=(FileStat(path="a", added=1, removed=0),),
            notices=self.notices,
        )

    async def checkpoint(
        self, base: Base, patch: bytes, *, task_id: str, number: int, parent: Checkpoint | None
    ) -> Checkpoint:
        await self._begin("checkpoint")
        whole = then(self._patch_of(base, parent.sha) if parent else {}, read_patch(patch))
        for path, (before, _) in whole.items():
            known = self._originals.get(path)
            if known is not None and digest_of(text_of(known)) != before:
                raise ChangeRefused(f"patch does not apply on {base.sha[:12]!r}: {path!r} differs")
        tree = _sha(base.sha.encode() + write_patch(whole))
        sha = _sha(f"{base.sha} {tree} {number}".encode())
        self._patches[sha] = whole
        made = Checkpoint(number=number, sha=sha, tree=tree)
        self.kept.setdefault(task_id, {})[number] = made
        return made

    async def checkpoints(self, base: Base, *, task_id: str) -> tuple[Checkpoint, ...]:
        await self._begin("checkpoints")
        return tuple(made for _, made in sorted(self.kept.get(task_id, {}).items()))

    async def difference(self, base: Base, old: str, new: str, *, limit: int) -> bytes:
        await self._begin("difference")
        back = back_from(self._patch_of(base, old), self._originals)
        patch = write_patch(then(back, self._patch_of(base, new)))
        if len(patch) > limit:
            raise PatchTooLarge(f"difference is larger than {limit} bytes")
        return patch

    async def forget(self, base: Base, *, task_id: str) -> None:
        await self._begin("forget")
        self.kept.pop(task_id, None)

    async def push(self, change: Change, credential: Credential | None, *, replaces: str = "") -> None:
        await self._begin("push")
        if self.remote.get(change.branch, replaces) not in (replaces, change.head_sha):
            raise PushRejected(f"branch {change.branch!r} holds other commits; choose another name")
        if self.remote.get(change.branch) != change.head_sha:
            self.remote[change.branch] = change.head_sha
            self.pushed.append((change, credential))

    async def deliver(self, change: Change, checkout: Path) -> None:
        await self._begin("deliver")
        if not checkout.is_absolute():
            raise ChangeError(f"{str(checkout)!r} is no absolute path")
        self.delivered.append((change, checkout))

    @property
    def _originals(self) -> dict[str, bytes]:
        return {f"{WORKSPACE}/{path}": content for path, content in self.files.items()}

    def _patch_of(self, base: Base, sha: str) -> FakePatch:
        if sha != base.sha and sha not in self._patches:
            raise NotFound(f"mirror does not hold {sha[:12]!r}")
        return self._patches.get(sha, {})

    async def _begin(self, method: str) -> None:
        await checkpoint()
        if method in self.failures:
            raise self.failures[method]


def _sha(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()
