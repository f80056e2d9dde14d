"""Cleans up after this process when it is killed: containers and volumes of a dead owner go within seconds.

A killed process can not clean up, so another one waits for its end: a pipe that only this process holds the other end
of tells it, at the cost of one sleeping process. It is a leftover's only reader of the engine; while all is well it
has not even loaded the engine's client.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from anyio import CancelScope, to_thread

GOODBYE = b"."
"""Written when the owner ends by itself; without it, the end of the pipe means that the owner was killed."""

_WAIT = """
import os, sys
if not os.read(0, 1):
    os.execv(sys.argv[1], sys.argv[1:])
"""


@asynccontextmanager
async def watchdog(command: Sequence[str]) -> AsyncIterator[None]:
    """Have a command run should this process be killed inside the block.

    Args:
        command: What removes the things of this ``owner`` from the engine: a program's full path and its arguments.
    """
    process = await to_thread.run_sync(_start, command)
    try:
        yield
    finally:
        with CancelScope(shield=True):
            await to_thread.run_sync(_dismiss, process)


def _start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    # With this process's path, so that it finds the same code, but none of its keys; in its own session, so that Ctrl-C
    # does not reach it.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AGENT_")}
    environment = {**kept, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.Popen(
        [sys.executable, "-S", "-P", "-c", _WAIT, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
        env=environment,
    )


def _dismiss(process: subprocess.Popen[bytes]) -> None:
    process.communicate(GOODBYE)
