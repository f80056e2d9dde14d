"""The API over tasks: file, look at, follow, tell, answer, cancel."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import anyio
from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from pullwright.agents.clock import in_utc
from pullwright.agents.errors import TaskNotFound
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.engine import Engine
from pullwright.agents.ports.store import SignalKind
from pullwright.agents.task import TaskSpec
from pullwright.cli.kept import read_patch
from pullwright.cli.render import task_data
from pullwright.cli.server.event_stream import event_stream
from pullwright.cli.server.feed import Feeds

Text = Annotated[str, Field(min_length=1, max_length=100_000)]
Command = Annotated[str, Field(min_length=1, max_length=4096)]
Key = Annotated[str, Field(max_length=200)]
Moment = Annotated[AwareDatetime, Field(strict=False), AfterValidator(in_utc)]


class Filing(BaseModel):
    """What a client asks for: what a person could type, but nothing that names a place on the worker's host."""

    model_config = ConfigDict(extra="forbid", strict=True)

    instruction: Text
    repository: Annotated[str, Field(min_length=1, max_length=2000)]
    """Its URL on its code host, over HTTPS; credentials in it are dropped."""
    base: Annotated[str, Field(max_length=250)] = ""
    checks: Annotated[list[Command], Field(max_length=20)] = []
    """Shell commands, which run in the sandbox and nowhere else."""
    pull_request: bool = True
    plan: bool = False
    may_ask: bool = True
    priority: Annotated[int, Field(ge=-1000, le=1000)] = 0
    not_before: Moment | None = None
    max_steps: Annotated[int | None, Field(ge=1, le=100_000)] = None
    max_minutes: Annotated[float | None, Field(gt=0, le=100_000)] = None
    max_tokens: Annotated[int | None, Field(ge=1, le=1_000_000_000_000)] = None
    max_fresh_tokens: Annotated[int | None, Field(ge=1, le=1_000_000_000_000)] = None
    max_cost: Annotated[float | None, Field(gt=0, le=1_000_000)] = None
    """Dollars."""


class Words(BaseModel):
    """Something that is told to a run."""

    model_config = ConfigDict(extra="forbid", strict=True)

    text: Text
    author: Annotated[str, Field(max_length=200)] = ""
    key: Key = ""
    """Names these words: sent twice, they count once."""


class Reason(BaseModel):
    """Why a task is to end."""

    model_config = ConfigDict(extra="forbid", strict=True)

    reason: Annotated[str, Field(max_length=1000)] = ""


NO_REASON = Reason()

Specify = Callable[[Filing], Awaitable[TaskSpec]]
"""Makes the specification of what a client asks for."""


def task_routes(store: DurableStore, engine: Engine, specify: Specify, closing: anyio.Event) -> APIRouter:
    """Return the routes below ``/api/tasks``."""
    routes, feeds = APIRouter(prefix="/api/tasks"), Feeds(store)

    @routes.post("", status_code=201)
    async def file(filing: Filing) -> dict[str, Any]:
        return task_data(await engine.submit(await specify(filing)))

    @routes.get("")
    async def newest(limit: Annotated[int, Query(ge=1, le=1000)] = 50) -> list[dict[str, Any]]:
        return [task_data(task) for task in await store.list(limit=limit)]

    @routes.get("/{task_id}")
    async def one(task_id: str) -> dict[str, Any]:
        return task_data(await store.get(task_id))

    @routes.get("/{task_id}/events")
    async def events(
        task_id: str,
        after: Annotated[int, Query(ge=0)] = 0,
        last_event_id: Annotated[int | None, Header(ge=0)] = None,
    ) -> Response:
        task = await store.get(task_id)
        seen = after if last_event_id is None else last_event_id
        if task.status.terminal and not await store.journal(task.id, after=seen):
            return Response(status_code=204)  # tells an EventSource not to come back
        stream = event_stream(feeds.of(task.id), after=seen, closing=closing)
        return StreamingResponse(stream, media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    @routes.get("/{task_id}/patch")
    async def patch(task_id: str) -> Response:
        task = await store.get(task_id)
        if not task.patch_path:
            raise TaskNotFound(f"task {task.id!r} has no patch; it is {task.status.value}")
        return Response(await read_patch(store, task), media_type="text/x-diff")

    _add_steering(routes, store, engine)
    return routes


def _add_steering(routes: APIRouter, store: DurableStore, engine: Engine) -> None:
    async def tell(task_id: str, kind: SignalKind, words: Words) -> dict[str, Any]:
        task = await store.get(task_id)
        return task_data(await engine.wake(task.id, kind, words.text, author=words.author, key=words.key))

    @routes.post("/{task_id}/messages")
    async def message(task_id: str, words: Words) -> dict[str, Any]:
        return await tell(task_id, SignalKind.MESSAGE, words)

    @routes.post("/{task_id}/answer")
    async def answer(task_id: str, words: Words) -> dict[str, Any]:
        return await tell(task_id, SignalKind.ANSWER, words)

    @routes.post("/{task_id}/cancel")
    async def cancel(task_id: str, reason: Reason = NO_REASON) -> dict[str, Any]:
        task = await store.get(task_id)
        return task_data(await engine.cancel(task.id, reason=reason.reason or "canceled through the API"))
