"""The one place where an event loop starts, and where Ctrl-C becomes cancellation."""

from __future__ import annotations

import gc
import signal
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import anyio
from anyio import TASK_STATUS_IGNORED, CancelScope, create_task_group, open_signal_receiver
from anyio.abc import TaskStatus

T = TypeVar("T")

CANCELED = 130
"""Exit code of a command that was interrupted."""


def run_async(function: Callable[..., Awaitable[T]], *args: Any) -> T:
    """Run a coroutine function to its end; an exception group of one becomes that one.

    Raises:
        BaseException: What the function raised.
    """
    gc.freeze()  # what was imported stays; only what the run makes is worth collecting
    gc.enable()

    async def call() -> T:
        return await function(*args)

    try:
        return anyio.run(call)
    except BaseExceptionGroup as group:
        raise _only(group) from None


def _only(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


async def interruptible(work: Callable[[], Awaitable[int]]) -> int:
    """Run ``work`` and return its exit code; Ctrl-C or SIGTERM cancel it, and then the code is 130.

    The work gets to clean up as its own shields allow; a second signal does not cut that short.
    """
    code = CANCELED
    async with create_task_group() as group:
        await group.start(_cancel_on_signal, group.cancel_scope)
        code = await work()
        group.cancel_scope.cancel()
    return code


async def drainable(work: Callable[[], Awaitable[int]], drain: Callable[[], None]) -> int:
    """Run ``work`` and return its exit code; SIGTERM calls ``drain`` first, Ctrl-C or a second SIGTERM cancel it.

    After a cancellation the code is 130.
    """
    code = CANCELED
    async with create_task_group() as group:
        await group.start(_drain_on_signal, drain, group.cancel_scope)
        code = await work()
        group.cancel_scope.cancel()
    return code


async def _drain_on_signal(
    drain: Callable[[], None], scope: CancelScope, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED
) -> None:
    with open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        drained = False
        async for number in signals:
            if number is signal.SIGTERM and not drained:
                drained = True
                drain()
            else:
                scope.cancel()


async def _cancel_on_signal(scope: CancelScope, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
    with open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        async for _ in signals:
            scope.cancel()
