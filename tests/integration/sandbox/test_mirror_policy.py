"""Policy on real trees: a patch with everything that it forbids, committed in a mirror."""

from __future__ import annotations

import base64
import zlib
from pathlib import Path

import pytest

from pullwright.agents.change import Change, RepositoryRef
from pullwright.agents.errors import ChangeRefused, ConfigError
from pullwright.agents.ports.mirror import CommitMeta
from pullwright.integrations.testing.bare_repository import EXECUTABLE, SYMLINK, BareRepository, TreeFile
from pullwright.sandbox.mirror import GitMirror
from pullwright.sandbox.policy import PolicyLimits

pytestmark = pytest.mark.anyio

META = CommitMeta(branch="agent/x", title="x")
BASE = [
    TreeFile(b"a.txt", b"one\n"),
    TreeFile(b"run.sh", b"#!/bin/sh\n"),
    TreeFile(b"odd\nname", b"1\n"),
    TreeFile(b"Read.me", b"1\n"),
    TreeFile(b"out", b"/etc", SYMLINK),
    TreeFile(b".github/workflows/ci.yml", b"on: push\n"),
]
TOKEN = b"ghp_" + b"aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hJ6"


class Scene:
    """A repository, and changes to it."""

    def __init__(self, folder: Path, mirror: GitMirror) -> None:
        self.bare = BareRepository.create(folder / "origin.git", default_branch="main")
        self.start = self.bare.commit("main", "Start", BASE)
        self.mirror = mirror
        self.repository = RepositoryRef(url=str(self.bare.path), name="origin")

    async def commit(self, *files: TreeFile, allow: tuple[str, ...] = ()) -> Change:
        patch = self.bare.diff(self.start, self.bare.tree_with(self.start, files))
        base = await self.mirror.sync(self.repository, "", None)
        return await self.mirror.commit(self.repository, base, patch, META, allow_paths=allow)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path, GitMirror(tmp_path / "mirrors", secrets=["our very own secret"]))


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (TreeFile(b".github/workflows/ci.yml", b"on: pull_request_target\n"), "CI definition.*allow_paths"),
        (TreeFile(b".GITHUB/workflows/x.yml", b""), "CI definition"),
        (TreeFile(b".github", b"src", SYMLINK), "CI definition"),
        (TreeFile(b"l", b"out/passwd", SYMLINK), "leaves the repository"),
        (TreeFile(b"l", b"x" * 5000, SYMLINK), "link of 5000 bytes"),
        (TreeFile(b"new\nline", b""), "control character"),
        (TreeFile(b"read.ME", b""), "only by case"),
        (TreeFile(b"tool", b"\x7fELF\x02", EXECUTABLE), "compiled program"),
        (TreeFile(b"big", bytes(6 << 20)), "6.0 MiB"),
        (TreeFile(b"a.txt", b"one\n" + TOKEN + b"\n"), "line 2 of 'a.txt' holds what looks like a GitHub token"),
        (TreeFile(b"a.txt", base64.b64encode(b"x=our very own secret;")), "a secret of this installation"),
        (TreeFile(b"uv.lock", b"url = 'http://127.0.0.1:8080/x'\n"), "package gateway"),
    ],
    ids=range(12),
)
async def test_what_policy_forbids_makes_no_branch(scene: Scene, file: TreeFile, reason: str) -> None:
    with pytest.raises(ChangeRefused, match=reason) as caught:
        await scene.commit(TreeFile(b"fine", b"fine\n"), file)
    assert TOKEN.decode() not in str(caught.value)
    assert "our very own" not in str(caught.value)
    base = await scene.mirror.sync(scene.repository, "", None)
    assert BareRepository(base.mirror).branches() == {}


async def test_what_the_base_holds_stays_usable(scene: Scene) -> None:
    change = await scene.commit(
        TreeFile(b"odd\nname", b"2\n"), TreeFile(b"Read.me", b"2\n"), TreeFile(b"inside", b"a.txt", SYMLINK)
    )
    assert change.notices == ()
    assert len(change.files) == 3


async def test_notices_come_with_the_change(scene: Scene) -> None:
    workflow = TreeFile(b".github/workflows/ci.yml", b"on: [push, pull_request]\n")
    files = (TreeFile(b"run.sh", b"#!/bin/sh\n", EXECUTABLE), TreeFile(b"web/package-lock.json", b"{}\n"), workflow)
    change = await scene.commit(*files, allow=(".github/workflows/",))
    assert change.notices == (
        "changes a CI definition, as an owner allowed: '.github/workflows/ci.yml'",
        "changes lock files: 'web/package-lock.json'",
        "makes executable: 'run.sh'",
    )
    with pytest.raises(ConfigError, match="allow_paths"):
        await scene.commit(*files, allow=("wrong\\",))


async def test_limits_can_be_set(tmp_path: Path) -> None:
    scene = Scene(tmp_path, GitMirror(tmp_path / "mirrors", limits=PolicyLimits(files=1, file_bytes=10)))
    await scene.commit(TreeFile(b"x", b"1234567890"))
    with pytest.raises(ChangeRefused, match="changes 2 files"):
        await scene.commit(TreeFile(b"x", b""), TreeFile(b"y", b""))


async def test_a_patch_that_stands_for_gigabytes_is_refused_while_it_is_read(scene: Scene) -> None:
    size = 3 << 30
    packer = zlib.compressobj(9)
    packed = packer.compress(bytes(1 << 20)) + packer.flush()
    lines = [packed[start : start + 52] for start in range(0, len(packed), 52)]
    body = b"".join(_length(line) + base64.b85encode(line, pad=True) + b"\n" for line in lines)
    patch = (
        b"diff --git a/zeros b/zeros\nnew file mode 100644\nindex %s..%s\nGIT binary patch\nliteral %d\n%s\nliteral 0\n"
        b"HcmV?d00001\n\n" % (b"0" * 40, b"1" * 40, size, body)
    )
    base = await scene.mirror.sync(scene.repository, "", None)
    with pytest.raises(ChangeRefused, match="Out of memory"):
        await scene.mirror.commit(scene.repository, base, patch, META)


def _length(line: bytes) -> bytes:
    return bytes([len(line) + (64 if len(line) <= 26 else 70)])
