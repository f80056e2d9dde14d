"""What it costs to keep the files of a run, and to bring them to another host. Real git, no container."""

from __future__ import annotations

import base64
import os
import random
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Final, cast

from anyio import to_thread

from pullwright.agents.change import RepositoryRef
from pullwright.agents.ports.sandbox import Sandbox
from pullwright.agents.queue.sql_store import SqlStore
from pullwright.agents.recorder import RunRecorder
from pullwright.agents.worker.keeper import Keeper
from pullwright.agents.worker.restore import Restorer
from pullwright.sandbox.mirror import GitMirror
from tests.benchmarks.bench import file_name
from tests.benchmarks.queue_filling import lane_name, spec_of
from tests.benchmarks.queue_places import Place, Sizes, opened
from tests.benchmarks.queue_table import Figure
from tests.integration.sandbox.repositories import git, make_checkout

CHECKPOINT_MS: Final = 100.0
RESTORE_SECONDS: Final = 2.0
FILE_BYTES: Final = 3000
CHANGED: Final = (7, 142, 318)
LONGEST: Final = 15
"""The checkpoint with this number is the end of a long chain of patches."""


class Patches:
    """The part of a sandbox that a keeper asks: it hands out patches that were made before."""

    def __init__(self, patches: list[bytes]) -> None:
        self._patches = iter(patches)

    async def delta(self, *, whole: bool, limit: int) -> bytes | None:
        del whole, limit
        return next(self._patches)


async def checkpoints(place: Place, sizes: Sizes) -> list[Figure]:
    """Keep three changed files after each step, and find them again on a host that has only the repository."""
    with tempfile.TemporaryDirectory(prefix="pullwright-bench-") as name, place.fresh() as url:
        folder = Path(name)
        checkout = await to_thread.run_sync(_repository, folder / "checkout", sizes.files)
        patches, bare = await to_thread.run_sync(_steps, checkout, sizes.checkpoints)
        async with opened(url) as store:
            filed = await store.create(spec_of(lane_name(0)))
            task = await store.claim("01benchkeeper", filed.id)
            assert task is not None
            recorder = RunRecorder(store, task)
            kept = await _keep(folder / "here", checkout, recorder, store, patches)
            restored = [
                await _restore(folder / f"there-{turn}", checkout, recorder, store) for turn in range(sizes.restores)
            ]
    files = f"{sizes.files:,} files"
    return [
        Figure(
            what=f"checkpoint of 3 changed files among {files}, host side, p50, ms",
            measured=1000 * median(kept),
            n=len(kept),
            goal=CHECKPOINT_MS,
            bare=1000 * median(bare),
            quoted="prototype 79",
        ),
        Figure(
            what=f"restore on another host, {LONGEST} patches on {files}, p50, s",
            measured=median(restored),
            n=len(restored),
            goal=RESTORE_SECONDS,
            quoted="prototype 0.78; VM snapshots 1–10 (vendors)",
        ),
    ]


async def _keep(
    mirrors: Path, checkout: Path, recorder: RunRecorder, store: SqlStore, patches: list[bytes]
) -> list[float]:
    mirror = GitMirror(mirrors)
    base = await mirror.sync(RepositoryRef(url=str(checkout), name="checkout"), "start", None)
    keeper = Keeper(mirror=mirror, blobs=store, recorder=recorder, base=base)
    sandbox = cast("Sandbox", Patches(patches))
    times = []
    for step in range(1, len(patches) + 1):
        begun = time.perf_counter()
        await keeper.keep(sandbox, step)
        times.append(time.perf_counter() - begun)
        assert recorder.state.checkpoints == step, "a checkpoint was not made"
    return times[1:]


async def _restore(mirrors: Path, checkout: Path, recorder: RunRecorder, store: SqlStore) -> float:
    mirror = GitMirror(mirrors)
    base = await mirror.sync(RepositoryRef(url=str(checkout), name="checkout"), "start", None)
    known = {made.number: made for made in recorder.folded.checkpoints}
    wanted = known[min(LONGEST, len(known))]
    restorer = Restorer(mirror=mirror, blobs=store)
    begun = time.perf_counter()
    patch = await restorer.patch(base, wanted, known, task_id=recorder.task.id)
    seconds = time.perf_counter() - begun
    assert patch
    return seconds


def _repository(checkout: Path, files: int) -> Path:
    noise = random.Random(files)
    content = {file_name(number): base64.encodebytes(noise.randbytes(FILE_BYTES)) for number in range(files)}
    make_checkout(checkout, content)
    git(checkout, "branch", "start")
    return checkout


def _steps(checkout: Path, count: int) -> tuple[list[bytes], list[float]]:
    """Change three files again and again; return the patches, and how long plain git takes to keep each, in seconds."""
    patches, times = [], []
    for turn in range(count):
        for number in CHANGED:
            with (checkout / file_name(number)).open("a") as file:
                file.write(f"changed {turn}\n")
        begun = time.perf_counter()
        git(checkout, "add", "-A")
        tree = git(checkout, "write-tree")
        commit = git(checkout, "commit-tree", tree, "-p", "HEAD", "-m", "kept")
        times.append(time.perf_counter() - begun)
        patches.append(os.fsencode(git(checkout, "diff", "--binary", "--full-index", "HEAD", commit)) + b"\n")
        git(checkout, "update-ref", "HEAD", commit)
    return patches, times[1:]
