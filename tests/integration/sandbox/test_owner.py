from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pullwright.sandbox.owner import alive, is_alive, owner

pytestmark = pytest.mark.anyio


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "owners").mkdir()
    return tmp_path / "owners"


HOLDER = """
import anyio, sys
from pathlib import Path
from pullwright.sandbox.owner import alive, owner
async def hold():
    async with alive(Path(sys.argv[1])):
        print(owner(), flush=True)
        await anyio.sleep_forever()
anyio.run(hold)
"""


async def test_a_process_lives_as_long_as_it_says(folder: Path) -> None:
    assert not await is_alive(folder, owner())
    async with alive(folder):
        assert await is_alive(folder, owner())
    assert not await is_alive(folder, owner())
    assert list(folder.iterdir()) == []


async def test_a_killed_process_is_dead_at_once(folder: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: ASYNC220
        assert process.stdout
        name = process.stdout.readline().strip()
        assert await is_alive(folder, name)
        process.kill()
        process.wait()
    assert not await is_alive(folder, name)


@pytest.mark.parametrize("name", ["", "../x", "a/b", "unknown"])
async def test_what_is_no_name_of_ours_is_dead_and_makes_no_file(folder: Path, name: str) -> None:
    assert not await is_alive(folder, name)
    assert list(folder.iterdir()) == []
