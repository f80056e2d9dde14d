"""A journal as server-sent events: no gap and no double over any number of reconnects."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Final

import anyio
from anyio import move_on_after

from pullwright.agents.ports.store import TaskStore
from pullwright.cli.render import entry_data

STILL_HERE_SECONDS: Final = 15.0
"""How long a stream may be silent; proxies cut off what is silent for longer."""


async def event_stream(store: TaskStore, task_id: str, *, after: int, closing: anyio.Event) -> AsyncIterator[bytes]:
    """Yield the entries after number ``after`` as they are written, until the task has ended or the server closes.

    Each has its number as its id, which is what a browser sends back as ``Last-Event-ID`` when it connects again (the
    format is the one of the HTML standard, "Server-sent events").
    """
    while not closing.is_set():
        ended = (await store.status(task_id)).terminal
        entries = await store.journal(task_id, after=after)
        for entry in entries:
            after = entry.seq
            data = json.dumps(entry_data(entry), ensure_ascii=False)
            yield f"id: {entry.seq}\nevent: {entry.event.type}\ndata: {data}\n\n".encode()
        if ended:
            return
        if not entries and not await _more(store, task_id, after, closing):
            yield b": still here\n\n"


async def _more(store: TaskStore, task_id: str, after: int, closing: anyio.Event) -> bool:
    """Wait until there may be more, or the server closes; False when it took too long."""
    with move_on_after(STILL_HERE_SECONDS) as waited:
        async with anyio.create_task_group() as group:

            async def until_closing() -> None:
                await closing.wait()
                group.cancel_scope.cancel()

            group.start_soon(until_closing)
            await store.wait(task_id, after=after)
            group.cancel_scope.cancel()
    return not waited.cancelled_caught
