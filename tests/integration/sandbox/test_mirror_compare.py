"""Changes brought onto a base that has moved, as real histories have them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from pullwright.agents.change import RepositoryRef
from pullwright.agents.errors import ChangeRefused, NotFound
from pullwright.agents.ports.mirror import CommitMeta
from pullwright.agents.ports.sandbox import Base
from pullwright.integrations.testing.bare_repository import (
    EXECUTABLE,
    GITLINK,
    REGULAR,
    SYMLINK,
    BareRepository,
    TreeFile,
)
from pullwright.sandbox.mirror import GitMirror
from pullwright.sandbox.mirror_compare import path_name

pytestmark = pytest.mark.anyio

LIMIT = 1 << 20
TEN = b"".join(b"line %d\n" % number for number in range(10))


def with_line(number: int, text: bytes) -> bytes:
    return TEN.replace(b"line %d\n" % number, text + b"\n")


class Scene:
    """A repository whose branches tests move as they like, and a mirror of it."""

    def __init__(self, folder: Path) -> None:
        self.bare = BareRepository.create(folder / "origin.git", default_branch="main")
        self.start = self.bare.commit("main", "Start", [TreeFile(b"a", TEN), TreeFile(b"bin", b"\0one")])
        self.mirror = GitMirror(folder / "mirrors")
        self.repository = RepositoryRef(url=str(self.bare.path), name="origin")

    def put(self, branch: str, files: Sequence[TreeFile], *, onto: str = "") -> str:
        made = self.bare.commit_onto(onto or self.start, files, "Change", "ann")
        self.bare.git("update-ref", f"refs/heads/{branch}", made)
        return made

    async def tip(self, branch: str = "main") -> Base:
        return await self.mirror.sync(self.repository, branch, None)

    async def carried(self, change: Sequence[TreeFile], main: Sequence[TreeFile]) -> dict[str, bytes]:
        """Return the files of main with a change on top that was made on the start."""
        head = self.put("side", change)
        self.put("main", main)
        await self.tip("side")
        return await self.brought(head)

    async def brought(self, head: str, old: str = "") -> dict[str, bytes]:
        tip = await self.tip()
        patch = await self.mirror.carried(tip, old or self.start, head, limit=LIMIT)
        assert patch == await self.mirror.carried(tip, old or self.start, head, limit=LIMIT)
        meta = CommitMeta(branch="agent/x", title="x")
        made = await self.mirror.commit(self.repository, tip, patch, meta)
        files = {one.path for one in await self.mirror.stat(tip, tip.sha, made.head_sha)}
        await self.mirror.push(made, None)
        return {path: self.bare.read("refs/heads/agent/x", path.encode()) for path in files}


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


async def test_different_lines_of_a_file_are_merged(scene: Scene) -> None:
    ours, theirs = with_line(1, b"ours"), with_line(8, b"theirs")
    found = await scene.carried([TreeFile(b"a", ours)], [TreeFile(b"a", theirs)])
    assert found == {"a": with_line(1, b"ours").replace(b"line 8", b"theirs")}


async def test_a_file_that_was_renamed_on_the_base_is_followed(scene: Scene) -> None:
    head = scene.put("side", [TreeFile(b"a", with_line(1, b"ours"))])
    scene.bare.commit("main", "Rename", [TreeFile(b"new/a", TEN), TreeFile(b"bin", b"\0one")])
    await scene.tip("side")
    assert await scene.brought(head) == {"new/a": with_line(1, b"ours")}


async def test_binary_files_links_and_modes_come_along(scene: Scene) -> None:
    change = [TreeFile(b"bin", b"\0two"), TreeFile(b"to", b"a", SYMLINK), TreeFile(b"a", TEN, EXECUTABLE)]
    found = await scene.carried(change, [TreeFile(b"other", b"x")])
    assert found == {"bin": b"\0two", "to": b"a", "a": TEN}


@pytest.mark.parametrize(
    ("change", "main"),
    [
        ([TreeFile(b"a", with_line(3, b"ours"))], [TreeFile(b"a", with_line(3, b"theirs"))]),
        ([TreeFile(b"bin", b"\0two")], [TreeFile(b"bin", b"\0three")]),
        ([TreeFile(b"new", b"ours\n")], [TreeFile(b"new", b"theirs\n")]),
        ([TreeFile(b"new", b"ours\n")], [TreeFile(b"new/file", b"theirs\n")]),
        ([TreeFile(b"odd\nname", b"ours\n")], [TreeFile(b"odd\nname", b"theirs\n")]),
    ],
)
async def test_conflicts_are_refused_in_one_line(scene: Scene, change: list[TreeFile], main: list[TreeFile]) -> None:
    with pytest.raises(ChangeRefused, match="conflicts in '") as caught:
        await scene.carried(change, main)
    assert "\n" not in str(caught.value)


async def test_a_file_that_is_gone_from_the_base_conflicts(scene: Scene) -> None:
    head = scene.put("side", [TreeFile(b"a", with_line(3, b"ours"))])
    scene.bare.commit("main", "Remove", [TreeFile(b"bin", b"\0one")])
    await scene.tip("side")
    with pytest.raises(ChangeRefused, match="conflicts in 'a'"):
        await scene.brought(head)


async def test_a_base_that_was_rewritten_is_no_obstacle(scene: Scene) -> None:
    head = scene.put("side", [TreeFile(b"a", with_line(1, b"ours"))])
    scene.bare.git("update-ref", "-d", "refs/heads/main")
    scene.bare.commit("main", "Another start", [TreeFile(b"a", with_line(8, b"theirs"))])
    side = await scene.tip("side")
    assert await scene.brought(head) == {"a": with_line(1, b"ours").replace(b"line 8", b"theirs")}
    with pytest.raises(NotFound):
        await scene.mirror.fork_point(await scene.tip(), side.sha)


async def test_a_branch_that_took_its_base_in_parts_there(scene: Scene) -> None:
    scene.put("side", [TreeFile(b"a", with_line(1, b"ours"))])
    main = scene.put("main", [TreeFile(b"b", b"b")])
    head = scene.bare.merge("side", main, "Merge", "bob")
    later = scene.put("main", [TreeFile(b"c", b"c")], onto=main)
    await scene.tip("side")
    tip = await scene.tip()
    assert tip.sha == later
    assert await scene.mirror.fork_point(tip, head) == main
    assert await scene.mirror.authors(tip, main, head) == {"ann@users.noreply.localhost"}
    assert await scene.brought(head, main) == {"a": with_line(1, b"ours")}


async def parted(scene: Scene, head: str, *paths: bytes) -> dict[bytes, tuple[str, bytes]]:
    """Return modes and contents of a base that got nothing of a change but these files."""
    base = await scene.tip()
    await scene.tip("side")
    names = [path_name(path) for path in paths]
    patch = await scene.mirror.difference(base, base.sha, head, limit=LIMIT, paths=names)
    made = await scene.mirror.checkpoint(base, patch, task_id="part", number=1, parent=None)
    mirror = BareRepository(base.mirror)
    lines = mirror.git("ls-tree", "-r", "-z", made.sha).split(b"\0")
    entries = [(line.partition(b"\t")[2], line.decode("ascii", "replace").split(" ")[0]) for line in lines if line]
    return {path: (mode, b"" if mode == GITLINK else mirror.read(made.sha, path)) for path, mode in entries}


async def test_a_part_of_a_change_leaves_everything_else_as_it_is(scene: Scene) -> None:
    odd = b"tests/\xff odd\nname"
    head = scene.put(
        "side",
        [
            TreeFile(b"a", with_line(1, b"ours")),
            TreeFile(b"tests/bin", b"\0two"),
            TreeFile(odd, b"x"),
            TreeFile(b"tests/link", b"bin", SYMLINK),
            TreeFile(b"tests/run", b"#!/bin/sh\n", EXECUTABLE),
        ],
    )
    found = await parted(scene, head, b"tests/bin", odd, b"tests/link", b"tests/run")
    assert found == {
        b"a": (REGULAR, TEN),
        b"bin": (REGULAR, b"\0one"),
        b"tests/bin": (REGULAR, b"\0two"),
        odd: (REGULAR, b"x"),
        b"tests/link": (SYMLINK, b"bin"),
        b"tests/run": (EXECUTABLE, b"#!/bin/sh\n"),
    }


async def test_a_file_that_became_a_test_stays_where_it_was_too(scene: Scene) -> None:
    head = scene.bare.commit("side", "Move", [TreeFile(b"tests/a", TEN), TreeFile(b"bin", b"\0one")])
    assert set(await parted(scene, head, b"tests/a")) == {b"a", b"bin", b"tests/a"}
    assert set(await parted(scene, head, b"a")) == {b"bin"}


async def test_a_folder_may_take_the_place_of_a_file(scene: Scene) -> None:
    head = scene.bare.commit("side", "Fold", [TreeFile(b"a/tests/x", b"x"), TreeFile(b"bin", b"\0one")])
    assert set(await parted(scene, head, b"a", b"a/tests/x")) == {b"a/tests/x", b"bin"}
    assert set(await parted(scene, head, b"a/tests/x")) == {b"a/tests/x", b"bin"}


async def test_a_submodule_is_no_trouble(scene: Scene) -> None:
    head = scene.put("side", [TreeFile(b"tests/x", b"x"), TreeFile(b"tests/module", scene.start.encode(), GITLINK)])
    assert set(await parted(scene, head, b"tests/x")) == {b"a", b"bin", b"tests/x"}
    assert (await parted(scene, head, b"tests/module"))[b"tests/module"][0] == GITLINK


async def test_a_part_of_many_files_needs_no_long_command_line(scene: Scene) -> None:
    many = [b"tests/%s/%d" % (b"x" * 200, number) for number in range(5000)]
    head = scene.put("side", [TreeFile(path, b"x") for path in many])
    base = await scene.tip()
    await scene.tip("side")
    names = [path_name(path) for path in many]
    patch = await scene.mirror.difference(base, base.sha, head, limit=64 << 20, paths=names)
    assert patch.count(b"diff --git ") == len(many)
