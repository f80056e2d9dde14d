"""A lock between processes of one host: a file that is locked, and free again when its holder ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from anyio import to_thread

POLL_SECONDS = 0.02
SLOWEST_POLL = 0.5


@asynccontextmanager
async def file_lock(path: Path) -> AsyncIterator[None]:
    """Hold the lock file ``path`` for the length of a block; waiting for it can be canceled."""
    descriptor = await to_thread.run_sync(_open, path)
    try:
        pause = POLL_SECONDS
        while not _try(descriptor):
            await anyio.sleep(pause)
            pause = min(pause * 1.5, SLOWEST_POLL)
        yield
    finally:
        os.close(descriptor)


@asynccontextmanager
async def try_file_lock(path: Path) -> AsyncIterator[bool]:
    """Hold the lock file ``path`` for the length of a block if nobody else does; the value says whether it is held."""
    descriptor = await to_thread.run_sync(_open, path)
    try:
        yield _try(descriptor)
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
