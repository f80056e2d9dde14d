from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pullwright.agents.change import RepositoryRef
from pullwright.agents.testing.contracts_mirror import MirrorContract, MirrorScene
from pullwright.agents.testing.fake_mirror import FakeMirror
from pullwright.agents.testing.fake_patch import digest_of, text_of, write_patch
from pullwright.agents.testing.fake_sandbox import FakeProvider
from pullwright.integrations.testing.bare_repository import BareRepository, TreeFile
from pullwright.sandbox.mirror import GitMirror


def change(old: bytes | None, new: bytes | None) -> tuple[str | None, str | None]:
    return digest_of(text_of(old)), text_of(new)


class TestFakeMirror(MirrorContract):
    @pytest.fixture
    def scene(self, tmp_path: Path) -> MirrorScene:
        mirror = FakeMirror({"AGENTS.md": b"Be brief.\n", "a": b"old\n"})
        repository = RepositoryRef(url="https://example.test/o/r", host="example.test", owner="o", name="r")

        def somebody_pushes(branch: str, path: str, content: bytes) -> str:
            onto = mirror.tip(repository, branch if branch in mirror.remote else "main")
            return mirror.push_by_person(onto, branch, {path: content})

        return MirrorScene(
            mirror=mirror,
            repository=repository,
            patch=write_patch({"/workspace/a": change(b"old\n", b"new\n")}),
            more=write_patch({"/workspace/a": change(b"new\n", b"newer\n"), "/workspace/b": change(None, b"\0")}),
            checkout=tmp_path,
            somebody_pushes=somebody_pushes,
        )


class TestGitMirror(MirrorContract):
    @pytest.fixture
    def scene(self, tmp_path: Path) -> MirrorScene:
        bare = BareRepository.create(tmp_path / "origin.git", default_branch="main")
        files = [TreeFile(b"AGENTS.md", b"Be brief.\n"), TreeFile(b"a", b"old\n")]
        base = bare.commit("main", "Start", files)
        checkout = tmp_path / "checkout"
        subprocess.run(["git", "clone", "--quiet", str(bare.path), str(checkout)], check=True)
        new = bare.tree_with(base, [TreeFile(b"a", b"new\n")])
        newer = bare.tree_with(base, [TreeFile(b"a", b"newer\n"), TreeFile(b"b", b"\0")])

        def somebody_pushes(branch: str, path: str, content: bytes) -> str:
            onto = bare.resolve(f"refs/heads/{branch}") or bare.require("refs/heads/main")
            made = bare.commit_onto(onto, [TreeFile(path.encode(), content)], "Theirs", "ann")
            bare.git("update-ref", f"refs/heads/{branch}", made)
            return made

        return MirrorScene(
            mirror=GitMirror(tmp_path / "mirrors"),
            repository=RepositoryRef(url=str(bare.path), name="origin"),
            patch=bare.diff(base, new),
            more=bare.diff(new, newer),
            checkout=checkout,
            somebody_pushes=somebody_pushes,
        )


@pytest.mark.anyio
async def test_the_files_of_a_fake_sandbox_come_back_from_a_fake_mirror() -> None:
    files = {"a": b"1\n", "b": b"1\n"}
    mirror, provider = FakeMirror(files), FakeProvider(files)
    base = await mirror.sync(RepositoryRef(url="/r", name="r"), "", None)
    parent = None
    async with provider.open(base, task_id="t") as workspace, workspace.open_sandbox() as sandbox:
        for number, (path, content) in enumerate([("a", b"2\n"), ("new", b"x"), ("a", b"3\n")], 1):
            await sandbox.write_file(path, content)
            patch = await sandbox.delta(whole=number == 1, limit=1 << 20)
            assert patch is not None
            parent = await mirror.checkpoint(base, patch, task_id="t", number=number, parent=parent)
    assert parent is not None
    async with provider.open(base, task_id="again") as workspace:
        await workspace.apply(await mirror.difference(base, base.sha, parent.sha, limit=1 << 20))
        async with workspace.open_sandbox() as sandbox:
            assert [await sandbox.read_file(path) for path in ("a", "b", "new")] == [b"3\n", b"1\n", b"x"]
