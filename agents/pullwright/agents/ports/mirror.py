"""The role of the bare mirror: the only place on the host where git writes anything of a task."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

from pullwright.agents.change import Change, FileStat, RepositoryRef
from pullwright.agents.ports.sandbox import Base


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A token for git over HTTPS; handed to git by environment only."""

    token: str = field(repr=False)
    user: str = "x-access-token"


BOT_EMAIL: Final = "pullwright@localhost"
"""Who wrote a commit of ours, for git."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitMeta:
    """Everything of a commit but its tree."""

    branch: str
    title: str
    body: str = ""
    author_name: str = "Pullwright"
    author_email: str = BOT_EMAIL
    at: datetime | None = None
    """Its date; with one, the same base, files and words are the same commit whenever it is made. None for now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The files of a workspace at one moment, as a commit that only a private ref of the mirror names."""

    number: int
    """Counts from 1 within a task."""
    sha: str
    tree: str


class Mirror(Protocol):
    """Bare copies of repositories. Never has a work tree, never runs anything that a repository brings."""

    async def sync(self, repository: RepositoryRef, ref: str, credential: Credential | None) -> Base:
        """Fetch the repository and resolve ``ref`` (empty: its default branch).

        Raises:
            AuthFailed: The host refused the credential.
            NotFound: No such repository or ref.
            ConfigError: The repository has no commit yet.
            RemoteUnavailable: The host could not be reached.
        """
        ...

    async def read_file(self, base: Base, path: str, *, limit: int) -> bytes | None:
        """Return the first ``limit`` bytes of a regular file of the base commit, or None if there is none."""
        ...

    async def commit(
        self,
        repository: RepositoryRef,
        base: Base,
        patch: bytes,
        meta: CommitMeta,
        *,
        allow_paths: tuple[str, ...] = (),
    ) -> Change:
        """Commit a patch on the base without a work tree and point ``refs/heads/<branch>`` at it.

        Args:
            repository: Where the base is from.
            base: What the patch was made on.
            patch: A binary git patch.
            meta: Everything of the commit but its tree.
            allow_paths: Patterns as in ``.gitignore`` of protected paths that the owner lets changes touch.

        Raises:
            ChangeRefused: The patch does not apply, or policy forbids what it holds.
            EmptyChange: The patch changes nothing.
        """
        ...

    async def checkpoint(
        self, base: Base, patch: bytes, *, task_id: str, number: int, parent: Checkpoint | None
    ) -> Checkpoint:
        """Keep the files that a patch makes of ``parent`` (or of the base) under a private ref of the task.

        No policy is asked: a checkpoint is never pushed. Done again with the same number, it replaces the former one.
        Base, number and files decide about its ``sha``, on any host and whatever patches led to it.

        Raises:
            ChangeRefused: The patch does not apply.
        """
        ...

    async def checkpoints(self, base: Base, *, task_id: str) -> tuple[Checkpoint, ...]:
        """Return the checkpoints of a task, in order."""
        ...

    async def difference(
        self, base: Base, old: str, new: str, *, limit: int, paths: Collection[str] | None = None
    ) -> bytes:
        """Return the binary git patch between two commits of the mirror; empty when their trees are equal.

        Args:
            base: Of the mirror.
            old: One commit.
            new: The other one.
            limit: The most that it may have, in bytes.
            paths: The only files that it may change, as ``stat`` calls them; None for all.

        Raises:
            NotFound: One of them is not in the mirror.
            PatchTooLarge: It has more than ``limit`` bytes.
        """
        ...

    async def carried(self, base: Base, old: str, new: str, *, limit: int) -> bytes:
        """Return the patch that brings what lies between two commits of the mirror onto the base.

        A merge of three: what the base has of it already is left out, so the patch may be empty.

        Raises:
            ChangeRefused: It conflicts with what the base has, or can not be merged here.
            NotFound: One of the commits is not in the mirror.
            PatchTooLarge: It has more than ``limit`` bytes.
        """
        ...

    async def fork_point(self, base: Base, other: str) -> str:
        """Return the newest commit that the base and another commit of the mirror both come from.

        Raises:
            NotFound: There is none, or the other commit is not in the mirror.
        """
        ...

    async def authors(self, base: Base, old: str, new: str) -> frozenset[str]:
        """Return the e-mail addresses of who wrote the commits that ``new`` has and ``old`` has not; merges apart.

        Raises:
            NotFound: One of the commits is not in the mirror.
        """
        ...

    async def stat(self, base: Base, old: str, new: str) -> tuple[FileStat, ...]:
        """Return how many lines of each file differ between two commits of the mirror.

        Raises:
            NotFound: One of them is not in the mirror.
        """
        ...

    async def forget(self, base: Base, *, task_id: str) -> None:
        """Let go of the checkpoints of a task."""
        ...

    async def push(self, change: Change, credential: Credential | None, *, replaces: str = "") -> None:
        """Push the branch. A branch that already holds exactly this commit is a success.

        Args:
            change: What is pushed.
            credential: Who pushes.
            replaces: The commit that the branch holds until now; empty for a branch that is not there yet.

        Raises:
            AuthFailed: The host refused the credential.
            PushRejected: The branch is protected, or holds other commits.
            RemoteUnavailable: The host could not be reached.
        """
        ...

    async def deliver(self, change: Change, checkout: Path) -> None:
        """Create the branch in a person's own checkout, which is not switched to it.

        Raises:
            ChangeError: The checkout refused the branch.
        """
        ...
