"""What is left on the engine when the process that made it is killed: nothing, within a minute."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from pullwright.agents.ports.sandbox import Base
from pullwright.sandbox.docker_engine import DockerEngine
from pullwright.sandbox.prune import prune
from tests.integration.sandbox.engine import left_behind
from tests.integration.sandbox.repositories import make_checkout, mirrored

pytestmark = [pytest.mark.anyio, pytest.mark.docker]

INSTANCE = "test-watchdog"
PROGRAM = Path(__file__).with_name("left_running.py")


@pytest.fixture
def base(tmp_path: Path) -> Base:
    make_checkout(tmp_path / "checkout", {"a": b"1\n"})
    return mirrored(tmp_path / "checkout", tmp_path / "mirror.git")


@pytest.fixture
def running(base: Base) -> Iterator[subprocess.Popen[bytes]]:
    path = os.pathsep.join(entry for entry in sys.path if entry)
    process = subprocess.Popen(
        [sys.executable, "-P", str(PROGRAM), INSTANCE, str(base.mirror), base.sha],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
    )
    yield process
    process.kill()
    process.communicate()


async def test_nothing_of_a_killed_process_stays(running: subprocess.Popen[bytes]) -> None:
    assert running.stdout is not None
    line = await to_thread.run_sync(running.stdout.readline)
    assert line == b"open\n"
    async with DockerEngine() as engine:
        try:
            before = await left_behind(engine, INSTANCE)
            assert before["containers"]
            assert before["volumes"]
            running.send_signal(signal.SIGKILL)
            with anyio.fail_after(60):
                while (left := await left_behind(engine, INSTANCE))["containers"] or left["volumes"]:  # noqa: ASYNC110
                    await anyio.sleep(0.5)
            assert len(left["base"]) == 2, "a complete base is worth keeping"
        finally:
            await prune(engine, INSTANCE)
        assert not any((await left_behind(engine, INSTANCE)).values())
