"""A mirror in memory: remembers what was committed, pushed and delivered."""

from __future__ import annotations

import hashlib
from pathlib import Path

from anyio.lowlevel import checkpoint

from pullwright.agents.change import Change, FileStat, RepositoryRef
from pullwright.agents.errors import ChangeError, EmptyChange, PullwrightError
from pullwright.agents.ports.mirror import CommitMeta, Credential
from pullwright.agents.ports.sandbox import Base


class FakeMirror:
    """See ``Mirror`` for the contract.

    Args:
        files: What the base commit holds.
        default_branch: What an empty ref stands for.
    """

    def __init__(self, files: dict[str, bytes] | None = None, *, default_branch: str = "main") -> None:
        self.files = dict(files or {})
        self.commits: list[CommitMeta] = []
        self.pushed: list[tuple[Change, Credential | None]] = []
        self.delivered: list[tuple[Change, Path]] = []
        self.failures: dict[str, PullwrightError] = {}
        """Raised by the method of that name."""
        self._default_branch = default_branch

    async def sync(self, repository: RepositoryRef, ref: str, credential: Credential | None) -> Base:
        await self._begin("sync")
        name = ref or self._default_branch
        return Base(mirror=Path("/mirror"), ref=name, sha=_sha(f"{repository.url} {name}".encode()))

    async def read_file(self, base: Base, path: str, *, limit: int) -> bytes | None:
        await self._begin("read_file")
        content = self.files.get(path)
        return None if content is None else content[:limit]

    async def commit(self, repository: RepositoryRef, base: Base, patch: bytes, meta: CommitMeta) -> Change:
        await self._begin("commit")
        if not patch.strip():
            raise EmptyChange(f"patch for {repository.slug!r} is empty: the agent changed nothing")
        self.commits.append(meta)
        return Change(
            repository=repository,
            base_ref=base.ref,
            base_sha=base.sha,
            head_sha=_sha(base.sha.encode() + patch + meta.title.encode()),
            branch=meta.branch,
            title=meta.title,
            files=(FileStat(path="a", added=1, removed=0),),
        )

    async def push(self, change: Change, credential: Credential | None) -> None:
        await self._begin("push")
        self.pushed.append((change, credential))

    async def deliver(self, change: Change, checkout: Path) -> None:
        await self._begin("deliver")
        if not checkout.is_absolute():
            raise ChangeError(f"{str(checkout)!r} is no absolute path")
        self.delivered.append((change, checkout))

    async def _begin(self, method: str) -> None:
        await checkpoint()
        if method in self.failures:
            raise self.failures[method]


def _sha(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()
