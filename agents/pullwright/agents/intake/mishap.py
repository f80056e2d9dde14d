"""The one place of intake where anything may go wrong without ending the rest."""

from __future__ import annotations

from collections.abc import Awaitable, Callable


async def mishap(work: Callable[[], Awaitable[None]]) -> Exception | None:
    """Do one of many independent things; return what went wrong with it, which the caller notes and logs.

    Cancellation goes through.
    """
    try:
        await work()
    except Exception as exc:  # noqa: BLE001 - a bug in one delivery or report must not end the others
        return exc
    return None
