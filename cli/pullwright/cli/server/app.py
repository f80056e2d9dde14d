"""The application that ``agent serve`` answers with; others are mounted on it."""

from __future__ import annotations

from typing import Any, Final

import anyio
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse

from pullwright.agents.errors import (
    ConfigError,
    DuplicateTask,
    IllegalTransition,
    IntegrationError,
    PullwrightError,
    StoreUnavailable,
    TaskNotFound,
)
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.engine import Engine
from pullwright.cli.server.guard import Guard
from pullwright.cli.server.tasks import Specify, task_routes

STATUS_OF: Final[tuple[tuple[type[PullwrightError], int], ...]] = (
    (TaskNotFound, 404),
    (DuplicateTask, 409),
    (IllegalTransition, 409),
    (ConfigError, 422),
    (IntegrationError, 502),
    (StoreUnavailable, 503),
)


HEALTH: Final = "/healthz"
"""Answers without a token: whether the process and its database are well, and how many workers there are."""

WEBHOOKS: Final = "/webhooks/"
"""Below it, a signature takes the place of the token."""


def make_app(
    store: DurableStore,
    engine: Engine,
    specify: Specify,
    *,
    token: str,
    closing: anyio.Event,
    more: APIRouter | None = None,
) -> FastAPI:
    """Return the application.

    Args:
        store: Where tasks are.
        engine: Who files and wakes them.
        specify: Makes specifications of what clients ask for.
        token: What clients of the API have to show.
        closing: Set when streams are to end.
        more: Routes below ``WEBHOOKS``, which guard themselves.
    """
    app = FastAPI(title="Pullwright", docs_url=None, redoc_url=None, openapi_url="/openapi.json")
    if more is not None:  # first, because routes are tried in order, and here seconds count
        app.include_router(more)
    app.include_router(task_routes(store, engine, specify, closing))
    app.add_middleware(Guard, token=token, open_paths=[HEALTH], own_gate=WEBHOOKS if more else "")
    app.add_exception_handler(PullwrightError, _refused)

    @app.get(HEALTH)
    async def health() -> dict[str, Any]:
        workers = await store.workers()  # a database that does not answer makes this a 503
        return {"status": "ok", "workers": len(workers)}

    return app


async def _refused(request: Request, error: Exception) -> JSONResponse:
    del request
    status = next((status for kind, status in STATUS_OF if isinstance(error, kind)), 500)
    return JSONResponse({"error": str(error)}, status_code=status)
