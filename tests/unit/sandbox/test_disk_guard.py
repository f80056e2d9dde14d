from __future__ import annotations

from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from pullwright.agents.errors import SandboxGone
from pullwright.agents.ports.sandbox import OUTPUT_LIMIT, Base, ExecResult, Output, ServiceState
from pullwright.agents.testing.fake_clock import FakeClock
from pullwright.sandbox.checkpointer import Checkpointer
from pullwright.sandbox.disk_guard import RESERVE_BYTES, DiskGuard, DiskLimit
from pullwright.sandbox.guarded_sandbox import GuardedSandbox
from pullwright.sandbox.runner_client import FreeSpace

pytestmark = pytest.mark.anyio

MIB = 1 << 20


class Disk:
    """A disk with one sandbox on it, and others that come and go."""

    def __init__(self, free: int) -> None:
        self.start = free
        self.used = 0
        self.others = 0
        self.measured = 0

    async def free(self) -> FreeSpace:
        await anyio.lowlevel.checkpoint()
        return FreeSpace(bytes=self.start - self.used - self.others, inodes=1000)

    async def measure(self) -> int:
        await anyio.lowlevel.checkpoint()
        self.measured += 1
        return self.used

    def guard(self, megabytes: int) -> DiskGuard:
        clock = FakeClock()
        limit = DiskLimit(megabytes=megabytes)
        return DiskGuard(limit, free=self.free, measure=self.measure, sleep=clock.sleep)


async def test_nothing_is_measured_while_little_is_written() -> None:
    disk = Disk(100 * RESERVE_BYTES)
    guard = disk.guard(1000)
    await guard.begin()
    for used in (0, 100 * MIB, 200 * MIB):
        disk.used = used
        assert await guard.look() == ""
    assert disk.measured == 0


async def test_too_much_is_told_once_until_it_grows_again() -> None:
    disk = Disk(100 * RESERVE_BYTES)
    guard = disk.guard(1000)
    await guard.begin()
    disk.used = 1500 * MIB
    assert "1500 MiB of disk and may use 1000" in await guard.look()
    assert await guard.look() == "", "whoever deletes files must be able to"
    disk.used = 1800 * MIB
    assert "1800 MiB" in await guard.look()


async def test_what_others_write_is_not_held_against_a_sandbox() -> None:
    disk = Disk(100 * RESERVE_BYTES)
    guard = disk.guard(1000)
    await guard.begin()
    disk.others = 50 * RESERVE_BYTES
    assert await guard.look() == ""
    assert disk.measured == 1
    assert await guard.look() == ""
    assert disk.measured == 1, "measured only when the disk shrank again"


async def test_a_nearly_full_disk_stops_who_has_written_much() -> None:
    disk = Disk(2 * RESERVE_BYTES)
    guard = disk.guard(100_000)
    await guard.begin()
    disk.others = RESERVE_BYTES + 100 * MIB
    await guard.begin()
    disk.used = 500 * MIB
    assert "MiB left" in await guard.look()


class Hands:
    """A command that writes and then waits, or fails; services that are only remembered."""

    def __init__(self, disk: Disk, *, gone: bool = False) -> None:
        self.disk = disk
        self.gone = gone
        self.canceled = False
        self.stopped: list[str] = []

    async def exec(
        self, command: str, *, timeout: float, cwd: str | None = None, output_limit: int = OUTPUT_LIMIT
    ) -> ExecResult:
        if self.gone:
            raise SandboxGone("gone")
        if command == "true":
            return ExecResult(exit_code=0, stdout=Output(head=b"fine"))
        self.disk.used = 5000 * MIB
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            self.canceled = True
            raise
        raise AssertionError

    async def read_file(self, path: str, *, offset: int = 0, limit: int = 1 << 20) -> bytes:
        return b""

    async def write_file(self, path: str, content: bytes) -> None: ...

    async def start_service(self, name: str, command: str, *, cwd: str | None = None) -> None: ...

    async def read_service(self, name: str, *, limit: int = OUTPUT_LIMIT) -> ServiceState:
        return ServiceState(name=name, running=True)

    async def stop_service(self, name: str) -> ServiceState:
        self.stopped.append(name)
        return ServiceState(name=name, running=False)


def guarded(hands: Hands, disk: Disk) -> GuardedSandbox:
    base = Base(mirror=Path("/nowhere"), ref="main", sha="0" * 40)
    checkpointer = Checkpointer(hands, base, workspace="/w", pristine="/p", scratch="/tmp")
    return GuardedSandbox(hands, checkpointer=checkpointer, disk=disk.guard(1000))


async def test_a_command_that_fills_the_disk_is_stopped_and_the_next_one_runs() -> None:
    disk = Disk(100 * RESERVE_BYTES)
    hands = Hands(disk)
    sandbox = guarded(hands, disk)
    with anyio.fail_after(10):
        async with sandbox.watched():
            await sandbox.start_service("server", "serve")
            result = await sandbox.exec("fill", timeout=60)
            assert (result.exit_code, result.signal) == (None, 9)
            assert "was stopped: it uses 5000 MiB" in result.stderr.text
            assert "(services: server)" in result.stderr.text
            assert hands.canceled
            assert hands.stopped == ["server"]
            assert await sandbox.exec("true", timeout=5) == ExecResult(exit_code=0, stdout=Output(head=b"fine"))


async def test_a_service_that_fills_the_disk_between_commands_is_stopped_and_the_next_result_says_so() -> None:
    disk = Disk(100 * RESERVE_BYTES)
    hands = Hands(disk)
    sandbox = guarded(hands, disk)
    with anyio.fail_after(10):
        async with sandbox.watched():
            await sandbox.start_service("server", "serve")
            disk.used = 5000 * MIB
            while not hands.stopped:
                await anyio.lowlevel.checkpoint()
            result = await sandbox.exec("true", timeout=5)
    assert result.exit_code == 0
    assert result.stderr.text.endswith("delete what is not needed (services: server)\n")


async def test_a_lost_sandbox_is_told_as_it_is() -> None:
    disk = Disk(100 * RESERVE_BYTES)
    with pytest.raises(SandboxGone):
        await guarded(Hands(disk, gone=True), disk).exec("true", timeout=5)
