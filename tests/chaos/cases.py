"""Cases of one test that run at the same time, because they mostly wait: for leases, for timeouts, for containers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from anyio import create_task_group

Case = Callable[[Path], Awaitable[None]]
"""Is given a folder of its own."""


async def side_by_side(folder: Path, **cases: Case) -> None:
    """Run every case to its end; those that fail do so with their names, and do not end the others."""
    failed: list[Exception] = []

    async def run(name: str, case: Case) -> None:
        own = folder / name
        own.mkdir()
        try:
            await case(own)
        except Exception as exc:  # noqa: BLE001 - told below, when the others are done
            exc.add_note(f"in the case {name!r}")
            failed.append(exc)

    async with create_task_group() as group:
        for name, case in cases.items():
            group.start_soon(run, name, case)
    if failed:
        raise ExceptionGroup(f"{len(failed)} of {len(cases)} cases failed", failed)
