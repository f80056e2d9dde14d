"""Checkpoints are made, and restored on a host that has nothing but the store."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from pullwright.agents.change import RepositoryRef
from pullwright.agents.errors import BlobMissing, ChangeError
from pullwright.agents.events import CheckpointMade
from pullwright.agents.ports.sandbox import Base
from pullwright.agents.queue.memory import MemoryStore
from pullwright.agents.recorder import RunRecorder
from pullwright.agents.testing.contracts_store import a_spec
from pullwright.agents.testing.fake_clock import FakeClock
from pullwright.agents.testing.fake_mirror import FakeMirror
from pullwright.agents.testing.fake_sandbox import FakeSandbox, no_commands
from pullwright.agents.worker.keeper import LONGEST_CHAIN, SMALL_CHAIN, Keeper, blob_name
from pullwright.agents.worker.restore import UNUSABLE, Restorer

pytestmark = pytest.mark.anyio

REPOSITORY = RepositoryRef(url="https://example.test/o/r.git", host="example.test", owner="o", name="r")
FILES = {"a": b"old\n"}
PRISTINE = {"/workspace/a": b"old\n"}


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@dataclass(kw_only=True)
class Stage:
    """A run on one host, and the store that all hosts share."""

    store: MemoryStore = field(default_factory=lambda: MemoryStore(FakeClock()))
    mirror: FakeMirror = field(default_factory=lambda: FakeMirror(dict(FILES)))

    async def begin(self) -> tuple[Keeper, FakeSandbox]:
        await self.store.create(a_spec(images=()))
        task = await self.store.claim("w")
        assert task is not None
        self.recorder = await RunRecorder.resume(self.store, task)
        self.base = await self.mirror.sync(REPOSITORY, "", None)
        return self.keeper(), self.sandbox()

    def keeper(self) -> Keeper:
        return Keeper(mirror=self.mirror, blobs=self.store, recorder=self.recorder, base=self.base)

    def sandbox(self) -> FakeSandbox:
        return FakeSandbox(dict(PRISTINE), no_commands, PRISTINE)

    @property
    def made(self) -> Sequence[CheckpointMade]:
        return self.recorder.folded.checkpoints

    async def restored(self, made: CheckpointMade, mirror: FakeMirror | None = None) -> bytes:
        """Return a checkpoint's patch as another host restores it."""
        mirror = mirror or FakeMirror(dict(FILES))
        restorer = Restorer(mirror=mirror, blobs=self.store)
        known = {one.number: one for one in self.made}
        return await restorer.patch(self.base, made, known, task_id=self.recorder.task.id)

    async def here(self, made: CheckpointMade) -> bytes:
        return await self.mirror.difference(self.base, self.base.sha, made.sha, limit=1 << 20)

    def spoil(self, number: int, content: bytes | None) -> None:
        key = (self.recorder.task.id, blob_name(number))
        if content is None:
            del self.store._blobs[key]
        else:
            self.store._blobs[key] = content


async def test_another_host_restores_every_checkpoint_from_the_store_alone() -> None:
    stage = Stage()
    keeper, sandbox = await stage.begin()
    for step in range(1, 2 * LONGEST_CHAIN + 3):
        sandbox.files[f"/workspace/{step % 3}"] = f"{step}".encode()
        await keeper.keep(sandbox, step)
    assert [made.number for made in stage.made] == list(range(1, 2 * LONGEST_CHAIN + 3))
    whole = [made.number for made in stage.made if made.parent == 0]
    assert whole == [1, LONGEST_CHAIN, 2 * LONGEST_CHAIN - 1], "no chain gets longer"
    for made in stage.made:
        assert await stage.restored(made) == await stage.here(made)


async def test_a_step_that_changed_nothing_is_kept_under_the_number_before() -> None:
    stage = Stage()
    keeper, sandbox = await stage.begin()
    await keeper.keep(sandbox, 1)
    sandbox.files["/workspace/a"] = b"new\n"
    await keeper.keep(sandbox, 2)
    await keeper.keep(sandbox, 3)
    assert [(made.step, made.number, made.parent) for made in stage.made] == [(1, 1, 0), (2, 2, 1), (3, 2, 1)]
    assert stage.made[0].tree != stage.made[1].tree


async def test_a_new_sandbox_counts_from_the_base() -> None:
    stage = Stage()
    keeper, sandbox = await stage.begin()
    sandbox.files["/workspace/a"] = b"new\n"
    await keeper.keep(sandbox, 1)
    other = stage.sandbox()
    other.files.update(sandbox.files, **{"/workspace/b": b"more\n"})
    await keeper.keep(other, 2)
    assert [made.parent for made in stage.made] == [0, 0]
    stage.spoil(1, None)
    assert await stage.restored(stage.made[1]) == await stage.here(stage.made[1])


async def test_large_patches_bring_a_whole_one_sooner() -> None:
    stage = Stage()
    keeper, sandbox = await stage.begin()
    for step in range(1, 5):
        sandbox.files["/workspace/a"] = bytes([step]) * SMALL_CHAIN
        await keeper.keep(sandbox, step)
    assert [made.parent for made in stage.made].count(0) > 1
    for made in stage.made:
        assert await stage.restored(made) == await stage.here(made)


async def test_this_hosts_own_checkpoint_is_used_when_it_is_the_right_one() -> None:
    stage = Stage()
    keeper, sandbox = await stage.begin()
    for step, content in enumerate((b"1", b"2"), start=1):
        sandbox.files["/workspace/a"] = content
        await keeper.keep(sandbox, step)
    stage.spoil(1, None)
    stage.spoil(2, None)
    assert await stage.restored(stage.made[1], stage.mirror) == await stage.here(stage.made[1])


async def test_a_checkpoint_of_that_number_with_other_files_is_made_again() -> None:
    stage = Stage()
    keeper, sandbox = await stage.begin()
    sandbox.files["/workspace/a"] = b"new\n"
    await keeper.keep(sandbox, 1)
    stale = FakeMirror(dict(FILES))
    await stale.checkpoint(stage.base, b"", task_id=stage.recorder.task.id, number=1, parent=None)
    assert await stage.restored(stage.made[0], stale) == await stage.here(stage.made[0])


@pytest.mark.parametrize(
    "content", [None, b"", b"nonsense", zlib.compress(b"nonsense"), zlib.compress(b"")[:-1], zlib.compress(b"")]
)
async def test_a_damaged_or_missing_patch_is_told(content: bytes | None) -> None:
    stage = Stage()
    keeper, sandbox = await stage.begin()
    for step, text in enumerate((b"1", b"2"), start=1):
        sandbox.files["/workspace/a"] = text
        await keeper.keep(sandbox, step)
    stage.spoil(2, content)
    with pytest.raises(UNUSABLE) as caught:
        await stage.restored(stage.made[1])
    assert isinstance(caught.value, (BlobMissing, ChangeError))
    assert await stage.restored(stage.made[0]) == await stage.here(stage.made[0])


async def test_a_chain_that_leads_nowhere_or_in_circles_is_told() -> None:
    stage = Stage()
    await stage.begin()
    base = Base(mirror=stage.base.mirror, ref="main", sha=stage.base.sha)
    for parent in (1, 2, 3):
        made = CheckpointMade(step=1, number=2, sha="0" * 40, tree="0" * 40, parent=parent)
        restorer = Restorer(mirror=FakeMirror(dict(FILES)), blobs=stage.store)
        with pytest.raises(BlobMissing):
            await restorer.restore(base, made, {2: made}, task_id="t")
