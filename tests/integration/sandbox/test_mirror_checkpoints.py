"""Checkpoints in a real mirror: what is left on disk, and what a sandbox could try by its patches."""

from __future__ import annotations

import zlib
from pathlib import Path

import anyio
import pytest

from pullwright.agents.change import RepositoryRef
from pullwright.agents.errors import ChangeRefused
from pullwright.agents.events import CheckpointMade
from pullwright.agents.ports.mirror import Checkpoint
from pullwright.agents.ports.sandbox import Base
from pullwright.agents.queue.memory import MemoryStore
from pullwright.agents.testing.contracts_store import a_spec
from pullwright.agents.testing.fake_clock import FakeClock
from pullwright.agents.worker.keeper import blob_name
from pullwright.agents.worker.restore import Restorer
from pullwright.integrations.testing.bare_repository import GITLINK, SYMLINK, BareRepository, TreeFile
from pullwright.sandbox.mirror import GitMirror

pytestmark = pytest.mark.anyio


class Scene:
    """A repository, its mirror, and patches for it."""

    def __init__(self, folder: Path, mirror: GitMirror, base: Base) -> None:
        self.origin = BareRepository(folder / "origin.git")
        self.mirror = mirror
        self.base = base
        self.kept = BareRepository(base.mirror)

    def patch(self, old: str, *files: TreeFile) -> tuple[str, bytes]:
        """Return the tree with these files put in, and the patch that leads there."""
        tree = self.origin.tree_with(old, files)
        return tree, self.origin.diff(old, tree)

    async def keep(self, patch: bytes, number: int, parent: Checkpoint | None, task_id: str = "t") -> Checkpoint:
        return await self.mirror.checkpoint(self.base, patch, task_id=task_id, number=number, parent=parent)

    @property
    def files(self) -> set[str]:
        return {str(path.relative_to(self.base.mirror)) for path in self.base.mirror.rglob("*") if path.is_file()}


@pytest.fixture
async def scene(tmp_path: Path) -> Scene:
    bare = BareRepository.create(tmp_path / "origin.git", default_branch="main")
    bare.commit("main", "Start", [TreeFile(b"a", b"1\n"), TreeFile(b"d/b", b"2\n"), TreeFile(b"l", b"d", SYMLINK)])
    mirror = GitMirror(tmp_path / "mirrors")
    return Scene(tmp_path, mirror, await mirror.sync(RepositoryRef(url=str(bare.path), name="origin"), "", None))


async def test_another_host_makes_the_same_commits_again_from_the_patches(scene: Scene, tmp_path: Path) -> None:
    store = MemoryStore(FakeClock())
    await store.create(a_spec())
    task = await store.claim("w")
    assert task is not None
    known: dict[int, CheckpointMade] = {}
    parent, tree = None, scene.base.sha
    for number in range(1, 4):
        tree, patch = scene.patch(tree, TreeFile(b"a", b"%d\n" % number), TreeFile(b"n/%d" % number, bytes([number])))
        await store.put(task, blob_name(number), zlib.compress(patch))
        parent = await scene.keep(patch, number, parent, task.id)
        known[number] = CheckpointMade(step=number, number=number, sha=parent.sha, tree=parent.tree, parent=number - 1)
    assert parent is not None
    other = GitMirror(tmp_path / "other")
    base = await other.sync(RepositoryRef(url=str(scene.origin.path), name="origin"), scene.base.sha, None)
    restorer = Restorer(mirror=other, blobs=store)
    patch = await restorer.patch(base, known[3], known, task_id=task.id)
    assert await other.checkpoints(base, task_id=task.id) == await scene.mirror.checkpoints(scene.base, task_id=task.id)
    assert patch == await scene.mirror.difference(scene.base, scene.base.sha, parent.sha, limit=1 << 20)


async def test_each_checkpoint_is_one_commit_on_the_base_with_the_tree_that_was_there(scene: Scene) -> None:
    parent, tree = None, scene.base.sha
    for number in range(1, 13):
        tree, patch = scene.patch(tree, TreeFile(b"a", b"%d\n" % number), TreeFile(b"n/%d" % number, bytes([number])))
        parent = await scene.keep(patch, number, parent)
        assert parent.tree == tree
    made = await scene.mirror.checkpoints(scene.base, task_id="t")
    assert [checkpoint.number for checkpoint in made] == list(range(1, 13))
    assert all(len(scene.kept.commits(scene.base.sha, one.sha)) == 1 for one in made)
    assert scene.kept.branches() == {}
    assert len([name for name in scene.files if name.startswith("pullwright-indexes/")]) == 1


async def test_whoever_takes_a_task_over_goes_on_where_it_was(scene: Scene, tmp_path: Path) -> None:
    tree, patch = scene.patch(scene.base.sha, TreeFile(b"a", b"x\n"))
    first = await scene.keep(patch, 1, None)
    index = scene.base.mirror / "pullwright-indexes" / "t"
    (index / "index").write_bytes(b"half written")
    (index / "index.lock").write_bytes(b"")
    scene.mirror = GitMirror(tmp_path / "mirrors")
    tree, patch = scene.patch(tree, TreeFile(b"a", b"y\n"))
    assert (await scene.keep(patch, 2, first)).tree == tree
    (index / tree).unlink()
    whole = scene.origin.diff(scene.base.sha, tree)
    assert (await scene.keep(whole, 3, None)).tree == tree


async def test_what_policy_would_refuse_is_kept_and_never_laid_out(scene: Scene) -> None:
    hostile = [
        TreeFile(b"out", b"/etc/passwd", SYMLINK),
        TreeFile(b"sub", b"1" * 40, GITLINK),
        TreeFile(b".gitmodules", b'[submodule "x"]\n\tpath = sub\n\turl = -u./x\n'),
        TreeFile(b".github/workflows/x.yml", b"on: push\n"),
        TreeFile(b"new\nline\xff", b""),
    ]
    lines = b"".join(b"%s %s\t%s\0" % (f.mode.encode(), _sha(scene.origin, f), f.path) for f in hostile)
    index = scene.origin.path / "scratch-index"
    scene.origin.git("read-tree", scene.base.sha, index=index)
    scene.origin.git("update-index", "-z", "--index-info", stdin=lines, index=index)
    tree = scene.origin.git("write-tree", index=index).decode().strip()
    made = await scene.keep(scene.origin.diff(scene.base.sha, tree), 1, None)
    assert made.tree == tree
    back = await scene.mirror.difference(scene.base, made.sha, scene.base.sha, limit=1 << 20)
    assert (await scene.keep(back, 2, made)).tree == scene.kept.git(
        "rev-parse", f"{scene.base.sha}^{{tree}}"
    ).decode().strip()


@pytest.mark.parametrize(
    "path", ["../x", "/tmp/x", ".git/config", ".GIT/hooks/x", "git~1/x", "l/x", "d/.git/x", "a/x", ".g\u200cit/x"]
)
async def test_paths_that_git_refuses(scene: Scene, path: str) -> None:
    patch = f"diff --git a/x b/x\nnew file mode 100644\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+x\n"
    before = scene.files
    with pytest.raises(ChangeRefused):
        await scene.keep(patch.replace("a/x b/x", f"a/{path} b/{path}").encode(), 1, None)
    assert await scene.mirror.checkpoints(scene.base, task_id="t") == ()
    assert {name for name in scene.files - before if not name.startswith(("objects/", "pullwright-"))} == set()


async def test_ids_of_any_form_stay_apart(scene: Scene) -> None:
    ids = ["t", "..", "a/b", "a%2Fb", "t.lock", "~x", "\u00e9 \n", "-x", "a b · verify"]
    _, patch = scene.patch(scene.base.sha, TreeFile(b"a", b"x\n"))
    for number, task_id in enumerate(ids, 1):
        await scene.keep(patch, number, None, task_id)
    for number, task_id in enumerate(ids, 1):
        assert [one.number for one in await scene.mirror.checkpoints(scene.base, task_id=task_id)] == [number]


async def test_forgetting_leaves_no_ref_and_no_index(scene: Scene) -> None:
    _, patch = scene.patch(scene.base.sha, TreeFile(b"a", b"x\n"))
    made = await scene.keep(patch, 1, None)
    await scene.mirror.forget(scene.base, task_id="t")
    assert scene.kept.git("for-each-ref", "refs/pullwright/checkpoints") == b""
    assert not any(name.startswith("pullwright-indexes/") for name in scene.files)
    assert (await scene.keep(b"", 2, made)).tree == made.tree


async def test_many_tasks_at_once(scene: Scene) -> None:
    trees = dict[int, str]()

    async def one(task: int) -> None:
        tree, parent = scene.base.sha, None
        for number in range(1, 4):
            tree, patch = scene.patch(tree, TreeFile(b"a", b"%d %d\n" % (task, number)))
            parent = await scene.keep(patch, number, parent, f"t{task}")
        assert parent is not None
        assert parent.tree == tree
        trees[task] = tree

    async with anyio.create_task_group() as group:
        for task in range(4):
            group.start_soon(one, task)
    assert len(set(trees.values())) == 4


def _sha(bare: BareRepository, file: TreeFile) -> bytes:
    return (
        file.content if file.mode == GITLINK else bare.git("hash-object", "-w", "--stdin", stdin=file.content).strip()
    )
