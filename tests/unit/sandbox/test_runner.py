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
from pullwright.sandbox.bootstrap import RUNNER_ARGV, RUNNER_MODULES
from pullwright.sandbox.local_provider import local_runner
from pullwright.sandbox.runner.main import may_end_all
from pullwright.sandbox.runner_client import RunnerClient

pytestmark = pytest.mark.anyio
SOURCES = sorted(Path(runner.__file__).parent.glob("*.py"))


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
        async with RunnerClient.open(stream, workspace=str(workspace), home=str(workspace)) as client:
            yield client
        await process.stdin.aclose()


def test_it_is_for_old_pythons_and_imports_only_the_standard_library_and_itself() -> None:
    sent: set[str] = set()
    for name in RUNNER_MODULES:
        source = (SOURCES[0].parent / f"{name}.py").read_text()
        tree = ast.parse(source, feature_version=(3, 8))
        modules = [name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names]
        modules += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        ours = {module for module in modules if module.startswith("pullwright.")}
        assert ours <= sent
        assert {module.split(".")[0] for module in {*modules} - ours} <= sys.stdlib_module_names
        sent.add(f"pullwright.sandbox.runner.{name}")
    assert {path.stem for path in SOURCES} == {*RUNNER_MODULES, "__init__"}


def test_it_never_ends_all_processes_of_a_developers_machine() -> None:
    # This very process has a parent that it can see, so whatever the host says is refused.
    assert not may_end_all({"end_all": True})
    assert not may_end_all({})


async def test_every_command_starts_from_the_same_environment(client: RunnerClient) -> None:
    result = await client.exec("env", timeout=20)
    names = dict(line.split("=", 1) for line in result.stdout.text.splitlines())
    assert (names["CI"], names["TERM"], names["PAGER"], names["GIT_TERMINAL_PROMPT"]) == ("1", "dumb", "cat", "0")
    assert not [name for name in names if name.startswith(("AGENT", "PYTEST", "GITHUB"))]


async def test_variables_are_added_to_every_command_and_service(tmp_path: Path) -> None:
    async with local_runner(tmp_path, tmp_path, variables={"TERM": "vt100", "EXTRA": "a b"}) as client:
        assert (await client.exec("echo $TERM $EXTRA", timeout=20)).stdout.text == "vt100 a b\n"
        await client.start_service("s", "echo $TERM $EXTRA $PULLWRIGHT_SERVICE")
        with anyio.fail_after(20):
            while (state := await client.read_service("s")).running:
                continue
        assert state.log.text == "vt100 a b s\n"


async def test_the_kernel_takes_a_command_before_the_runner(client: RunnerClient) -> None:
    result = await client.exec("cat /proc/self/oom_score_adj /proc/$PPID/oom_score_adj", timeout=20)
    assert result.stdout.text.split()[0] == "500"
    assert result.stdout.text.split()[1] != "500"


async def test_a_ping_is_answered_while_a_command_runs(client: RunnerClient, tmp_path: Path) -> None:
    (tmp_path / "wait").touch()
    async with anyio.create_task_group() as group:
        group.start_soon(partial(client.exec, "while [ -e wait ]; do sleep 0.01; done", timeout=60))
        with anyio.fail_after(20):
            free = await client.ping()
        assert free.bytes > 0
        assert free.inodes >= 0
        (tmp_path / "wait").unlink()


async def test_a_large_file_comes_whole_while_nobody_else_waits(client: RunnerClient, tmp_path: Path) -> None:
    content = bytes(range(256)) * 40_000
    (tmp_path / "large").write_bytes(content)
    assert await client.read_file("large", limit=1 << 24) == content
    assert await client.read_file("large", offset=5, limit=1_000_000) == content[5:1_000_005]


async def test_what_only_looks_like_a_service_is_killed_with_its_command(client: RunnerClient) -> None:
    await client.start_service("web", "sleep 6.61")
    script = "(PULLWRIGHT_SERVICE=other setsid sleep 6.62 &); (env -i setsid sleep 6.63 &); true"
    await client.exec(script, timeout=20)
    found = await client.exec("pgrep -fa '^slee[p] 6.6'", timeout=20)
    assert found.stdout.text.split()[1:] == ["sleep", "6.61"]


async def test_a_daemon_without_its_environment_is_still_its_services(client: RunnerClient) -> None:
    # Its session was seen while its parent lived; its parent and its environment are gone.
    await client.exec("mkfifo fifo", timeout=20)
    await client.start_service("web", "env -i setsid sh -c 'sleep 6.71 & read line < fifo'; sleep 6.71")
    await client.exec("until pgrep -f '^slee[p] 6.71'; do sleep 0.01; done", timeout=20)
    await client.exec("echo > fifo; until [ $(pgrep -fc '^slee[p] 6.71') = 2 ]; do sleep 0.01; done", timeout=20)
    assert (await client.exec("pgrep -fc '^slee[p] 6.71'", timeout=20)).stdout.text == "2\n"
    await client.stop_service("web")
    assert (await client.exec("pgrep -fc '^slee[p] 6.71'", timeout=20)).stdout.text == "0\n"


async def test_a_service_that_prints_a_lot_blocks_nobody(client: RunnerClient) -> None:
    await client.start_service("loud", "yes")
    for _ in range(3):
        assert (await client.exec("echo fine", timeout=20)).stdout.text == "fine\n"
    with anyio.fail_after(20):
        while not (await client.read_service("loud")).log.dropped:
            continue
    assert not (await client.stop_service("loud")).running


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
