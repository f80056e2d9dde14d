"""Who makes things on the engine: every process has a name of its own, so that what it leaves can be told apart."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

import anyio

from pullwright.agents.file_lock import file_lock, try_file_lock


@cache
def owner() -> str:
    """Return the name of this process on everything it makes on an engine."""
    return secrets.token_hex(8)


@asynccontextmanager
async def alive(folder: Path) -> AsyncIterator[None]:
    """Show the other processes of this installation that this one lives, for the length of a block.

    A locked file says so; the kernel lets go of it when the process ends, however it ends.
    """
    file = _life_line(folder, owner())
    async with file_lock(file):
        try:
            yield
        finally:
            await anyio.Path(file).unlink(missing_ok=True)


async def is_alive(folder: Path, name: str) -> bool:
    """Say whether the process with this name lives."""
    file = _life_line(folder, name)
    if not name.isalnum() or not await anyio.Path(file).exists():
        return False
    async with try_file_lock(file) as free:
        return not free


def _life_line(folder: Path, name: str) -> Path:
    return folder / f"{name}.lock"
