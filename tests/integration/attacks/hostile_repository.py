"""A repository that an agent attacks from, and the way of its change out: extractor, mirror, policy."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from pullwright.agents.change import Change, RepositoryRef
from pullwright.agents.errors import ChangeError
from pullwright.agents.ports.mirror import CommitMeta
from pullwright.agents.ports.sandbox import Base, ExecResult, Sandbox, Workspace
from pullwright.sandbox import docker_workspace
from pullwright.sandbox.extractor import extract_patch
from pullwright.sandbox.mirror import GitMirror
from pullwright.sandbox.runner_client import RunnerClient
from tests.integration.sandbox.repositories import git, make_checkout

LIMIT = 64 << 20
OWN_TOKEN = "ghs_OwnTokenOfThisVeryInstance0815"
META = CommitMeta(branch="agent/attack", title="Attack")

VICTIM: Mapping[str, bytes] = {
    "a.txt": b"one\n",
    "dir/b.txt": b"two\n",
    "tool.sh": b"#!/bin/sh\nexit 0\n",
    "mod.py": b"def passes():\n    return False\n",
    ".gitignore": b"*.local\n",
    ".gitattributes": b"*.txt filter=trap diff=trap merge=trap\n",
}


@dataclass(frozen=True, kw_only=True)
class TakenOut:
    """What came of an attack: a patch, a change, or the reason why there is none."""

    patch: bytes = b""
    change: Change | None = None
    refusal: str = ""
    ran: frozenset[str] = frozenset()
    """Marks that were left in the extractor's container."""

    @property
    def paths(self) -> list[str]:
        return [file.path for file in self.change.files] if self.change else []


@dataclass(kw_only=True)
class Scene:
    """A repository, its mirror, and where a mark would be if something of the agent's ran on this host."""

    mirror: GitMirror
    repository: RepositoryRef
    base: Base
    owned: Path
    seen: list[frozenset[str]] = field(default_factory=list)

    @classmethod
    async def make(cls, folder: Path) -> Scene:
        checkout = folder / "checkout"
        make_checkout(checkout, VICTIM)
        git(checkout, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},lib")
        git(checkout, "commit", "--quiet", "-m", "a submodule")
        mirror = GitMirror(folder / "mirrors", secrets=[OWN_TOKEN])
        repository = RepositoryRef(url=str(checkout), name="victim")
        base = await mirror.sync(repository, "", None)
        return cls(mirror=mirror, repository=repository, base=base, owned=folder / "owned")

    def mark(self, name: str) -> str:
        """Return the command of an attack: it leaves a mark wherever it runs, on this host too."""
        return f"mkdir -p {self.owned} /tmp/owned; touch {self.owned}/{name} /tmp/owned/{name}"

    @property
    def on_host(self) -> set[str]:
        return {path.name for path in self.owned.glob("*")}

    async def attack(self, workspace: Workspace, script: str) -> TakenOut:
        """Run a script as the agent and take out what it made, as a worker does."""
        async with workspace.open_sandbox() as sandbox:
            await ran(sandbox, script)
        return await self.take_out(workspace)

    async def take_out(self, workspace: Workspace) -> TakenOut:
        """Extract and commit, as a worker does."""
        try:
            taken = await self.commit(await workspace.extract(limit=LIMIT))
        except ChangeError as exc:
            taken = TakenOut(refusal=str(exc))
        return replace(taken, ran=self.seen.pop())

    async def commit(self, patch: bytes) -> TakenOut:
        try:
            change = await self.mirror.commit(self.repository, self.base, patch, META)
        except ChangeError as exc:
            return TakenOut(patch=patch, refusal=str(exc))
        return TakenOut(patch=patch, change=change)

    def shown(self, change: Change | None, path: str) -> str:
        """Return a file of a change."""
        assert change is not None
        return git(self.base.mirror, "cat-file", "blob", f"{change.head_sha}:{path}")

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look for marks in each extractor before it is thrown away."""
        extract = extract_patch

        async def watching(runner: RunnerClient, *arguments: Any, **more: Any) -> bytes:
            try:
                return await extract(runner, *arguments, **more)
            finally:
                found = await runner.exec("ls /tmp/owned 2>/dev/null", timeout=60, cwd="/")
                self.seen.append(frozenset(found.stdout.text.split("\n")) - {""})

        with pytest.MonkeyPatch.context() as patcher:
            patcher.setattr(docker_workspace, "extract_patch", watching)
            yield


async def ran(sandbox: Sandbox, script: str, *, timeout: float = 120) -> ExecResult:
    """Run a script of the agent's that has to succeed, or the attack would prove nothing."""
    result = await sandbox.exec(script, timeout=timeout, cwd="/workspace")
    assert result.exit_code == 0, result.stdout.text[-2000:] + result.stderr.text[-2000:]
    return result


def parts(patch: bytes) -> dict[str, bytes]:
    """Return a patch by the paths that it is about."""
    found: dict[str, bytes] = {}
    for part in re.split(rb"^(?=diff --git )", patch, flags=re.MULTILINE):
        head = re.match(rb'diff --git (?:"a/.*" "b/(.*)"|a/.* b/(.*))\n', part)
        if head:
            name = (head[1] or head[2]).decode()
            found[name] = found.get(name, b"") + part
    return found
