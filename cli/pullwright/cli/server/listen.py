"""Serving an application on a socket inside our own event loop and with our own handling of signals."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import anyio
import uvicorn
from anyio import CancelScope, create_task_group
from anyio.abc import TaskStatus
from fastapi import FastAPI

from pullwright.agents.errors import ConfigError

CLOSE_SECONDS: Final = 3
"""How long requests may take to end when the server closes."""


class _Server(uvicorn.Server):
    """Leaves signals to the command."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def listen(
    app: FastAPI,
    *,
    host: str,
    port: int,
    closing: anyio.Event,
    task_status: TaskStatus[int] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled; tells the port when it listens. ``closing`` is set before open requests are waited for.

    Raises:
        ConfigError: The address can not be listened on.
    """
    try:
        bound = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as exc:
        raise ConfigError(f"{host}:{port} can not be listened on ({exc.strerror}); choose another port") from exc
    with bound:
        server = _Server(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                timeout_graceful_shutdown=CLOSE_SECONDS,
            )
        )
        async with create_task_group() as group:
            group.start_soon(_serve, server, bound)
            task_status.started(int(bound.getsockname()[1]))
            try:
                await anyio.sleep_forever()
            finally:
                closing.set()
                server.should_exit = True


async def _serve(server: uvicorn.Server, bound: socket.socket) -> None:
    with CancelScope(shield=True):  # it ends by itself, when it is told to
        await server.serve(sockets=[bound])
