"""The ``Sandbox`` port: hands in a container, with a watch over what they use, reach and change."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Protocol

from anyio import CancelScope

from pullwright.agents.background import beside
from pullwright.agents.egress import EgressDecision
from pullwright.agents.errors import SandboxError, ServiceError
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
        disk: Says when too much is written; None where nothing can be measured.
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
        self._services: set[str] = set()
        self._command: CancelScope | None = None
        self._told = ""
        """What the next command's result must say about what was stopped, and why."""

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[GuardedSandbox]:
        """For the length of a block stop what fills the disk, commands and services alike; the next result says so."""
        if self._disk is None:
            yield self
            return
        await self._disk.begin()
        async with beside(partial(self._watch, self._disk)):
            yield self

    async def _watch(self, disk: DiskGuard) -> None:
        with suppress(SandboxError):  # what can not be measured is not watched; commands find out what is wrong
            while True:
                self._told = await disk.exceeded()
                if self._command is not None:
                    self._command.cancel()
                else:
                    await self._stop_services()

    async def exec(
        self, command: str, *, timeout: float, cwd: str | None = None, output_limit: int = OUTPUT_LIMIT
    ) -> ExecResult:
        result = ExecResult(exit_code=None, signal=9)
        with CancelScope() as self._command:
            try:
                result = await self._hands.exec(command, timeout=timeout, cwd=cwd, output_limit=output_limit)
            finally:
                self._command = None
        if self._told:
            result = replace(result, stderr=await self._telling(result.stderr))
        return replace(result, egress=self._drain())

    async def read_file(self, path: str, *, offset: int = 0, limit: int = 1 << 20) -> bytes:
        return await self._hands.read_file(path, offset=offset, limit=limit)

    async def write_file(self, path: str, content: bytes) -> None:
        await self._hands.write_file(path, content)

    async def start_service(self, name: str, command: str, *, cwd: str | None = None) -> None:
        await self._hands.start_service(name, command, cwd=cwd)
        self._services.add(name)

    async def read_service(self, name: str, *, limit: int = OUTPUT_LIMIT) -> ServiceState:
        return await self._hands.read_service(name, limit=limit)

    async def stop_service(self, name: str) -> ServiceState:
        self._services.discard(name)
        return await self._hands.stop_service(name)

    async def delta(self, *, whole: bool, limit: int) -> bytes | None:
        return await self._checkpointer.delta(whole=whole, limit=limit)

    async def _telling(self, stderr: Output) -> Output:
        await self._stop_services()
        told, self._told = f"pullwright: what was running was stopped: {self._told}\n", ""
        return Output(head=told.encode() + stderr.head, tail=stderr.tail, dropped=stderr.dropped)

    async def _stop_services(self) -> None:
        names, self._services = sorted(self._services), set()
        for name in names:
            with suppress(ServiceError):
                await self._hands.stop_service(name)
        if names:
            self._told += f" (services: {', '.join(names)})"
