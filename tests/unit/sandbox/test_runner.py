"""The runner as a plain process: no container, the same frames."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from anyio.streams.stapled import StapledByteStream

from pullwright.sandbox import runner
from pullwright.sandbox.local_provider import local_runner
from pullwright.sandbox.runner_client import RUNNER_ARGV, RunnerClient

pytestmark = pytest.mark.anyio
SOURCE = Path(runner.__file__)


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[RunnerClient]:
    async with local_runner(tmp_path, tmp_path) as started:
        yield started


@asynccontextmanager
async def runner_on_path(workspace: Path, folder: Path) -> AsyncIterator[RunnerClient]:
    command = [sys.executable, *RUNNER_ARGV[1:]]
    process = await anyio.open_process(command, stderr=subprocess.DEVNULL, env={"PATH": str(folder)})
    async with process:
        assert process.stdin
        assert process.stdout
        stream = StapledByteStream(process.stdin, process.stdout)
        yield await RunnerClient.start(stream, workspace=str(workspace), home=str(workspace))
        await process.stdin.aclose()


def test_it_is_one_file_for_old_pythons_that_imports_only_the_standard_library() -> None:
    tree = ast.parse(SOURCE.read_text(), feature_version=(3, 8))
    modules = [name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names]
    modules += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert {module.split(".")[0] for module in modules} <= sys.stdlib_module_names


async def test_every_command_starts_from_the_same_environment(client: RunnerClient) -> None:
    result = await client.exec("env", timeout=20)
    names = dict(line.split("=", 1) for line in result.stdout.text.splitlines())
    assert (names["CI"], names["TERM"], names["PAGER"], names["GIT_TERMINAL_PROMPT"]) == ("1", "dumb", "cat", "0")
    assert not [name for name in names if name.startswith(("AGENT", "PYTEST", "GITHUB"))]


async def test_a_script_longer_than_an_argument_may_be(client: RunnerClient) -> None:
    result = await client.exec(f"true {'x' * 300_000}\nread line || echo no input\nexit 5", timeout=20)
    assert (result.exit_code, result.stdout.text) == (5, "no input\n")


async def test_line_numbers_are_those_of_the_command(client: RunnerClient) -> None:
    result = await client.exec("true\nnosuchprogram", timeout=20)
    assert "line 2: nosuchprogram" in result.stderr.text


async def test_a_command_with_a_nul_byte_is_a_failed_command(client: RunnerClient) -> None:
    assert (await client.exec("echo a\0b", timeout=20)).exit_code == 126
    assert (await client.exec("echo fine", timeout=20)).stdout.text == "fine\n"


async def test_a_careless_pkill_does_not_hit_the_runner(client: RunnerClient) -> None:
    result = await client.exec("cat /proc/$PPID/comm", timeout=20)
    assert result.stdout.text == "pw-runner\n"


async def test_a_writer_in_the_background_does_not_hold_the_result(client: RunnerClient) -> None:
    result = await client.exec("yes & sleep 0.05; echo done >&2", timeout=60, output_limit=1000)
    assert result.exit_code == 0
    assert result.stderr.text == "done\n"
    assert result.seconds < 20


async def test_a_shell_is_enough(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for name in ("ls", "sleep"):
        (tmp_path / "bin" / name).symlink_to(shutil.which(name) or "/bin/false")
    async with runner_on_path(tmp_path, tmp_path / "bin") as client:
        result = await client.exec("cd bin; echo $0; [[ 1 ]] 2>/dev/null || exit 3", timeout=20)
        assert result.cwd == str(tmp_path / "bin")
        assert result.stdout.text.strip() == "/bin/sh"
        assert (await client.exec("ls", timeout=20)).stdout.text.split() == ["ls", "sleep"]


async def test_the_end_of_the_stream_is_the_end_of_everything(tmp_path: Path) -> None:
    async with local_runner(tmp_path, tmp_path) as client, anyio.create_task_group() as group:
        group.start_soon(partial(client.exec, "(setsid sleep 6.54 &); echo on > started; sleep 6.54", timeout=60))
        with anyio.fail_after(20):
            while not (tmp_path / "started").exists():
                await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()
    done = await anyio.run_process(["pgrep", "-f", "slee[p] 6.54"], check=False)
    assert done.returncode == 1
