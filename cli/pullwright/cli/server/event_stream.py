"""A journal as server-sent events: no gap and no double over any number of reconnects."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Final

import anyio
from anyio import move_on_after

from pullwright.agents.errors import StoreUnavailable
from pullwright.cli.server.feed import Feed

STILL_HERE_SECONDS: Final = 15.0
"""How long a stream may be silent; proxies cut off what is silent for longer."""

AGAIN_SECONDS: Final = 1.0
"""How long a store that did not answer is left alone."""


async def event_stream(
    feed: Feed, *, after: int, closing: anyio.Event, silence: float = STILL_HERE_SECONDS
) -> AsyncGenerator[bytes]:
    """Yield the entries after number ``after`` as they are written, until the task has ended or the server closes.

    Each has its number as its id, which is what a browser sends back as ``Last-Event-ID`` when it connects again.
    A store that does not answer for a while makes the stream silent and does not end it.
    """
    said = anyio.current_time()
    while not closing.is_set():
        over = feed.over  # asked first: what was written before the end is read after it
        for entry in await _now(feed, after):
            after += 1
            said = anyio.current_time()
            yield entry
        if over:
            return
        await _more(feed, after, closing, said + silence - anyio.current_time())
        if anyio.current_time() >= said + silence:
            said = anyio.current_time()
            yield b": still here\n\n"


async def _now(feed: Feed, after: int) -> list[bytes]:
    try:
        return list(await feed.after(after))
    except StoreUnavailable:
        return []


async def _more(feed: Feed, after: int, closing: anyio.Event, seconds: float) -> None:
    """Wait until there may be more, or the server closes, or it takes too long."""
    with move_on_after(seconds):
        async with anyio.create_task_group() as group:

            async def until_closing() -> None:
                await closing.wait()
                group.cancel_scope.cancel()

            group.start_soon(until_closing)
            try:
                await feed.more(after)
            except StoreUnavailable:
                await anyio.sleep(AGAIN_SECONDS)
            group.cancel_scope.cancel()
