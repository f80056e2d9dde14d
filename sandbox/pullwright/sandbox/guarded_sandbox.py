"""The ``Sandbox`` port: hands in a container, with a watch over what they use, reach and change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from anyio import create_task_group

from pullwright.agents.egress import EgressDecision
from pullwright.agents.errors import SandboxError
from pullwright.agents.ports.sandbox import OUTPUT_LIMIT, ExecResult, Output, ServiceState
from pullwright.sandbox.checkpointer import Checkpointer
from pullwright.sandbox.disk_guard import DiskGuard


class Hands(Protocol):
    """What acts inside a container: the runner, or one engine call per command; with the methods of ``Sandbox``."""

    async def exec(
        self, command: str, *, timeout: float, cwd: str | None = None, output_limit: int = OUTPUT_LIMIT
    ) -> ExecResult: ...

    async def read_file(self, path: str, *, offset: int = 0, limit: int = 1 << 20) -> bytes: ...

    async def write_file(self, path: str, content: bytes) -> None: ...

    async def start_service(self, name: str, command: str, *, cwd: str | None = None) -> None: ...

    async def read_service(self, name: str, *, limit: int = OUTPUT_LIMIT) -> ServiceState: ...

    async def stop_service(self, name: str) -> ServiceState: ...


class GuardedSandbox:
    """Hands under watch.

    Args:
        hands: What acts.
        checkpointer: Says what changed in the files.
        drain: Returns the egress decisions since it was last called.
        disk: Stops commands that fill the disk; None where nothing can be measured.
    """

    def __init__(
        self,
        hands: Hands,
        *,
        checkpointer: Checkpointer,
        drain: Callable[[], tuple[EgressDecision, ...]] = tuple,
        disk: DiskGuard | None = None,
    ) -> None:
        self._hands = hands
        self._checkpointer = checkpointer
        self._drain = drain
        self._disk = disk

    async def exec(
        self, command: str, *, timeout: float, cwd: str | None = None, output_limit: int = OUTPUT_LIMIT
    ) -> ExecResult:
        if self._disk is None:
            result = await self._hands.exec(command, timeout=timeout, cwd=cwd, output_limit=output_limit)
        else:
            result = await self._watched(self._disk, command, timeout, cwd, output_limit)
        return replace(result, egress=self._drain())

    async def read_file(self, path: str, *, offset: int = 0, limit: int = 1 << 20) -> bytes:
        return await self._hands.read_file(path, offset=offset, limit=limit)

    async def write_file(self, path: str, content: bytes) -> None:
        await self._hands.write_file(path, content)

    async def start_service(self, name: str, command: str, *, cwd: str | None = None) -> None:
        await self._hands.start_service(name, command, cwd=cwd)

    async def read_service(self, name: str, *, limit: int = OUTPUT_LIMIT) -> ServiceState:
        return await self._hands.read_service(name, limit=limit)

    async def stop_service(self, name: str) -> ServiceState:
        return await self._hands.stop_service(name)

    async def delta(self, *, whole: bool, limit: int) -> bytes | None:
        return await self._checkpointer.delta(whole=whole, limit=limit)

    async def _watched(
        self, disk: DiskGuard, command: str, timeout: float, cwd: str | None, output_limit: int
    ) -> ExecResult:
        """Run a command, and kill it when the disk guard says so."""
        result = ExecResult(exit_code=None)
        trouble: SandboxError | None = None
        await disk.begin()
        async with create_task_group() as group:

            async def watch() -> None:
                nonlocal result
                try:
                    reason = await disk.exceeded()
                except SandboxError:
                    return  # what can not be measured is not watched; the command itself finds out what is wrong
                said = f"pullwright: this command was stopped: {reason}\n".encode()
                result = ExecResult(exit_code=None, signal=9, stderr=Output(head=said))
                group.cancel_scope.cancel()

            group.start_soon(watch)
            try:
                result = await self._hands.exec(command, timeout=timeout, cwd=cwd, output_limit=output_limit)
            except SandboxError as exc:
                trouble = exc
            group.cancel_scope.cancel()
        if trouble is not None:  # outside of the group, which would wrap it
            raise trouble
        return result
