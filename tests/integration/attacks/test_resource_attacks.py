"""Everything that can be used up: the limit holds, the sandbox lives on, and the host does not notice."""

from __future__ import annotations

import resource
from collections.abc import AsyncIterator
from time import monotonic

import anyio
import pytest

from pullwright.agents.errors import ChangeError, ServiceError
from pullwright.agents.ports.sandbox import Base, Sandbox, Workspace
from pullwright.sandbox.container_spec import LABEL_TASK, ContainerLimits
from pullwright.sandbox.docker_engine import DockerEngine
from pullwright.sandbox.docker_provider import DockerProvider
from tests.integration.attacks.inside import said
from tests.integration.sandbox.engine import docker_provider

pytestmark = [pytest.mark.anyio, pytest.mark.docker]

MIB = 1 << 20
INODES = """
import itertools
for number in itertools.count():
    open(f'/tmp/bomb/{number}', 'w').close()
"""
MANY = """
import os
for folder in range(200):
    os.makedirs(f'many/{folder}')
    for number in range(1000):
        os.close(os.open(f'many/{folder}/{number}', os.O_CREAT))
"""
SURVIVORS = {
    "in the background": "sleep 6.1 &",
    "in a session of its own": "setsid sleep 6.1 &",
    "after a double fork": "(setsid sh -c '(exec sleep 6.1 &)' &)",
    "with its signals ignored": "(trap '' TERM HUP INT; exec sleep 6.1) &",
    "stopped": "sleep 6.1 & kill -STOP $!",
    "under another name": "(exec -a kworker/0:1 sleep 6.1) &",
    "with no streams": "setsid sleep 6.1 <&- >&- 2>&- &",
    "respawning itself": "(setsid bash -c 'r() { trap r EXIT; sleep 6.1; }; r' &)",
}


async def processes(sandbox: Sandbox) -> int:
    """Return how many processes are there: the two that keep the container, the runner, and the shell that counts."""
    return int(await said(sandbox, "set -- /proc/[0-9]*; echo $#"))


@pytest.mark.parametrize(
    "bomb", ["b() { b | b & }; b; sleep 60", 'b() { setsid bash -c "$(declare -f b); b" & b; }; b']
)
async def test_a_fork_bomb_ends_at_its_time_limit(shared: Sandbox, bomb: str) -> None:
    """A shared machine without a limit on processes."""
    before = await processes(shared)
    started = monotonic()
    result = await shared.exec(bomb, timeout=2)
    assert result.exit_code != 0
    assert monotonic() - started < 15
    assert await processes(shared) == before


async def test_a_memory_bomb_is_killed_and_nothing_else(shared: Sandbox) -> None:
    """The kernel killing something else than the offender: the runner, or a service of the host."""
    result = await shared.exec("python3 -c 'x = bytearray(900 << 20)'", timeout=60)
    assert result.exit_code == 137
    assert "Killed" in result.stderr.text
    assert await said(shared, "echo alive") == "alive"


async def test_many_small_memory_bombs_leave_the_runner_alive(shared: Sandbox) -> None:
    """The same, spread over processes so that none of them is the largest."""
    script = "for i in $(seq 40); do python3 -c 'x = bytearray(40 << 20); import time; time.sleep(30)' & done; wait"
    await shared.exec(script, timeout=5)
    assert await said(shared, "echo alive") == "alive"


@pytest.mark.parametrize("place", ["/tmp", "~", "/dev/shm"])
async def test_a_memory_file_system_is_full_at_its_size(shared: Sandbox, place: str) -> None:
    """Scratch space that eats the host's memory."""
    told = await said(shared, f"head -c 40M /dev/zero > {place}/1; head -c 40M /dev/zero > {place}/2; rm {place}/[12]")
    assert "No space left" in told


async def test_an_inode_bomb_in_memory_stops_at_its_limit(shared: Sandbox) -> None:
    """Empty files cost no space, but kernel memory."""
    await shared.write_file("/tmp/bomb.py", INODES.encode())
    told = await said(shared, "mkdir /tmp/bomb; python3 /tmp/bomb.py 2>&1 | tail -n 1; rm -rf /tmp/bomb", timeout=60)
    assert "No space left" in told
    assert await said(shared, "echo alive") == "alive"


@pytest.mark.parametrize("command", ["head -c 70M /dev/zero > huge", "truncate -s 10G huge", "fallocate -l 1G huge"])
async def test_a_huge_file_is_cut_off(shared: Sandbox, command: str) -> None:
    """One file that fills the disk."""
    result = await shared.exec(command, timeout=60)
    assert result.exit_code != 0
    assert int(await said(shared, "stat -c %s huge 2>/dev/null || echo 0; rm -f huge")) <= 64 * MIB


async def test_no_core_is_dumped(shared: Sandbox) -> None:
    """Core files written where the host's pattern says, by the host's kernel."""
    result = await shared.exec("ulimit -c unlimited 2>/dev/null; ulimit -c; kill -SEGV $$", timeout=20)
    assert (result.signal, result.stdout.text) == (11, "0\n")
    assert await said(shared, "find / -xdev -name 'core*' -type f -newer /proc/1 2>/dev/null") == ""


async def test_a_flood_of_output_is_cut_and_costs_the_host_no_memory(shared: Sandbox) -> None:
    """A log that fills the orchestrator's memory."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = await shared.exec("head -c 1G /dev/zero & head -c 1G /dev/zero >&2; wait", timeout=60, output_limit=10_000)
    assert result.exit_code == 0
    for stream in (result.stdout, result.stderr):
        kept = len(stream.head) + len(stream.tail)
        assert kept <= 10_000
        assert kept + stream.dropped == 1 << 30
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 * 1024


async def test_a_flood_on_the_first_process_leaves_no_log_on_the_host(sandbox: Sandbox, task: str) -> None:
    """The engine's own log: 30 MB became 98 MB on the host's disk."""
    await sandbox.exec("timeout 3 head -c 30M /dev/zero > /proc/1/fd/1", timeout=30)
    async with DockerEngine() as engine:
        label = {"label": f"{LABEL_TASK}={task}"}
        (found,) = await engine.call("list containers", lambda client: client.containers(filters=label))
        info = await engine.call("inspect", lambda client: client.inspect_container(found["Id"]))
    assert (info["HostConfig"]["LogConfig"]["Type"], info["LogPath"]) == ("none", "")


async def test_no_zombie_stays(shared: Sandbox) -> None:
    """Thousands of ended children of parents that never ask for them."""
    script = "import os, time\nfor _ in range(90):\n    os.fork() or os._exit(0)\ntime.sleep(60)"
    await shared.write_file("/tmp/zombies.py", script.encode())
    await shared.exec("for i in $(seq 500); do (true &); done; exec python3 /tmp/zombies.py", timeout=3)
    assert await said(shared, "grep -l '^State:.Z' /proc/[0-9]*/status") == ""


@pytest.mark.parametrize("size", [100_000, 3 * MIB, 30 * MIB], ids=["100 KB", "3 MB", "30 MB"])
async def test_a_very_long_command_line_runs_or_is_refused(shared: Sandbox, size: int) -> None:
    """A command that is longer than an argument, or a frame, may be."""
    told = await said(shared, f"x='{'y' * size}'; echo ${{#x}}")
    assert told == str(size) if size < MIB else "write it to a file first" in told
    assert await said(shared, "echo alive") == "alive"


async def test_a_flood_of_services_ends_at_eight(sandbox: Sandbox) -> None:
    """Processes that are meant to outlive their command, without end."""
    with pytest.raises(ServiceError, match="8"):
        for number in range(50):
            await sandbox.start_service(f"s{number}", "yes | head -c 10M; sleep 60")
    assert await said(sandbox, "echo alive") == "alive"


@pytest.mark.parametrize("ended", ["at its end", "at its time limit"])
@pytest.mark.parametrize("how", SURVIVORS)
async def test_no_process_outlives_its_command(shared: Sandbox, how: str, ended: str) -> None:
    """Plain exec leaves whatever left the session: miners, reverse shells, locks on files."""
    last, limit = (("true", 20.0), ("sleep 6.1", 0.3))[ended == "at its time limit"]
    await shared.exec(f"{SURVIVORS[how]} {last}", timeout=limit)
    assert await said(shared, "pgrep -f '6[.]1'") == ""


async def test_two_hundred_thousand_files_are_taken_out_or_refused(workspace: Workspace) -> None:
    """A change made to keep whoever reads it busy."""
    async with workspace.open_sandbox() as sandbox:
        await sandbox.write_file("/tmp/many.py", MANY.encode())
        assert (await sandbox.exec("python3 /tmp/many.py", timeout=60)).exit_code == 0
    with anyio.fail_after(90), pytest.raises(ChangeError):
        await workspace.extract(limit=MIB)


@pytest.fixture(scope="module")
async def roomy(base: Base) -> AsyncIterator[DockerProvider]:
    """A provider that lets a single file be larger than all files together may be."""
    limits = ContainerLimits(memory_mib=512, pids=128, tmp_mib=64, file_mib=20_000, disk_mib=128)
    async with docker_provider(limits=limits) as opened:
        yield opened


async def test_a_sparse_file_of_ten_gigabytes_is_refused(roomy: DockerProvider, base: Base) -> None:
    """A file that costs its writer nothing and each of its readers ten gigabytes."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with roomy.open(base, task_id="sparse") as workspace:
        async with workspace.open_sandbox() as sandbox:
            assert (await sandbox.exec("truncate -s 10G sparse", timeout=20)).exit_code == 0
        with anyio.fail_after(30), pytest.raises(ChangeError):
            await workspace.extract(limit=MIB)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 * 1024


FILL = "for i in $(seq 100); do head -c 20M /dev/urandom > fill-$i; done; sleep 20"


async def test_filling_the_disk_is_stopped_told_and_can_be_undone(roomy: DockerProvider, base: Base) -> None:
    """One run that takes the disk from the engine, and with it from all others."""
    async with roomy.open(base, task_id="fill") as workspace, workspace.open_sandbox() as sandbox:
        result = await sandbox.exec(FILL, timeout=60)
        assert (result.exit_code, result.timed_out) == (None, False)
        assert result.seconds < 20
        assert "may use 128" in result.stderr.text
        assert "delete" in result.stderr.text
        assert await said(sandbox, "rm fill-*; echo alive") == "alive"


async def test_a_service_that_fills_the_disk_is_stopped(roomy: DockerProvider, base: Base) -> None:
    """The same by what no command is waited for."""
    fill = "for i in $(seq 60); do head -c 20M /dev/urandom > fill-$i; sleep 0.1; done; sleep 100"
    async with roomy.open(base, task_id="fill") as workspace, workspace.open_sandbox() as sandbox:
        await sandbox.start_service("filler", fill)
        result = await sandbox.exec("sleep 10", timeout=60)
        assert "(services: filler)" in result.stderr.text
        with pytest.raises(ServiceError):
            await sandbox.read_service("filler")
        assert int(await said(sandbox, "du -sm . | cut -f1")) < 1000
