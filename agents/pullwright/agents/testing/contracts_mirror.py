"""What every ``Mirror`` must do. Subclass ``MirrorContract`` and give it a ``scene`` fixture."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pullwright.agents.change import RepositoryRef
from pullwright.agents.errors import ChangeRefused, EmptyChange, NotFound, PatchTooLarge, PushRejected
from pullwright.agents.ports.mirror import Checkpoint, CommitMeta, Mirror
from pullwright.agents.ports.sandbox import Base


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorScene:
    """A mirror, and a repository on branch ``main`` whose ``AGENTS.md`` holds ``Be brief.`` and a line break."""

    mirror: Mirror
    repository: RepositoryRef
    patch: bytes
    """A change to one file of the repository, in the form that this mirror reads."""
    more: bytes
    """A change to the same file and to another one, made on top of ``patch``."""
    checkout: Path
    """A person's own checkout of the repository."""
    somebody_pushes: Callable[[str, str, bytes], str]
    """Puts a commit that gives a file (second) this content onto a branch, which it makes at ``main`` if need be."""


LIMIT = 1 << 20
META = CommitMeta(branch="agent/change-1", title="Change it", body="Because.")


class MirrorContract:
    """The contract, as tests."""

    pytestmark = pytest.mark.anyio

    async def test_an_empty_ref_is_the_default_branch(self, scene: MirrorScene) -> None:
        base = await scene.mirror.sync(scene.repository, "", None)
        named = await scene.mirror.sync(scene.repository, "main", None)
        assert base.ref == "main"
        assert base.sha == named.sha
        assert re.fullmatch(r"[0-9a-f]{40}", base.sha)

    async def test_files_of_the_base_can_be_read_up_to_a_limit(self, scene: MirrorScene) -> None:
        base = await scene.mirror.sync(scene.repository, "", None)
        assert await scene.mirror.read_file(base, "AGENTS.md", limit=100) == b"Be brief.\n"
        assert await scene.mirror.read_file(base, "AGENTS.md", limit=2) == b"Be"
        assert await scene.mirror.read_file(base, "nothing/here", limit=100) is None

    async def test_a_patch_becomes_a_commit_on_its_branch(self, scene: MirrorScene) -> None:
        base = await scene.mirror.sync(scene.repository, "", None)
        change = await scene.mirror.commit(scene.repository, base, scene.patch, META)
        assert (change.branch, change.title, change.base_sha, change.base_ref) == (
            META.branch,
            META.title,
            base.sha,
            base.ref,
        )
        assert re.fullmatch(r"[0-9a-f]{40}", change.head_sha)
        assert change.head_sha != base.sha
        assert len(change.files) == 1

    async def test_an_empty_patch_is_no_change(self, scene: MirrorScene) -> None:
        base = await scene.mirror.sync(scene.repository, "", None)
        with pytest.raises(EmptyChange):
            await scene.mirror.commit(scene.repository, base, b"", META)

    async def test_pushing_the_same_commit_twice_is_a_success(self, scene: MirrorScene) -> None:
        base = await scene.mirror.sync(scene.repository, "", None)
        change = await scene.mirror.commit(scene.repository, base, scene.patch, META)
        await scene.mirror.push(change, None)
        await scene.mirror.push(change, None)

    async def test_the_same_work_at_the_same_moment_is_the_same_commit(self, scene: MirrorScene) -> None:
        base = await scene.mirror.sync(scene.repository, "", None)
        meta = replace(META, at=datetime(2026, 11, 1, 12, tzinfo=UTC))
        first, second = [await scene.mirror.commit(scene.repository, base, scene.patch, meta) for _ in range(2)]
        assert first == second

    async def test_what_was_committed_can_be_committed_again_without_its_patch(self, scene: MirrorScene) -> None:
        base = await scene.mirror.sync(scene.repository, "", None)
        meta = replace(META, at=datetime(2026, 11, 1, 12, tzinfo=UTC))
        change = await scene.mirror.commit(scene.repository, base, scene.patch, meta)
        patch = await scene.mirror.difference(base, base.sha, change.head_sha, limit=LIMIT)
        assert await scene.mirror.commit(scene.repository, base, patch, meta) == change

    async def test_only_what_is_named_may_be_replaced_by_a_push(self, scene: MirrorScene) -> None:
        base = await scene.mirror.sync(scene.repository, "", None)
        first = await scene.mirror.commit(scene.repository, base, scene.patch, META)
        await scene.mirror.push(first, None)
        other = await scene.mirror.commit(scene.repository, base, scene.patch, replace(META, title="Another title"))
        for wrong in ("", base.sha):
            with pytest.raises(PushRejected):
                await scene.mirror.push(other, None, replaces=wrong)
        await scene.mirror.push(other, None, replaces=first.head_sha)

    async def test_a_change_can_be_delivered_to_a_checkout(self, scene: MirrorScene) -> None:
        base = await scene.mirror.sync(scene.repository, "", None)
        change = await scene.mirror.commit(scene.repository, base, scene.patch, META)
        await scene.mirror.deliver(change, scene.checkout)

    async def test_checkpoints_are_counted_and_follow_one_another(self, scene: MirrorScene) -> None:
        base, first, second = await self.two(scene)
        assert await scene.mirror.checkpoints(base, task_id="t") == (first, second)
        assert await scene.mirror.checkpoints(base, task_id="other") == ()
        assert len({first.sha, second.sha, base.sha}) == len({first.tree, second.tree}) + 1 == 3

    async def test_files_are_restored_from_a_checkpoint(self, scene: MirrorScene) -> None:
        base, first, second = await self.two(scene)
        for made in (first, second):
            patch = await scene.mirror.difference(base, base.sha, made.sha, limit=LIMIT)
            again = await scene.mirror.checkpoint(base, patch, task_id="again", number=1, parent=None)
            assert again.tree == made.tree

    async def test_the_same_files_under_the_same_number_are_the_same_commit(self, scene: MirrorScene) -> None:
        base, _, second = await self.two(scene)
        whole = await scene.mirror.difference(base, base.sha, second.sha, limit=LIMIT)
        again = await scene.mirror.checkpoint(base, whole, task_id="elsewhere", number=2, parent=None)
        assert again == second

    async def test_the_difference_leads_from_any_checkpoint_to_any_other(self, scene: MirrorScene) -> None:
        base, first, second = await self.two(scene)
        for old, new in ((first, second), (second, first)):
            patch = await scene.mirror.difference(base, old.sha, new.sha, limit=LIMIT)
            assert (await scene.mirror.checkpoint(base, patch, task_id="x", number=1, parent=old)).tree == new.tree
            assert await scene.mirror.difference(base, old.sha, old.sha, limit=LIMIT) == b""

    async def test_a_difference_can_be_of_some_files_alone(self, scene: MirrorScene) -> None:
        base, first, second = await self.two(scene)
        paths = [one.path for one in await scene.mirror.stat(base, base.sha, second.sha)]
        assert paths == ["a", "b"]
        for kept in (["a"], ["b"], paths, []):
            patch = await scene.mirror.difference(base, base.sha, second.sha, limit=LIMIT, paths=[*kept, "other"])
            made = await scene.mirror.checkpoint(base, patch, task_id="part", number=1, parent=None)
            assert [one.path for one in await scene.mirror.stat(base, base.sha, made.sha)] == kept
            assert [one.path for one in await scene.mirror.stat(base, made.sha, second.sha)] == [
                path for path in paths if path not in kept
            ]
        whole = await scene.mirror.difference(base, first.sha, second.sha, limit=LIMIT)
        assert await scene.mirror.difference(base, first.sha, second.sha, limit=LIMIT, paths=paths) == whole
        with pytest.raises(NotFound):
            await scene.mirror.difference(base, base.sha, "1" * 40, limit=LIMIT, paths=paths)
        with pytest.raises(PatchTooLarge):
            await scene.mirror.difference(base, base.sha, first.sha, limit=10, paths=paths)

    async def test_another_task_may_go_on_from_a_checkpoint(self, scene: MirrorScene) -> None:
        base, first, second = await self.two(scene)
        same = await scene.mirror.checkpoint(base, b"", task_id="fork", number=1, parent=first)
        assert same.tree == first.tree
        await scene.mirror.forget(base, task_id="t")
        gone_on = await scene.mirror.checkpoint(base, scene.more, task_id="fork", number=2, parent=same)
        assert gone_on.tree == second.tree
        assert await scene.mirror.checkpoints(base, task_id="fork") == (same, gone_on)

    async def test_a_number_that_is_used_again_names_the_new_checkpoint(self, scene: MirrorScene) -> None:
        base, first, second = await self.two(scene)
        again = await scene.mirror.checkpoint(base, b"", task_id="t", number=2, parent=first)
        assert await scene.mirror.checkpoints(base, task_id="t") == (first, again)
        assert again.tree == first.tree != second.tree

    async def test_forgotten_checkpoints_are_gone_and_may_be_forgotten_again(self, scene: MirrorScene) -> None:
        base, _, _ = await self.two(scene)
        await scene.mirror.checkpoint(base, scene.patch, task_id="tt", number=1, parent=None)
        for _ in range(2):
            await scene.mirror.forget(base, task_id="t")
            assert await scene.mirror.checkpoints(base, task_id="t") == ()
        assert len(await scene.mirror.checkpoints(base, task_id="tt")) == 1

    async def test_a_patch_that_does_not_apply_makes_no_checkpoint(self, scene: MirrorScene) -> None:
        base, _, second = await self.two(scene)
        for patch, parent in ((b"nonsense", None), (scene.more, None), (scene.patch, second)):
            with pytest.raises(ChangeRefused):
                await scene.mirror.checkpoint(base, patch, task_id="bad", number=1, parent=parent)
        assert await scene.mirror.checkpoints(base, task_id="bad") == ()
        after = await scene.mirror.checkpoint(base, b"", task_id="t", number=3, parent=second)
        assert after.tree == second.tree

    async def test_a_difference_that_can_not_be_told(self, scene: MirrorScene) -> None:
        base, first, _ = await self.two(scene)
        for unknown in ("1" * 40, "HEAD", "--output=x"):
            with pytest.raises(NotFound):
                await scene.mirror.difference(base, base.sha, unknown, limit=LIMIT)
        with pytest.raises(PatchTooLarge):
            await scene.mirror.difference(base, base.sha, first.sha, limit=10)

    async def test_a_change_is_brought_onto_a_base_that_has_moved(self, scene: MirrorScene) -> None:
        old = await scene.mirror.sync(scene.repository, "main", None)
        change = await scene.mirror.commit(scene.repository, old, scene.patch, META)
        pushed = scene.somebody_pushes("main", "c", b"c\n")
        tip = await scene.mirror.sync(scene.repository, "main", None)
        assert tip.sha == pushed != old.sha
        patch = await scene.mirror.carried(tip, old.sha, change.head_sha, limit=LIMIT)
        moved = await scene.mirror.commit(scene.repository, tip, patch, META)
        assert moved.base_sha == tip.sha
        assert [one.path for one in await scene.mirror.stat(tip, old.sha, moved.head_sha)] == ["a", "c"]
        assert await scene.mirror.carried(tip, old.sha, change.head_sha, limit=LIMIT) == patch
        with pytest.raises(PatchTooLarge):
            await scene.mirror.carried(tip, old.sha, change.head_sha, limit=10)

    async def test_what_the_base_has_already_is_left_out(self, scene: MirrorScene) -> None:
        old = await scene.mirror.sync(scene.repository, "main", None)
        change = await scene.mirror.commit(scene.repository, old, scene.patch, META)
        scene.somebody_pushes("main", "a", b"new\n")
        tip = await scene.mirror.sync(scene.repository, "main", None)
        assert await scene.mirror.carried(tip, old.sha, change.head_sha, limit=LIMIT) == b""

    async def test_a_change_that_conflicts_is_refused(self, scene: MirrorScene) -> None:
        old = await scene.mirror.sync(scene.repository, "main", None)
        change = await scene.mirror.commit(scene.repository, old, scene.patch, META)
        scene.somebody_pushes("main", "a", b"else\n")
        tip = await scene.mirror.sync(scene.repository, "main", None)
        with pytest.raises(ChangeRefused, match=r"conflicts in .*a'") as caught:
            await scene.mirror.carried(tip, old.sha, change.head_sha, limit=LIMIT)
        assert "\n" not in str(caught.value)

    async def test_branches_part_where_they_parted(self, scene: MirrorScene) -> None:
        start = await scene.mirror.sync(scene.repository, "main", None)
        head = scene.somebody_pushes("side", "b", b"\0")
        scene.somebody_pushes("main", "c", b"c\n")
        await scene.mirror.sync(scene.repository, "side", None)
        tip = await scene.mirror.sync(scene.repository, "main", None)
        assert await scene.mirror.fork_point(tip, head) == start.sha
        assert await scene.mirror.fork_point(tip, tip.sha) == tip.sha
        (binary,) = await scene.mirror.stat(tip, start.sha, head)
        assert (binary.path, binary.added, binary.removed) == ("b", None, None)
        (text,) = await scene.mirror.stat(tip, start.sha, tip.sha)
        assert (text.path, text.added, text.removed) == ("c", 1, 0)

    async def test_commits_tell_who_wrote_them(self, scene: MirrorScene) -> None:
        start = await scene.mirror.sync(scene.repository, "main", None)
        scene.somebody_pushes("side", "b", b"b\n")
        theirs = await scene.mirror.sync(scene.repository, "side", None)
        meta = replace(META, branch="side", author_email="bot@x")
        change = await scene.mirror.commit(scene.repository, theirs, scene.patch, meta)
        await scene.mirror.push(change, None, replaces=theirs.sha)
        ours = await scene.mirror.authors(theirs, theirs.sha, change.head_sha)
        both = await scene.mirror.authors(theirs, start.sha, change.head_sha)
        assert ours == {"bot@x"}
        assert len(both) == 2
        assert await scene.mirror.authors(theirs, theirs.sha, start.sha) == frozenset()

    async def test_commits_that_are_not_there_are_not_found(self, scene: MirrorScene) -> None:
        base = await scene.mirror.sync(scene.repository, "main", None)
        for work in (
            scene.mirror.carried(base, base.sha, "1" * 40, limit=LIMIT),
            scene.mirror.fork_point(base, "1" * 40),
            scene.mirror.stat(base, "1" * 40, base.sha),
            scene.mirror.authors(base, base.sha, "1" * 40),
        ):
            with pytest.raises(NotFound):
                await work

    async def test_a_branch_is_added_to_only_while_it_holds_what_the_change_was_made_on(
        self, scene: MirrorScene
    ) -> None:
        scene.somebody_pushes("side", "b", b"b\n")
        base = await scene.mirror.sync(scene.repository, "side", None)
        change = await scene.mirror.commit(scene.repository, base, scene.patch, replace(META, branch="side"))
        await scene.mirror.push(change, None, replaces=base.sha)
        await scene.mirror.push(change, None, replaces=base.sha)
        assert (await scene.mirror.sync(scene.repository, "side", None)).sha == change.head_sha
        scene.somebody_pushes("side", "c", b"c\n")
        with pytest.raises(PushRejected):
            await scene.mirror.push(change, None, replaces=base.sha)

    async def two(self, scene: MirrorScene) -> tuple[Base, Checkpoint, Checkpoint]:
        """Return the base and two checkpoints of the task ``t`` on it."""
        base = await scene.mirror.sync(scene.repository, "", None)
        first = await scene.mirror.checkpoint(base, scene.patch, task_id="t", number=1, parent=None)
        second = await scene.mirror.checkpoint(base, scene.more, task_id="t", number=2, parent=first)
        return base, first, second
