from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pullwright.agents.change import RepositoryRef
from pullwright.agents.testing.contracts_mirror import MirrorContract, MirrorScene
from pullwright.agents.testing.fake_mirror import FakeMirror
from pullwright.integrations.testing.bare_repository import BareRepository, TreeFile
from pullwright.sandbox.mirror import GitMirror


class TestFakeMirror(MirrorContract):
    @pytest.fixture
    def scene(self, tmp_path: Path) -> MirrorScene:
        return MirrorScene(
            mirror=FakeMirror({"AGENTS.md": b"Be brief.\n"}),
            repository=RepositoryRef(url="https://example.test/o/r", host="example.test", owner="o", name="r"),
            patch=b"anything",
            checkout=tmp_path,
        )


class TestGitMirror(MirrorContract):
    @pytest.fixture
    def scene(self, tmp_path: Path) -> MirrorScene:
        bare = BareRepository.create(tmp_path / "origin.git", default_branch="main")
        files = [TreeFile(b"AGENTS.md", b"Be brief.\n"), TreeFile(b"a", b"old\n")]
        base = bare.commit("main", "Start", files)
        checkout = tmp_path / "checkout"
        subprocess.run(["git", "clone", "--quiet", str(bare.path), str(checkout)], check=True)
        return MirrorScene(
            mirror=GitMirror(tmp_path / "mirrors"),
            repository=RepositoryRef(url=str(bare.path), name="origin"),
            patch=bare.diff(base, bare.tree_with(base, [TreeFile(b"a", b"new\n")])),
            checkout=checkout,
        )
