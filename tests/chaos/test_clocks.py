"""A host's clock jumps by an hour while its workers have runs in hand: nobody loses anything."""

from __future__ import annotations

import shutil
import struct
import subprocess
from functools import partial
from pathlib import Path

import pytest
from anyio import to_thread

from tests.chaos.cases import side_by_side
from tests.chaos.ground import open_ground
from tests.chaos.quiet import RUN_SECONDS, nothing_is_wrong, quiet_run, until_step
from tests.means import missing

pytestmark = [pytest.mark.docker, pytest.mark.anyio, pytest.mark.timeout(600)]

HOUR = 3600

SHIM = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

static volatile int64_t *ahead;

__attribute__((constructor)) static void begin(void) {
    int file = open(getenv("CLOCK_AHEAD"), O_RDONLY);
    ahead = mmap(0, 8, PROT_READ, MAP_SHARED, file, 0);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(clock, now);
    if (!failed && clock == CLOCK_REALTIME && ahead && ahead != MAP_FAILED) now->tv_sec += *ahead;
    return failed;
}
"""
"""Moves what a process is told of the time of day, and nothing else: timers and the database keep the true time."""


@pytest.fixture
def shim(tmp_path: Path) -> Path:
    compiler = shutil.which("cc")
    if compiler is None:
        missing("a clock that can be set needs a C compiler; apt install gcc libc6-dev")
    library = tmp_path / "clock.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), "-x", "c", "-", "-ldl"]
    subprocess.run(command, input=SHIM, text=True, check=True, capture_output=True)
    return library


async def test_an_hours_jump_and_back_takes_nothing_from_anybody(shim: Path, postgres_url: str, tmp_path: Path) -> None:
    jumps = partial(jump, shim=shim)
    await side_by_side(tmp_path, sqlite=jumps, postgresql=partial(jumps, url=postgres_url))


async def jump(folder: Path, shim: Path, url: str = "") -> None:
    """Let a host's clock jump: on SQLite both workers are processes of one host, and have one clock."""
    ahead = folder / "ahead"
    ahead.write_bytes(struct.pack("q", 0))
    async with open_ground(folder, url or f"sqlite:///{folder / 'queue.db'}") as ground:
        one, other = ground.hosts
        for host in (one,) if url else (one, other):
            host.environment = {**host.environment, "LD_PRELOAD": str(shim), "CLOCK_AHEAD": str(ahead)}
        undisturbed = await quiet_run(ground)
        await to_thread.run_sync(other.start)
        tasks = [await ground.file(f"r{number}") for number in range(4)]
        await until_step(ground, tasks[0].id, 2)
        await to_thread.run_sync(set_clock, ahead, HOUR)
        await until_step(ground, tasks[1].id, 6)
        await to_thread.run_sync(set_clock, ahead, 0)
        await ground.settled(RUN_SECONDS)
        assert one.running
        assert other.running
        for task in tasks:
            attempts = await ground.store.attempts(task.id)
            assert len(attempts) == 1, f"{attempts}\n{one.log}\n{other.log}"
        await nothing_is_wrong(ground, tasks, undisturbed)


def set_clock(file: Path, seconds: int) -> None:
    """Move the clock of who has the file in its memory; a file that is cut short, even for a moment, would kill it."""
    with file.open("r+b") as place:
        place.write(struct.pack("q", seconds))
