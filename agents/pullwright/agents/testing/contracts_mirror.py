"""What every ``Mirror`` must do. Subclass ``MirrorContract`` and give it a ``scene`` fixture."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from pullwright.agents.change import RepositoryRef
from pullwright.agents.errors import EmptyChange
from pullwright.agents.ports.mirror import CommitMeta, Mirror


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorScene:
    """A mirror, and a repository on branch ``main`` whose ``AGENTS.md`` holds ``Be brief.`` and a line break."""

    mirror: Mirror
    repository: RepositoryRef
    patch: bytes
    """A change to one file of the repository, in the form that this mirror reads."""
    checkout: Path
    """A person's own checkout of the repository."""


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

    async def test_a_change_can_be_delivered_to_a_checkout(self, scene: MirrorScene) -> None:
        base = await scene.mirror.sync(scene.repository, "", None)
        change = await scene.mirror.commit(scene.repository, base, scene.patch, META)
        await scene.mirror.deliver(change, scene.checkout)
