"""A task that starts with another one's files, on a host that has none of them."""

from __future__ import annotations

import anyio
import pytest

from pullwright.agents.errors import BlobMissing
from pullwright.agents.task import TaskStatus
from pullwright.agents.testing.fake_mirror import FakeMirror
from pullwright.agents.worker.restore import kept_patch
from tests.unit.agents.pipeline_scene import LOOK, WRITE, MakeScene, finish
from tests.unit.agents.test_recovery import FILES, scene

__all__ = ["scene"]

pytestmark = pytest.mark.anyio


async def test_a_fork_that_is_tried_again_finds_its_files_with_the_task_before_the_last(scene: MakeScene) -> None:
    stage = scene([WRITE, finish(), LOOK, finish("make"), LOOK, finish("make")])
    first = await stage.run()
    start = {"start": stage.mirror.kept[first.id][1].sha, "start_base": stage.provider.workspaces[0].base.sha}
    fork = await stage.run(**start, parent_id=first.id)
    stage.mirror = FakeMirror(dict(FILES))
    again = await stage.run(**start, parent_id=fork.id)
    assert again.status is TaskStatus.SUCCEEDED
    assert "new" in stage.model.requests[-1].messages[-1].content


async def test_the_patch_of_a_run_is_in_the_store(scene: MakeScene) -> None:
    stage = scene([WRITE, finish()])
    task = await stage.run()
    saved = await anyio.Path(task.patch_path).read_bytes()
    assert await kept_patch(stage.store, task.id) == saved
    with pytest.raises(BlobMissing):
        await kept_patch(stage.store, "another")
