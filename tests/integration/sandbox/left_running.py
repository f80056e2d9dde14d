"""A program that opens a sandbox, says so, and then does nothing until it is killed; see the lifecycle attacks."""

from __future__ import annotations

import sys
from pathlib import Path

import anyio

from pullwright.agents.ports.sandbox import Base
from pullwright.cli.wiring import reaper_command
from pullwright.sandbox.docker_engine import DockerEngine
from pullwright.sandbox.docker_provider import DockerProvider
from pullwright.sandbox.watchdog import watchdog


async def main(instance: str, mirror: str, sha: str) -> None:
    base = Base(mirror=Path(mirror), ref="main", sha=sha)
    async with (
        DockerEngine() as engine,
        watchdog(reaper_command(engine.url)),
        DockerProvider(engine, instance=instance).open(base, task_id="killed") as workspace,
        workspace.open_sandbox() as sandbox,
    ):
        await sandbox.exec("touch made-by-a-command", timeout=20)
        sys.stdout.write("open\n")
        sys.stdout.flush()
        await sandbox.exec("sleep 1000", timeout=1000)


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], sys.argv[2], sys.argv[3])
