"""Another process of the benchmark of the queue: it prints one line of words at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

ROOT: Final = Path(__file__).parents[2]
START_SECONDS: Final = 60.0
LINE_BYTES: Final = 1 << 16


class Peer:
    """A process that was started by ``peer``."""

    def __init__(self, process: Process) -> None:
        assert process.stdout is not None
        self.pid = process.pid
        self._process = process
        self._lines = BufferedByteReceiveStream(process.stdout)

    async def line(self, seconds: float = START_SECONDS) -> list[str]:
        """Return the words of the next line.

        Raises:
            TimeoutError: There was none for so long.
        """
        with anyio.fail_after(seconds):
            return (await self._lines.receive_until(b"\n", LINE_BYTES)).decode().split()

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def end(self) -> None:
        """Kill it."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._process.aclose()


async def start(role: str, *arguments: str) -> Peer:
    """Start a process in a role of ``queue_peer``; it does not say yet that it is ready."""
    command = [sys.executable, "-m", "tests.benchmarks.queue_peer", role, *arguments]
    return Peer(
        await anyio.open_process(command, cwd=ROOT, env=dict(os.environ), stderr=None, stdin=subprocess.DEVNULL)
    )


@asynccontextmanager
async def peer(role: str, *arguments: str) -> AsyncIterator[Peer]:
    """Start a process in a role of ``queue_peer``, wait until it is ready, and kill it in the end."""
    started = await start(role, *arguments)
    try:
        await ready(started)
        yield started
    finally:
        with anyio.CancelScope(shield=True):
            await started.end()


async def ready(started: Peer) -> None:
    """Wait until a process has begun."""
    assert await started.line() == ["ready"]
